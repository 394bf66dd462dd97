"""What the families of plain ViT weights have in common.

Shapes: N positions of the grid, C width. Our names are timm's, with the class token's position apart:
``pos_embed`` (1, N, C) grid only, ``cls_token`` (1, 1, C), ``cls_pos_embed`` (1, 1, C).
"""
import math
import re
from collections.abc import Sequence

import torch
from torch import Tensor

State = dict[str, Tensor]
PROPORTIONS = (1, 2)
"""Height over width of the grids that published files have: of pictures, and of crops of people (HAP)."""
_LAYER_SCALE = re.compile(r'(blocks\.\d+)\.(ls[12])\.gamma')
_SCALED = {'ls1': 'attn.proj', 'ls2': 'mlp.fc2'}


def grid_of(rows: int, proportions: Sequence[int] = PROPORTIONS) -> tuple[int, int] | None:
    """The grid of a position table of so many rows, as far as their number tells; None where it does not.

    Args:
        rows: of the grid alone.
        proportions: heights over widths that are tried in turn; no number of rows fits both 1 and 2.
    """
    sides = {ratio: math.isqrt(max(rows, 0) // ratio) for ratio in proportions}
    return next(((ratio * side, side) for ratio, side in sides.items() if side and ratio * side**2 == rows), None)


def split_class_position(state: State, extra: int | None = None) -> State:
    """Take the class token's row off the position table.

    A table that is a square without it has no such row (timm's ``no_embed_class``, PATH's exported files): the class
    position is then zero, which computes the same. Rows of register tokens are dropped with it.

    Args:
        state: names of timm; ``pos_embed`` (1, N, C), (1, 1 + N, C) or (1, 1 + R + N, C).
        extra: rows before those of the grid; None for what the number of rows says.
    """
    state = dict(state)
    table, token = state.get('pos_embed'), state.get('cls_token')
    if table is None or token is None or 'cls_pos_embed' in state:
        return state
    registers = state['reg_token'].shape[1] if 'reg_token' in state else 0
    rows = table.shape[1]
    if extra is None:
        tries = ((n, ratio) for ratio in PROPORTIONS for n in (0, 1, registers, 1 + registers))  # squares are the rule
        extra = next((n for n, ratio in tries if grid_of(rows - n, [ratio])), 1)
    state['cls_pos_embed'] = table[:, :1].clone() if extra in (1, 1 + registers) else torch.zeros_like(token)
    state['pos_embed'] = table[:, extra:].clone()
    return state


def fold_layer_scale(state: State) -> State:
    """Multiply each layer scale into the linear layer before it: ``gamma * (W x + b) == (gamma W) x + gamma b``."""
    state = dict(state)
    for key in [key for key in state if _LAYER_SCALE.fullmatch(key)]:
        block, scale = _LAYER_SCALE.fullmatch(key).groups()
        layer = f'{block}.{_SCALED[scale]}'
        gamma = state.pop(key)
        state[f'{layer}.weight'] = state[f'{layer}.weight'] * gamma[:, None]
        state[f'{layer}.bias'] = state[f'{layer}.bias'] * gamma
    return state


def shape_of(state: State) -> tuple[int, int] | None:
    """Width and depth of a plain ViT by our names, or None where this is not one."""
    kernel = state.get('patch_embed.proj.weight')
    blocks = {key.split('.')[1] for key in state if key.startswith('blocks.')}
    return None if kernel is None or not blocks else (kernel.shape[0], len(blocks))
