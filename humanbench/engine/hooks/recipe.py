"""Keeps with every checkpoint which recipe wrote it."""
from mmengine.hooks import Hook

from ...registry import HOOKS
from ..checkpoint import check_same_recipe


def describe(runner) -> dict:
    """What makes a run this run: plain values only."""
    plan = runner.train_loop.plan
    sources = {
        source.name: dict(task=source.task, size=source.size, batch_size=source.batch_size, slots=source.slots,
                          weight=float(source.weight), identity_balanced=source.atomic)
        for source in plan.sources.values()}
    shapes = {name: str(tuple(parameter.shape)) for name, parameter in runner.model.named_parameters()}
    optimizer = type(runner.optim_wrapper.optimizer).__name__
    return dict(seed=plan.seed, max_steps=runner.max_iters, precision=runner.train_loop.precision, sources=sources,
                optimizer=optimizer, parameters=shapes)


@HOOKS.register_module()
class RecipeHook(Hook):
    """Writes the recipe into every checkpoint, and on resume refuses a checkpoint of another recipe.

    Smoothing windows of the log are left out: they are objects, and a checkpoint holds plain values and tensors alone, so
    that it can be read without running code.
    """
    priority = 'VERY_HIGH'

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        checkpoint['meta']['recipe'] = describe(runner)
        checkpoint['message_hub'] = dict(log_scalars={}, runtime_info={}, resumed_keys={})

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        if runner._resume:
            check_same_recipe(checkpoint.get('meta', {}).get('recipe'), describe(runner), str(runner._load_from))
