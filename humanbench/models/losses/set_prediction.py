"""Set prediction of boxes of one class: one-to-one matching of queries and boxes, and the loss it defines (DETR's).

Shapes: L decoder layers, B images, Q queries, n boxes of an image, M matched pairs of all layers and images.
Boxes are (cx, cy, w, h) divided by the image's width and height unless a name says otherwise. The overlap measures used
here do not change when an axis is rescaled, so they are the same numbers as in pixels.
"""
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy, bbox_overlaps
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchvision.ops import sigmoid_focal_loss

from ...errors import NotFiniteError

AREA_EPS = 1e-12  # boxes are fractions of the image: mmdet's default of 1e-6 would swallow small ones


@torch.no_grad()
def pairwise_giou(targets: Tensor, boxes: Tensor) -> Tensor:
    """Generalised IoU of every target (n, 4) with every box (..., Q, 4), (..., n, Q).

    The numbers of mmdet's ``bbox_overlaps`` in a third of its time: one coordinate at a time, in place. Matching would
    otherwise be slower than the decoder in a crowd.
    """
    left, top, right, bottom = (x[..., None, :] for x in bbox_cxcywh_to_xyxy(boxes).unbind(-1))
    left_, top_, right_, bottom_ = (x[:, None] for x in bbox_cxcywh_to_xyxy(targets).unbind(-1))
    width = torch.minimum(right, right_).sub_(torch.maximum(left, left_)).clamp_(min=0)
    height = torch.minimum(bottom, bottom_).sub_(torch.maximum(top, top_)).clamp_(min=0)
    overlap = width.mul_(height)
    union = (boxes[..., 2:].prod(-1)[..., None, :] + targets[:, 2:].prod(-1)[:, None]).sub_(overlap)
    union.clamp_(min=AREA_EPS)
    width = torch.maximum(right, right_).sub_(torch.minimum(left, left_))
    hull = width.mul_(torch.maximum(bottom, bottom_).sub_(torch.minimum(top, top_))).clamp_(min=AREA_EPS)
    return overlap.div_(union).add_(union.div_(hull)).sub_(1)


@dataclass(frozen=True)
class Matching:
    """Who was matched with whom: four index vectors (M,)."""
    layer: Tensor
    image: Tensor
    query: Tensor
    box: Tensor

    def select(self, predictions: Tensor) -> Tensor:
        """The matched rows of an (L, B, Q, ...) tensor, (M, ...)."""
        return predictions[self.layer, self.image, self.query]


@dataclass(frozen=True)
class SetPrediction:
    """Matching costs and losses of a set of boxes; the two share their weights (DETR, Anchor DETR and PATH: 2, 5, 2).

    Attributes:
        class_weight: of the focal terms.
        l1_weight: of the L1 distance of normalised (cx, cy, w, h).
        giou_weight: of the generalised IoU.
        alpha: focal balance of persons against background.
        gamma: focal exponent.
        ignore_threshold: an unmatched query with at least this part of its own (clipped) area inside one ignore region
            takes no part in the class loss; above 1 switches the rule off.
    """
    class_weight: float = 2.
    l1_weight: float = 5.
    giou_weight: float = 2.
    alpha: float = .25
    gamma: float = 2.
    ignore_threshold: float = .7

    def cost(self, logits: Tensor, boxes: Tensor, targets: Tensor) -> Tensor:
        """Cost of giving each box of one image to each query, all layers at once.

        Args:
            logits: (L, Q).
            boxes: (L, Q, 4).
            targets: (n, 4).

        Returns:
            (L, n, Q).
        """
        probability = logits.sigmoid()
        positive = self.alpha * (1 - probability).pow(self.gamma) * -(probability + 1e-12).log()
        negative = (1 - self.alpha) * probability.pow(self.gamma) * -(1 - probability + 1e-12).log()
        distance = torch.cdist(targets.expand(len(boxes), -1, -1), boxes, p=1)
        cost = distance.mul_(self.l1_weight).sub_(pairwise_giou(targets, boxes), alpha=self.giou_weight)
        return cost.add_((positive - negative)[:, None], alpha=self.class_weight)

    @torch.no_grad()
    def match(self, logits: Tensor, boxes: Tensor, targets: Sequence[Tensor]) -> Matching:
        """The cheapest one-to-one matching, for every layer and image on its own.

        All costs are computed on the predictions' device and cross to the host at once, as do the indices back: two
        transfers for a unit, whatever L and B.

        Args:
            logits: (L, B, Q).
            boxes: (L, B, Q, 4).
            targets: B tensors (n, 4).
        """
        costs = [self.cost(logits[:, i], boxes[:, i], x) for i, x in enumerate(targets)]
        flat = torch.cat([x.flatten() for x in costs]).cpu().numpy()
        ends = np.cumsum([x.numel() for x in costs])
        pairs = [np.zeros((4, 0), np.int64)]
        for image, (end, shape) in enumerate(zip(ends, (x.shape for x in costs))):
            for layer, block in enumerate(flat[end - math.prod(shape):end].reshape(shape)):
                if not np.isfinite(block).all():
                    raise NotFiniteError(
                        f'The detection head predicts values that are not finite (decoder layer {layer}, image {image} '
                        'of the unit), or a box of this image is not. If the labels are fine, training has diverged: '
                        'lower the learning rate, lengthen the warm-up or clip gradients.')
                box, query = linear_sum_assignment(block)
                pairs.append(np.stack([np.full_like(box, layer), np.full_like(box, image), query, box]))
        return Matching(*torch.from_numpy(np.concatenate(pairs, 1)).to(logits.device))

    @torch.no_grad()
    def in_ignored(self, boxes: Tensor, ignored: Sequence[Tensor]) -> Tensor:
        """Which predictions lie in an ignore region.

        Args:
            boxes: (L, B, Q, 4).
            ignored: B tensors (m, 4).

        Returns:
            (L, B, Q) bool.
        """
        if self.ignore_threshold > 1 or not any(len(x) for x in ignored):
            return boxes.new_zeros(boxes.shape[:3], dtype=torch.bool)
        # a padding row is a box of no area: nothing lies inside it
        regions = bbox_cxcywh_to_xyxy(pad_sequence(list(ignored), batch_first=True)).clamp(0, 1)
        corners = bbox_cxcywh_to_xyxy(boxes).clamp(0, 1)
        inside = bbox_overlaps(corners, regions.expand(len(boxes), *regions.shape), mode='iof', eps=AREA_EPS)
        return inside.amax(-1) >= self.ignore_threshold

    def loss(self, logits: Tensor, boxes: Tensor, targets: Sequence[Tensor],
             ignored: Sequence[Tensor]) -> dict[str, Tensor]:
        """Sum over the layers of each layer's loss, divided by the number of boxes of the unit (at least 1).

        Args:
            logits: (L, B, Q) float32.
            boxes: (L, B, Q, 4) float32.
            targets: B tensors (n, 4), persons.
            ignored: B tensors (m, 4), regions where a detection is neither right nor wrong.

        Returns:
            ``loss_cls``, ``loss_bbox``, ``loss_giou`` and, to watch, ``matched_iou``: mean IoU in the last layer.
        """
        pairs = self.match(logits, boxes, targets)
        positive = torch.zeros_like(logits)
        positive[pairs.layer, pairs.image, pairs.query] = 1
        focal = sigmoid_focal_loss(logits, positive, alpha=self.alpha, gamma=self.gamma)
        counted = (positive > 0) | ~self.in_ignored(boxes, ignored)

        predicted = pairs.select(boxes)
        wanted = pad_sequence(list(targets), batch_first=True)[pairs.image, pairs.box]
        corners = bbox_cxcywh_to_xyxy(predicted), bbox_cxcywh_to_xyxy(wanted)
        giou = bbox_overlaps(*corners, mode='giou', is_aligned=True, eps=AREA_EPS)
        last = pairs.layer == len(logits) - 1
        iou = bbox_overlaps(*(x[last].detach() for x in corners), is_aligned=True, eps=AREA_EPS)

        normaliser = max(sum(len(x) for x in targets), 1)
        return dict(
            loss_cls=self.class_weight * (focal * counted).sum() / normaliser,
            loss_bbox=self.l1_weight * (predicted - wanted).abs().sum() / normaliser,
            loss_giou=self.giou_weight * (1 - giou).sum() / normaliser,
            matched_iou=iou.sum() / normaliser)
