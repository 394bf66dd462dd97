"""Person search: finding people in whole frames, and who they are.

Shapes: B images, R regions of all of them, C channels of the map, C' of the regions that leave a stage, D of an
embedding, N named people.
"""
import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
import torchvision
from mmdet.models.task_modules import DeltaXYWHBBoxCoder, MaxIoUAssigner, RandomSampler
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from ...errors import UserError
from ...registry import MODELS
from ...structures import Features, HumanSample, InstanceData
from ..memory import InstanceMemory
from ..regions import ResidualStage, cut_regions
from .base import BaseHead, full_precision
from .proposals import RegionProposals

STRIDE = 16
UNNAMED = -1


class Sampled(NamedTuple):
    """Boxes that a stage is trained on, of one image.

    Attributes:
        boxes: (n, 4) corners; those on people first.
        people: (p, 4) the annotated boxes that the first p are on.
        identities: (p,) who they show; -1 for somebody without a name.
    """
    boxes: Tensor
    people: Tensor
    identities: Tensor

    def person(self) -> Tensor:
        """(n,) 1.0 for boxes on people, 0.0 for others."""
        return (torch.arange(len(self.boxes), device=self.boxes.device) < len(self.people)).float()


class NormAwareEmbedding(nn.Module):
    """An embedding of which the direction says who it is and the length whether it is anybody (Chen et al. 2020,
    arXiv 2003.10047): half of it is of the regions before the last stage, half of those after it.

    Args:
        channels: C and C'.
        embed_dims: D.
    """

    def __init__(self, channels: Sequence[int], embed_dims: int):
        super().__init__()
        widths = [embed_dims // len(channels)] * (len(channels) - 1)
        widths.append(embed_dims - sum(widths))
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b)) for a, b in zip(channels, widths))
        self.rescale = nn.BatchNorm1d(1)
        for projection in self.projections:
            nn.init.normal_(projection[0].weight, std=0.01)
            nn.init.zeros_(projection[0].bias)

    def forward(self, *pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (R, D) of length one, and scores (R,) before the sigmoid."""
        rows = torch.cat([project(x) for project, x in zip(self.projections, pooled)], dim=1)
        length = rows.norm(dim=1, keepdim=True)
        return rows / length.clamp(min=1e-12), self.rescale(length)[:, 0]


@MODELS.register_module()
class PersonSearchHead(BaseHead):
    """Two stages of boxes, the second of which says who it is (the architecture of SeqNet, Li and Miao 2021, arXiv
    2103.10148, as SOLIDER has it on a Swin).

    Anchors on the last map of the backbone, of stride 16, propose boxes; the first stage says whether each shows a
    person, and moves it; the second looks at the boxes so moved, moves them again and embeds them. A stage is a network
    of its own on regions of 14 x 14 cells, the second a copy of the first: ``stage``, for a Swin its last stage
    (:class:`~humanbench.models.LastStage`, on a backbone of ``stages=3``), into which loading weights into the backbone
    puts those of the file's last stage, or residual blocks. Embeddings are compared with the look-up table and the
    queue of :class:`~humanbench.models.memory.InstanceMemory`.

    Every loss is a mean over images of means over the boxes of each (SeqNet: a mean over all boxes of a batch). Which
    boxes are trained on is drawn from PyTorch's global generator of the CPU.

    Args:
        in_channels: C.
        num_identities: N, people with a name in training.
        queue_size: places for people without one.
        stage: config of a stage; None for :class:`ResidualStage`. It gets ``channels``.
        embed_dims: D.
        momentum, scalar: of the memory.
        proposals: options of :class:`RegionProposals`.
        samples: boxes of an image that each stage is trained on, half of them on people at most.
        region: cells along each side of a region.
        first_box_weight: of the first stage's box regression; all other losses count once.
        score_threshold, overlap, max_per_img: of what is found: least score, IoU above which the lower of two is
            dropped, most of an image.
        weigh_by_score: an embedding that is found has the length of its score (SeqNet's confidence weighted
            similarity), so that a doubtful box is no near match.
    """
    task = 'person_search'

    def __init__(self, in_channels: int, num_identities: int, queue_size: int = 5000, stage: dict | None = None,
                 embed_dims: int = 256, momentum: float = 0.5, scalar: float = 30.0, proposals: dict | None = None,
                 samples: int = 128, region: int = 14, first_box_weight: float = 10.0, score_threshold: float = 0.5,
                 overlap: float = 0.4, max_per_img: int = 300, weigh_by_score: bool = True):
        super().__init__(in_channels)
        self.region, self.samples, self.first_box_weight = region, samples, first_box_weight
        self.score_threshold, self.overlap, self.max_per_img = score_threshold, overlap, max_per_img
        self.weigh_by_score = weigh_by_score
        self.proposals = RegionProposals(in_channels, STRIDE, **(proposals or {}))
        self.first_stage = MODELS.build(dict(channels=in_channels, **(stage or dict(type=ResidualStage))))
        self.second_stage = copy.deepcopy(self.first_stage)
        width = self.first_stage.out_channels
        self.first_score, self.first_box, self.second_box = (nn.Linear(width, n) for n in (2, 4, 4))
        for layer, std in ((self.first_score, 0.01), (self.first_box, 0.001), (self.second_box, 0.001)):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)
        self.embedding = NormAwareEmbedding((in_channels, width), embed_dims)
        self.memory = InstanceMemory(num_identities, queue_size, embed_dims, momentum, scalar)
        self.coder = DeltaXYWHBBoxCoder(target_stds=(0.1, 0.1, 0.2, 0.2))
        with DefaultScope.overwrite_default_scope('mmdet'):
            self.assigner = MaxIoUAssigner(pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5, match_low_quality=False)
        self.sampler = RandomSampler(num=samples, pos_fraction=0.5)

    # ------------------------------------------------------------------------------------------------ network

    def forward(self, features: Features, samples: list[HumanSample]) -> tuple[Tensor, ...]:
        """Raw outputs of all parts, of as many boxes as are trained on, each of them the whole image."""
        maps = self._map(features, samples)
        boxes = [maps.new_tensor([[0, 0, x.img_shape[1], x.img_shape[0]]]).repeat(self.samples, 1) for x in samples]
        return *self._propose(maps), *self._first(maps, boxes), *self._second(maps, boxes)

    @staticmethod
    def _map(features: Features, samples: Sequence[HumanSample]) -> Tensor:
        """(B, C, H, W) the map of stride 16.

        Raises:
            UserError: it is of another stride.
        """
        found = features.maps[-1]
        padded = samples[0].batch_input_shape
        if tuple(-(-side // STRIDE) for side in padded) != tuple(found.shape[2:]):
            raise UserError(
                f'PersonSearchHead reads a map of stride {STRIDE}, but the last map of the backbone has '
                f'{tuple(found.shape[2:])} cells for {tuple(padded)} pixels. Build a SemanticSwin with stages=3.')
        return found

    def _propose(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B, A, H, W) and deltas (B, 4 A, H, W) of anchors."""
        scores, deltas = self.proposals([maps])
        return tuple(x[0].to(self.first_box.weight.dtype) for x in (scores, deltas))

    def _regions(self, maps: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        with full_precision(maps):  # a place in a map of 100 cells has no place in half precision
            dtype = self.first_box.weight.dtype
            return cut_regions(maps.to(dtype), [x.to(dtype) for x in boxes], self.region, STRIDE)

    @staticmethod
    def _pooled(stage: nn.Module, regions: Tensor) -> Tensor:
        """(R, C') the largest of each channel after a stage; attention over no region at all is none."""
        return stage(regions).amax((2, 3)) if len(regions) else regions.new_zeros(0, stage.out_channels)

    def _first(self, maps: Tensor, boxes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Scores (R, 2) for person and nothing, and deltas (R, 4)."""
        pooled = self._pooled(self.first_stage, self._regions(maps, boxes))
        with full_precision(pooled):
            pooled = pooled.to(self.first_box.weight.dtype)
            return self.first_score(pooled), self.first_box(pooled)

    def _second(self, maps: Tensor, boxes: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Deltas (R, 4), embeddings (R, D) of length one, scores (R,) before the sigmoid."""
        regions = self._regions(maps, boxes)
        pooled = self._pooled(self.second_stage, regions)
        with full_precision(pooled):
            pooled = pooled.to(self.second_box.weight.dtype)
            return self.second_box(pooled), *self.embedding(regions.amax((2, 3)), pooled)

    def _moved(self, boxes: Sequence[Tensor], deltas: Tensor, samples: Sequence[HumanSample]) -> list[Tensor]:
        """Boxes moved by deltas (R, 4) and cut to their image."""
        parts = deltas.detach().split([len(x) for x in boxes])
        return [self.coder.decode(own, part, max_shape=tuple(sample.img_shape[:2]))
                for own, part, sample in zip(boxes, parts, samples)]

    # ------------------------------------------------------------------------------------------------ training

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """``loss_rpn_cls``, ``loss_rpn_bbox``; ``loss_first_cls``, ``loss_first_bbox``; ``loss_second_cls``,
        ``loss_second_bbox``, ``loss_oim``; and ``accuracy``, the share of named boxes whose nearest remembered person
        is right."""
        if not all('identities' in x.gt_instances for x in samples):
            raise UserError(f"PersonSearchHead trains on people with and without names, but samples of source "
                            f"'{samples[0].get('source')}' have no identities. Let its dataset read a training split.")
        maps, people = self._map(features, samples), [x.gt_instances for x in samples]
        raw = self._propose(maps)
        with full_precision(maps):
            losses = self.proposals.losses(*raw, samples, people)
            sampled = [self._sample(*x) for x in zip(self.proposals.propose(*raw, samples), people)]
        scores, deltas = self._first(maps, [x.boxes for x in sampled])
        share = _shares(sampled)
        losses['loss_first_cls'] = _total(F.cross_entropy(
            scores, 1 - torch.cat([x.person() for x in sampled]).long(), reduction='none'), share)
        losses['loss_first_bbox'] = self.first_box_weight * self._box_loss(deltas, sampled, share)

        moved = self._moved([x.boxes for x in sampled], deltas, samples)
        sampled = [self._sample(*x) for x in zip(moved, people)]
        deltas, embeddings, scores = self._second(maps, [x.boxes for x in sampled])
        share = _shares(sampled)
        losses['loss_second_cls'] = _total(F.binary_cross_entropy_with_logits(
            scores, torch.cat([x.person() for x in sampled]).to(scores), reduction='none'), share)
        losses['loss_second_bbox'] = self._box_loss(deltas, sampled, share)
        return losses | self._matching_loss(embeddings, sampled)

    @torch.no_grad()
    def _sample(self, boxes: Tensor, people: InstanceData) -> Sampled:
        """Boxes to train on, of those proposed and of the annotated ones."""
        candidates, truth = InstanceData(priors=boxes), InstanceData(
            bboxes=people.bboxes.to(boxes), labels=people.labels)
        result = self.sampler.sample(self.assigner.assign(candidates, truth), candidates, truth)
        own = result.pos_assigned_gt_inds
        return Sampled(torch.cat([result.pos_priors, result.neg_priors]), truth.bboxes[own], people.identities[own])

    def _box_loss(self, deltas: Tensor, sampled: Sequence[Sampled], share: Tensor) -> Tensor:
        """() of the boxes on people."""
        on_people = torch.cat([x.person() for x in sampled]).bool()
        boxes = torch.cat([x.boxes[:len(x.people)] for x in sampled])
        targets = self.coder.encode(boxes, torch.cat([x.people for x in sampled]))
        found = F.smooth_l1_loss(deltas[on_people], targets.to(deltas), reduction='none').sum(1)
        return _total(found, share[on_people])

    def _matching_loss(self, embeddings: Tensor, sampled: Sequence[Sampled]) -> dict[str, Tensor]:
        """Online instance matching of the boxes on people: cross-entropy of those with a name."""
        on_people = torch.cat([x.person() for x in sampled]).bool()
        identities = torch.cat([x.identities for x in sampled]).to(embeddings.device)
        similar = self.memory(embeddings[on_people], identities)
        named = identities != UNNAMED
        counts = [(x.identities != UNNAMED).sum() for x in sampled]
        share = torch.cat([x.new_full((int(n),), 1 / (max(int(n), 1) * len(sampled)), dtype=embeddings.dtype)
                           for x, n in zip((y.boxes for y in sampled), counts)])
        loss = _total(F.cross_entropy(similar[named], identities[named], reduction='none'), share)
        right = (similar[named].detach().argmax(1) == identities[named]).to(loss)
        return dict(loss_oim=loss, accuracy=right.sum() / max(len(right), 1))

    # ------------------------------------------------------------------------------------------------ prediction

    def predict(self, features: Features, samples: list[HumanSample]) -> list[HumanSample]:
        """Samples with ``pred_instances``, best first: ``bboxes`` in original pixels, ``scores``, ``labels`` and
        ``features`` (n, D); and ``pred_query_features`` (q, D), of length one, of the boxes of ``queries``, if any."""
        maps = self._map(features, samples)
        raw = self._propose(maps)
        with full_precision(maps):
            boxes = self.proposals.propose(*raw, samples)
        first, deltas = self._first(maps, boxes)
        boxes = self._moved(boxes, deltas, samples)
        deltas, embeddings, _ = self._second(maps, boxes)
        final, sizes = self._moved(boxes, deltas, samples), [len(x) for x in boxes]
        scores = first.softmax(1)[:, 0]  # SeqNet: the first stage tells people from the rest, the second one another
        asked = self._query_boxes(samples, maps)
        queries = self._second(maps, asked)[1].split([len(x) for x in asked])
        for sample, own, score, feature, query in zip(
                samples, final, scores.split(sizes), embeddings.split(sizes), queries):
            sample.pred_instances = self._kept(sample, own, score, feature)
            sample.pred_query_features = query.float()
        return samples

    def _kept(self, sample: HumanSample, boxes: Tensor, scores: Tensor, features: Tensor) -> InstanceData:
        sure = scores >= self.score_threshold
        boxes, scores, features = boxes[sure].float(), scores[sure].float(), features[sure].float()
        kept = torchvision.ops.nms(boxes, scores, self.overlap)[:self.max_per_img]
        boxes, scores, features = boxes[kept], scores[kept], features[kept]
        if self.weigh_by_score:
            features = features * scores[:, None]
        scale = boxes.new_tensor(sample.get('scale_factor', (1.0, 1.0))).repeat(2)
        return InstanceData(bboxes=boxes / scale, scores=scores, features=features,
                            labels=torch.zeros(len(boxes), dtype=torch.long, device=boxes.device))

    @staticmethod
    def _query_boxes(samples: Sequence[HumanSample], like: Tensor) -> list[Tensor]:
        """(q, 4) of each image, in pixels of the network's input and cut to it."""
        found = []
        for sample in samples:
            boxes = torch.tensor([x['bbox'] for x in sample.get('queries', ())], device=like.device).view(-1, 4)
            scale = boxes.new_tensor(sample.get('scale_factor', (1.0, 1.0))).repeat(2)
            limits = boxes.new_tensor(sample.img_shape[:2]).flip(0).repeat(2)
            found.append((boxes * scale).clamp(min=0).minimum(limits))
        return found


def _shares(sampled: Sequence[Sampled]) -> Tensor:
    """(R,) of what each box counts in a mean over images of means over boxes."""
    return torch.cat([x.boxes.new_full((len(x.boxes),), 1 / (max(len(x.boxes), 1) * len(sampled))) for x in sampled])


def _total(losses: Tensor, share: Tensor) -> Tensor:
    return (losses * share.to(losses)).sum()
