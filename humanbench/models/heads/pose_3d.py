"""Joints in space from a depth image: anchors that vote for every joint (A2J, arXiv 1908.09999).

Shapes: B images, K joints, h x w cells of the map, A anchors in a cell, N = A h w of them in an image.
"""
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import UserError
from ...registry import MODELS
from ...structures import Features, HumanSample, InstanceData
from .base import BaseHead, at_least_float32, full_precision
from .parsing import conv_block

OUTPUTS = dict(share=1, offset=2, depth=1)
"""Branch -> how many numbers it has for a joint at an anchor."""


class Votes(NamedTuple):
    """What all anchors together say of each joint.

    Attributes:
        points: (B, K, 2) pixels of the input.
        depths: (B, K) from the mean depth of the input, in units of the head.
        middles: (B, K, 2) pixels, where the anchors lie that were listened to.
        shares: (B, K, N) how much each was; they sum to 1.
    """
    points: Tensor
    depths: Tensor
    middles: Tensor
    shares: Tensor


@MODELS.register_module()
class Pose3DHead(BaseHead):
    """Every anchor says for every joint where it is, in the image and in depth; a softmax over all anchors, one for
    each joint, says who is listened to.

    Values are those of HCMoCo's copy of A2J for ITOP, on a map of stride 4. What the input looks like after
    ``DepthPreprocessor`` does not tell how far away it is, so depth is predicted from the mean that was taken away.
    Only joints that the crop shows count in the losses (reasoned: the others are not in a test's box).

    Args:
        in_channels: channels of the last map, the one that is read, of any stride.
        num_keypoints: K.
        channels: of the convolutions.
        layers: of them in each of the three branches, before the last.
        anchors: where they lie in a cell, along each axis, as shares of its side: A is the square of their number.
        depth_factor: units of predicted depth in a metre.
        depth_threshold: units up to which an error in depth counts as its square; in the image it is one pixel.
        regression_weight: of the losses of place and depth; that of where the anchors lie has 1.
        plane_weight: of the loss of the place in the image, besides.
    """
    task = 'pose_3d'

    def __init__(self, in_channels: int, num_keypoints: int = 15, channels: int = 256, layers: int = 4,
                 anchors: Sequence[float] = (0.25, 0.5, 0.75), depth_factor: float = 50.0, depth_threshold: float = 3.0,
                 regression_weight: float = 3.0, plane_weight: float = 0.5):
        super().__init__(in_channels)
        if layers < 1 or not anchors or not all(0 <= x <= 1 for x in anchors):
            raise UserError(f'Pose3DHead: layers = {layers}, anchors = {tuple(anchors)}; expected at least one layer, '
                            'and places of anchors as shares of a cell, from 0 to 1.')
        self.num_keypoints, self.anchors, self.depth_factor = num_keypoints, tuple(anchors), depth_factor
        self.depth_threshold = depth_threshold
        self.weights = dict(anchor=1.0, plane=regression_weight * plane_weight, depth=regression_weight)
        widths = (in_channels, *[channels] * layers)
        count = len(anchors)**2 * num_keypoints
        self.branches = nn.ModuleDict({name: nn.Sequential(
            *(conv_block(before, after, 'BN') for before, after in zip(widths, widths[1:])),
            nn.Conv2d(channels, numbers * count, 3, padding=1)) for name, numbers in OUTPUTS.items()})
        for branch in self.branches.values():
            nn.init.normal_(branch[-1].weight, std=0.01)
            nn.init.zeros_(branch[-1].bias)

    def forward(self, features: Features) -> dict[str, Tensor]:
        """Maps: ``share`` (B, A K, h, w) before the softmax, ``offset`` (B, 2 A K, h, w) in pixels from the anchor, and
        ``depth`` (B, A K, h, w) in units."""
        return {name: branch(features.maps[-1]) for name, branch in self.branches.items()}

    def votes(self, features: Features, samples: list[HumanSample]) -> Votes:
        """What all anchors together say."""
        maps = {name: at_least_float32(x) for name, x in self(features).items()}
        with full_precision(maps['share']):
            per_cell, joints = len(self.anchors)**2, self.num_keypoints
            share, depth = (maps[name].unflatten(1, (per_cell, joints)).flatten(3) for name in ('share', 'depth'))
            offset = maps['offset'].unflatten(1, (per_cell, joints, 2)).flatten(4)
            shares = share.transpose(1, 2).flatten(2).softmax(2)
            each = shares.unflatten(2, (per_cell, -1))
            middles = torch.einsum('bkac,acx->bkx', each, self._places(maps['share'], samples))
            points = middles + torch.einsum('bkac,bakxc->bkx', each, offset)
            return Votes(points, torch.einsum('bkac,bakc->bk', each, depth), middles, shares)

    def _places(self, maps: Tensor, samples: list[HumanSample]) -> Tensor:
        """(A, h w, 2) pixels of the input at which the anchors lie."""
        rows, columns = maps.shape[2:]
        height, width = samples[0].batch_input_shape
        within = maps.new_tensor(self.anchors)
        y = (torch.arange(rows, device=maps.device) + within[:, None]) * (height / rows)
        x = (torch.arange(columns, device=maps.device) + within[:, None]) * (width / columns)
        grid = torch.stack([x[None, :, None].expand(len(y), -1, rows, -1), y[:, None, :, None].expand(
            -1, len(x), -1, columns)], -1)
        return grid.flatten(2, 3).flatten(0, 1)

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """``loss_plane``, ``loss_depth``, and ``loss_anchor``, which wants anchors around the joint: means over joints.

        Raises:
            UserError: the model has no ``DepthPreprocessor``.
        """
        votes = self.votes(features, samples)
        seen = torch.cat([x.gt_instances.keypoints_visible for x in samples]).to(votes.points.device) > 0
        points = torch.cat([x.gt_instances.keypoints for x in samples]).to(votes.points)
        metres = torch.cat([x.gt_instances.keypoints_3d[..., 2] for x in samples]).to(votes.points)
        depths = (metres - _mean_depths(samples).to(votes.points)[:, None]) * self.depth_factor
        errors = dict(anchor=F.smooth_l1_loss(votes.middles, points, reduction='none').mean(2),
                      plane=F.smooth_l1_loss(votes.points, points, reduction='none').mean(2),
                      depth=F.smooth_l1_loss(votes.depths, depths, reduction='none', beta=self.depth_threshold))
        return {f'loss_{name}': self.weights[name] * torch.where(seen, error, 0).sum() / seen.sum().clamp(min=1)
                for name, error in errors.items()}

    def count(self, samples: list[HumanSample]) -> float:
        """Joints that the crops show, at least 1."""
        return float(max(sum(int((x.gt_instances.keypoints_visible > 0).sum()) for x in samples), 1))

    def predict(self, features: Features, samples: list[HumanSample]) -> list[HumanSample]:
        """Samples with ``pred_instances``: ``keypoints`` (1, K, 2) in pixels of the image, and ``keypoints_3d``
        (1, K, 3) in metres in the camera's frame, y upwards.

        Raises:
            UserError: the model has no ``DepthPreprocessor``, the pipeline no ``DepthBoxCrop``, or a record no camera.
        """
        votes = self.votes(features, samples)
        depths = votes.depths / self.depth_factor + _mean_depths(samples).to(votes.depths)[:, None]
        for sample, points, metres in zip(samples, votes.points, depths):
            points = _in_image(points, _told(sample, 'warp', 'DepthBoxCrop in the pipeline'))
            places = _in_space(points, metres, _told(sample, 'camera', 'a reader whose records have one, as ITOP'))
            sample.pred_instances = InstanceData(keypoints=points[None], keypoints_3d=places[None])
        return samples


def _mean_depths(samples: list[HumanSample]) -> Tensor:
    """(B,) metres that the data preprocessor has taken away."""
    return torch.stack([_told(x, 'mean_depth', 'data_preprocessor=dict(type=DepthPreprocessor) in the model')
                        for x in samples])


def _told(sample: HumanSample, name: str, from_where: str) -> Any:
    if name not in sample:
        raise UserError(f"Pose3DHead: the samples of source '{sample.get('source')}' do not say their {name}. Expected "
                        f'{from_where}.')
    return sample.get(name)


def _in_image(points: Tensor, warp: Sequence[float]) -> Tensor:
    """Points (K, 2) of a crop in pixels of the image that it is of.

    Args:
        points: pixels of the crop.
        warp: six numbers, row by row, of the affine map from the image to the crop.
    """
    matrix = points.new_tensor(warp).view(2, 3)
    return torch.linalg.solve(matrix[:, :2], (points - matrix[:, 2]).T).T


def _in_space(points: Tensor, depths: Tensor, camera: Sequence[float]) -> Tensor:
    """(K, 3) metres in the camera's frame, y upwards.

    Args:
        points: (K, 2) pixels of the image.
        depths: (K,) metres.
        camera: centre x and y in pixels, and pixels of focal length.
    """
    x, y, focal = camera
    return torch.stack([(points[:, 0] - x) * depths / focal, (y - points[:, 1]) * depths / focal, depths], 1)
