"""Heat-map targets of keypoints, made on the device.

Shapes: B images, K keypoints, H x W pixels of a heat map.
"""
import torch
from torch import Tensor


def udp_heatmaps(keypoints: Tensor, visible: Tensor, input_size: tuple[int, int], heatmap_size: tuple[int, int],
                 sigma: float) -> tuple[Tensor, Tensor]:
    """Gaussian targets as mmpose's ``UDPHeatmap.encode`` makes them, for a whole batch at once.

    Args:
        keypoints: (B, K, 2) x, y in pixels of the network's input.
        visible: (B, K) 1 where a keypoint is to be learnt.
        input_size: (width, height) of the input.
        heatmap_size: (W, H).
        sigma: of the Gaussian in heat-map pixels; cut off 3 sigma from the nearest pixel.

    Returns:
        Heat maps (B, K, H, W), zero where not visible, and weights (B, K), ``visible`` without the keypoints whose
        Gaussian lies outside the map.
    """
    size = keypoints.new_tensor(heatmap_size)
    mean = keypoints * (size - 1) / (keypoints.new_tensor(input_size) - 1)
    nearest = (mean + 0.5).trunc()
    radius = 3 * sigma
    inside = ((nearest - radius < size) & (nearest + radius + 1 >= 0)).all(-1)
    profiles = []
    for axis, length in enumerate(heatmap_size):
        pixels = torch.arange(length, device=keypoints.device, dtype=keypoints.dtype)
        profile = torch.exp(-(pixels - mean[..., axis, None])**2 / (2 * sigma**2))
        profiles.append(profile * ((pixels - nearest[..., axis, None]).abs() <= radius))
    along_x, along_y = profiles
    drawn = (visible >= 0.5) & inside
    heatmaps = along_y[..., :, None] * (along_x * drawn[..., None])[..., None, :]
    return heatmaps, torch.where((visible >= 0.5) & ~inside, 0.0, visible)
