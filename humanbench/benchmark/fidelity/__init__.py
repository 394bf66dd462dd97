"""Do the claims of the method hold in direction? Small pretrainings that differ in one thing, measured alike.

==============  ======================================================================================================
module          content
==============  ======================================================================================================
``study``       what a study is made of: :class:`Study`, :class:`Variant`, :class:`Row`, :class:`Claim`
``studies``     :data:`STUDIES`: PATH, HAP, SOLIDER, HCMoCo
``experiment``  :class:`Experiment`: variants pretrained with every seed, their benchmark cells and their own tests
``findings``    what the records say of each claim
``document``    the findings as Markdown
``curves``      results over numbers of labels, drawn
``dial``        what SOLIDER's dial does to features
``own``         what a pretraining's own test says, as records
==============  ======================================================================================================
"""
