"""Several ranks in one test: processes that talk over gloo, a mixture with every kind of head, and what each rank saw.

``run(world, jobs, folder)`` starts ``world`` processes; each trains all jobs, one after the other, and writes its
gradients (summed, before clipping), parameters and buffers of every step.
"""
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import torch.distributed as dist
from mmengine.config import Config
from torch import nn
from torch.distributed.tensor import DTensor
from torch.utils.data import Dataset

import humanbench.datasets  # noqa: F401  (registers)
import humanbench.models  # noqa: F401
from humanbench.engine import launch, loop, memories
from humanbench.engine.agreement import Header
from humanbench.engine.exchange import KeyExchange
from humanbench.engine.launch import build_runner
from humanbench.engine.optim import HumanOptimWrapper
from humanbench.errors import DataError
from humanbench.models.backbones.vit import HumanViT
from humanbench.models.data_preprocessor import HumanDataPreprocessor
from humanbench.registry import DATASETS, MODELS
from tests.models import conftest as small

from .faults import Fault, patches, poison
from .spawn import spawn

# source: task, images in a unit, units in a step, weight (they span four orders of magnitude)
MIXTURE = {
    'market1501': (8, 2, 2.0), 'pa100k': (4, 2, 0.1), 'coco_pose': (3, 3, 80.0), 'lip': (2, 2, 20.0),
    'h36m_parsing': (2, 1, 20.0), 'crowdhuman': (2, 3, 10.0), 'shanghaitech_a': (2, 1, 1.0), 'luperson': (3, 3, 5.0),
    'solider': (3, 3, 3.0), 'ntu_rgbd': (3, 3, 2.0), 'ntu_queued': (3, 2, 2.0)}
UNITS = [(source, slot) for source, (_, slots, _) in MIXTURE.items() for slot in range(slots)]


@DATASETS.register_module()
class RandomReader(Dataset):
    """Random images and labels of any task, drawn from the generators that the mixture has seeded for this sample; the
    records in ``broken`` cannot be read."""

    def __init__(self, source: str, size: int = 40, broken: Sequence[int] = ()):
        self.source, self.size, self.broken = source, size, set(broken)
        self.metainfo = dict(name=source)

    def __len__(self) -> int:
        return self.size

    def identities(self) -> np.ndarray:
        return np.arange(self.size) // 4 % 4

    def __getitem__(self, index: int) -> dict:
        if index in self.broken:
            raise DataError(f'{self.source}/{index}.jpg is broken')
        item = small.unit(self.source, count=1, seed=random.getrandbits(32), first=index)
        sample = item['data_samples'][0]
        if 'gt_identity' in sample:
            sample.gt_identity = torch.tensor(self.identities()[index])
        return dict(inputs=item['inputs'][0], data_samples=sample)


@MODELS.register_module()
class TypedPreprocessor(HumanDataPreprocessor):
    """Images in the model's own precision."""

    def __init__(self, dtype: str, **options):
        super().__init__(**options)
        self.dtype = getattr(torch, dtype)

    def forward(self, data: dict, training: bool = False) -> dict:
        data = super().forward(data, training)
        return data | dict(inputs=poison(data['inputs'].to(self.dtype), data['data_samples']))


@MODELS.register_module()
class NormedViT(HumanViT):
    """A backbone with running statistics of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.stem = nn.BatchNorm2d(3)

    def forward(self, x, condition=None):
        return super().forward(self.stem(x), condition)

    def layer_id(self, name):
        return 0 if name.startswith('stem.') else super().layer_id(name)


@dataclass
class Job:
    """A short training run.

    Attributes:
        name: of its results.
        placement: for every rank its (source, slot) pairs; None for one rank with all.
        wrong: a negative control: ``rank_seeds``, ``local_normaliser``, ``local_keys``, ``local_clipping`` or
            ``local_memories``.
        faults: what goes wrong.
        fails: whether it ends by an error, which is kept as ``error``; it is the last one.
        left_out: sources of the mixture that it does without.
    """
    name: str
    placement: Sequence[Sequence[tuple[str, int]]] = (tuple(UNITS),)
    steps: int = 1
    dtype: str = 'float64'
    optimizer: Mapping = field(default_factory=lambda: dict(type='AdamW', lr=1e-3, weight_decay=0.05))
    clip: str = 'all'
    wrong: str | None = None
    faults: tuple[Fault, ...] = ()
    fails: bool = False
    overrides: Mapping = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    mixture: Mapping[str, tuple[int, int, float]] = field(default_factory=lambda: MIXTURE)


def config(job: Job, folder: Path) -> Config:
    """The recipe of a job: all kinds of head, ladder projectors, drop path, batch norm."""
    sources = {
        name: dict(task=small.TASKS[name], head=dict((small.HEADS | small.PRETEXTS)[name]), batch_size=batch,
                   slots=slots, weight=weight, dataset=dict(type='RandomReader', source=name),
                   **(dict(sampler='identity') if small.TASKS[name] == 'reid' else {}))
        for name, (batch, slots, weight) in job.mixture.items() if name not in job.left_out}
    made = Config(dict(
        model=dict(type='HumanModel', backbone=dict(small.VIT, class_token_tasks=('reid', 'pretext')), drop_path=0.3,
                   projector=dict(type='LadderProjector'),
                   data_preprocessor=dict(type='TypedPreprocessor', dtype=job.dtype)),
        sources=sources, train_cfg=dict(max_steps=job.steps), work_dir=str(folder), default_scope='humanbench', seed=3,
        optim_wrapper=dict(optimizer=dict(job.optimizer), clip_norm=0.05, clip_part=job.clip), log_level='ERROR',
        default_hooks=dict(checkpoint=None)))
    made.merge_from_dict(dict(job.overrides))
    return made


def placements(world: int) -> dict[str, list[list[tuple[str, int]]]]:
    """Random, sorted, pinned (a source stays whole) and idle (the last rank has nothing) placements."""
    rng, shuffled = random.Random(world), list(UNITS)
    rng.shuffle(shuffled)
    sources = list(MIXTURE)
    return {
        'random': [shuffled[rank::world] for rank in range(world)],
        'sorted': [UNITS[len(UNITS) * rank // world:len(UNITS) * (rank + 1) // world] for rank in range(world)],
        'pinned': [[u for u in UNITS if sources.index(u[0]) % world == rank] for rank in range(world)],
        'idle': [[u for i, u in enumerate(reversed(UNITS)) if i % (world - 1) == rank] for rank in range(world)]}


def train(job: Job, folder: Path) -> dict:
    """Train a job in this process (one of several, or alone) and return what it saw, step by step."""
    seen: dict[str, list] = dict(gradients=[], parameters=[], buffers=[], logs=[])
    original_step, original_run = HumanOptimWrapper.step, loop.MixtureLoop.run_step

    def step(self, squared_norms=None):
        seen['gradients'].append({name: whole(p.grad) for name, p in runner.model.named_parameters()
                                  if p.grad is not None})
        original_step(self, None if job.wrong == 'local_clipping' else squared_norms)

    def run_step(self, *arguments):
        logs = original_run(self, *arguments)
        state = {name: whole(value) for name, value in runner.model.state_dict().items()}
        names = {name for name, _ in runner.model.named_parameters()}
        seen['parameters'].append({name: value for name, value in state.items() if name in names})
        seen['buffers'].append({name: value for name, value in state.items() if name not in names})
        seen['logs'].append(logs)
        return logs

    def place_units(made: Config, world: int) -> list:
        return [[unit for unit in units if unit[0] not in job.left_out] for units in job.placement]

    patched = [mock.patch.object(HumanOptimWrapper, 'step', step),
               mock.patch.object(launch, 'place_units', place_units),
               mock.patch.object(loop.MixtureLoop, 'run_step', run_step),
               *_mistake(job.wrong), *patches(job.faults, dist.get_rank() if dist.is_initialized() else 0)]
    for patch in patched:
        patch.start()
    try:
        made = config(job, folder / job.name)
        torch.set_default_dtype(getattr(torch, job.dtype))
        runner = build_runner(made)
        torch.set_default_dtype(torch.float32)
        seen['spread'] = any(isinstance(p, DTensor) for p in runner.model.parameters())
        runner.train()
    except Exception as error:
        if not job.fails:
            raise
        seen['error'] = f'{type(error).__name__}: {error}'
    finally:
        torch.set_default_dtype(torch.float32)
        for patch in reversed(patched):
            patch.stop()
    last = runner.train_loop
    return seen | dict(times=last.times, costs=last.costs.to_dict(), replaced=dict(last.incidents.replaced),
                       left_out=last.incidents.totals())


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A copy of a tensor, put together from the ranks it is spread over."""
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).clone()


def _mistake(wrong: str | None) -> list:
    """Patches that put in what a naive implementation does."""
    rank = dist.get_rank() if dist.is_initialized() else 0
    if wrong == 'rank_seeds':
        original_unit = loop.MixtureLoop.run_unit
        return [mock.patch.object(loop.MixtureLoop, 'run_unit', lambda self, unit, *rest, **options: original_unit(
            self, unit | dict(seed=unit['seed'] + rank), *rest, **options))]
    if wrong == 'local_normaliser':
        original = Header.exchange
        return [mock.patch.object(Header, 'exchange', lambda self, counts, *rest: original(
            self, counts, *rest)._replace(counts=counts))]
    if wrong == 'local_keys':
        gathered = KeyExchange._gathered
        return [mock.patch.object(KeyExchange, '_gathered', staticmethod(
            lambda own, slots, group: gathered(own, slots, None)))]
    if wrong == 'local_memories':
        return [mock.patch.object(memories, '_gathered', lambda own, *_: [own[slot] for slot in sorted(own)])]
    return []


def _process(rank: int, world: int, port: int, jobs: Sequence[Job], folder: Path) -> None:
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(rank), MASTER_ADDR='127.0.0.1',
                      MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group('gloo')
    results = {job.name: train(job, folder / f'rank{rank}') for job in jobs}
    torch.save(results, folder / f'{world}_{rank}.pt')
    if not jobs[-1].fails:
        dist.barrier()
        dist.destroy_process_group()


def run(world: int, jobs: Sequence[Job], folder: Path, lost: Sequence[int] = ()) -> list[dict]:
    """Train jobs on ``world`` ranks; what every rank saw, by job; nothing of those in ``lost``, which do not end."""
    codes = spawn(_process, world, (jobs, folder), 300)
    assert [rank for rank, code in enumerate(codes) if code] == list(lost), f'exit codes of the ranks: {codes}'
    return [{} if rank in lost else torch.load(folder / f'{world}_{rank}.pt', weights_only=False)
            for rank in range(world)]
