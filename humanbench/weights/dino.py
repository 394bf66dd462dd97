"""Weights of DINO and DINOv2: timm's names with layer scale, blocks in chunks, and register tokens."""
import re

from . import timm
from .vit_layout import State

_CHUNK = re.compile(r'^blocks\.\d+\.(\d+)\.')


def timm_names(state: State) -> State:
    """DINO names to timm's: teacher's prefix and chunk numbers off. What only pretraining needs keeps its name."""
    if any(key.startswith('backbone.') for key in state):
        state = {key.removeprefix('backbone.'): value for key, value in state.items() if key.startswith('backbone.')}
    state = {_CHUNK.sub(r'blocks.\1.', key): value for key, value in state.items()}
    if 'register_tokens' in state:
        state['reg_token'] = state.pop('register_tokens')
    return state


def convert(state: State) -> State:
    """DINO names to ours: teacher's prefix and chunk numbers off, layer scale folded, class position apart."""
    return timm.convert(timm_names(state))


def recognise(state: State) -> bool:
    """Whether these keys are DINO's and no other family's."""
    marks = (
        r'(backbone\.)?blocks\.\d+\.\d+\.norm1\.',
        r'(backbone\.)?register_tokens',
        r'(backbone\.)?blocks\.\d+\.ls1\.gamma',
        r'(dino_|ibot_)?head\.(mlp|last_layer)\.',
    )
    vit = any(key.removeprefix('backbone.') == 'patch_embed.proj.weight' for key in state)
    return vit and any(re.match(mark, key) for mark in marks for key in state)


def notes(state: State) -> list[str]:
    """What of these weights has no place in our plain ViT."""
    return timm.notes(timm_names(state))


def exact_notes(state: State) -> list[str]:
    """What one should know where the original network takes these weights: nothing."""
    return []
