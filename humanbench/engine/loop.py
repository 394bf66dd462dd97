"""One training step on one page.

    units  = mine of this step                    (DataLoader over the plan: data, augmentation and seeds are keyed)
    header: normalisers of the losses, stop flag  (one small reduction)
    keys:   of pretexts that compare images over the whole step                  (no gradient; :mod:`.exchange`)
    for each unit:  backbone -> projector -> head -> loss -> backward      (gradients add up; nothing is sent)
    reduce: backbone over all ranks (during the last backward), projectors and heads over theirs
    summary: losses to log, gradient norms        (one small reduction)
    clip, optimiser step, teachers follow
"""
import contextlib
import math
import platform
import time
from collections import defaultdict
from collections.abc import Iterator

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from torch.utils.data import DataLoader

from ..errors import NotFiniteError, UserError, unknown_name
from ..models.pretext import Looked
from ..registry import LOOPS
from .agreement import Agreed, Header, StopRequest, Summary
from .costs import CostTable
from .exchange import KeyExchange
from .gradient_groups import GradientGroups, part_ranks
from .gradient_report import GradientReport
from .incidents import Incidents
from .loading import UnitLoader, units_of
from .lost import Companions
from .memories import Memories
from .mixture import Mixture
from .packing import unpacked
from .processes import group_timeout
from .running import RunningBuffers
from .sampler import UnitSampler
from .sharding import ShardedBackbone
from .telemetry import UnitClock

PRECISIONS = {'fp32': None, 'bf16': torch.bfloat16}


@LOOPS.register_module()
class MixtureLoop(BaseLoop):
    """Trains on a mixture of sources: every step runs all units of the plan and takes one optimiser step.

    Args:
        runner: MMEngine's runner.
        dataloader: ``sources`` (by name) and optionally ``num_workers``, ``persistent_workers``, ``prefetch_factor``,
            and with workers ``timeout`` (300): seconds without a unit after which the run stops; 0 waits forever.
            ``read_ahead`` (64): see :class:`.loading.UnitLoader`.
        max_steps: optimiser steps.
        precision: ``'fp32'`` or ``'bf16'`` (autocast).
        compile_blocks: compile every block of the backbone (``torch.compile``), once for all image sizes.
        shard_backbone: spread the backbone over all ranks (:mod:`.sharding`), for ViT-L and larger.
        place_anew: a resumed run places its units by the costs it has measured, also in as many processes as before:
            faster, and equal within rounding instead of bit by bit.
        gradient_report: log each task's share of the backbone's gradient and the cosines between tasks, every so many
            steps (:mod:`.gradient_report`); None for never.
        bad_sample_quota: largest share of unreadable samples (above ten of them) before the run stops.
        bad_step_limit: so many steps in a row with a unit (or a gradient) that is not finite stop the run; fewer are
            survived, without that unit (or step).
    """

    def __init__(self, runner, dataloader: dict, max_steps: int, precision: str = 'fp32',
                 compile_blocks: bool = False, shard_backbone: bool = False, place_anew: bool = False,
                 gradient_report: int | None = None, bad_sample_quota: float = 0.001, bad_step_limit: int = 10):
        if precision not in PRECISIONS:
            raise unknown_name('precision', precision, PRECISIONS)
        options = dict(dataloader)
        sources = options.pop('sources')
        self.mixture = Mixture(sources)
        self.plan = self.mixture.build_plan(sources, runner.seed)
        self.placement = runner.placement
        self.assignment = self.placement[runner.rank]
        self.options = options
        self.max_steps, self.precision = int(max_steps), precision
        self.incidents = Incidents(self.plan, bad_sample_quota, bad_step_limit)
        self.report_interval = gradient_report
        self.stopped: str | None = None
        # what units cost, equal on all ranks; kept in checkpoints
        self.costs = CostTable({name: source.batch_size for name, source in self.plan.sources.items()})
        self._epoch = self._iter = 0
        self._waited = 0.0
        self.earlier_seconds = 0.0  # of the steps before this run's first, in the runs that it goes on from
        self._began: float | None = None
        super().__init__(runner, self._loader(0))

    def _loader(self, start: int) -> DataLoader:
        """A loader of the units from step ``start`` on."""
        return UnitLoader(self.mixture, UnitSampler(self.plan, self.assignment, start, self.max_steps), **self.options)

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
        timeout = group_timeout(self.runner.cfg)
        self.device = next(self.model.parameters()).device
        trained = {part: module for part, module in self.model.parts().items()
                   if any(p.requires_grad for p in module.parameters())}
        self.running = RunningBuffers(trained)
        self.sharded = ShardedBackbone(self.model.backbone) if isinstance(self.model.backbone, FSDPModule) else None
        self.groups = GradientGroups(
            {part: list(module.parameters()) for part, module in trained.items()
             if part != 'backbone' or self.sharded is None}, part_ranks(self.placement, routes),
            self.device, self.runner.rank, self.running.sizes(), timeout=timeout)
        self.exchange = KeyExchange(self.model.heads, self.plan, self.groups)
        self.memories = Memories({name: head for name, head in self.model.heads.items()
                                  if f'heads.{name}' in trained}, self.plan, self.groups)
        self.header = Header(list(self.plan.sources), timeout)
        self.summary = Summary(self.header)
        self.always = ['bad_units', *(f'bad_units/{source}' for source in self.plan.sources),
                       *(f'grad_norm/{kind}' for kind in self.groups.kinds)]
        self._new_names = True
        self.report = self._gradient_report()
        self.clock, self.times = UnitClock(self.device), torch.zeros(self.header.world, len(Header.TIMES))
        self.unit_seconds: dict[str, float] = {}
        self.machines = self.header.gather(platform.node())

    @property
    def seconds(self) -> float:
        """What all steps have taken so far, those before a resume included."""
        return self.earlier_seconds + (time.perf_counter() - self._began if self._began is not None else 0.0)

    def _gradient_report(self) -> GradientReport | None:
        if self.report_interval is None:
            return None
        if self.sharded is not None:
            raise UserError('train_cfg.gradient_report looks at the whole backbone; with train_cfg.shard_backbone no '
                            'rank has it. Leave one of them out.')
        tasks = dict.fromkeys(source.task for source in self.plan.sources.values())
        return GradientReport(self.model.backbone, list(tasks), self.report_interval)

    def run(self) -> torch.nn.Module:
        """Train from the current step to the last, or until the system asks to stop."""
        self.prepare()
        # around everything: to be asked once more, or to lose a rank, may happen while the last step is saved
        with StopRequest() as request, Companions(self.machines, self.runner.rank, lambda: f'Step {self._iter}'):
            self.runner.call_hook('before_train')
            self.runner.call_hook('before_train_epoch')
            self._run_steps(request)
            if self._iter >= self.max_steps and self.runner.optim_wrapper.average is not None:
                self.runner.optim_wrapper.average.exchange()  # what the run leaves, and is tested by
            self.runner.call_hook('after_train_epoch')
            self.runner.call_hook('after_train')
        return self.runner.model

    def _run_steps(self, request: StopRequest) -> None:
        if self._iter:  # resumed: the plan is a function of the step, so the loader simply starts there
            self.dataloader = self._loader(self._iter)
        batches, self._began = units_of(self.dataloader), time.perf_counter()
        while self._iter < self.max_steps:
            self.runner.model.train()
            self.runner.call_hook('before_train_iter', batch_idx=self._iter)
            outputs = self.run_step(batches, request)
            if outputs is None:
                self.stopped = request.received or 'another process was asked to stop'
                break
            self.runner.call_hook('after_train_iter', batch_idx=self._iter, outputs=outputs)
            self._iter += 1

    def run_step(self, batches: Iterator[dict], request: StopRequest) -> dict[str, float] | None:
        """Run this rank's units of one step and step the optimiser.

        Args:
            batches: of the loader.
            request: whether this process was asked to stop.

        Returns:
            ``loss`` (the weighted objective of the shared part), for every source ``loss/SOURCE`` and ``share/SOURCE``
            (its share of the objective), and the heads' parts ``SOURCE/NAME``, over all ranks; None where a rank was
            asked to stop, and nothing was done.
        """
        began = time.perf_counter()
        units = [unpacked(next(batches)) for _ in self.assignment]
        waited = time.perf_counter() - began
        agreed = self._tell(units, request)
        self._waited = waited
        if agreed.stop:
            return None
        logs = self._run_units(units, agreed.counts)
        if self.sharded is not None:
            self.sharded.finish()
        self.groups.reduce()
        return self._agree(logs, agreed.talk)

    def _tell(self, units: list[dict], request: StopRequest) -> Agreed:
        """The header of a step: what its losses are divided by, and how the step before went."""
        counts: dict[str, float] = defaultdict(float)
        for unit in units:
            unit['count'] = self.model.heads[unit['unit'].source].count(unit['data_samples'])
            counts[unit['unit'].source] += unit['count']
        replaced = [entry for unit in units for entry in unit['replaced']]
        seconds = self.clock.read()
        agreed = self.header.exchange(counts, request.received is not None, self._new_names or bool(replaced),
                                      (self._waited, sum(seconds.values())), seconds)
        if agreed.talk:
            self.incidents.samples(entry for entries in self.header.gather(replaced) for entry in entries)
        self.times = agreed.times
        self.unit_seconds = {source: seconds / self.plan.sources[source].slots
                             for source, seconds in agreed.seconds.items() if seconds}
        for source, seconds in self.unit_seconds.items():
            self.costs.update(source, seconds)
        return agreed

    def _run_units(self, units: list[dict], totals: dict[str, float]) -> dict[str, Tensor]:
        """Forward and backward of all units; their scalars, summed."""
        self.model.begin_step(self._iter / self.max_steps)
        self.groups.zero()
        if self.sharded is not None:
            self.sharded.begin()
        self.running.begin({part: self.groups.extra(part) for part in self.running.buffers})
        self.memories.begin()
        units, logs = self.exchange.collect(units, self.look), {}
        for unit in units:
            source = unit['unit'].source
            share = unit['count'] / totals[source]  # a source's loss is a mean over all its units
            with self.clock.unit(source):
                found = self.run_unit(unit, share, last=unit is units[-1])
            for name, value in found.items():
                logs[name] = logs[name] + value if name in logs else value
        return logs

    def run_unit(self, unit: dict, share: float, last: bool) -> dict[str, Tensor]:
        """Forward and backward of one unit (the ``last`` of this step); its scalars times ``share``, detached.

        A unit whose loss is not finite trains nothing and is counted in ``bad_units``.
        """
        source, data = unit['unit'].source, self._prepared(unit)
        if self.sharded is not None:
            self.sharded.begin_unit()
        try:
            with self._autocast():
                outputs = self.model(**data, mode='loss')
        except NotFiniteError:  # of a head that could not go on
            outputs = dict(loss=torch.tensor(float('nan'), device=self.device))
        loss = sum(value for name, value in outputs.items() if 'loss' in name) * share
        finite = bool(loss.isfinite())
        if finite:
            with self._last_backward() if last else contextlib.nullcontext(), self._reported(source):
                loss.backward()
        self.running.collect(self.model.parts_of(source), keep=finite)
        self.memories.collect(unit['unit'], keep=finite)
        if not finite:
            return {'bad_units': loss.new_ones(()), f'bad_units/{source}': loss.new_ones(())}
        parts = {f'{source}/{name}': value.detach() * share for name, value in outputs.items()}
        return {f'loss/{source}': loss.detach(), f'finite/{source}': loss.new_full((), share), **parts}

    def look(self, unit: dict, trained: bool) -> Looked:
        """What the backbone makes of a pretext's unit, before any is trained; whether it is ``trained`` from that."""
        source = unit['unit'].source
        with self.clock.unit(source), self._autocast(), torch.set_grad_enabled(trained):
            data = self._prepared(unit)
            looked = self.model.look(**data)
        if trained:
            unit['prepared'] = data
        else:
            self.running.collect(self.model.parts_of(source), keep=False)
        return looked

    def _prepared(self, unit: dict) -> dict:
        """A unit on the device; all that is drawn from here on is keyed by the unit."""
        key = unit['unit']
        torch.manual_seed(unit['seed'])
        self.model.set_unit(self.plan.weights[key.source], unit['seed'], self.exchange.of(key), self.exchange.take(key))
        return unit.pop('prepared', None) or self.model.data_preprocessor(
            dict(inputs=unit['inputs'], data_samples=unit['data_samples']), training=True)

    def _reported(self, source: str) -> contextlib.AbstractContextManager:
        """The backward pass inside is seen by the gradient report."""
        if self.report is None:
            return contextlib.nullcontext()
        return self.report.unit(self._iter, self.plan.sources[source].task)

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
        self.incidents.step(self._iter, {x: values[f'bad_units/{x}'] for x in self.plan.sources}, finite)
        report = self.report.exchange() if self.report is not None and self.report.due(self._iter) else {}
        if finite:
            self.running.apply()
            self.memories.apply()
            self.runner.optim_wrapper.step(squared_norms=norms)
            self.model.end_step()
        return self._outputs(values, norms) | report

    def _outputs(self, values: dict[str, float], norms: dict[str, float]) -> dict[str, float]:
        """What is logged of a step; a source's loss is over those of its units that were finite."""
        finite = {name: values[f'finite/{name}'] for name in self.plan.sources if values.get(f'finite/{name}')}
        losses = {name: values[f'loss/{name}'] / share for name, share in finite.items()}
        weighted = {name: loss * self.plan.weights[name] for name, loss in losses.items()}
        outputs = dict(loss=sum(weighted.values()))
        for name, share in finite.items():
            outputs |= {f'loss/{name}': losses[name], f'share/{name}': weighted[name] / (outputs['loss'] or 1.0)}
            outputs |= {key: value / share for key, value in values.items() if key.startswith(f'{name}/')}
        return outputs | {f'grad_norm/{kind}': value ** 0.5 for kind, value in norms.items()} | dict(
            bad_units=values['bad_units'])
