"""Weights that this project writes, and those that PATH's authors published.

Ours: ``backbone.*``, ``projectors.TASK.*``, ``heads.SOURCE.*``. Theirs: ``backbone_module.*``, ``neck_module.*``,
``decoder_module.*`` of one entry, or a backbone alone under MAE's names.
"""
import re

from . import timm
from .vit_layout import State

_OURS = re.compile(r'(backbone|projectors\.[^.]+|heads\.[^.]+)\.')
_THEIRS = 'backbone_module.'


def convert(state: State) -> State:
    """Any of the three layouts to ours. The published projector and head keep their names, for nothing takes them."""
    if any(_OURS.match(key) for key in state):
        return dict(state)
    if not any(key.startswith(_THEIRS) for key in state):
        return _with_prefix(timm.convert(state))
    backbone = {key.removeprefix(_THEIRS): value for key, value in state.items() if key.startswith(_THEIRS)}
    rest = {key: value for key, value in state.items() if not key.startswith(_THEIRS)}
    if 'cls_token_pos_embed' in backbone:
        backbone['cls_pos_embed'] = backbone.pop('cls_token_pos_embed')
    return {**_with_prefix(timm.convert(backbone)), **rest}


def _with_prefix(state: State) -> State:
    return {f'backbone.{key}': value for key, value in state.items()}


def recognise(state: State) -> bool:
    """Whether these keys carry our prefixes or the published ones."""
    return any(_OURS.match(key) or key.startswith(_THEIRS) for key in state)


def notes(state: State) -> list[str]:
    """What is peculiar to the published files."""
    if not any(key.startswith(_THEIRS) for key in state):
        return []
    return [
        "published PATH file: its last block and final norm had no gradient in pretraining (the last block's output is "
        'unused there), and its projector and head fit no layer here'
    ]
