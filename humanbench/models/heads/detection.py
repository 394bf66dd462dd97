"""PATH's detection head: anchor queries on one feature map, deep supervision, no suppression afterwards.

Shapes: B images, P anchor points, Q = P x patterns queries (point outer, pattern inner), K cells of the map,
C channels, L decoder layers. Boxes are (cx, cy, w, h) as fractions of the image without padding unless said otherwise.
"""
import math
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from mmdet.models.layers import inverse_sigmoid
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy, bbox_xyxy_to_cxcywh, get_box_tensor
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...errors import unknown_name
from ...registry import MODELS
from ...structures import Features, HumanSample, InstanceData
from ..losses.set_prediction import SetPrediction
from .base import BaseHead, full_precision
from .detection_decoder import DecoderLayer, PositionCode, anchor_points, cell_positions, init_fan_in

FRAMES = ('valid', 'padded')
CONTENTS = ('pattern', 'sampled')


@MODELS.register_module()
class DetectionHead(BaseHead):
    """Boxes of persons by set prediction (Anchor DETR's queries in Mask2Former's decoder, as in PATH).

    A query is one of ``num_points`` learnt points with one of ``num_patterns`` contents. Every layer attends to the
    map, then among queries; one pair of towers reads the box and the score of every layer's queries. Defaults are the
    paper's, except ``prior_prob`` (None there) and ``canvas_frame`` ('padded' there).

    With the defaults a small decoder learns nothing useful within some hundred steps; the last four options change
    that. On drawn figures, with a frozen backbone of width 96, 48 points, one pattern, 3 layers of width 64 and 600
    steps of 8 images, they raised AP50 from 0.08 to 0.49. 'sampled' does most, then ``residual_scale`` 0.1, then
    ``size_prior`` 0.3; more patterns are harder to rank and gave less (12 points x 3: 0.04, 16 x 3 with options: 0.17).

    Args:
        in_channels: channels of the map.
        num_points: P.
        num_patterns: contents at each point.
        embed_dims: C.
        num_layers: L.
        num_heads: of the attentions.
        feedforward_channels: of the decoder layers.
        prior_prob: score of an untrained query; None: 0.5.
        canvas_frame: what key positions are fractions of. 'valid': the image without padding, as its boxes are, and
            padding is not attended to. 'padded': the padded batch, padding attended to (PATH's release; boxes and keys
            then disagree wherever a batch mixes sizes).
        criterion: options of :class:`SetPrediction`.
        score_threshold: predictions at or below it are dropped (CrowdHuman 0.05, Caltech 0).
        max_per_img: most predictions of an image.
        checkpointing: recompute decoder layers in the backward pass instead of keeping their activations.
        point_init: 'uniform' draws the points, 'grid' covers the image evenly.
        query_content: what a query starts with. 'pattern': its pattern; 'sampled': the map at its point besides.
        residual_scale: factor of the initial weights with which attention and feed-forward parts write into the
            queries. Below 1, what a query starts with is still there after the last layer; at 1 each of the three norms
            of a layer halves its share.
        size_prior: width and height, as a fraction of the image, that untrained queries predict; None: about half.
    """
    task = 'detection'

    def __init__(self, in_channels: int, num_points: int = 300, num_patterns: int = 3, embed_dims: int = 256,
                 num_layers: int = 9, num_heads: int = 8, feedforward_channels: int = 2048,
                 prior_prob: float | None = 0.01, canvas_frame: Literal['valid', 'padded'] = 'valid',
                 criterion: dict | None = None, score_threshold: float = 0.0, max_per_img: int = 900,
                 checkpointing: bool = False, point_init: Literal['uniform', 'grid'] = 'uniform',
                 query_content: Literal['pattern', 'sampled'] = 'pattern', residual_scale: float = 1.0,
                 size_prior: float | None = None):
        super().__init__(in_channels)
        if canvas_frame not in FRAMES:
            raise unknown_name('canvas_frame', canvas_frame, FRAMES)
        if query_content not in CONTENTS:
            raise unknown_name('query_content', query_content, CONTENTS)
        self.canvas_frame, self.query_content = canvas_frame, query_content
        self.score_threshold, self.max_per_img = score_threshold, max_per_img
        self.checkpointing = checkpointing
        self.criterion = SetPrediction(**(criterion or {}))

        self.reduce = nn.Conv2d(in_channels, embed_dims, 1)
        self.level_embed = nn.Parameter(torch.randn(embed_dims))
        self.points = nn.Parameter(anchor_points(num_points, point_init))
        self.patterns = nn.Parameter(torch.randn(num_patterns, embed_dims))
        self.position_code = PositionCode(embed_dims)
        self.layers = nn.ModuleList(
            DecoderLayer(embed_dims, num_heads, feedforward_channels, residual_scale) for _ in range(num_layers))
        self.norm = nn.LayerNorm(embed_dims)
        self.classifier = nn.Linear(embed_dims, 1)
        self.box = nn.Sequential(
            nn.Linear(embed_dims, embed_dims), nn.ReLU(), nn.Linear(embed_dims, embed_dims), nn.ReLU(),
            nn.Linear(embed_dims, 4))
        self._init_weights(prior_prob, size_prior)

    def _init_weights(self, prior_prob: float | None, size_prior: float | None) -> None:
        nn.init.xavier_uniform_(self.reduce.weight)
        nn.init.zeros_(self.reduce.bias)
        for module in (self.position_code, self.classifier, self.box):
            init_fan_in(module)
        if prior_prob is not None:
            nn.init.constant_(self.classifier.bias, math.log(prior_prob / (1 - prior_prob)))
        if size_prior is not None:
            nn.init.constant_(self.box[-1].bias[2:], math.log(size_prior / (1 - size_prior)))
            nn.init.normal_(self.box[-1].weight, std=0.1 * self.box[-1].in_features**-0.5)

    def forward(self, features: Features, samples: list[HumanSample]) -> tuple[Tensor, Tensor]:
        """Scores before the sigmoid (L, B, Q) and boxes (L, B, Q, 4) of every layer, in the parameters' precision."""
        image = self.reduce(features.maps[-1])
        memory = image.flatten(2).mT + self.level_embed
        sizes = [tuple(sample.img_shape[:2]) for sample in samples]
        positions, visible = cell_positions(image.shape[2:], sizes, samples[0].batch_input_shape, self.canvas_frame)
        key = memory + self.position_code(positions.to(self.points))
        mask = None if visible is None else visible[:, None, None].to(image.device)

        points = self.points.repeat_interleave(len(self.patterns), 0)
        query_code = self.position_code(points[None])
        query = self._query_content(image, samples)
        outputs = []
        for layer in self.layers:
            if self.checkpointing and torch.is_grad_enabled():
                layer = partial(checkpoint, layer, use_reentrant=False)
            query = layer(query, query_code, memory, key, mask)
            outputs.append(query)
        # half precision would round a box to several pixels of a large image
        with full_precision(query):
            hidden = self.norm(torch.stack(outputs).to(self.points.dtype))
            boxes = self.box(hidden)
            centres = boxes[..., :2] + inverse_sigmoid(points, eps=1e-5)
            return self.classifier(hidden)[..., 0], torch.cat([centres, boxes[..., 2:]], -1).sigmoid()

    def _query_content(self, image: Tensor, samples: list[HumanSample]) -> Tensor:
        """(B, Q, C) what the queries start with."""
        content = self.patterns.repeat(len(self.points), 1).expand(len(image), -1, -1)
        if self.query_content == 'pattern':
            return content
        points = self.points.expand(len(image), -1, -1)
        if self.canvas_frame == 'valid':
            sizes = points.new_tensor([sample.img_shape[:2] for sample in samples])
            points = points * (sizes / sizes.new_tensor(samples[0].batch_input_shape)).flip(-1)[:, None]
        with full_precision(image):
            seen = F.grid_sample(
                image.to(points.dtype), 2 * points[:, :, None] - 1, padding_mode='border', align_corners=False)
        return content + seen[..., 0].mT.repeat_interleave(len(self.patterns), 1)

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """``loss_cls``, ``loss_bbox``, ``loss_giou``, each summed over layers, and ``matched_iou`` of the last one."""
        logits, boxes = self(features, samples)
        with full_precision(boxes):
            persons = [self._normalised(sample.gt_instances, sample, boxes) for sample in samples]
            ignored = [self._normalised(sample.get('ignored_instances'), sample, boxes) for sample in samples]
            return self.criterion.loss(logits, boxes, persons, ignored)

    @staticmethod
    def _normalised(instances: InstanceData | None, sample: HumanSample, like: Tensor) -> Tensor:
        """Boxes (n, 4) of these instances as fractions of the image."""
        if instances is None or not len(instances):
            return like.new_zeros((0, 4))
        height, width = sample.img_shape[:2]
        corners = get_box_tensor(instances.bboxes).to(like)
        return bbox_xyxy_to_cxcywh(corners / corners.new_tensor([width, height, width, height]))

    def count(self, samples: list[HumanSample]) -> float:
        """Number of boxes, at least 1: what the losses are divided by."""
        return float(max(sum(len(sample.gt_instances) for sample in samples), 1))

    def predict(self, features: Features, samples: list[HumanSample]) -> list[HumanSample]:
        """Samples with ``pred_instances``, best first: ``scores``, ``labels``, ``bboxes`` in original pixels."""
        logits, boxes = self(features, samples)
        for scores, corners, sample in zip(logits[-1].sigmoid(), bbox_cxcywh_to_xyxy(boxes[-1]), samples):
            scores, order = scores.topk(min(self.max_per_img, len(scores)))
            order, scores = order[scores > self.score_threshold], scores[scores > self.score_threshold]
            height, width = sample.img_shape[:2]
            boxes = in_original_pixels(corners[order] * corners.new_tensor([width, height]).repeat(2), sample)
            sample.pred_instances = InstanceData(bboxes=boxes, scores=scores, labels=torch.zeros_like(order))
        return samples


def in_original_pixels(corners: Tensor, sample: HumanSample) -> Tensor:
    """Boxes (n, 4) in pixels of the network's input as boxes in the image it was made of, cut at its border."""
    original = corners / corners.new_tensor(sample.get('scale_factor', (1.0, 1.0))).repeat(2)
    return original.clamp(min=0).minimum(original.new_tensor(sample.ori_shape[:2]).flip(0).repeat(2))
