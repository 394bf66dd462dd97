"""The benchmark: (dataset x protocol x weights x seed) cells planned, run, kept as records and laid side by side.

==================  ==================================================================================================
module              content
==================  ==================================================================================================
``plan``            :class:`Cell`, :class:`Weights`, and what becomes of each cell: cached, to run, missing, meaningless
``run``             :func:`run_cells`: one JSON record per finished cell; ``scheduler`` hands cells to ``workers``,
                    ``claims`` keeps runs in one folder apart, ``together`` starts several processes for a cell
``slurm``, ``disk``  the run as a job array; the bytes that a plan will take
``results``         :func:`load_records`, :func:`summarise`: mean and spread over seeds of what compares
``validate``        :func:`check_folder`: everything that is wrong with a folder of records
``report``          :func:`write_report`: the ``leaderboard`` as Markdown, CSV, JSON and a static page
``commands``        what ``tools/benchmark.py`` does
==================  ==================================================================================================

Nothing is imported here: a worker process starts from ``workers`` alone and should not wait for the rest.
"""
