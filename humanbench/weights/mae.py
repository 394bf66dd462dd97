"""Weights of masked autoencoders: timm's names plus a decoder that only pretraining needs."""
from . import timm
from .timm import exact_notes, timm_names
from .vit_layout import State

__all__ = ['convert', 'exact_notes', 'notes', 'recognise', 'timm_names']


def convert(state: State) -> State:
    """MAE names to ours; the decoder's entries keep their names, for nothing takes them."""
    return timm.convert(state)


def recognise(state: State) -> bool:
    """Whether this file holds an autoencoder's decoder too (an encoder alone is a timm ViT)."""
    return timm.recognise(state) and any(key.startswith('decoder_') for key in state)


def notes(state: State) -> list[str]:
    """Nothing that timm's layout does not say already."""
    return timm.notes(state)
