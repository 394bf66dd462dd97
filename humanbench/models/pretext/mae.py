"""Masked autoencoding: the backbone sees some patches, a small decoder predicts the others (He et al. 2022).

Shapes: B images, H x W pixels, N patches of a grid, K of them seen, C channels of the backbone, D of the decoder, p
pixels of a patch's side.
"""
from collections.abc import Mapping, Sequence

import torch
from timm.layers import LayerNorm, trunc_normal_
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from ...errors import UserError
from ...registry import MODELS
from ...structures import Features, HumanSample
from ..backbones.position import interpolate_positions, sincos_table
from ..heads.base import full_precision
from .base import BasePretext, Shared, View
from .masking import JOINTS, Masking

EPS = 1e-6


def patches_of(images: Tensor, patch: int) -> Tensor:
    """Pixels by patch: (B, N, p * p * 3), row by row, the three channels of a pixel side by side."""
    return images.unfold(2, patch, patch).unfold(3, patch, patch).permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)


def images_of(patches: Tensor, grid: tuple[int, int]) -> Tensor:
    """The inverse of :func:`patches_of`: (B, 3, H, W)."""
    patch = round((patches.shape[-1] // 3) ** 0.5)
    parts = patches.unflatten(1, grid).unflatten(3, (patch, patch, 3))  # B, rows, columns, y, x, channel
    return parts.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)


@MODELS.register_module()
class MAEPretext(BasePretext):
    """Pixels of masked patches from those that are seen, each patch normalised by its own mean and variance.

    Parameter names are those of MAE's and HAP's files: ``decoder_embed``, ``mask_token``, ``decoder_pos_embed`` (with a
    row for the class token, which is zero), ``decoder_blocks.I``, ``decoder_norm``, ``decoder_pred``.

    Args:
        in_channels: C.
        img_size: of the decoder's position table; other sizes interpolate it.
        patch_size: p, the backbone's.
        decoder_dim: D.
        decoder_depth: blocks of the decoder.
        decoder_heads: their attention heads.
        masking: arguments of :class:`.masking.Masking` over :attr:`MASKING`.
        normalise: False predicts pixels as they are, which makes better pictures and worse features.
    """
    MASKING: Mapping = dict(ratio=0.75, kind='random', parts=False)
    num_views = 1

    def __init__(self, in_channels: int, img_size: int | tuple[int, int] = (256, 128), patch_size: int = 16,
                 decoder_dim: int = 512, decoder_depth: int = 8, decoder_heads: int = 16,
                 masking: Mapping | None = None, normalise: bool = True):
        super().__init__(in_channels)
        self.patch_size, self.normalise = patch_size, normalise
        self.masking = Masking(**{**self.MASKING, **(masking or {})})
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        self.grid = (height // patch_size, width // patch_size)
        self.decoder_embed = nn.Linear(in_channels, decoder_dim)
        self.mask_token = nn.Parameter(torch.empty(1, 1, decoder_dim))
        positions = torch.cat([torch.zeros(1, 1, decoder_dim), sincos_table(self.grid, decoder_dim)], dim=1)
        self.decoder_pos_embed = nn.Parameter(positions, requires_grad=False)
        self.decoder_blocks = nn.ModuleList(
            Block(decoder_dim, decoder_heads, qkv_bias=True, norm_layer=LayerNorm) for _ in range(decoder_depth))
        self.decoder_norm = LayerNorm(decoder_dim)
        self.decoder_pred = nn.Linear(decoder_dim, patch_size * patch_size * 3)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        trunc_normal_(self.mask_token, std=0.02)

    def views(self, images: Tensor, samples: Sequence[HumanSample], generator: torch.Generator) -> list[View]:
        """The images :attr:`num_views` times, each time under another mask.

        Raises:
            UserError: the images are not cut into this pretext's patches.
        """
        height, width = images.shape[-2:]
        if height % self.patch_size or width % self.patch_size:
            raise UserError(f'{type(self).__name__} predicts patches of {self.patch_size} pixels, but its images have '
                            f"{height} x {width}: patch_size must be the backbone's, and divide the pipeline's size.")
        grid = (height // self.patch_size, width // self.patch_size)
        joints, visible = _joints(samples)
        # all views are drawn at once: a call costs more than its images
        joints, visible = (x.repeat(self.num_views, *[1] * (x.ndim - 1)) for x in (joints, visible))
        masks = self.masking.draw(joints, visible, grid, self.patch_size, generator)
        keep_ids = masks.float().argsort(dim=1, stable=True)[:, :masks.shape[1] - self.masking.count(grid)]
        keep_ids, masks = (x.to(images.device, non_blocking=True).chunk(self.num_views) for x in (keep_ids, masks))
        return [View(images, dict(keep_ids=ids), mask) for ids, mask in zip(keep_ids, masks, strict=True)]

    def forward(self, features: Sequence[Features], views: Sequence[View]) -> list[Tensor]:
        """Predicted patches (B, N, p * p * 3) of each view, those that were seen included."""
        return [self._decode(found, view) for found, view in zip(features, views, strict=True)]

    def _decode(self, features: Features, view: View) -> Tensor:
        """Predictions for one view."""
        batch, total = view.masked.shape
        ids = view.condition['keep_ids']
        seen = self.decoder_embed(features.tokens[-1])
        tokens = self.mask_token.to(seen.dtype).expand(batch, total, -1)
        tokens = tokens.scatter(1, ids[..., None].expand_as(seen), seen)
        positions = self.decoder_pos_embed
        tokens = tokens + interpolate_positions(positions[:, 1:], self.grid, features.grid)
        if features.cls is not None:
            tokens = torch.cat([self.decoder_embed(features.cls)[:, None] + positions[:, :1], tokens], dim=1)
        for block in self.decoder_blocks:
            tokens = block(tokens)
        return self.decoder_pred(self.decoder_norm(tokens))[:, -total:]

    def loss(self, features: Sequence[Features], samples: Sequence[HumanSample], views: Sequence[View],
             shared: Shared | None = None) -> dict[str, Tensor]:
        """``loss_reconstruction``: mean squared error of the masked patches, averaged over views."""
        errors = [self.errors(found, view).mean() for found, view in zip(self(features, views), views, strict=True)]
        return dict(loss_reconstruction=sum(errors) / len(errors))

    def errors(self, predicted: Tensor, view: View) -> Tensor:
        """Mean squared error (B,) of each image's masked patches."""
        with full_precision(predicted):
            wanted, _, _ = self._targets(view.images)
            return self._error(predicted, wanted, view)

    @staticmethod
    def _error(predicted: Tensor, wanted: Tensor, view: View) -> Tensor:
        squared = (predicted.to(wanted.dtype) - wanted).square().mean(-1)
        return (squared * view.masked).sum(1) / view.masked.sum(1)

    def _targets(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is predicted (B, N, p * p * 3), and the mean and deviation (B, N, 1) that lead back to pixels."""
        patches = patches_of(images, self.patch_size)
        mean, deviation = patches.mean(-1, keepdim=True), (patches.var(-1, keepdim=True) + EPS).sqrt()
        if not self.normalise:
            mean, deviation = torch.zeros_like(mean), torch.ones_like(deviation)
        return (patches - mean) / deviation, mean, deviation

    def predict(self, features: Sequence[Features], samples: list[HumanSample],
                views: Sequence[View]) -> list[HumanSample]:
        """Sets, for the first view, ``pred_reconstruction`` (3, H, W): the image with its masked patches as predicted
        (at the true mean and variance of each patch), ``pred_mask`` (H / p, W / p) and ``reconstruction_error`` ().
        """
        view, grid = views[0], features[0].grid
        wanted, mean, deviation = self._targets(view.images)
        predicted = self._decode(features[0], view).to(wanted.dtype)
        errors = self._error(predicted, wanted, view)
        mixed = torch.where(view.masked[..., None], predicted, wanted) * deviation + mean
        for sample, image, mask, error in zip(samples, images_of(mixed, grid), view.masked, errors, strict=True):
            sample.pred_reconstruction, sample.pred_mask = image, mask.unflatten(0, grid)
            sample.reconstruction_error = error
        return samples


def _joints(samples: Sequence[HumanSample]) -> tuple[Tensor, Tensor]:
    """Joints (B, 17, 2) in pixels of the input and whether they are there (B, 17), on the host.

    Raises:
        UserError: joints of another skeleton.
    """
    joints, visible = torch.zeros(len(samples), JOINTS, 2), torch.zeros(len(samples), JOINTS)
    which, there = [], []
    for i, sample in enumerate(samples):
        if 'gt_instances' not in sample or 'keypoints' not in sample.gt_instances:
            continue
        found = sample.gt_instances.keypoints[0]
        if found.shape != (JOINTS, 2):
            raise UserError(f'Body parts are made of the {JOINTS} joints of COCO, but a sample of source '
                            f"'{sample.get('source')}' has {len(found)}. Give its dataset joints of that skeleton.")
        which.append(i)
        there.append(torch.cat([found, sample.gt_instances.keypoints_visible[0, :, None]], 1))
    if which:
        known = torch.stack(there).cpu()  # all at once: each copy waits for the device
        joints[which], visible[which] = known[..., :2], known[..., 2]
    return joints, visible
