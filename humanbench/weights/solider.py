"""Weights of SOLIDER, and of any Swin of the first version for SOLIDER's network.

The published file is a dict whose ``teacher`` holds ``backbone.*``, by mmdet's names of a Swin with the controllers
``semantic_embed_w.I.*`` and ``semantic_embed_b.I.*``, and the DINO head ``head.mlp.{0,2,4}.*`` and
``head.last_layer.weight_{g,v}``; a file of a run has ``student``, ``optimizer`` and more beside it. In a checkpoint of
ours that is the part ``heads.SOURCE.teacher``. A Swin by the names of timm or of its original code is brought to
mmdet's (:func:`.swin.mmdet_names`).
"""
import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from humanbench.errors import CheckpointError, unknown_name

from . import swin
from .vit_layout import State

_TABLE = re.compile(r'(?:backbone\.)?(stages\.\d+\.blocks\.\d+\.attn\.w_msa\.relative_position_)bias_table')
_TEACHER = re.compile(r'heads\.([^.]+)\.teacher\.(backbone\.|head\.)')
_OURS = ('heads.', 'projectors.')
_HEAD = 'head.'


def convert(state: State) -> State:
    """Any of these layouts to ours: ``backbone.*``, and what a backbone has no place for by its own name."""
    if any(key.startswith(_OURS) for key in state):
        return dict(state)
    state = {key.removeprefix('backbone.'): value for key, value in state.items()}
    if swin.recognise(state):
        state = swin.mmdet_names(swin.timm_names(state))
    state = _with_indices(state)
    return {key if key.startswith(_HEAD) else f'backbone.{key}': value for key, value in state.items()}


def _with_indices(state: State) -> State:
    """The state with the position index of every window, which is a constant that some files leave out."""
    state = dict(state)
    for key in [key for key in state if _TABLE.fullmatch(key)]:
        state.setdefault(key.removesuffix('bias_table') + 'index', _index(_window(state[key])))
    return state


def _window(table: Tensor) -> int:
    """The side of the window that a table of relative positions is of."""
    return (math.isqrt(table.shape[0]) + 1) // 2


def _index(side: int) -> Tensor:
    """Row of the table for each pair of tokens of a window: the offset down, then the offset to the right."""
    cell = torch.cartesian_prod(torch.arange(side), torch.arange(side))
    offset = cell[:, None] - cell[None] + side - 1
    return offset[..., 0] * (2 * side - 1) + offset[..., 1]


def recognise(state: State) -> bool:
    """Whether this is a Swin by mmdet's names, alone or as SOLIDER publishes it, and no model of ours."""
    return any(_TABLE.fullmatch(key) for key in state) and not any(key.startswith(_OURS) for key in state)


def teachers_in(state: Mapping[str, Tensor]) -> list[str]:
    """The sources of one of our checkpoints whose heads have a teacher with a backbone of its own."""
    matches = (_TEACHER.match(key) for key in state)
    return list(dict.fromkeys(match[1] for match in matches if match and match[2] == 'backbone.'))


def teacher_of(state: Mapping[str, Tensor], source: str) -> State:
    """``backbone.*`` and ``head.*`` of the teacher of a source."""
    prefix = f'heads.{source}.teacher.'
    return {key.removeprefix(prefix): value for key, value in state.items()
            if key.startswith(prefix) and _TEACHER.match(key)}


def network_sizes(state: State, where: str) -> dict[str, Any]:
    """What the names and shapes by mmdet's names say of the network: the arguments of a ``SemanticSwin``.

    Args:
        state: of a backbone.
        where: names the file; for errors.

    Raises:
        CheckpointError: it is no Swin of the first version.
    """
    kernel = state.get('patch_embed.projection.weight')
    tables = {key: value for key, value in state.items() if _TABLE.fullmatch(key)}
    if kernel is None or not tables:
        raise CheckpointError(f'{where} is no Swin of the first version by the names of SOLIDER, mmdet, timm or its '
                              'original code: expected patch_embed and relative_position_bias_table.')
    stages: dict[int, list[Tensor]] = {}
    for key, table in tables.items():
        stages.setdefault(int(key.split('.')[1]), []).append(table)
    sizes = dict(embed_dims=kernel.shape[0], depths=[len(stages[i]) for i in sorted(stages)],
                 num_heads=[stages[i][0].shape[1] for i in sorted(stages)], window_size=_window(stages[0][0]))
    controllers = any(key.startswith('semantic_embed_w.') for key in state)
    return sizes if controllers else sizes | {'semantic': None}


def official_state(state: Mapping[str, Tensor], source: str | None = None) -> State:
    """The published layout of one of our checkpoints: the teacher's backbone and head, else the backbone alone.

    Args:
        state: ``backbone.*`` of a SemanticSwin and, of a pretraining run, ``heads.SOURCE.teacher.*``.
        source: whose teacher; None for the only one.

    Raises:
        UserError: no such teacher.
        CheckpointError: the backbone is none of SOLIDER's, or several heads have a teacher.
    """
    teachers = teachers_in(state)
    if source is not None and source not in teachers:
        raise unknown_name('source with a teacher', source, teachers)
    found = teacher_of(state, source or only_teacher(teachers)) if teachers else {
        key: value for key, value in state.items() if key.startswith('backbone.')}
    if not recognise(found):
        raise CheckpointError('The layout of SOLIDER is that of a SemanticSwin; the backbone of this checkpoint is '
                              'none.')
    return found


def only_teacher(teachers: list[str]) -> str:
    """The one source with a teacher.

    Raises:
        CheckpointError: there are several.
    """
    if len(teachers) > 1:
        raise CheckpointError(f"Several heads have a teacher: {', '.join(teachers)}. Write the one you mean to a file "
                              'with `humanbench export --layout solider --source NAME`.')
    return teachers[0]


def notes(state: State) -> list[str]:
    """What one should know of weights by other names than mmdet's."""
    if not swin.recognise(state):
        return []
    return ["the order of the merges' four patches is brought to mmdet's (the same function); where a map is no larger "
            'than a window, mmdet shifts it and the original code does not']
