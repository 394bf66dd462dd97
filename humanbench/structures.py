"""The two things that travel between rooms: ``HumanSample`` (labels, predictions) and ``Features`` (from a backbone).

Shapes: B images, N tokens, C channels, H x W a feature grid, K keypoints, A attributes.
"""
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import torch
from mmengine.structures import BaseDataElement, InstanceData, PixelData
from torch import Tensor


class HumanSample(BaseDataElement):
    """Labels and predictions of one image (or of one person crop).

    Field names are those of mmdet, mmpose and mmseg, so their transforms, losses, metrics and visualisers work on it.

    ==========================  ======================================================================================
    field                       content
    ==========================  ======================================================================================
    ``gt_instances``            ``bboxes`` (n, 4) corners in input pixels, ``labels`` (n,), ``keypoints`` (n, K, 2),
                                ``keypoints_visible`` (n, K); for counting ``points`` (n, 2); for person search
                                ``pids`` (n,), and in training ``identities`` (n,) 0-based, -1 where not known;
                                for 3-D pose ``keypoints_3d`` (n, K, 3) metres in the camera's frame
    ``gt_depth``                (1, H, W) metres beside the image, 0 where there are none
    ``mean_depth``              () metres of an image of depth, which the network's input does not tell
    ``ignored_instances``       ``bboxes`` (n, 4) regions where a detection is neither right nor wrong
    ``gt_sem_seg``              ``data`` (1, H, W) class ids, 255 is ignored
    ``gt_attributes``           (A,) 1 present, 0 absent, -1 unknown
    ``gt_identity``             () training label of the person, 0-based
    ``pred_instances``          as ``gt_instances``, in pixels of the original image; ``scores``, ``keypoint_scores``
    ``pred_sem_seg``            ``data`` (1, H, W) class ids at the size of the original label map
    ``pred_attributes``         (A,) probabilities
    ``pred_feature``            (C,) identity feature; ``pred_text_features`` (n, C) those of its captions
    ``pred_query_features``     (q, C) of the boxes of ``queries``; ``pred_instances`` has ``features`` (n, C)
    ``pred_count``              () number of people; ``pred_density`` (h, w) where they are
    ``pred_reconstruction``     (3, H, W) uint8 RGB, what a masked autoencoder makes of the image; ``pred_mask`` the
                                patches it has not seen, ``reconstruction_error`` () its error there
    ``pred_parts``              (h, w) body part of each token, counted from the top; 0 is background
    ``pred_vectors``            (V, D) of the colour, the depth and the joints of a person; ``pred_matches`` (S, 2, 2)
                                points of ``pred_view`` (3, H, W) and where they are found in the depth, ``point_error``
                                () how far off
    ==========================  ======================================================================================

    Meta information: ``img_path``, ``ori_shape`` (H, W), ``img_shape`` (H, W), and what a task's metric needs (``pid``,
    ``camid``, ``caption``, ``captions``, ``input_center``, ``input_scale``, ``input_size``, ``flip_indices``,
    ``raw_ann_info``, ...).
    """


Element = TypeVar('Element', bound=BaseDataElement)


def element(kind: type[Element], meta: Mapping[str, Any] | None = None, **data: Any) -> Element:
    """A new structure of MMEngine's with these fields, as they are.

    MMEngine copies meta information deeply and checks field after field, which in a data pipeline costs as much as an
    affine crop.

    Args:
        kind: HumanSample, InstanceData or PixelData.
        meta: meta information.
        data: tensors, of one length where ``kind`` wants that.
    """
    made, meta = kind.__new__(kind), meta or {}
    vars(made).update(_metainfo_fields=set(meta), _data_fields=set(data), **meta, **data)
    return made


class Level(NamedTuple):
    """What a head must know of a map before it sees one.

    Attributes:
        channels: of the map.
        stride: pixels of the image per cell.
    """
    channels: int
    stride: int


@dataclass(frozen=True)
class Features:
    """What a backbone or a projector gives, and all that a projector or a head reads.

    Attributes:
        maps: feature maps (B, C_i, H_i, W_i), fine to coarse; a plain ViT has one, and none of an image that it sees in
            part.
        tokens: patch tokens level by level, each (B, N, C), without class token: the embedded input, every block's
            output, the last one after the final norm (depth + 1 entries for a ViT).
        cls: (B, C) class token after the final norm, or None.
        pooled: (B, C) one vector per image.
        grid: (H, W) of the tokens.
        cls_tokens: the class token level by level, each (B, C); empty where ``cls`` is None.
    """
    maps: list[Tensor]
    tokens: list[Tensor]
    cls: Tensor | None
    pooled: Tensor
    grid: tuple[int, int]
    cls_tokens: tuple[Tensor, ...] = ()

    def map_tensors(self, function) -> 'Features':
        """The same features with ``function`` applied to every tensor."""
        return replace(
            self, maps=[function(x) for x in self.maps], tokens=[function(x) for x in self.tokens],
            cls=None if self.cls is None else function(self.cls), pooled=function(self.pooled),
            cls_tokens=tuple(function(x) for x in self.cls_tokens))


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return gradient * ctx.scale, None


def scale_gradient(features: Features, scale: float) -> Features:
    """Features unchanged in value whose gradient is multiplied by ``scale`` on the way back.

    Put between projector and head it makes a loss weight act on the shared part only: the head trains on its plain mean
    loss whatever the weight (the weights of PATH's recipe span six orders of magnitude).
    """
    return features if scale == 1 else features.map_tensors(lambda x: _ScaleGradient.apply(x, scale))


__all__ = ['Features', 'HumanSample', 'InstanceData', 'Level', 'PixelData', 'element', 'scale_gradient']
