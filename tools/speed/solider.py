"""SOLIDER's step: body parts on the device, and what a unit costs beside its networks.

    humanbench speed/solider [--batch 8] [--repeats 5]

parts    body parts of the large crops of a unit, all at once on the device, against scikit-learn's two KMeans for each
         of them, one after the other (as the release goes about it), and as a share of the unit
step     a unit, forward and backward, against the sum of its parts, each alone: the student on all crops, the teacher
         on the large ones (once to find parts, once for the targets), the heads with their losses, the clusters

Swin-T, two large crops of 256 x 128 and eight small ones of each image, in fp32 on a CPU and bf16 on a GPU. The network
is untrained: its foreground is noise, and so are the clusters, which makes them slower than they are later.
"""
import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from sklearn.cluster import KMeans
from torch import Tensor

import humanbench.models  # noqa: F401  (registers)
from humanbench.canvas import Canvas
from humanbench.models.pretext.parts import body_parts
from humanbench.registry import MODELS
from humanbench.structures import HumanSample

sys.path.insert(0, str(Path(__file__).parent))
from _turns import seconds

CROPS = [dict(count=2, size=(256, 128)), dict(count=8, size=(128, 64))]


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--batch', type=int, default=8, help='images of a unit (default: 8; the recipe: 48)')
    p.add_argument('--repeats', type=int, default=5, help='the median counts (default: 5)')
    return p


def parts_one_by_one(maps: Tensor, parts: int = 3) -> list:
    """Body parts by scikit-learn, image by image."""
    found = []
    for tokens in maps.flatten(2).mT.float().cpu().numpy():
        lengths = (tokens**2).sum(1, keepdims=True)**0.5
        split = KMeans(2, n_init=10, random_state=0).fit(lengths)
        front = split.labels_ == split.cluster_centers_[:, 0].argmax()
        if front.sum() >= parts:
            found.append(KMeans(parts, n_init=10, random_state=0).fit(tokens[front]).labels_)
    return found


def main() -> None:
    args = parser().parse_args()
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    model = MODELS.build(dict(type='HumanModel', backbone=dict(type='SemanticSwin', arch='tiny'), heads=dict(
        crops=dict(type='SOLIDERPretext', crops=CROPS)))).to(device)
    head, size = model.heads['crops'], Canvas(CROPS).size
    samples = [HumanSample(metainfo=dict(source='crops', img_shape=size)) for _ in range(args.batch)]
    images, generator = torch.randn(args.batch, 3, *size, device=device), torch.Generator().manual_seed(0)

    def fast() -> torch.autocast:
        return torch.autocast(device, torch.bfloat16, enabled=device == 'cuda')

    with fast(), torch.no_grad():
        large = head.groups(images, samples)[0]
        maps = head.teach(large, semantic=1.0).maps[-1]
        views = head.views(images, samples, generator)
        seen = model.see(views, 'crops')
    leaves = [x.map_tensors(lambda value: value.detach().requires_grad_(value.is_floating_point())) for x in seen]

    def unit() -> None:
        with fast():
            losses = model(images, samples, mode='loss')
        (losses['loss_dino'] + losses['loss_semantic']).backward()

    def student() -> None:
        with fast():
            features = model.see(views, 'crops')
        sum(x.pooled.float().sum() + x.maps[-1].float().sum() for x in features).backward()

    def teacher() -> None:
        with fast():
            head.teach(large, semantic=1.0)
            head.targets(views, args.batch)

    def heads() -> None:
        with fast():
            losses = head.loss(leaves, samples, views)
        (losses['loss_dino'] + losses['loss_semantic']).backward()

    def parts() -> None:
        body_parts(maps, head.parts, generator)

    def one_by_one() -> None:
        parts_one_by_one(maps)

    def targets() -> None:  # in the heads' loss as well
        with fast():
            head.targets(views, args.batch)

    times = dict(zip(('unit', 'student', 'teacher', 'heads', 'parts', 'single', 'targets'), seconds(
        [unit, student, teacher, heads, parts, one_by_one, targets], args.repeats)))
    together = times['student'] + times['teacher'] + times['heads'] - times['targets'] + times['parts']
    table = Table('what', 'time', 'figure', title=f'SOLIDER, a unit of {args.batch}, {device}')
    table.add_row('unit, forward and backward', _shown(times['unit']), f"{times['unit'] / together:.3f}x its parts")
    table.add_row('student, all crops', _shown(times['student']), '')
    table.add_row('teacher, large crops twice', _shown(times['teacher']), '')
    table.add_row('heads and losses', _shown(times['heads'] - times['targets']), '')
    table.add_row('body parts', _shown(times['parts']), f"{times['parts'] / times['unit']:.2%} of the unit")
    table.add_row('the same by scikit-learn', _shown(times['single']),
                  f"{times['single'] / times['parts']:.1f}x the body parts")
    Console().print(table)


def _shown(seconds: float) -> str:
    return f'{seconds * 1e3:.1f} ms'


if __name__ == '__main__':
    main()
