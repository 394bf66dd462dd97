"""Keeps with every checkpoint which recipe wrote it."""
import re
from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import find_latest_checkpoint

from ...registry import HOOKS
from ..checkpoint import check_same_recipe


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


def _plain(value: Any) -> Any:
    """The same nest in values that a checkpoint may hold; anything else (a NumPy number, a function) as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or type(value) in (bool, int, float, str):
        return value
    return re.sub(r' at 0x[0-9a-f]+', '', str(value))  # an address is another one in the next process


@HOOKS.register_module()
class RecipeHook(Hook):
    """Writes the recipe into every checkpoint, and on resume refuses a checkpoint of another recipe.

    Smoothing windows of the log are left out: they are objects, and a checkpoint holds plain values and tensors alone,
    so that it can be read without running code.
    """
    priority = 'VERY_HIGH'

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        checkpoint['meta']['recipe'] = describe(runner)
        checkpoint['message_hub'] = dict(log_scalars={}, runtime_info={}, resumed_keys={})

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        if runner._resume:
            where = runner._load_from or find_latest_checkpoint(runner.work_dir)
            check_same_recipe(checkpoint.get('meta', {}).get('recipe'), describe(runner), str(where))
