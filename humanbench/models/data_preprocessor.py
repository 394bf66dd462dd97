"""From uint8 images of a loader to a normalised batch on the device.

Shapes: B images of h x w pixels each, H x W the padded batch.
"""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from ..registry import MODELS
from ..structures import HumanSample, PixelData

IGNORED = 255


@MODELS.register_module()
class HumanDataPreprocessor(BaseDataPreprocessor):
    """Normalises on the device, stacks, and pads to the right and bottom.

    Padding is zero after normalisation, and 255 (ignored) in ``gt_sem_seg`` in training. Every sample gets
    ``batch_input_shape`` and ``pad_shape``, both (H, W).

    Args:
        mean: of each channel, in RGB from 0 to 255.
        std: of each channel.
        pad_size_divisor: H and W become multiples of it; the backbone's patch.
        non_blocking: whether copies to the device may overlap with computation.
    """

    def __init__(self, mean: Sequence[float] = (123.675, 116.28, 103.53),
                 std: Sequence[float] = (58.395, 57.12, 57.375), pad_size_divisor: int = 16,
                 non_blocking: bool = True):
        super().__init__(non_blocking)
        self.pad_size_divisor = pad_size_divisor
        self.register_buffer('mean', torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, data: dict, training: bool = False) -> dict:
        """A batch for the model.

        Args:
            data: ``inputs`` a list of (3, h, w) images or one (B, 3, h, w) tensor, uint8 RGB; ``data_samples`` a list
                of samples, or absent.
            training: whether label maps are padded with the images; in a test they keep their own size.

        Returns:
            ``inputs`` (B, 3, H, W) float and ``data_samples``.
        """
        data = self.cast_data(data)
        inputs, samples = self._batch(data['inputs']), data.get('data_samples')
        for sample in samples or ():
            self._pad_sample(sample, tuple(inputs.shape[-2:]), training)
        return dict(inputs=inputs, data_samples=samples)

    def pixels(self, images: Tensor) -> Tensor:
        """Images (..., 3, H, W) as the network sees them, back in RGB from 0 to 255, rounded to uint8."""
        return (images * self.std + self.mean).round().clamp(0, 255).to(torch.uint8)

    def _normalise(self, images: Tensor) -> Tensor:
        """Images (..., 3, h, w) as the network takes them."""
        return (images - self.mean) / self.std

    def _batch(self, images: Tensor | Sequence[Tensor]) -> Tensor:
        if not isinstance(images, Tensor) and len({image.shape for image in images}) == 1:
            images = torch.stack(list(images))
        sizes = [images.shape[-2:]] if isinstance(images, Tensor) else [image.shape[-2:] for image in images]
        height, width = (self._padded(max(side)) for side in zip(*sizes))
        if isinstance(images, Tensor):
            return self._pad(self._normalise(images), height, width, 0.0)
        return torch.stack([self._pad(self._normalise(image), height, width, 0.0) for image in images])

    def _padded(self, side: int) -> int:
        return -(-side // self.pad_size_divisor) * self.pad_size_divisor

    @staticmethod
    def _pad(x: Tensor, height: int, width: int, value: float) -> Tensor:
        bottom, right = height - x.shape[-2], width - x.shape[-1]
        return F.pad(x, (0, right, 0, bottom), value=value) if bottom or right else x

    def _pad_sample(self, sample: HumanSample, shape: tuple[int, int], training: bool) -> None:
        sample.set_metainfo(dict(batch_input_shape=shape, pad_shape=shape))
        if 'gt_depth' in sample:
            sample.gt_depth = self._pad(sample.gt_depth, *shape, 0.0)
        if training and 'gt_sem_seg' in sample:
            sample.gt_sem_seg = PixelData(data=self._pad(sample.gt_sem_seg.data, *shape, IGNORED))
