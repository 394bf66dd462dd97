"""Prediction of an image larger than the crops that a model was trained on.

Shapes: B images, C channels, H x W pixels; the maps that a window gives are smaller by a whole stride.
"""
from collections.abc import Callable

from torch import Tensor


def window_starts(size: int, window: int) -> list[int]:
    """Where windows start along one axis: side by side, the last one shifted back to end with the image."""
    if size <= window:
        return [0]
    return [*range(0, size - window, window), size - window]


def predict_in_windows(predict: Callable[[Tensor], Tensor], images: Tensor, window: tuple[int, int]) -> Tensor:
    """Maps of whole images, put together from windows; where windows overlap, their mean.

    Args:
        predict: (B, 3, h, w) to (B, C, h / stride, w / stride), for the window and for anything smaller.
        images: (B, 3, H, W).
        window: (h, w); an image smaller than that along an axis is one window along it.

    Returns:
        (B, C, H / stride, W / stride).
    """
    height, width = images.shape[-2:]
    rows, columns = window_starts(height, window[0]), window_starts(width, window[1])
    if len(rows) == len(columns) == 1:
        return predict(images)
    total = hits = None
    for top in rows:
        for left in columns:
            crop = images[..., top:top + window[0], left:left + window[1]]
            maps = predict(crop)
            stride = crop.shape[-1] // maps.shape[-1]
            if total is None:
                total = maps.new_zeros(*maps.shape[:2], height // stride, width // stride)
                hits = maps.new_zeros(height // stride, width // stride)
            place = (..., slice(top // stride, top // stride + maps.shape[-2]),
                     slice(left // stride, left // stride + maps.shape[-1]))
            total[place] += maps
            hits[place] += 1
    return total / hits
