"""Fitting converted weights to one module: what matches, what must be resized, what cannot be."""
import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from humanbench.errors import CheckpointError
from humanbench.models.backbones.position import interpolate_positions

from .timm import PREFIX
from .vit_layout import State, grid_of, shape_of

_PATCH_KERNEL = 'patch_embed.proj.weight'
_ESSENTIAL = ('blocks.', 'layers.', 'stages.', 'patch_embed.', 'conv', 'bn', 'layer1.', 'transition', 'stage2.',
              'stage3.', 'stage4.', 'SA_modules.', 'FP_modules.')  # a backbone with random values there is none


@dataclass
class Fit:
    """What of a file fits a module, by the module's own names."""
    load: State = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    resized: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


def fit(state: State, module: nn.Module, where: str, grid: tuple[int, int] | None = None) -> Fit:
    """Match tensors to a module by name, resizing the position table and the patch kernel where they differ.

    Args:
        state: converted tensors by the module's own names.
        module: is not changed.
        where: names the file and the part; for errors.
        grid: of the file's position table, where it is known.

    Raises:
        CheckpointError: same names, other sizes.
    """
    wanted = module.state_dict()
    _check_architecture(state, wanted, where)
    result = Fit(ignored=[key for key in state if key not in wanted])
    wrong = []
    for key, own in wanted.items():
        value = state.get(key)
        if value is None:
            result.missing.append(key)
            continue
        kind = key.removeprefix(PREFIX)
        if kind == 'pos_embed' and value.shape[-1] == own.shape[-1]:
            value, change = _fit_table(value, module, grid, where)
        elif kind == _PATCH_KERNEL and value.shape[:2] == own.shape[:2] and value.shape != own.shape:
            value, change = _fit_kernel(value, own)
        else:
            change = ''
        if value.shape != own.shape:
            wrong.append(f'{key} is {_by(value)} in the file and {_by(own)} in the model')
        result.load[key] = value
        if change:
            result.resized[key] = change
    if wrong:
        raise CheckpointError(f'{where} does not fit: {"; ".join(wrong[:4])}'
                              + (f'; and {len(wrong) - 4} more' if len(wrong) > 4 else '')
                              + '. Build the model with the sizes of the file, or leave this part out.')
    return result


def check_whole(fitted: Fit, where: str) -> None:
    """Refuse a backbone of which some inner layer would silently keep its random values.

    Raises:
        CheckpointError: layers are missing from the file.
    """
    gaps = [key for key in fitted.missing if key.removeprefix(PREFIX).startswith(_ESSENTIAL)]
    if gaps:
        raise CheckpointError(
            f"{where} lacks {len(gaps)} of the backbone's inner parameters ({', '.join(gaps[:3])}, ...): "
            'it is of another architecture. Name its network with --backbone (timm:NAME), or choose other weights.'
        )


def _check_architecture(state: State, wanted: State, where: str) -> None:
    theirs, ours = (shape_of({key.removeprefix(PREFIX): value for key, value in x.items()})
                    for x in (state, wanted))
    if theirs and ours and theirs != ours:
        raise CheckpointError(
            f'{where} is a ViT of width {theirs[0]} and depth {theirs[1]}; the model has width {ours[0]} and '
            f'depth {ours[1]}. Build the model like the file, or choose other weights.'
        )


def _by(value: Tensor) -> str:
    return 'x'.join(map(str, value.shape)) or 'a scalar'


def _file_grid(rows: int, like: tuple[int, int], where: str) -> tuple[int, int]:
    """Grid of a table: what its rows say, else the proportions of the model's own grid."""
    found = grid_of(rows)
    if found is not None:
        return found
    height = round(math.sqrt(rows * like[0] / like[1]))
    if height and rows % height == 0 and height * like[1] == rows // height * like[0]:
        return height, rows // height
    raise CheckpointError(
        f'{where} has a position table of {rows} rows: no square, not twice as high as wide, and not of the '
        f"proportions of the model's grid {like[0]}x{like[1]}. Build the model with the grid of the file."
    )


def _fit_table(value: Tensor, module: nn.Module, old: tuple[int, int] | None, where: str) -> tuple[Tensor, str]:
    """The table (1, rows, C) for the module's grid, and what was changed; rows of tokens before the grid are kept."""
    rows, smooth = getattr(module, 'table_prefix', 0), hasattr(module, 'network')
    new = tuple(module.grid_size if smooth else module.patch_embed.grid_size)
    old = old or _file_grid(value.shape[1] - rows, new, where)
    if old == new:
        return value, ''
    resized = interpolate_positions(value[:, rows:].float(), old, new, antialias=smooth).to(value.dtype)
    return torch.cat([value[:, :rows], resized], dim=1), f'{old[0]}x{old[1]} -> {new[0]}x{new[1]}'


def _fit_kernel(value: Tensor, own: Tensor) -> tuple[Tensor, str]:
    from timm.layers.patch_embed import resample_patch_embed
    with torch.no_grad():
        resized = resample_patch_embed(value, list(own.shape[-2:]))
    return resized, f'{value.shape[-2]}x{value.shape[-1]} -> {own.shape[-2]}x{own.shape[-1]}'
