"""Weights of HAP: a masked autoencoder on crops of people.

The published file is a dict of ``epoch``, ``arch``, ``model``, ``optimizer`` and ``scaler``; ``model`` has MAE's names,
and position tables of a grid that is twice as high as wide (16 x 8 for crops of 256 x 128) with a row for the class
token: by that a plain FILE is told from MAE's. The encoder is a ViT like any other; the decoder goes into the head of a
pretext where it is asked for (``parts=('backbone', 'heads.SOURCE')``).
"""
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from humanbench.errors import CheckpointError, unknown_name
from humanbench.models.backbones.position import interpolate_positions

from . import mae, timm
from .mae import exact_notes, notes, timm_names
from .vit_layout import State, grid_of, shape_of, split_class_position

__all__ = ['ARCHS', 'convert', 'exact_notes', 'notes', 'official_state', 'recognise', 'timm_names']

ARCHS = {(768, 12): 'pose_mae_vit_base_patch16'}
"""Width and depth of the encoder -> what the published file calls it."""
_TABLE = 'decoder_pos_embed'


def convert(state: State) -> State:
    """HAP names to ours; the decoder's entries keep their names, for the head of a pretext."""
    return timm.convert(split_class_position(state, extra=1))


def recognise(state: State) -> bool:
    """Whether this is an autoencoder's file of which both position tables are of crops of people."""
    tables = [state.get(name) for name in ('pos_embed', _TABLE)]
    return mae.recognise(state) and all(x is not None and _crop_grid(x.shape[1]) for x in tables)


def _crop_grid(rows: int) -> tuple[int, int] | None:
    """The grid of a table of so many rows, the class token's included, where it is twice as high as wide."""
    return grid_of(rows - 1, [2])


def official_state(state: Mapping[str, Tensor], grid: Sequence[int] | None = None,
                   source: str | None = None) -> tuple[State, tuple[int, int]]:
    """Encoder and decoder of one of our checkpoints under the published names, and the grid of their positions.

    Args:
        state: ``backbone.*`` of a plain ViT with a class token, and ``heads.SOURCE.*`` of a masked autoencoder.
        grid: of the backbone's position table; None for what its number of rows says. The table is brought to the
            decoder's grid where that is another one.
        source: whose head; None for the only one.

    Raises:
        UserError: no such head.
        CheckpointError: no head has a decoder, several have, or the encoder is of another kind.
    """
    encoder = {key.removeprefix('backbone.'): value for key, value in state.items() if key.startswith('backbone.')}
    if shape_of(encoder) is None or 'cls_pos_embed' not in encoder:
        raise CheckpointError('The layout of HAP is that of a plain ViT with a class token; this backbone is none.')
    decoder = _decoder(state, source)
    rows, wanted = encoder['pos_embed'].shape[1], decoder[_TABLE].shape[1] - 1
    grid = tuple(grid or grid_of(rows) or (rows, 1))
    if rows != wanted:
        new = grid_of(wanted, [2, 1])
        if new is None:
            raise CheckpointError(f'The decoder has {wanted} positions and the encoder {rows}: of which grid the '
                                  'former are cannot be told. Give backbone and pretext one input size.')
        table = encoder['pos_embed']
        encoder['pos_embed'], grid = interpolate_positions(table.float(), grid, new).to(table.dtype), new
    encoder['pos_embed'] = torch.cat([encoder.pop('cls_pos_embed'), encoder['pos_embed']], dim=1)
    return encoder | decoder, grid


def _decoder(state: Mapping[str, Tensor], source: str | None) -> State:
    """The decoder of the only head that has one, or of that of ``source``."""
    heads: dict[str, State] = {}
    for key, value in state.items():
        if key.startswith('heads.'):
            _, owner, name = key.split('.', 2)
            heads.setdefault(owner, {})[name] = value
    decoders = {owner: mae.decoder_of(entries) for owner, entries in heads.items() if _TABLE in entries}
    if source is not None and source not in decoders:
        raise unknown_name('source with a decoder', source, decoders)
    if source is None and len(decoders) > 1:
        raise CheckpointError(f"Several heads have a decoder: {', '.join(decoders)}. Say which with --source.")
    if not decoders:
        raise CheckpointError(f"No head has the decoder of a masked autoencoder (heads: {', '.join(heads) or 'none'}). "
                              'Give a checkpoint of a HAP run.')
    return decoders[source or next(iter(decoders))]
