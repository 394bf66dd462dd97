"""CSP: pedestrians as centres with a scale (arXiv 1904.02948), on maps of several strides.

Shapes: B images, L maps of C_i channels, h x w cells of the fused map, N its channels, m cells.
"""
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import nms

from ...errors import UserError
from ...registry import MODELS
from ...structures import Features, HumanSample, InstanceData, Level
from .base import BaseHead, full_precision
from .csp_targets import Targets, centre_loss, size_loss, targets_of
from .detection import in_original_pixels

DEFAULT_STRIDE = 16
"""Of the one map that heads read, where a model says nothing of others."""
LARGEST = 8.0
"""Log of a side in cells: beyond any image, and far from what a float cannot hold."""


class ScaleFusion(nn.Module):
    """Maps of several strides as one: each enlarged by a transposed convolution, brought to one length in every cell,
    weighted, and put beside the others.

    Args:
        levels: of the maps.
        stride: of the fused map in pixels, as nearly as whole factors allow.
        channels: of each map in it.
        length: of the vector of a map in a cell, at first; each channel learns its own.
    """

    def __init__(self, levels: Sequence[Level], stride: int, channels: int, length: float = 10.0):
        super().__init__()
        self.out_channels = len(levels) * channels
        self.enlarge = nn.ModuleList(
            self._layer(level.channels, channels, max(round(level.stride / stride), 1)) for level in levels)
        self.lengths = nn.Parameter(torch.full((len(levels), channels), length))

    @staticmethod
    def _layer(in_channels: int, channels: int, factor: int) -> nn.Module:
        if factor == 1:
            return nn.Conv2d(in_channels, channels, 3, padding=1)
        if factor == 2:
            return nn.ConvTranspose2d(in_channels, channels, 4, stride=2, padding=1)
        return nn.ConvTranspose2d(in_channels, channels, factor, stride=factor)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """(B, N, h, w) of L maps; where their sizes were rounded up differently, what all of them cover."""
        fine = [layer(x) for layer, x in zip(self.enlarge, maps, strict=True)]
        height, width = (min(x.shape[axis] for x in fine) for axis in (2, 3))
        return torch.cat([F.normalize(x[..., :height, :width], dim=1) * length[:, None, None]
                          for x, length in zip(fine, self.lengths)], dim=1)


@MODELS.register_module()
class CSPHead(BaseHead):
    """Boxes of persons from maps of where their centres are, how large they are there, and where in its cell a centre
    lies; of boxes that overlap the best is kept.

    Defaults are those of SOLIDER's pedestrian detection: CSP with a width of its own for every box (CSP's is 0.41 times
    the height) and a convolution of its own for centre, size and offset. The losses are those that its configs name:
    IoU for the size, binary cross-entropy for the offset. Its code takes only their weights from there, and has the
    smooth L1 distance for both, of the ratio of the logarithms for the size.

    All maps of ``finest`` or a larger stride are read: of a Swin those of stages 2 to 4, of a ViT its one.

    Args:
        in_channels: channels of the last map.
        levels: of all maps, given by the model; None for one map of stride 16.
        finest: maps of a smaller stride than this are left out.
        stride: pixels per cell of the maps that are predicted.
        fused_channels: of each map in the fused one.
        channels: of the three branches.
        groups: of their group norm.
        aspect_ratio: width / height of every box; None predicts the width.
        radius: cells about a centre that learn the size.
        prior_prob: score of an untrained cell.
        centre_weight: of the loss of the centres.
        size_weight: of the loss of the sizes, which is a mean over the square of cells about a centre.
        offset_weight: of the loss of the offsets.
        score_threshold: predictions at or below it are dropped.
        candidates: best cells of an image that go into the suppression.
        overlap: a box is dropped that overlaps a better one by more (IoU).
        max_per_img: most predictions of an image.
    """
    task = 'detection'
    reads_levels = True

    def __init__(self, in_channels: int, levels: Sequence[Level] | None = None, finest: int = 8, stride: int = 4,
                 fused_channels: int = 256, channels: int = 256, groups: int = 32, aspect_ratio: float | None = None,
                 radius: int = 2, prior_prob: float = 0.01, centre_weight: float = 0.01, size_weight: float = 1.0,
                 offset_weight: float = 0.1, score_threshold: float = 0.01, candidates: int = 1000,
                 overlap: float = 0.5, max_per_img: int = 100):
        super().__init__(in_channels)
        if channels % groups:
            raise UserError(f'CSPHead: {channels} channels do not divide into {groups} groups.')
        levels = [Level(*x) for x in levels or [(in_channels, DEFAULT_STRIDE)]]
        self.read = [i for i, level in enumerate(levels) if level.stride >= finest]
        if not self.read:
            raise UserError(f'CSPHead: no map has a stride of {finest} pixels or more; those of this backbone have '
                            f"{', '.join(str(x.stride) for x in levels)}. Give the head a smaller finest.")
        self.aspect_ratio, self.radius = aspect_ratio, radius
        self.weights = dict(centre=centre_weight, size=size_weight, offset=offset_weight)
        self.score_threshold, self.candidates = score_threshold, candidates
        self.overlap, self.max_per_img = overlap, max_per_img
        self.fuse = ScaleFusion([levels[i] for i in self.read], stride, fused_channels)
        outputs = dict(centre=1, size=2 if aspect_ratio is None else 1, offset=2)
        self.branches = nn.ModuleDict({name: nn.Sequential(
            nn.Conv2d(self.fuse.out_channels, channels, 3, padding=1, bias=False), nn.GroupNorm(groups, channels),
            nn.ReLU(), nn.Conv2d(channels, count, 3, padding=1)) for name, count in outputs.items()})
        for branch in self.branches.values():
            for layer in (branch[0], branch[-1]):
                nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(branch[-1].bias)
        nn.init.constant_(self.branches['centre'][-1].bias, math.log(prior_prob / (1 - prior_prob)))

    def forward(self, features: Features) -> dict[str, Tensor]:
        """Maps: ``centre`` (B, 1, h, w) and ``offset`` (B, 2, h, w) before the sigmoid, ``size`` (B, 2, h, w) log width
        and log height in cells (B, 1, h, w: the log height, with an aspect ratio)."""
        fused = self.fuse([features.maps[i] for i in self.read])
        return {name: branch(fused) for name, branch in self.branches.items()}

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """``loss_centre``, ``loss_size``, ``loss_offset``, each divided by the number of people."""
        maps = self(features)
        with full_precision(maps['centre']):
            maps = {name: x.to(self.fuse.lengths) for name, x in maps.items()}
            cell = self._cell(maps['centre'], samples)
            targets = [self._targets(sample, maps['centre'], cell) for sample in samples]
            total = self.count(samples)
            sums = dict(
                centre=centre_loss(maps['centre'][:, 0], [x.heat for x in targets], [x.counts for x in targets]),
                size=size_loss(self._log_sizes(_gathered(maps['size'], [x.near for x in targets]), cell),
                               torch.cat([x.sizes for x in targets])) / (2 * self.radius + 1)**2,
                offset=F.binary_cross_entropy_with_logits(
                    _gathered(maps['offset'], [x.centres for x in targets]), torch.cat([x.offsets for x in targets]),
                    reduction='sum'))
            return {f'loss_{name}': self.weights[name] * value / total for name, value in sums.items()}

    def count(self, samples: list[HumanSample]) -> float:
        """Number of boxes, at least 1: what the losses are divided by."""
        return float(max(sum(len(sample.gt_instances) for sample in samples), 1))

    def predict(self, features: Features, samples: list[HumanSample]) -> list[HumanSample]:
        """Samples with ``pred_instances``, best first: ``scores``, ``labels``, ``bboxes`` in original pixels."""
        maps = {name: x.to(self.fuse.lengths) for name, x in self(features).items()}
        cell = self._cell(maps['centre'], samples)
        for index, sample in enumerate(samples):
            corners, scores = self._boxes({name: x[index] for name, x in maps.items()}, cell, sample)
            kept = nms(corners, scores, self.overlap)[:self.max_per_img]
            sample.pred_instances = InstanceData(
                bboxes=in_original_pixels(corners[kept], sample), scores=scores[kept], labels=torch.zeros_like(kept))
        return samples

    @staticmethod
    def _cell(maps: Tensor, samples: list[HumanSample]) -> tuple[float, float]:
        """Width and height of a cell in pixels of the input."""
        height, width = samples[0].batch_input_shape
        return width / maps.shape[3], height / maps.shape[2]

    def _targets(self, sample: HumanSample, like: Tensor, cell: tuple[float, float]) -> Targets:
        def boxes(name: str) -> Tensor:
            instances = sample.get(name)
            if instances is None:
                return like.new_zeros((0, 4))
            return getattr(instances.bboxes, 'tensor', instances.bboxes).to(like) / like.new_tensor(cell).repeat(2)

        height, width = sample.img_shape[:2]
        extent = (height / cell[1], width / cell[0])
        return targets_of(boxes('gt_instances'), boxes('ignored_instances'), tuple(like.shape[2:]), extent, self.radius)

    def _log_sizes(self, sizes: Tensor, cell: tuple[float, float]) -> Tensor:
        """(m, 2) log width and log height in cells, of (m, 2) or (m, 1)."""
        if self.aspect_ratio is None:
            return sizes
        return torch.cat([sizes + math.log(self.aspect_ratio * cell[1] / cell[0]), sizes], dim=1)

    def _boxes(self, maps: dict[str, Tensor], cell: tuple[float, float],
               sample: HumanSample) -> tuple[Tensor, Tensor]:
        """Corners (m, 4) in pixels of the input and scores (m,) of the best cells of one image."""
        columns = maps['centre'].shape[2]
        scores, order = maps['centre'].sigmoid().flatten().topk(min(self.candidates, maps['centre'].numel()))
        own = {name: x.flatten(1)[:, order].T for name, x in maps.items()}
        pixels = scores.new_tensor(cell)
        middle = (torch.stack([order % columns, order // columns], 1) + own['offset'].sigmoid()) * pixels
        half = self._log_sizes(own['size'], cell).clamp(max=LARGEST).exp() * pixels / 2
        height, width = sample.img_shape[:2]
        good = (scores > self.score_threshold) & (middle < middle.new_tensor([width, height])).all(1)
        return torch.cat([middle - half, middle + half], 1)[good], scores[good]


def _gathered(maps: Tensor, cells: Sequence[Tensor]) -> Tensor:
    """(m, C) of maps (B, C, h, w), at the flat cells of each image, one image after the other."""
    return torch.cat([x.flatten(1)[:, where].T for x, where in zip(maps, cells)])
