"""What was left out of a run: units, steps and samples; counted, reported, and too many of them stop it.

Everything here is decided by what all ranks know alike, so all of them stop at the same step with the same message.
"""
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from mmengine.logging import print_log

from ..errors import DataError
from .mixture import Replaced
from .plan import Plan

FEW_SAMPLES = 10  # so many unreadable samples of a source never stop a run


class Incidents:
    """Counts what could not be used, since the run began.

    Args:
        plan: of the run.
        sample_quota: largest share of a source's samples that may be unreadable.
        step_limit: so many steps in a row with something that is not finite stop the run.
    """

    def __init__(self, plan: Plan, sample_quota: float, step_limit: int):
        self.plan, self.sample_quota, self.step_limit = plan, sample_quota, step_limit
        self.replaced: Counter[str] = Counter()
        self.bad_units: Counter[str] = Counter()
        self.bad_steps = self.steps_left_out = self._steps = 0

    def totals(self) -> dict[str, int]:
        """How many units, steps and samples were left out."""
        return dict(units=self.bad_units.total(), steps=self.steps_left_out, samples=self.replaced.total())

    def state(self) -> dict[str, Any]:
        """All counts as plain values, for a checkpoint; equal on all ranks."""
        return dict(replaced=dict(self.replaced), bad_units=dict(self.bad_units), bad_steps=self.bad_steps,
                    steps_left_out=self.steps_left_out, steps=self._steps)

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on counting from what :meth:`state` gave."""
        self.replaced, self.bad_units = Counter(state['replaced']), Counter(state['bad_units'])
        self.bad_steps, self.steps_left_out, self._steps = (
            state[name] for name in ('bad_steps', 'steps_left_out', 'steps'))

    def samples(self, entries: Iterable[Replaced]) -> None:
        """Report samples that could not be read and were replaced.

        Args:
            entries: of this step, of all ranks.

        Raises:
            DataError: more than the quota of a source.
        """
        for entry in entries:
            self.replaced[entry.source] += 1
            count = self.replaced[entry.source]
            print_log(f'Replaced sample {entry.index} of {entry.source} ({count} so far): {entry.error}', 'current', 30)
            source = self.plan.sources[entry.source]
            seen = (self._steps + 1) * source.slots * source.batch_size
            if count > max(FEW_SAMPLES, self.sample_quota * seen):
                raise DataError(
                    f"{count} of {seen} samples of source '{entry.source}' cannot be read, the "
                    f'last: {entry.error} Repair the dataset, or raise train_cfg.bad_sample_quota.')

    def step(self, step: int, units: Mapping[str, float], finite: bool) -> None:
        """Report how a step went.

        Args:
            step: its number.
            units: by source, how many units had a loss that is not finite.
            finite: whether the gradient is, and the step counts.

        Raises:
            FloatingPointError: the last of too many such steps in a row.
        """
        self._steps += 1
        bad = {source: int(count) for source, count in units.items() if count}
        if finite and not bad:
            self.bad_steps = 0
            return
        self.bad_steps += 1
        self.bad_units.update(bad)
        if bad:
            named = ', '.join(f'{count} of {source}' for source, count in bad.items())
            print_log(f'Step {step}: units whose loss is not finite are left out: {named}.', 'current', 30)
        if not finite:
            self.steps_left_out += 1
            print_log(f'Step {step}: the gradient is not finite; the step is left out.', 'current', 30)
        if self.bad_steps >= self.step_limit:
            raise FloatingPointError(
                f'Step {step}: {self.bad_steps} steps in a row with a loss or gradient that is not finite (loss of: '
                f"{', '.join(bad) or 'none'}). Lower the learning rate, clip the gradient (optim_wrapper.clip_norm), "
                'or look at the data of these sources.')
