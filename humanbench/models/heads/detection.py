"""PATH's detection head: anchor queries on one feature map, deep supervision, no suppression afterwards.

Shapes: B images, P points, Q = P x patterns queries, K cells of the map, C channels, L layers.
"""
import math
from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from mmdet.models.layers import inverse_sigmoid
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy, bbox_xyxy_to_cxcywh, get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from humanbench.errors import UserError
from humanbench.models.losses.set_prediction import SetPrediction
from humanbench.registry import MODELS
from humanbench.structures import Features, HumanSample

from .detection_decoder import DecoderLayer, PositionCode, anchor_points, init_fan_in


@MODELS.register_module()
class DetectionHead(nn.Module):
    """x"""

    def __init__(self, in_channels: int, num_points: int = 300, num_patterns: int = 3, embed_dims: int = 256,
                 num_layers: int = 9, num_heads: int = 8, feedforward_channels: int = 2048,
                 point_init: Literal['uniform', 'grid'] = 'uniform', prior_prob: float | None = .01,
                 canvas_frame: Literal['valid', 'padded'] = 'valid', score_threshold: float = 0., max_per_img: int = 900,
                 checkpointing: bool = False, refine_points=False, content='pattern', locality=None, size_prior=None,
                 criterion: dict | None = None) -> None:
        super().__init__()
        if canvas_frame not in ('valid', 'padded'):
            raise UserError(f"canvas_frame is '{canvas_frame}'; expected 'valid' or 'padded'.")
        self.canvas_frame = canvas_frame
        self.score_threshold = score_threshold
        self.max_per_img = max_per_img
        self.checkpointing = checkpointing
        self.refine_points, self.content, self.locality = refine_points, content, locality
        self.criterion = SetPrediction(**(criterion or {}))

        self.reduce = nn.Conv2d(in_channels, embed_dims, 1)
        self.level = nn.Parameter(torch.zeros(embed_dims))
        self.points = nn.Parameter(anchor_points(num_points, point_init))
        self.patterns = nn.Parameter(torch.empty(num_patterns, embed_dims))
        self.position_code = PositionCode(embed_dims)
        self.layers = nn.ModuleList(
            DecoderLayer(embed_dims, num_heads, feedforward_channels) for _ in range(num_layers))
        self.norm = nn.LayerNorm(embed_dims)
        self.classifier = nn.Linear(embed_dims, 1)
        self.box = nn.Sequential(
            nn.Linear(embed_dims, embed_dims), nn.ReLU(), nn.Linear(embed_dims, embed_dims), nn.ReLU(),
            nn.Linear(embed_dims, 4))
        self._init_weights(prior_prob)
        if size_prior is not None:
            with torch.no_grad():
                self.box[-1].bias[2:] = torch.tensor(size_prior).logit()
                self.box[-1].weight *= 0.1

    def _init_weights(self, prior_prob: float | None) -> None:
        init_fan_in(self)
        nn.init.xavier_uniform_(self.reduce.weight)
        nn.init.zeros_(self.reduce.bias)
        nn.init.normal_(self.level)
        nn.init.normal_(self.patterns)
        if prior_prob is not None:
            nn.init.constant_(self.classifier.bias, -math.log(1 / prior_prob - 1))

    def forward(self, features: Features, samples: Sequence[HumanSample]) -> tuple[Tensor, Tensor]:
        image = self.reduce(features.maps[-1])
        memory = image.flatten(2).transpose(1, 2) + self.level
        positions, mask = self.cells(image, samples)
        key = memory + self.position_code(positions)
        points = self.points.repeat_interleave(len(self.patterns), 0)[None].expand(len(image), -1, -1)
        query = self.patterns.repeat(len(self.points), 1).expand(len(image), -1, -1)
        if self.content == 'sampled':
            g = (points * 2 - 1)[:, :, None]
            query = query + torch.nn.functional.grid_sample(image, g, align_corners=False, padding_mode='border')[..., 0].transpose(1, 2)
        logits, boxes = [], []
        code = None
        for layer in self.layers:
            if code is None or self.refine_points:
                code = self.position_code(points if self.refine_points else points[:1])
                if self.locality:
                    d = ((points[:, :, None] - positions[:, None]) / self.locality).square().sum(-1)
                    mask = -0.5 * d[:, None]
            step = partial(checkpoint, layer, use_reentrant=False) if self.checkpointing and self.training else layer
            query = step(query, code, memory, key, mask)
            layer_logits, layer_boxes = self.predict_boxes(query, points)
            logits.append(layer_logits)
            boxes.append(layer_boxes)
            if self.refine_points:
                points = layer_boxes[..., :2].detach()
        return torch.stack(logits), torch.stack(boxes)

    def cells(self, image, samples):
        height, width = image.shape[2:]
        padded = torch.tensor([s.batch_input_shape for s in samples], dtype=torch.float32)
        sizes = torch.tensor([s.img_shape[:2] for s in samples], dtype=torch.float32)
        stride = padded / torch.tensor([height, width])
        frame = sizes if self.canvas_frame == 'valid' else padded
        y = (torch.arange(height) + .5) * stride[:, :1] / frame[:, :1]
        x = (torch.arange(width) + .5) * stride[:, 1:] / frame[:, 1:]
        positions = torch.stack([x[:, None].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], -1)
        seen = (torch.arange(height) * stride[:, :1] < sizes[:, :1])[:, :, None] & (torch.arange(width) * stride[:, 1:] < sizes[:, 1:])[:, None]
        mask = None
        if self.canvas_frame == 'valid' and not seen.all():
            mask = seen.flatten(1)[:, None, None].to(image.device)
        return positions.flatten(1, 2).to(image.device), mask

    def predict_boxes(self, query, points):
        with torch.autocast(query.device.type, enabled=False):
            hidden = self.norm(query.float())
            offset = self.box(hidden)
            centre = offset[..., :2] + inverse_sigmoid(points, eps=1e-5)
            return self.classifier(hidden)[..., 0], torch.cat([centre, offset[..., 2:]], -1).sigmoid()

    def loss(self, features, samples):
        logits, boxes = self(features, samples)
        def norm(s, name):
            inst = getattr(s, name, None)
            if inst is None: return boxes.new_zeros((0, 4))
            h, w = s.img_shape[:2]
            return bbox_xyxy_to_cxcywh(get_box_tensor(inst.bboxes).to(boxes) / boxes.new_tensor([w, h, w, h]))
        return self.criterion.loss(logits, boxes, [norm(s, 'gt_instances') for s in samples], [norm(s, 'ignored_instances') for s in samples])
