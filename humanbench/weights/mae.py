"""Weights of masked autoencoders: timm's names plus a decoder that only pretraining needs."""
import re

from . import timm
from .timm import exact_notes, timm_names
from .vit_layout import State

__all__ = ['convert', 'decoder_of', 'exact_notes', 'notes', 'recognise', 'timm_names']

_DECODER = re.compile(r'mask_token|decoder_pos_embed|decoder_(embed|blocks|norm|pred)\..+')


def convert(state: State) -> State:
    """MAE names to ours; the decoder's entries keep their names, for the head of a pretext."""
    return timm.convert(state)


def decoder_of(state: State) -> State:
    """The entries of the decoder: of a file, or of a pretext head, which has the same names."""
    return {key: value for key, value in state.items() if _DECODER.fullmatch(key)}


def recognise(state: State) -> bool:
    """Whether this file holds an autoencoder's decoder too (an encoder alone is a timm ViT)."""
    return timm.recognise(state) and any(key.startswith('decoder_') for key in state)


def notes(state: State) -> list[str]:
    """Nothing that timm's layout does not say already."""
    return timm.notes(state)
