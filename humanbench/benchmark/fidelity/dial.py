"""What SOLIDER's dial does to features: are the parts of a person alike, or the same parts of different people?

Shapes: n people, P parts, C channels, h x w tokens.
"""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F
from torch import Tensor

from humanbench.catalog import card

from .studies import LAMBDAS

PARTS = {
    'upper body': ('Upper-clothes', 'Coat', 'Dress', 'Jumpsuits', 'Scarf', 'Left-arm', 'Right-arm', 'Face', 'Hair',
                   'Hat'),
    'lower body': ('Pants', 'Skirt', 'Left-leg', 'Right-leg'),
    'shoes': ('Left-shoe', 'Right-shoe', 'Socks')}
"""LIP's classes by the body parts that SOLIDER looks for."""


@dataclass(frozen=True)
class Distances:
    """Mean cosine distances of body parts, of one network at one position of the dial.

    Attributes:
        semantic: lambda.
        within: between two parts of one person.
        between: between the same part of two people.
    """
    semantic: float
    within: float
    between: float


def token_parts(labels: Tensor, grid: tuple[int, int], groups: Sequence[Sequence[int]]) -> Tensor:
    """Which tokens are mostly of a part.

    Args:
        labels: (H, W) classes of the pixels.
        grid: (h, w) of the tokens.
        groups: classes of each part.

    Returns:
        (P, h, w) bool.
    """
    shares = torch.stack([torch.isin(labels, torch.tensor(classes, device=labels.device)) for classes in groups])
    return F.adaptive_avg_pool2d(shares.float(), grid) > 0.5


def part_vectors(maps: Tensor, parts: Tensor) -> Tensor:
    """Mean features (n, P, C) of each part; not a number where a person has no token of it.

    Args:
        maps: (n, C, h, w).
        parts: (n, P, h, w) bool.
    """
    weight = parts.to(maps.dtype)
    return torch.einsum('nchw,nphw->npc', maps, weight) / weight.sum((2, 3))[..., None]


def distances(vectors: Tensor, semantic: float) -> Distances:
    """Cosine distances within and between people.

    Args:
        vectors: (n, P, C) of the parts; not a number where there is none.
        semantic: lambda that they were seen at.
    """
    unit = F.normalize(vectors.double(), dim=-1)
    one = 1 - torch.einsum('npc,nqc->npq', unit, unit)
    same = 1 - torch.einsum('npc,mpc->pnm', unit, unit)
    pairs = torch.ones(one.shape[1:]).triu(1).bool()
    others = torch.ones(same.shape[1:]).triu(1).bool()
    return Distances(semantic, float(one[:, pairs].nanmean()), float(same[:, others].nanmean()))


@torch.no_grad()
def measure_dial(file: str | Path, root: str) -> list[Distances]:
    """Distances at every position of the dial, of one pretrained network on the people of LIP's validation.

    Args:
        file: checkpoint of a pretraining.
        root: where LIP is.

    Raises:
        UserError, CheckpointError: these weights have no dial, or are none.
    """
    from humanbench.engine.launch import build_runner, load_config
    with TemporaryDirectory() as folder:
        config = load_config('benchmark/parsing/lip.py', 'debug', options={'evaluations.lip.dataset.root': root},
                             start_from=f'solider:{file}')
        config.weights, config.work_dir, config.log_level = f'solider:{file}', folder, 'ERROR'
        runner = build_runner(config)
        model, names = runner.model.eval(), card('lip').classes
        groups = [[names.index(name) for name in members] for members in PARTS.values()]
        vectors: dict[float, list[Tensor]] = {semantic: [] for semantic in LAMBDAS}
        for batch in runner.test_dataloader:
            data, parts = model.data_preprocessor(batch), None
            for semantic, found in vectors.items():
                maps = model.backbone(data['inputs'], dict(task='parsing', semantic=semantic)).maps[-1]
                if parts is None:  # the same at every lambda
                    parts = torch.stack([token_parts(x.gt_sem_seg.data[0], maps.shape[-2:], groups)
                                         for x in data['data_samples']]).to(maps.device)
                found.append(part_vectors(maps, parts))
    return [distances(torch.cat(found), semantic) for semantic, found in vectors.items()]


def dial_table(found: Mapping[int, Sequence[Distances]]) -> str:
    """As Markdown: mean over the seeds, smallest to largest.

    Args:
        found: distances by seed.
    """
    lines = ['Mean cosine distances of body parts (mean features of the tokens of the last map that LIP labels as '
             'upper body, lower body, shoes), mean over the seeds, smallest to largest value.', '',
             '| lambda | parts of a person | the same part of two people | ratio |', '|--|--|--|--|']
    for number, semantic in enumerate(LAMBDAS):
        own = [x[number] for x in found.values()]
        columns = ([x.within for x in own], [x.between for x in own], [x.within / x.between for x in own])
        lines.append(f'| {semantic} | ' + ' | '.join(
            f'{sum(x) / len(x):.3f} ({min(x):.3f} to {max(x):.3f})' for x in columns) + ' |')
    return '\n'.join(lines)
