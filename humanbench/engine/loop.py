"""One training step on one page.

    units  = mine of this step                    (DataLoader over the plan: data, augmentation and seeds are keyed)
    header: normalisers of the losses, stop flag  (one small reduction)
    for each unit:  backbone -> projector -> head -> loss -> backward      (gradients add up; nothing is sent)
    reduce: backbone over all ranks (during the last backward), projectors and heads over theirs
    summary: losses to log, gradient norms        (one small reduction)
    clip, optimiser step
"""
import contextlib
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterator

import torch
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from torch.utils.data import DataLoader

from ..errors import DataError, unknown_name
from ..registry import LOOPS
from .agreement import Header, StopRequest, Summary
from .gradient_groups import GradientGroups, part_ranks
from .mixture import Mixture, Replaced, collate
from .placement import place
from .running import RunningBuffers
from .sampler import UnitSampler
from .sharding import ShardedBackbone

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
        compile_blocks: compile every block of the backbone (``torch.compile``), once for all image sizes.
        shard_backbone: spread the backbone over all ranks (:mod:`.sharding`), for ViT-L and larger.
        bad_sample_quota: largest share of unreadable samples (above ten of them) before the run stops.
        bad_step_limit: so many steps in a row with a unit (or a gradient) that is not finite stop the run; fewer are
            survived, without that unit (or step).
    """

    def __init__(self, runner, dataloader: dict, max_steps: int, precision: str = 'fp32',
                 val_interval: int | None = None, compile_blocks: bool = False, shard_backbone: bool = False,
                 bad_sample_quota: float = 0.001, bad_step_limit: int = 10):
        if precision not in PRECISIONS:
            raise unknown_name('precision', precision, PRECISIONS)
        options = dict(dataloader)
        sources = options.pop('sources')
        self.mixture = Mixture(sources)
        self.plan = self.mixture.build_plan(sources, runner.seed)
        self.placement = place(self.plan, runner.world_size)
        self.assignment = self.placement[runner.rank]
        self.options = options
        self.max_steps, self.val_interval, self.precision = int(max_steps), val_interval, precision
        self.bad_sample_quota, self.replaced = bad_sample_quota, Counter()
        self.bad_step_limit, self.bad_steps = bad_step_limit, 0
        self.stopped: str | None = None
        self._epoch = self._iter = 0
        self._times = [0.0, 0.0]
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

    def prepare(self) -> None:
        """Build what joins the ranks: gradient groups, running buffers, header and summary."""
        routes = {source: self.model.routes[source] for source in self.plan.sources}
        self.device = next(self.model.parameters()).device
        trained = {part: module for part, module in self.model.parts().items()
                   if any(p.requires_grad for p in module.parameters())}
        self.running = RunningBuffers(trained)
        self.sharded = ShardedBackbone(self.model.backbone) if isinstance(self.model.backbone, FSDPModule) else None
        self.groups = GradientGroups(
            {part: list(module.parameters()) for part, module in trained.items()
             if part != 'backbone' or self.sharded is None}, part_ranks(self.placement, routes),
            self.device, self.runner.rank, self.running.sizes())
        self.header = Header(list(self.plan.sources))
        self.summary = Summary(self.header)
        self.always = ['bad_units', *(f'grad_norm/{kind}' for kind in self.groups.kinds)]
        self._new_names = True

    def run(self) -> torch.nn.Module:
        """Train from the current step to the last, or until the system asks to stop."""
        self.prepare()
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        if self._iter:  # resumed: the plan is a function of the step, so the loader simply starts there
            self.dataloader = self._loader(self._iter)
        batches = iter(self.dataloader)
        with StopRequest() as request:
            while self._iter < self.max_steps:
                self.runner.model.train()
                self.runner.call_hook('before_train_iter', batch_idx=self._iter)
                outputs = self.run_step(batches, request)
                if outputs is None:
                    self.stopped = request.received or 'another process was asked to stop'
                    break
                self.runner.call_hook('after_train_iter', batch_idx=self._iter, outputs=outputs)
                self._iter += 1
                if self.runner.val_loop is not None and self.val_interval and self._iter % self.val_interval == 0:
                    self.runner.val_loop.run()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_step(self, batches: Iterator[dict], request: StopRequest) -> dict[str, float] | None:
        """Run this rank's units of one step and step the optimiser.

        Args:
            batches: of the loader.
            request: whether this process was asked to stop.

        Returns:
            ``loss`` (the weighted objective of the shared part), ``loss/SOURCE`` for every source, and the heads' parts
            ``SOURCE/NAME``, over all ranks; None where a rank was asked to stop, and nothing was done.
        """
        began = time.perf_counter()
        units = [next(batches) for _ in self.assignment]
        self._count_replaced(units)
        waited = time.perf_counter() - began
        counts: dict[str, float] = defaultdict(float)
        for unit in units:
            unit['count'] = self.model.heads[unit['unit'].source].count(unit['data_samples'])
            counts[unit['unit'].source] += unit['count']
        totals, stop, new_names, times = self.header.exchange(
            counts, request.received is not None, self._new_names, self._times)
        if stop:
            return None

        logs = self._run_units(units, totals)
        if self.sharded is not None:
            self.sharded.finish()
        self.groups.reduce()
        self.running.apply()
        outputs = self._agree(logs, new_names)
        self._times = [waited, time.perf_counter() - began]
        return outputs

    def _run_units(self, units: list[dict], totals: dict[str, float]) -> dict[str, Tensor]:
        """Forward and backward of all units; their scalars, summed."""
        self.groups.zero()
        if self.sharded is not None:
            self.sharded.begin()
        self.running.begin({part: self.groups.extra(part) for part in self.running.buffers})
        logs: dict[str, Tensor] = {}
        for unit in units:
            share = unit['count'] / totals[unit['unit'].source]  # a source's loss is a mean over all its units
            for name, value in self.run_unit(unit, share, last=unit is units[-1]).items():
                logs[name] = logs[name] + value if name in logs else value
        return logs

    def run_unit(self, unit: dict, share: float, last: bool) -> dict[str, Tensor]:
        """Forward and backward of one unit (the ``last`` of this step); its scalars times ``share``, detached.

        A unit whose loss is not finite trains nothing and is counted in ``bad_units``.
        """
        source = unit['unit'].source
        torch.manual_seed(unit['seed'])
        self.model.set_unit(weight=self.plan.weights[source], seed=unit['seed'])
        data = self.model.data_preprocessor(
            dict(inputs=unit['inputs'], data_samples=unit['data_samples']), training=True)
        with self._autocast():
            outputs = self.model(**data, mode='loss')
        loss = sum(value for name, value in outputs.items() if 'loss' in name) * share
        finite = bool(loss.isfinite())
        if finite:
            with self._last_backward() if last else contextlib.nullcontext():
                loss.backward()
        self.running.collect(self.model.parts_of(source), keep=finite)
        if not finite:
            print_log(f'Step {self._iter}: the loss of a unit of {source} is not finite; left out.', 'current', 30)
            return {'bad_units': loss.new_ones(()), f'bad_units/{source}': loss.new_ones(())}
        parts = {f'{source}/{name}': value.detach() * share for name, value in outputs.items()}
        return {f'loss/{source}': loss.detach(), f'share/{source}': loss.new_tensor(share), **parts}

    @contextlib.contextmanager
    def _last_backward(self) -> Iterator[None]:
        """The backward pass inside is this rank's last of the step: the backbone is reduced while it runs."""
        with self.groups.last_backward(), contextlib.nullcontext() if self.sharded is None else (
                self.sharded.last_backward()):
            yield

    def _autocast(self) -> contextlib.AbstractContextManager:
        dtype = PRECISIONS[self.precision]
        if dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=dtype)

    def _agree(self, logs: dict[str, Tensor], new_names: bool) -> dict[str, float]:
        """Sum the scalars over ranks, decide together whether the step counts, and take it."""
        norms = self.groups.squared_norms()
        if self.sharded is not None:
            norms['backbone'] = self.sharded.squared_norm()
        logs |= {f'grad_norm/{kind}': value for kind, value in norms.items()}
        if new_names:
            self.summary.learn([*self.always, *logs])
        self._new_names = self.summary.is_new(logs)
        values = self.summary.exchange(logs, self.device)
        norms = {kind: values.pop(f'grad_norm/{kind}') for kind in self.groups.kinds}
        finite = math.isfinite(sum(norms.values()))
        bad = {name: count for name, count in values.items() if name.startswith('bad_units/') and count}
        self._count_bad(bad, finite)
        if finite:
            self.runner.optim_wrapper.step(squared_norms=norms)
        return self._report(values, norms)

    def _report(self, values: dict[str, float], norms: dict[str, float]) -> dict[str, float]:
        """What is logged of a step; a source's loss is over those of its units that were finite."""
        shares = {name: values[f'share/{name}'] for name in self.plan.sources if values.get(f'share/{name}')}
        outputs = dict(loss=0.0)
        for name, share in shares.items():
            outputs[f'loss/{name}'] = values[f'loss/{name}'] / share
            outputs['loss'] += outputs[f'loss/{name}'] * self.plan.weights[name]
            outputs |= {key: value / share for key, value in values.items() if key.startswith(f'{name}/')}
        return outputs | {f'grad_norm/{kind}': value ** 0.5 for kind, value in norms.items()} | dict(
            bad_units=values['bad_units'])

    def _count_bad(self, units: dict[str, float], finite: bool) -> None:
        """Report what was left out of this step; too many such steps in a row stop the run."""
        if finite and not units:
            self.bad_steps = 0
            return
        self.bad_steps += 1
        what = ', '.join(name.split('/', 1)[1] for name in units) or 'none'
        if not finite:
            print_log(f'Step {self._iter}: the gradient is not finite; the step is left out.', 'current', 30)
        if self.bad_steps >= self.bad_step_limit:
            raise FloatingPointError(
                f'Step {self._iter}: {self.bad_steps} steps in a row with a loss or gradient that is not finite (loss '
                f'of: {what}). Lower the learning rate, clip the gradient (optim_wrapper.clip_norm), or look at the '
                'data of these sources.')

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
