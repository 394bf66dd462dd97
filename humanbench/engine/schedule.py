"""Learning-rate schedules written as shares of the run, so that a recipe of another length needs one number changed."""
from collections.abc import Sequence

from mmengine.config import ConfigDict

from ..errors import UserError, unknown_name

POLICIES = ('constant', 'step', 'cosine', 'poly')


def param_schedulers(max_steps: int, policy: str = 'constant', warmup: float = 0.0,
                     milestones: Sequence[float] = (0.75, 0.9), factors: Sequence[float] | float = 0.1,
                     end_factor: float = 0.0, start_factor: float = 1e-4,
                     decay_factor: float = 1.0, power: float = 0.9) -> list[ConfigDict]:
    """MMEngine schedulers of a run.

    Args:
        max_steps: length of the run.
        policy: ``'constant'``, ``'step'``, ``'cosine'`` or ``'poly'``.
        warmup: steps of linear warm-up; below 1, the share of the run.
        milestones: of ``'step'``, as shares of the run.
        factors: of ``'step'``: what the rate is multiplied by at each milestone.
        end_factor: of ``'cosine'``: where the rate ends, as a share of its peak.
        start_factor: where the warm-up begins, as a share of the peak; above zero.
        power: of ``'poly'``: the rate follows this power of the share of the run that is left.
        decay_factor: what weight decay has been multiplied by at the end, along half a cosine (DINO: 10).
    """
    if policy not in POLICIES:
        raise unknown_name('schedule policy', policy, POLICIES)
    steps = round(warmup * max_steps) if warmup < 1 else int(warmup)
    if steps >= max_steps > 1:
        raise UserError(f'The schedule warms up for {steps} steps, but the run has only {max_steps}.')
    steps = 0 if steps == 1 else steps  # MMEngine's linear rate would never leave its first value
    schedulers = []
    if steps:
        schedulers.append(ConfigDict(type='LinearLR', start_factor=start_factor, begin=0, end=steps, by_epoch=False))
    if policy == 'cosine':
        schedulers.append(ConfigDict(
            type='CosineAnnealingLR', T_max=max_steps - steps, eta_min_ratio=end_factor, begin=steps, end=max_steps,
            by_epoch=False))
    if policy == 'poly':
        end = max_steps + 1  # MMEngine's last step before the end has no rate left
        schedulers.append(ConfigDict(type='PolyLR', power=power, begin=steps, end=end, by_epoch=False))
    if policy == 'step':
        factors = [factors] * len(milestones) if isinstance(factors, float) else list(factors)
        if len(factors) != len(milestones):
            raise UserError(f'The schedule has {len(milestones)} milestones and {len(factors)} factors; give one for '
                            'each.')
        schedulers += [
            ConfigDict(type='MultiStepLR', milestones=[round(share * max_steps)], gamma=factor, by_epoch=False)
            for share, factor in zip(milestones, factors)]
    if decay_factor != 1:
        schedulers.append(ConfigDict(
            type='CosineAnnealingParamScheduler', param_name='weight_decay', T_max=max_steps, begin=0, end=max_steps,
            eta_min_ratio=decay_factor, by_epoch=False))
    return schedulers
