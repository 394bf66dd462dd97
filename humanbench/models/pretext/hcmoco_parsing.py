"""HCMoCo with labels of one modality, for another (its section on versatility).

Shapes: B images, D channels that are compared, h x w cells of a map.
"""
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...errors import unknown_name
from ...registry import MODELS
from ...structures import Features, HumanSample
from ..heads.parsing import IGNORED
from .base import View
from .hcmoco import HCMoCoPretext, PersonView, Seen, resized, unit

READS = ('rgb', 'depth', 'both')


@MODELS.register_module()
class HCMoCoParsingPretext(HCMoCoPretext):
    """Points of picture and depth are in one space, so one parsing head reads either; where a frame has labels, it
    learns from them.

    * ``learns_from='rgb', reads='depth'``: the depth of frames with labels is hidden in training; the head has seen
      labels of pictures alone, and parses depth. Or the other way round.
    * ``learns_from='both'``: the larger value of both, channel by channel; afterwards it parses what there is, with one
      of them missing, too.

    A hidden picture still passes the backbone, and moves its batch statistics; no loss sees it.

    Args:
        in_channels: C.
        parsing: config of the head, without ``in_channels``.
        learns_from: ``'rgb'``, ``'depth'`` or ``'both'``.
        reads: the same, of what is predicted.
        parsing_weight: of its loss.
        arguments: of :class:`.hcmoco.HCMoCoPretext`.
    """

    def __init__(self, in_channels: int, parsing: Mapping, learns_from: str = 'both', reads: str = 'both',
                 parsing_weight: float = 10.0, **arguments):
        super().__init__(in_channels, **arguments)
        for name in (learns_from, reads):
            if name not in READS:
                raise unknown_name('modality of HCMoCoParsingPretext', name, READS)
        self.learns_from, self.reads, self.parsing_weight = learns_from, reads, parsing_weight
        self.parsing = MODELS.build(dict(parsing, in_channels=self.mappers['rgb'].out_channels))

    def views(self, images: Tensor, samples: Sequence[HumanSample], generator: torch.Generator) -> list[View]:
        """The pictures with depth and joints; of frames with labels that modality alone which is learnt from."""
        view, = super().views(images, samples, generator)
        if not self.training or images.is_meta or self.learns_from == 'both':
            return [view]
        hidden = torch.tensor(_have_labels(samples), device=images.device)
        name = 'has_depth' if self.learns_from == 'rgb' else 'has_rgb'
        return [replace(view, **{name: getattr(view, name) & ~hidden})]

    def losses(self, seen: Seen, samples: Sequence[HumanSample], view: PersonView) -> dict[str, Tensor]:
        """Those of HCMoCo, and ``loss_parsing`` (with its weight)."""
        found = super().losses(seen, samples, view)
        chosen = [i for i, there in enumerate(_have_labels(samples)) if there]
        maps = self._read(seen, view, self.learns_from)
        if chosen:
            labels = self.parsing.labels([samples[i] for i in chosen], maps.device)
            errors = self.parsing.pixel_loss(self._classes(maps[chosen]), labels)
        else:
            errors = maps.sum() * 0
        return found | dict(loss_parsing=self.parsing_weight * errors)

    def predict(self, features: Sequence[Features], samples: list[HumanSample],
                views: Sequence[PersonView]) -> list[HumanSample]:
        """Sets ``pred_sem_seg``, as a parsing head."""
        maps = self._read(self(features, views), views[0], self.reads)
        return self.parsing.decode(self._classes(maps), samples)

    def _classes(self, maps: Tensor) -> Tensor:
        return self.parsing(Features(maps=[maps], tokens=[], cls=None, pooled=maps, grid=tuple(maps.shape[-2:])))

    @staticmethod
    def _read(seen: Seen, view: PersonView, which: str) -> Tensor:
        """Features (B, D, h, w) of length 1 of a modality, or the larger of both where a sample has both."""
        rgb, depth = unit(seen.rgb, 1), unit(resized(seen.depth, seen.rgb.shape[-2:]), 1)
        if which != 'both':
            return rgb if which == 'rgb' else depth
        has_rgb, has_depth = (x[:, None, None, None] for x in (view.has_rgb, view.has_depth))
        return torch.where(has_rgb & has_depth, torch.maximum(rgb, depth), torch.where(has_rgb, rgb, depth))


def _have_labels(samples: Sequence[HumanSample]) -> list[bool]:
    """Which samples have any label."""
    found = [(x.gt_sem_seg.data != IGNORED).any() if 'gt_sem_seg' in x else None for x in samples]
    there = [x for x in found if x is not None]
    told = iter(torch.stack(there).tolist() if there else ())  # all at once: each question waits for the device
    return [x is not None and next(told) for x in found]
