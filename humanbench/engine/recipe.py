"""What makes a run this run, and the refusal to continue another one."""
import re
from collections.abc import Mapping
from typing import Any

from .. import weights
from ..errors import CheckpointError


def describe(runner) -> dict:
    """What makes a run this run: plain values only."""
    plan = runner.train_loop.plan
    sources = {
        source.name: dict(task=source.task, size=source.size, batch_size=source.batch_size, slots=source.slots,
                          weight=float(source.weight), identity_balanced=source.atomic)
        for source in plan.sources.values()}
    config = _plain(runner.cfg.plain())
    for name, source in config['sources'].items():  # where a dataset lies is no part of the recipe
        sources[name]['dataset'] = {key: value for key, value in source['dataset'].items() if key != 'root'}
    config['model'].pop('owned', None)  # nor is what of the model this process holds
    return dict(seed=plan.seed, max_steps=runner.max_iters, precision=runner.train_loop.precision, sources=sources,
                model=config['model'], optim_wrapper=config['optim_wrapper'],
                param_scheduler=config.get('param_scheduler'), protocol=config.get('protocol'))


def describe_checkpoint(runner, step: int) -> dict[str, Any]:
    """What a checkpoint or shared file says of itself, equal on all ranks: plain values.

    Args:
        runner: of the run.
        step: how many steps have been taken.
    """
    loop, recipe = runner.train_loop, describe(runner)
    heads, projectors = recipe['model']['heads'], recipe['model'].get('projectors')
    meta = weights.about(loop.model) | dict(iter=step, seed=recipe['seed'], recipe=recipe)
    # also of the parts that other ranks hold
    meta['heads'] = {source: _class_name(config) for source, config in heads.items()}
    meta['projectors'] = {route: _class_name(projectors[route]) if route in (projectors or ()) else 'IdentityProjector'
                          for route in loop.model.routes.values()}
    meta['evaluations'] = _evaluations(runner)
    return meta


def _evaluations(runner) -> dict[str, dict]:
    """How the heads are tested, for those who use them: source and dataset (with its pipeline) of each evaluation.

    Beside the recipe, not in it: another test makes no other run.
    """
    found = {}
    for name, evaluation in _plain(runner.cfg.plain()).get('evaluations', {}).items():
        dataset = {key: value for key, value in evaluation['dataset'].items() if key != 'root'}
        found[name] = dict(source=evaluation['source'], dataset=dataset)
    return found


def _class_name(config: Mapping) -> str:
    return config['type'].rpartition('.')[2]


def _plain(value: Any) -> Any:
    """The same nest in values that a checkpoint may hold; anything else (a NumPy number, a function) as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or type(value) in (bool, int, float, str):
        return value
    return re.sub(r' at 0x[0-9a-f]+', '', str(value))  # an address is another one in the next process


def recipe_differences(saved: dict, current: dict, prefix: str = '') -> list[str]:
    """What differs between two recipes, one line each, as ``path: saved -> current``."""
    lines = []
    for key in sorted(saved.keys() | current.keys()):
        before, now, path = saved.get(key, 'absent'), current.get(key, 'absent'), f'{prefix}{key}'
        if isinstance(before, dict) and isinstance(now, dict):
            lines += recipe_differences(before, now, f'{path}.')
        elif before != now:
            lines.append(f'{path}: {_short(before)} -> {_short(now)}')
    return lines


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def check_same_recipe(saved: dict | None, current: dict, where: str) -> None:
    """Refuse to resume a run with another recipe: it would be neither the old run nor a new one."""
    if saved is None:
        raise CheckpointError(f"'{where}' was not written by this training engine and cannot be resumed. To start a "
                              'new run from its weights, give them as `weights` instead.')
    differences = recipe_differences(saved, current)
    if differences:
        listed = '\n  '.join(differences[:20])
        raise CheckpointError(
            f"'{where}' was written by another recipe (saved -> now):\n  {listed}\nResume with the recipe that wrote "
            'it, or start a new run from its weights (`weights`).')
