"""Weights of Swin transformers, under timm's names or those of the original code."""
import re

from .vit_layout import State

_BUFFERS = ('relative_position_index', 'relative_coords_table', 'attn_mask')
_MERGE = re.compile(r'^layers\.(\d+)\.downsample\.')


def timm_names(state: State) -> State:
    """Original names to timm's: a merge opens a stage instead of closing the one before, and buffers are left out."""
    state = {key: value for key, value in state.items() if not key.endswith(_BUFFERS)}
    if 'layers.0.downsample.norm.weight' not in state:
        return state
    return {_MERGE.sub(lambda match: f'layers.{int(match[1]) + 1}.downsample.', key): value
            for key, value in state.items()}


convert = timm_names


def recognise(state: State) -> bool:
    """Whether these are the keys of a Swin transformer of either version."""
    return any(f'layers.0.blocks.0.attn.{name}' in state for name in ('relative_position_bias_table', 'logit_scale'))


def notes(state: State) -> list[str]:
    """What one should know: nothing."""
    return []


exact_notes = notes
