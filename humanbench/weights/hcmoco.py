"""Weights of HCMoCo: two encoders of images (colours, depth), one of joints, and what compares them.

No weights were published; this is the layout that its authors' code writes and reads. ``model`` holds, after
``module.``, ``encoder1.*`` (colours) and ``encoder2.*`` (depth; an HRNet, or a PointNet++), ``encoder3.*`` (joints),
``head1.0.*`` to ``head3.0.*`` (projections) and ``encoder1_linear.*``, ``encoder2_linear.*`` (dense mappers);
``contrast`` holds ``memory_1`` to ``memory_3``. A file that its code has made for finetuning is one encoder alone, by
HRNet's names. In a checkpoint of ours, colours are the backbone and all else is in the head of the pretext.
"""
from collections.abc import Mapping

import torch
from torch import Tensor

from humanbench.errors import CheckpointError, unknown_name

from . import hrnet
from .vit_layout import State

_ENCODERS = {'rgb': 'encoder1.', 'depth': 'encoder2.'}
_IN_HEAD = {
    'encoder2.': 'depth_encoder.', 'encoder3.': 'joint_encoder.', 'head1.0.': 'projections.rgb.',
    'head2.0.': 'projections.depth.', 'head3.0.': 'projections.joints.', 'encoder1_linear.': 'mappers.rgb.',
    'encoder2_linear.': 'mappers.depth.'}
_BANKS = 'banks.table'
_DEPTH = 'depth_encoder.'
POINTS_MARK = 'SA_modules.0.mlps.0.layer0.conv.weight'
"""A name that every PointNet++ has once."""


def convert(state: State, modality: str | None = None, where: str = 'the file') -> State:
    """Any of these layouts to ours: ``backbone.*``, and what a backbone has no place for by its own name.

    Args:
        state: as read.
        modality: which encoder becomes the backbone; None for that of colours.
        where: names the file; for errors.

    Raises:
        CheckpointError: the file has no such encoder.
    """
    encoders = encoders_in(state)
    wanted = modality or 'rgb'
    if not encoders and hrnet.recognise(state):  # one encoder alone
        return {f'backbone.{key}': value for key, value in hrnet.convert(state).items()}
    if wanted not in encoders:
        raise CheckpointError(f"{where} has no encoder of {dict(rgb='colours', depth='depth')[wanted]}"
                              + (f"; it has {', '.join(encoders)}." if encoders else ': it is no file of HCMoCo.'))
    prefix = encoders[wanted]
    if prefix == 'backbone.':
        return dict(state)
    found = {f'backbone.{key.removeprefix(prefix)}': value for key, value in state.items() if key.startswith(prefix)}
    return {key: value for key, value in state.items() if not key.startswith(('backbone.', prefix))} | found


def encoders_in(state: State) -> dict[str, str]:
    """The encoders of images in a file of several: modality -> what stands before its names.

    Raises:
        CheckpointError: several heads of a checkpoint of ours have an encoder of depth.
    """
    if heads := heads_in(state):
        if len(heads) > 1:
            raise CheckpointError(f"Several heads have an encoder of depth: {', '.join(heads)}. Write the one you mean "
                                  'to a file with `humanbench export --layout hcmoco --source NAME`.')
        return {'rgb': 'backbone.', 'depth': f'heads.{heads[0]}.{_DEPTH}'}
    return {modality: prefix for modality, prefix in _ENCODERS.items() if any(key.startswith(prefix) for key in state)}


def heads_in(state: Mapping[str, Tensor]) -> list[str]:
    """The sources of one of our checkpoints whose heads have an encoder of depth."""
    return list(dict.fromkeys(
        key.split('.')[1] for key in state if key.startswith('heads.') and key.split('.', 2)[2].startswith(_DEPTH)))


def has_depth(state: Mapping[str, Tensor]) -> bool:
    """Whether a file, or what is left of it without its backbone, has an encoder of depth."""
    return bool(heads_in(state)) or any(key.startswith(_ENCODERS['depth']) for key in state)


def recognise(state: State) -> bool:
    """Whether these are the keys of HCMoCo's several encoders."""
    marks = [f'{encoder}{mark}' for encoder in _ENCODERS.values() for mark in (hrnet.MARK, POINTS_MARK)]
    return any(mark in state for mark in marks) and not any(key.startswith(('heads.', 'backbone.')) for key in state)


def banks(memories: State) -> State:
    """The memories of colours, depth and joints as one table: ``contrast.table``; empty where one is missing."""
    names = [f'memory_{number}' for number in (1, 2, 3)]
    return {'contrast.table': torch.stack([memories[x] for x in names])} if memories.keys() >= set(names) else {}


def head_state(state: State, head: str) -> State:
    """What of a file in the authors' layout belongs to the head of a pretext, by our names.

    Args:
        state: as read.
        head: its name, ``heads.SOURCE``.
    """
    return {f'{head}.{ours}{key.removeprefix(theirs)}': value for key, value in state.items()
            for theirs, ours in [*_IN_HEAD.items(), ('contrast.', 'banks.')] if key.startswith(theirs)}


def official_state(state: Mapping[str, Tensor], source: str | None = None) -> tuple[State, State]:
    """One of our checkpoints in the authors' layout: ``model``, and ``contrast``, empty where it has no memories.

    Args:
        state: ``backbone.*`` of an HRNet, and ``heads.SOURCE.*`` of the pretext.
        source: whose head; None for the only one.

    Raises:
        UserError: no such head.
        CheckpointError: the backbone is no HRNet, or no head, or several, have an encoder of depth.
    """
    heads = heads_in(state)
    if source is not None and source not in heads:
        raise unknown_name('source with an encoder of depth', source, heads)
    if source is None and len(heads) != 1:
        raise CheckpointError(f"Several heads have an encoder of depth: {', '.join(heads)}. Say which with --source."
                              if heads else 'No head has an encoder of depth. Give a checkpoint of an HCMoCo run.')
    if f'backbone.{hrnet.MARK}' not in state:
        raise CheckpointError("The layout of HCMoCo is that of an HRNet; this checkpoint's backbone is none.")
    prefix = f'heads.{source or heads[0]}.'
    head = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    model = {f'module.encoder1.{key.removeprefix("backbone.")}': value for key, value in state.items()
             if key.startswith('backbone.')}
    model |= {f'module.{theirs}{key.removeprefix(ours)}': value for key, value in head.items()
              for theirs, ours in _IN_HEAD.items() if key.startswith(ours)}
    banks = head.get(_BANKS, ())
    return model, {f'memory_{number}': bank for number, bank in enumerate(banks, start=1)}
