"""Boxes that may hold a person, from anchors on one feature map.

Shapes: B images, H x W the map, A anchors of a cell.
"""
from collections.abc import Sequence

import torch
import torchvision
from mmdet.models.dense_heads import RPNHead
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from ...structures import HumanSample, InstanceData


class RegionProposals(RPNHead):
    """MMDetection's region proposal network on a map of one stride.

    Args:
        in_channels: of the map.
        stride: pixels per cell.
        sizes: sides of the square anchors, in pixels.
        ratios: height over width of anchors of the same area.
        channels: of its convolution; None for as many as the map has.
        samples: anchors of an image that are trained on, half of them on people at most.
        considered: best anchors that suppression looks at, in training and in a test.
        kept: boxes that it leaves, likewise.
        overlap: IoU above which it drops the lower one.
    """

    def __init__(self, in_channels: int, stride: int, sizes: Sequence[float] = (32, 64, 128, 256, 512),
                 ratios: Sequence[float] = (0.5, 1.0, 2.0), channels: int | None = None, samples: int = 256,
                 considered: tuple[int, int] = (12000, 6000), kept: tuple[int, int] = (2000, 300),
                 overlap: float = 0.7):
        with DefaultScope.overwrite_default_scope('mmdet'):  # or it would look for its parts among ours, and say so
            self._build(in_channels, stride, sizes, ratios, channels or in_channels, samples)
        self.considered, self.kept, self.overlap = tuple(considered), tuple(kept), overlap
        for layer in (self.rpn_conv, self.rpn_cls, self.rpn_reg):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def _build(self, in_channels: int, stride: int, sizes: Sequence[float], ratios: Sequence[float], channels: int,
               samples: int) -> None:
        super().__init__(
            in_channels, feat_channels=channels,
            anchor_generator=dict(type='mmdet.AnchorGenerator', strides=[stride], ratios=list(ratios),
                                  scales=[size / stride for size in sizes]),
            bbox_coder=dict(type='mmdet.DeltaXYWHBBoxCoder'),
            loss_cls=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True),
            loss_bbox=dict(type='mmdet.SmoothL1Loss', beta=1 / 9),
            train_cfg=ConfigDict(
                assigner=dict(type='mmdet.MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3),
                sampler=dict(type='mmdet.RandomSampler', num=samples, pos_fraction=0.5, add_gt_as_proposals=False),
                allowed_border=-1, pos_weight=-1),
            test_cfg=ConfigDict())

    def losses(self, scores: Tensor, deltas: Tensor, samples: Sequence[HumanSample],
               people: Sequence[InstanceData]) -> dict[str, Tensor]:
        """``loss_rpn_cls`` and ``loss_rpn_bbox``, means over images of the means over their sampled anchors.

        Args:
            scores: (B, A, H, W) before the sigmoid.
            deltas: (B, 4 A, H, W).
            samples: of the images.
            people: annotated ``bboxes`` and ``labels`` (all 0) of each.
        """
        each = [self.loss_by_feat([scores[i:i + 1]], [deltas[i:i + 1]], [own], [_meta(sample)])
                for i, (sample, own) in enumerate(zip(samples, people))]
        return {name: torch.stack([losses[name][0] for losses in each]).mean() for name in each[0]}

    @torch.no_grad()
    def propose(self, scores: Tensor, deltas: Tensor, samples: Sequence[HumanSample]) -> list[Tensor]:
        """Boxes (n, 4) of each image, cut to it, the best first."""
        cfg = ConfigDict(nms_pre=self.considered[not self.training], min_bbox_size=0)
        found = self.predict_by_feat([scores], [deltas], batch_img_metas=[_meta(x) for x in samples], cfg=cfg)
        return [x.bboxes for x in found]

    def _bbox_post_process(self, results: InstanceData, cfg: ConfigDict, rescale: bool = False, with_nms: bool = True,
                           img_meta: dict | None = None) -> InstanceData:
        """Suppression by torchvision's operator, which is compiled where it can be; MMCV's is not."""
        results = results[(results.bboxes[:, 2:] > results.bboxes[:, :2]).all(1)]
        kept = torchvision.ops.nms(results.bboxes, results.scores, self.overlap)
        return results[kept[:self.kept[not self.training]]]


def _meta(sample: HumanSample) -> dict:
    return dict(img_shape=tuple(sample.img_shape[:2]), pad_shape=tuple(sample.batch_input_shape))
