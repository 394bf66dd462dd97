"""Top-down human pose.

Shapes: B persons (one crop each), K keypoints, h x w heat-map pixels (4 per token along each axis).
"""
import numpy as np
import torch
from mmpose.codecs import UDPHeatmap
from timm.layers import LayerNorm2d
from torch import Tensor, nn

from ...errors import unknown_name
from ...registry import MODELS
from ...structures import Features, HumanSample, InstanceData
from .base import DenseHead, full_precision
from .heatmap import udp_heatmaps

NORMS = {'LN': LayerNorm2d, 'BN': nn.BatchNorm2d}


@MODELS.register_module()
class PoseHead(DenseHead):
    """Two transposed convolutions and a heat map per keypoint, encoded and decoded without bias (UDP, DARK).

    Args:
        in_channels: channels of the map.
        num_keypoints: K.
        channels: of the transposed convolutions.
        norm: ``'LN'`` over channels, or ``'BN'``.
        sigma: of the target Gaussians, in heat-map pixels.
        blur_kernel: of the Gaussian blur before decoding.
        loss_weight: factor of the loss.
    """
    task = 'pose'

    def __init__(self, in_channels: int, num_keypoints: int, channels: int = 256, norm: str = 'LN',
                 sigma: float = 2.0, blur_kernel: int = 11, loss_weight: float = 1.0):
        super().__init__(in_channels)
        if norm not in NORMS:
            raise unknown_name('norm', norm, NORMS)
        self.sigma, self.blur_kernel, self.loss_weight = sigma, blur_kernel, loss_weight
        layers = []
        for width in (in_channels, channels):
            layers += [nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1, bias=False), NORMS[norm](channels),
                       nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, num_keypoints, 1))
        for layer in self.layers:
            if isinstance(layer, (nn.ConvTranspose2d, nn.Conv2d)):
                nn.init.normal_(layer.weight, std=0.001)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, features: Features) -> Tensor:
        """Heat maps (B, K, h, w)."""
        return self.layers(features.maps[-1])

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """``loss_heatmap``: squared error of the keypoints to be learnt, mean over images, keypoints and pixels."""
        heatmaps = self(features)
        with full_precision(heatmaps), torch.no_grad():
            instances = [sample.gt_instances for sample in samples]
            keypoints = torch.cat([x.keypoints for x in instances]).to(heatmaps.device, torch.float32)
            visible = torch.cat([x.keypoints_visible for x in instances]).to(heatmaps.device, torch.float32)
            targets, weights = udp_heatmaps(
                keypoints, visible, _input_size(samples), (heatmaps.shape[3], heatmaps.shape[2]), self.sigma)
        with full_precision(heatmaps):
            error = (heatmaps.float() - targets).pow(2).mean((2, 3)) * weights
            return dict(loss_heatmap=self.loss_weight * error.mean())

    def unflip(self, maps: Tensor, samples: list[HumanSample]) -> Tensor:
        """Heat maps of mirrored images as those of the images: mirrored back, left and right exchanged."""
        return maps.flip(-1)[:, torch.as_tensor(np.asarray(samples[0].flip_indices), device=maps.device)]

    def decode(self, maps: Tensor, samples: list[HumanSample]) -> list[HumanSample]:
        """Sets ``pred_instances``: ``keypoints`` (1, K, 2) in pixels of the original image, ``keypoint_scores``."""
        padded = np.array(_input_size(samples))
        codec = UDPHeatmap(tuple(padded), (maps.shape[3], maps.shape[2]), sigma=self.sigma,
                           blur_kernel_size=self.blur_kernel)
        for sample, heatmaps in zip(samples, maps.float().cpu().numpy().copy()):
            # a map without a positive value has no peak to refine: any place, with no confidence
            heatmaps[heatmaps.max((1, 2)) <= 0] = np.finfo(np.float32).tiny
            keypoints, scores = codec.decode(heatmaps)
            # the codec gives last pixel = width, UDP's affine map has last pixel = width - 1
            keypoints = keypoints / padded * (padded - 1)
            scale, size = np.asarray(sample.input_scale), np.asarray(sample.input_size)
            keypoints = keypoints / (size - 1) * scale + np.asarray(sample.input_center) - 0.5 * scale
            sample.pred_instances = InstanceData(
                keypoints=torch.from_numpy(keypoints).float(), keypoint_scores=torch.from_numpy(scores).float())
        return samples


def _input_size(samples: list[HumanSample]) -> tuple[int, int]:
    """(width, height) of the network's input, padding included."""
    height, width = samples[0].batch_input_shape
    return width, height
