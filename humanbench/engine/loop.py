"""One training step on one page.

    batches = the units of this step              (DataLoader over the plan: data, augmentation and seeds are keyed)
    for each unit:  model.set_unit -> losses -> backward   (gradients add up; weights act on the shared part only)
    optimiser step
"""
import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator

import torch
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop
from torch import Tensor
from torch.utils.data import DataLoader

from ..errors import DataError, unknown_name
from ..registry import LOOPS
from .mixture import Mixture, Replaced, collate
from .placement import place
from .sampler import UnitSampler

PRECISIONS = {'fp32': None, 'bf16': torch.bfloat16}


@LOOPS.register_module()
class MixtureLoop(BaseLoop):
    """Trains on a mixture of sources: every step runs all units of the plan and takes one optimiser step.

    Args:
        runner: MMEngine's runner.
        dataloader: ``sources`` (by name) and optionally ``num_workers``, ``persistent_workers``, ``prefetch_factor``.
        max_steps: optimiser steps.
        precision: ``'fp32'`` or ``'bf16'`` (autocast).
        val_interval: steps between validations, None for none.
        bad_sample_quota: largest share of unreadable samples (above ten of them) before the run stops.
    """

    def __init__(self, runner, dataloader: dict, max_steps: int, precision: str = 'fp32',
                 val_interval: int | None = None, bad_sample_quota: float = 0.001):
        if precision not in PRECISIONS:
            raise unknown_name('precision', precision, PRECISIONS)
        options = dict(dataloader)
        sources = options.pop('sources')
        self.mixture = Mixture(sources)
        self.plan = self.mixture.build_plan(sources, runner.seed)
        self.assignment = place(self.plan, runner.world_size)[runner.rank]
        self.options = options
        self.max_steps, self.val_interval, self.precision = int(max_steps), val_interval, precision
        self.bad_sample_quota, self.replaced = bad_sample_quota, Counter()
        self._epoch = self._iter = 0
        super().__init__(runner, self._loader(0))

    def _loader(self, start: int) -> DataLoader:
        """A loader of the units from step ``start`` on."""
        sampler = UnitSampler(self.plan, self.assignment, start, self.max_steps)
        return DataLoader(self.mixture, batch_sampler=sampler, collate_fn=collate,
                          pin_memory=torch.cuda.is_available(), **self.options)

    # the names by which MMEngine's hooks and runner know a loop
    epoch = property(lambda self: self._epoch)
    iter = property(lambda self: self._iter)
    max_epochs = property(lambda self: 1)
    max_iters = property(lambda self: self.max_steps)

    @property
    def model(self) -> torch.nn.Module:
        """The human model, without a distributed wrapper."""
        return self.runner.model.module if is_model_wrapper(self.runner.model) else self.runner.model

    def run(self) -> torch.nn.Module:
        """Train from the current step to the last."""
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        if self._iter:  # resumed: the plan is a function of the step, so the loader simply starts there
            self.dataloader = self._loader(self._iter)
        batches = iter(self.dataloader)
        while self._iter < self.max_steps:
            self.runner.model.train()
            self.runner.call_hook('before_train_iter', batch_idx=self._iter)
            outputs = self.run_step(batches)
            self.runner.call_hook('after_train_iter', batch_idx=self._iter, outputs=outputs)
            self._iter += 1
            if self.runner.val_loop is not None and self.val_interval and self._iter % self.val_interval == 0:
                self.runner.val_loop.run()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_step(self, batches: Iterator[dict]) -> dict[str, float]:
        """Run the units of one step and step the optimiser.

        Returns:
            ``loss`` (the weighted objective of the shared part), ``loss/SOURCE`` for every source, and the heads' parts
            ``SOURCE/NAME``.
        """
        units = [next(batches) for _ in self.assignment]
        self._count_replaced(units)
        totals: dict[str, float] = defaultdict(float)
        for unit in units:
            unit['count'] = self.model.heads[unit['unit'].source].count(unit['data_samples'])
            totals[unit['unit'].source] += unit['count']

        logs: dict[str, Tensor] = {}
        for unit in units:
            share = unit['count'] / totals[unit['unit'].source]  # a source's loss is a mean over all its units
            for name, value in self.run_unit(unit, share).items():
                logs[name] = logs[name] + value if name in logs else value
        self.runner.optim_wrapper.step()
        self.runner.optim_wrapper.zero_grad()
        return self._report(logs)

    def run_unit(self, unit: dict, share: float) -> dict[str, Tensor]:
        """Forward and backward of one unit; its losses times ``share``, detached."""
        source = unit['unit'].source
        self.model.set_unit(weight=self.plan.weights[source], seed=unit['seed'])
        data = self.model.data_preprocessor(
            dict(inputs=unit['inputs'], data_samples=unit['data_samples']), training=True)
        with self._autocast():
            outputs = self.model(**data, mode='loss')
        loss = sum(value for name, value in outputs.items() if 'loss' in name) * share
        loss.backward()
        parts = {f'{source}/{name}': value.detach() * share for name, value in outputs.items()}
        return {f'loss/{source}': loss.detach(), **parts}

    def _autocast(self) -> contextlib.AbstractContextManager:
        dtype = PRECISIONS[self.precision]
        if dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(next(self.model.parameters()).device.type, dtype=dtype)

    def _report(self, logs: dict[str, Tensor]) -> dict[str, float]:
        """Scalars of a step on the host (one transfer for all); a loss that is not finite stops the run."""
        names = list(logs)
        values = dict(zip(names, torch.stack([logs[name].float().reshape(()) for name in names]).tolist()))
        bad = [name for name in names if name.startswith('loss/') and not abs(values[name]) < float('inf')]
        if bad:
            raise FloatingPointError(
                f'Step {self._iter}: {", ".join(bad)} is not finite. Lower the learning rate, clip the gradient '
                '(optim_wrapper.clip_norm), or look at the data of this source.')
        total = sum(values[f'loss/{name}'] * weight for name, weight in self.plan.weights.items()
                    if f'loss/{name}' in values)
        return dict(loss=total, **values)

    def _count_replaced(self, units: list[dict]) -> None:
        """Report samples that could not be read; above the quota the run stops."""
        entries: list[Replaced] = [entry for unit in units for entry in unit['replaced']]
        for entry in entries:
            self.replaced[entry.source] += 1
            count = self.replaced[entry.source]
            print_log(f'Replaced sample {entry.index} of {entry.source} ({count} so far): {entry.error}', 'current', 30)
            source = self.plan.sources[entry.source]
            seen = (self._iter + 1) * source.slots * source.batch_size
            if count > max(10, self.bad_sample_quota * seen):
                raise DataError(
                    f"{count} of {seen} samples of source '{entry.source}' cannot be read, the "
                    f'last: {entry.error} Repair the dataset, or raise train_cfg.bad_sample_quota.')


