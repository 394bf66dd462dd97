"""Do the claims of the method hold in direction? Small pretrainings that differ in one thing, measured alike.

==============  ======================================================================================================
module          content
==============  ======================================================================================================
``experiment``  :class:`Experiment`: variants of a recipe, pretrained with every seed, and their benchmark cells
``findings``    :data:`CLAIMS`, and what the records say of each
``document``    the findings as Markdown
==============  ======================================================================================================
"""
