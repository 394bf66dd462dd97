"""HCMoCo for datasets of which not every sample can have a row in banks: a queue, and slow copies that fill it.

Shapes as in :mod:`.hcmoco`; K places of the queue.
"""
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...errors import UserError
from ...registry import MODELS
from ...structures import Features, HumanSample
from ..heads.base import full_precision
from ..memory import ModalityQueue
from .base import Shared
from .hcmoco import MODALITIES, PAIRS, HCMoCoPretext, PersonView, Seen, projected
from .teacher import TeacherPretext


@dataclass(frozen=True)
class SeenTwice(Seen):
    """What three networks make of people, and their slow copies.

    Attributes:
        keys: (V, B, D) of length 1, of the copies; without gradient.
    """
    keys: Tensor


@MODELS.register_module()
class HCMoCoQueuePretext(HCMoCoPretext, TeacherPretext):
    """HCMoCo whose samples are told from the last ones, whichever they were (He et al. 2020, arXiv 1911.05722).

    The vector of one modality finds what the slow copies say of another modality of the same sample, among what they
    say of the other samples of its unit and what they said of the last K samples that had it. Slow copies, and the unit
    beside the queue, because otherwise networks learn to leave the place where everybody was a moment ago.

    Args:
        in_channels: C of the picture's backbone.
        num_samples: None, for no banks.
        negatives: K.
        momentum: of the slow copies, see :class:`.teacher.TeacherPretext`.
        options: of :class:`.hcmoco.HCMoCoPretext`.
    """
    teacher_name = 'slow'

    def __init__(self, in_channels: int, num_samples: None = None, negatives: int = 16384, momentum: float = 0.999,
                 **options):
        if num_samples is not None:
            raise UserError(f'HCMoCoQueuePretext got num_samples={num_samples}, and has a queue in place of banks: '
                            'expected None. HCMoCoPretext has banks.')
        super().__init__(in_channels, num_samples, negatives=negatives, momentum=momentum, **options)
        self.queue = ModalityQueue(negatives, len(MODALITIES), self.mappers['rgb'].out_channels)

    def students(self) -> Mapping[str, nn.Module]:
        return dict(depth_encoder=self.depth_encoder, joint_encoder=self.joint_encoder, projections=self.projections)

    @torch.no_grad()
    def targets(self, views: Sequence[PersonView], batch: int) -> Tensor:
        """What the slow copies make of each modality, (V, B, D) of length 1."""
        view, copies = views[0], self.copies
        return projected(self.teach(view.images).pooled, self._depth(view, copies['depth_encoder'])[0],
                         self._joints(view, copies['joint_encoder']), copies['projections'])

    def loss(self, features: Sequence[Features], samples: Sequence[HumanSample], views: Sequence[PersonView],
             shared: Shared | None = None) -> dict[str, Tensor]:
        """As :meth:`.hcmoco.HCMoCoPretext.loss`."""
        seen = SeenTwice(**vars(self(features, views)), keys=self.targets(views, len(samples)))
        with full_precision(seen.vectors):
            return self.losses(seen, samples, views[0])

    def _errors(self, seen: SeenTwice, present: Tensor, view: PersonView) -> Iterator[Tensor]:
        """Cross-entropies (B,) of each of :data:`PAIRS`; a sample that is in the queue, or was drawn twice, is not told
        from itself."""
        own = torch.eye(len(view.index), dtype=torch.bool, device=view.index.device)
        for one, other in PAIRS:
            keys = torch.cat([seen.keys[other], self.queue.table[other].to(seen.keys)])
            others = torch.cat([view.index, self.queue.index[other]]) != view.index[:, None]
            others[:, :len(own)] &= present[other]
            others[:, :len(own)] |= own
            logits = (seen.vectors[one] @ keys.T / self.temperature).masked_fill(~others, -torch.inf)
            yield logits.logsumexp(1) - logits.diagonal()

    def _remember(self, seen: SeenTwice, present: Tensor, index: Tensor) -> None:
        self.queue.see(index, seen.keys, present)
