"""What is beside the network in a step of HAP: masks, and the keys that units tell each other.

    humanbench speed/pretext [--batch 32] [--repeats 5]

masks    both masks of every image, drawn for the whole unit at once, against the same one image and one patch after the
         other (as BEiT's generator and those made after it go about it), and as a share of the unit (goal: below 2 %)
keys     the forward pass by which units of a step are told of each other, as a share of the unit: all of a rank's units
         but one need it
views    both masked views through ViT-B and decoder against the same images whole through a ViT-B, forward and backward

ViT-B/16, images of 256 x 128, in fp32 on a CPU and bf16 on a GPU.
"""
import argparse
import math
import random
import sys
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import humanbench.models  # noqa: F401  (registers)
from humanbench.models.pretext.masking import BONES, Masking
from humanbench.registry import MODELS
from humanbench.structures import HumanSample, InstanceData

sys.path.insert(0, str(Path(__file__).parent))
from _turns import seconds

SIZE, GRID, PATCH = (256, 128), (16, 8), 16


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--batch', type=int, default=32, help='images of a unit (default: 32; the recipe: 256)')
    p.add_argument('--repeats', type=int, default=5, help='the median counts (default: 5)')
    return p


def one_mask(joints: np.ndarray, rng: random.Random) -> np.ndarray:
    """One mask of half of the patches, bone by bone and patch by patch."""
    rank = [[2.0 * masked + rng.random() for masked in row] for row in one_block_mask(rng)]
    parts = list(BONES.values())
    rng.shuffle(parts)
    for priority, bones in enumerate(parts[:rng.randint(0, len(parts))]):
        for a, b in bones:
            (x1, y1), (x2, y2) = joints[a] // PATCH, joints[b] // PATCH
            for y in range(int(min(y1, y2)), int(max(y1, y2)) + 1):
                for x in range(int(min(x1, x2)), int(max(x1, x2)) + 1):
                    if 0 <= y < GRID[0] and 0 <= x < GRID[1]:
                        rank[y][x] = 100.0 - priority + rng.random()
    order = np.argsort(np.array(rank).ravel())
    mask = np.zeros(GRID[0] * GRID[1], bool)
    mask[order[len(order) // 2:]] = True
    return mask


def one_block_mask(rng: random.Random, count: int = 64, smallest: int = 12) -> np.ndarray:
    """The blocks of one mask."""
    mask, missing = np.zeros(GRID, bool), count
    while missing > 0:
        for _ in range(10):
            area, aspect = rng.uniform(smallest, missing), math.exp(rng.uniform(math.log(0.3), -math.log(0.3)))
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if height >= GRID[0] or width >= GRID[1]:
                continue
            top, left = rng.randint(0, GRID[0] - height), rng.randint(0, GRID[1] - width)
            added = height * width - mask[top:top + height, left:left + width].sum()
            if 0 < added <= missing:
                for y in range(top, top + height):
                    for x in range(left, left + width):
                        mask[y, x] = True
                missing -= added
                break
        else:
            break
    return mask


def main() -> None:
    args = parser().parse_args()
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    model = MODELS.build(dict(type='HumanModel', backbone=dict(type='HumanViT', img_size=SIZE), heads=dict(
        crops=dict(type='HAPPretext')))).to(device)
    samples = [HumanSample(metainfo=dict(source='crops'), gt_instances=InstanceData(
        keypoints=torch.rand(1, 17, 2) * torch.tensor([128.0, 256.0]), keypoints_visible=torch.ones(1, 17)))
        for _ in range(args.batch)]
    images = torch.randn(args.batch, 3, *SIZE, device=device)
    joints = torch.cat([sample.gt_instances.keypoints for sample in samples]).repeat(2, 1, 1)
    masking, generator, rng = Masking(), torch.Generator().manual_seed(0), random.Random(0)

    def unit() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=device == 'cuda'):
            losses = model(images, samples, mode='loss')
        sum(losses.values()).backward()

    def whole() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=device == 'cuda'):
            features = model.backbone(images)
        features.pooled.float().sum().backward()

    def keys() -> None:
        with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=device == 'cuda'):
            model.look(images, samples)

    def masks() -> None:
        masking.draw(joints, torch.ones(len(joints), 17), GRID, PATCH, generator)

    def one_by_one() -> None:
        for person in joints.numpy():
            one_mask(person, rng)

    unit_time, whole_time, keys_time, masks_time, single_time = seconds([unit, whole, keys, masks, one_by_one],
                                                                       args.repeats)
    table = Table('what', 'time', 'figure', title=f'HAP, a unit of {args.batch}, {device}')
    table.add_row('unit, forward and backward', f'{unit_time * 1e3:.1f} ms', '')
    table.add_row('masks', f'{masks_time * 1e3:.2f} ms', f'{masks_time / unit_time:.2%} of the unit')
    table.add_row('the same, one by one', f'{single_time * 1e3:.2f} ms', f'{single_time / masks_time:.1f}x the masks')
    table.add_row('keys', f'{keys_time * 1e3:.1f} ms', f'{keys_time / unit_time:.1%} of the unit')
    table.add_row('whole images, no decoder', f'{whole_time * 1e3:.1f} ms', f'unit {unit_time / whole_time:.2f}x that')
    Console().print(table)


if __name__ == '__main__':
    main()
