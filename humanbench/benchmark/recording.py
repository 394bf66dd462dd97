"""The record of a finished cell, and the note of a failed one."""
import math
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import humanbench
from humanbench.errors import UserError

from .plan import PlannedCell
from .results import RECORD_VERSION, record_digest
from .workers import Answer

_RESULT_FIELDS = ('metrics', 'trainable_parameters', 'total_parameters', 'weights_hash', 'input_size', 'num_steps',
                  'train_seconds', 'test_seconds', 'config_hash', 'split_hash')


def fault(planned: PlannedCell, result: Mapping[str, Any]) -> str:
    """What is wrong with a cell function's result, or an empty text."""
    missing = [x for x in _RESULT_FIELDS if x not in result]
    if missing:
        return f"the cell function's result lacks {', '.join(missing)}"
    metric = planned.recipe.metric
    if metric not in result['metrics']:
        given = ', '.join(result['metrics'])
        return f"the evaluator gave no '{metric}', which ranks {planned.recipe.dataset}; it gave {given}"
    if _weights_now(planned) not in (None, planned.key['weights_hash']):
        return (f"'{planned.cell.weights.spec}' was changed after the plan was made: nobody knows which of the two "
                'this cell started from. Run the same command again')
    bad = [name for name, value in result['metrics'].items() if not math.isfinite(value)]
    return f'{metric} is not a finite number: the training diverged or nothing was evaluated' if metric in bad else ''


def _weights_now(planned: PlannedCell) -> str | None:
    """Hash of the weights as they are now; None where they are gone, as they may be once they were read."""
    try:
        return replace(planned.cell.weights).hash
    except UserError:
        return None


def make_record(planned: PlannedCell, answer: Answer, revision: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a finished cell, with a digest that tells whether it was changed later."""
    cell, recipe, result = planned.cell, planned.recipe, dict(answer.result)
    seconds = answer.seconds + result.pop('earlier_seconds', 0.0)  # also of attempts that were interrupted
    metrics = {name: float(x) for name, x in result.pop('metrics').items() if math.isfinite(x)}
    record = dict(record_version=RECORD_VERSION,
                  dataset=cell.dataset,
                  task=recipe.task,
                  group=recipe.group,
                  protocol=cell.protocol,
                  weights=cell.weights.name,
                  weights_spec=cell.weights.spec,
                  weights_per_seed=cell.weights.per_seed,
                  backbone=planned.backbone,
                  seed=cell.seed,
                  flavor=cell.flavor,
                  metric=recipe.metric,
                  higher_is_better=recipe.higher_is_better,
                  value=metrics[recipe.metric],
                  metrics=metrics,
                  key=dict(planned.key),
                  overrides=dict(planned.overrides) if planned.overrides else None,
                  seconds=round(seconds, 2),
                  date=_now())
    record |= dict(revision) | result | dict(answer.machine or {}) | dict(input_size=list(result['input_size']))
    return record | dict(digest=record_digest(record))


def git_revision() -> dict[str, Any]:
    """Commit of the checkout this package runs from, and whether it was changed since; None outside a checkout."""
    root = Path(humanbench.__file__).resolve().parent.parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(['git', '-C', str(root), *arguments], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    top = git('rev-parse', '--show-toplevel')
    if top is None or Path(top) != root:  # installed, perhaps below somebody else's repository
        return dict(git_hash=None, git_dirty=None)
    return dict(git_hash=git('rev-parse', 'HEAD'), git_dirty=bool(git('status', '--porcelain', '--untracked-files=no')))


def make_failure(planned: PlannedCell, answer: Answer, error: str, attempts: int, log: Path) -> dict[str, Any]:
    """The note of a cell that has failed ``attempts`` times."""
    cell = planned.cell
    return dict(dataset=cell.dataset, protocol=cell.protocol, weights=cell.weights.name, seed=cell.seed,
                flavor=cell.flavor, key=dict(planned.key), attempts=attempts, error=error, trace=answer.trace,
                log=str(log), date=_now())


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec='seconds')
