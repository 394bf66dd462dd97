"""What the families of plain ViT weights have in common.

Shapes: N positions of the grid, C width. Our names are timm's, with the class token's position apart:
``pos_embed`` (1, N, C) grid only, ``cls_token`` (1, 1, C), ``cls_pos_embed`` (1, 1, C).
"""
import math
import re

import torch
from torch import Tensor

State = dict[str, Tensor]
_LAYER_SCALE = re.compile(r'(blocks\.\d+)\.(ls[12])\.gamma')
_SCALED = {'ls1': 'attn.proj', 'ls2': 'mlp.fc2'}


def split_class_position(state: State) -> State:
    """Take the class token's row off the position table.

    A square table has no such row (timm's ``no_embed_class``, PATH's exported files): the class position is then zero,
    which computes the same. Rows of register tokens are dropped with it.

    Args:
        state: names of timm; ``pos_embed`` (1, N, C), (1, 1 + N, C) or (1, 1 + R + N, C).
    """
    state = dict(state)
    table, token = state.get('pos_embed'), state.get('cls_token')
    if table is None or token is None or 'cls_pos_embed' in state:
        return state
    registers = state['reg_token'].shape[1] if 'reg_token' in state else 0
    rows = table.shape[1]
    extra = next((n for n in (0, 1, registers, 1 + registers) if math.isqrt(rows - n)**2 == rows - n), 1)
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
