"""What a pretraining's own test says, as records that compare like those of cells."""
from collections.abc import Iterable
from pathlib import Path

from humanbench.errors import unknown_name

from ..files import read_json
from ..metrics import metric_info
from ..results import Record
from .study import OWN


def own_records(files: Iterable[Path], metric: str) -> list[Record]:
    """One metric of every pretraining whose test has it.

    Where a recipe has several evaluations, the first is the row that is called like the pretraining, any other
    ``NAME, EVALUATION``.

    Args:
        files: ``pretraining.json`` of pretrainings that were tested.
        metric: key of it.

    Raises:
        UserError: none of them has this metric.
    """
    made = [(file, read_json(file)) for file in files]
    found = [(file, values, number, evaluation, tests[metric]) for file, values in made
             for number, (evaluation, tests) in enumerate(values['tests'].items()) if metric in tests]
    if made and not found:
        known = {key for _, values in made for tests in values['tests'].values() for key in tests}
        raise unknown_name("metric of the pretrainings' own tests", metric, known)
    # of one config and one edition of MiniHuman: what usually has to be checked is the same by construction
    same = dict.fromkeys(('metric_version', 'protocol_version', 'config_hash', 'weights_hash'), '')
    return [Record(file, next(iter(values['tests'])), 'pretext', 'in', OWN,
                   f"{values['name']}, {evaluation}" if number else values['name'], values['seed'], None, metric,
                   metric_info(metric).higher_is_better, float(value), (), same,
                   values | dict(split_hash={}, backbone='', weights_per_seed=True))
            for file, values, number, evaluation, value in found]
