"""Weights of Swin transformers, under timm's names or those of the original code."""
import re

from torch import Tensor

from .vit_layout import State

_BUFFERS = ('relative_position_index', 'relative_coords_table', 'attn_mask')
_MERGE = re.compile(r'^layers\.(\d+)\.downsample\.')
_RENAMES = ((r'^patch_embed\.proj\.', 'patch_embed.projection.'), (r'^layers\.', 'stages.'),
            (r'\.attn\.', '.attn.w_msa.'), (r'\.mlp\.fc1\.', '.ffn.layers.0.0.'), (r'\.mlp\.fc2\.', '.ffn.layers.1.'))


def timm_names(state: State) -> State:
    """Original names to timm's: a merge opens a stage instead of closing the one before, and buffers are left out."""
    state = {key: value for key, value in state.items() if not key.endswith(_BUFFERS)}
    if 'layers.0.downsample.norm.weight' not in state:
        return state
    return {_MERGE.sub(lambda match: f'layers.{int(match[1]) + 1}.downsample.', key): value
            for key, value in state.items()}


convert = timm_names


def mmdet_names(state: State) -> State:
    """timm's names to mmdet's: a merge closes its stage again, and takes its four patches in another order.

    What is left of an image of which only the last level is normalised: ``norm`` is the norm of the last stage.
    """
    stages = 1 + max((int(key.split('.')[1]) for key in state if key.startswith('layers.')), default=0)
    renamed = {}
    for key, value in state.items():
        if match := _MERGE.match(key):
            key = f'layers.{int(match[1]) - 1}.downsample.' + key.removeprefix(match[0])
            value = _merge_order(value)
        elif key.startswith('norm.'):
            key = f'norm{stages - 1}.' + key.removeprefix('norm.')
        for pattern, replacement in _RENAMES:
            key = re.sub(pattern, replacement, key)
        renamed[key] = value
    return renamed


def _merge_order(value: Tensor) -> Tensor:
    """Entries (..., 4 C) of a merge, patch after patch (upper left, lower left, upper right, lower right), as mmdet's
    unfolding has them: channel after channel, and of each the four patches row by row."""
    patches = value.unflatten(-1, (4, -1))[..., [0, 2, 1, 3], :]
    return patches.transpose(-1, -2).flatten(-2)


def recognise(state: State) -> bool:
    """Whether these are the keys of a Swin transformer of either version."""
    return any(f'layers.0.blocks.0.attn.{name}' in state for name in ('relative_position_bias_table', 'logit_scale'))


def notes(state: State) -> list[str]:
    """What one should know: nothing."""
    return []


exact_notes = notes
