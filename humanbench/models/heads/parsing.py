"""Human parsing: a class for every pixel.

Shapes: B images, S classes, H x W pixels of the network's input, h x w of the raw maps.
"""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from timm.layers import LayerNorm2d
from torch import Tensor, nn

from ... import catalog
from ...errors import UserError, unknown_name
from ...registry import MODELS
from ...structures import Features, HumanSample, PixelData
from .base import DenseHead, full_precision

IGNORED = 255
NORMS = {'LN': LayerNorm2d, 'BN': nn.BatchNorm2d}


def conv_block(in_channels: int, channels: int, norm: str) -> nn.Sequential:
    """3 x 3 convolution, norm (``'LN'`` over channels, or ``'BN'``), ReLU."""
    if norm not in NORMS:
        raise unknown_name('norm', norm, NORMS)
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, padding=1, bias=norm != 'BN'), NORMS[norm](channels), nn.ReLU())


class BaseParsingHead(DenseHead):
    """Loss and decoding of class maps, whatever layers they come from.

    Args:
        in_channels: channels of the map.
        num_classes: S.
        align_corners: how maps are enlarged. False keeps a token at the centre of its patch at every size; the release
            has True.
        class_weights: how much a pixel of each class counts in the mean loss (S), or the dataset whose card says so;
            None for all alike.

    Raises:
        UserError: not a weight for each class.
    """
    task = 'parsing'

    def __init__(self, in_channels: int, num_classes: int, align_corners: bool = False,
                 class_weights: Sequence[float] | str | None = None):
        super().__init__(in_channels)
        if isinstance(class_weights, str):
            class_weights = catalog.card(class_weights).class_weights
        if class_weights is not None and len(class_weights) != num_classes:
            raise UserError(f'class_weights: expected one for each of {num_classes} classes, got {len(class_weights)}.')
        self.num_classes, self.align_corners = num_classes, align_corners
        # labels are counted on the host, where they come from: the device is not asked for its weights in every step
        self._on_host = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        self.register_buffer('class_weights', self._on_host, persistent=False)

    def resize(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Maps (B, S, *, *) enlarged to ``size``."""
        return F.interpolate(maps, size=tuple(size), mode='bilinear', align_corners=self.align_corners)

    def pixel_loss(self, maps: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of maps (B, S, h, w) at the labels' size (B, H, W), mean over the pixels with a label, each
        weighted as its class."""
        with full_precision(maps):
            # classes next to each other in memory: twice as fast on a CPU
            logits = self.resize(maps.float().contiguous(memory_format=torch.channels_last), labels.shape[-2:])
            weights = None if self.class_weights is None else self.class_weights.float()
            total = F.cross_entropy(logits.permute(0, 2, 3, 1).flatten(0, 2), labels.flatten(), weight=weights,
                                    ignore_index=IGNORED, reduction='sum')
            return total / self._weight(labels, weights).clamp(min=1)

    @staticmethod
    def _weight(labels: Tensor, weights: Tensor | None) -> Tensor:
        """Pixels that have a label, each as much as its class counts: ()."""
        known = labels != IGNORED
        return known.sum() if weights is None else weights[labels[known].long()].sum()

    @staticmethod
    def labels(samples: list[HumanSample], device: torch.device) -> Tensor:
        """Labels (B, H, W)."""
        return torch.cat([sample.gt_sem_seg.data for sample in samples]).to(device).long()

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """``loss_parsing``."""
        maps = self(features)
        return dict(loss_parsing=self.pixel_loss(maps, self.labels(samples, maps.device)))

    def count(self, samples: list[HumanSample]) -> float:
        """Pixels that have a label, each as much as its class counts; at least 1."""
        return max(sum(float(self._weight(x.gt_sem_seg.data, self._on_host)) for x in samples), 1.0)

    def decode(self, maps: Tensor, samples: list[HumanSample]) -> list[HumanSample]:
        """Sets ``pred_sem_seg`` (1, h, w) uint8 at ``ori_shape``, the size of the original label map."""
        for sample, logits in zip(samples, maps.float()):
            height, width = sample.img_shape[:2]
            logits = self.resize(logits[None], sample.batch_input_shape)[..., :height, :width]
            sample.pred_sem_seg = PixelData(data=self._classes_at(logits, sample.ori_shape[:2]))
        return samples

    def _classes_at(self, logits: Tensor, size: tuple[int, int], chunk: int = 4) -> Tensor:
        """Highest class (1, *size) of enlarged logits (1, S, *, *), a few classes at a time.

        A label map may have tens of megapixels, of which all classes at once would fill gigabytes.
        """
        best = torch.full((1, *size), -torch.inf, device=logits.device)
        classes = torch.zeros((1, *size), dtype=torch.uint8, device=logits.device)
        for start in range(0, self.num_classes, chunk):
            value, index = self.resize(logits[:, start:start + chunk], size).max(1)
            better = value > best
            best = torch.where(better, value, best)
            classes = torch.where(better, (index + start).to(torch.uint8), classes)
        return classes


@MODELS.register_module()
class ParsingHead(BaseParsingHead):
    """Two convolutions, twice the size, and a convolution to the classes.

    Args:
        in_channels: channels of the map.
        num_classes: S.
        channels: of the two convolutions.
        norm: ``'LN'`` over channels (pretraining) or ``'BN'`` (finetuning).
        options: of :class:`BaseParsingHead`.
    """

    def __init__(self, in_channels: int, num_classes: int, channels: int = 256, norm: str = 'LN', **options):
        super().__init__(in_channels, num_classes, **options)
        self.convs = nn.Sequential(conv_block(in_channels, channels, norm), conv_block(channels, channels, norm))
        self.classifier = nn.Conv2d(channels, num_classes, 3, padding=1)

    def forward(self, features: Features) -> Tensor:
        """Class maps (B, S, 2 h, 2 w)."""
        maps = self.convs(features.maps[-1])
        return self.classifier(self.resize(maps, (2 * maps.shape[2], 2 * maps.shape[3])))


@MODELS.register_module()
class PixelParsingHead(BaseParsingHead):
    """Each cell by itself: a linear layer, batch norm, ReLU, a linear layer. HRNet's own head on its merged map, and
    HCMoCo's on features of modalities.

    Args:
        in_channels: channels of the map.
        num_classes: S.
        channels: of the layer between; None for as many as come in.
        options: of :class:`BaseParsingHead`.
    """

    def __init__(self, in_channels: int, num_classes: int, channels: int | None = None, **options):
        super().__init__(in_channels, num_classes, **options)
        channels = channels or in_channels
        self.convs = nn.Sequential(nn.Conv2d(in_channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU())
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def forward(self, features: Features) -> Tensor:
        """Class maps (B, S, h, w)."""
        return self.classifier(self.convs(features.maps[-1]))


@MODELS.register_module()
class OCRParsingHead(BaseParsingHead):
    """Object-contextual representations (arXiv 1909.11065) as PATH finetunes Human3.6M parsing with, on mmseg's parts.

    The release's dropout of 0.05 is left out: what a unit trains on depends on nothing but its key.

    Args:
        in_channels: channels of the map.
        num_classes: S.
        channels: of the pixel representations.
        key_channels: of the attention between pixels and classes.
        auxiliary_weight: weight of the loss of the coarse class maps.
        align_corners: see :class:`BaseParsingHead`.
    """

    def __init__(self, in_channels: int, num_classes: int, channels: int = 512, key_channels: int = 256,
                 auxiliary_weight: float = 0.4, align_corners: bool = False):
        super().__init__(in_channels, num_classes, align_corners)
        # mmseg's model zoo takes seconds to import, and nothing else here needs it
        from mmseg.models.decode_heads.ocr_head import ObjectAttentionBlock, SpatialGatherModule
        self.auxiliary_weight = auxiliary_weight
        self.auxiliary = nn.Sequential(conv_block(in_channels, channels, 'BN'), nn.Conv2d(channels, num_classes, 1))
        self.pixels = conv_block(in_channels, channels, 'BN')
        self.gather = SpatialGatherModule(scale=1)
        self.distribute = ObjectAttentionBlock(
            channels, key_channels, scale=1, conv_cfg=None, norm_cfg=dict(type='BN'), act_cfg=dict(type='ReLU'))
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def _maps(self, features: Features) -> tuple[Tensor, Tensor]:
        """Class maps and coarse class maps, each (B, S, h, w)."""
        x = features.maps[-1]
        coarse, pixels = self.auxiliary(x), self.pixels(x)
        return self.classifier(self.distribute(pixels, self.gather(pixels, coarse))), coarse

    def forward(self, features: Features) -> Tensor:
        """Class maps (B, S, h, w)."""
        return self._maps(features)[0]

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """``loss_parsing`` and ``loss_auxiliary``."""
        maps, coarse = self._maps(features)
        labels = self.labels(samples, maps.device)
        return dict(loss_parsing=self.pixel_loss(maps, labels),
                    loss_auxiliary=self.auxiliary_weight * self.pixel_loss(coarse, labels))
