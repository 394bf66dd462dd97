"""The network that weights are of: what a name, or the names and shapes in a file, say about it.

A file of HumanBench or PATH and the plain ViT of patch 16 of a masked autoencoder (MAE, HAP) are read as
:class:`HumanViT`, PATH's network; SOLIDER and any Swin by mmdet's names as :class:`SemanticSwin`; HCMoCo and any HRNet
as :class:`HumanHRNet`; CLIP, DINO and all others as timm's own network, which computes what their authors' code
computes.
"""
import inspect
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from timm.data.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from humanbench.errors import CheckpointError, UserError
from humanbench.models.backbones import HumanHRNet, HumanViT, SemanticSwin, TimmSwin, TimmViT
from humanbench.models.backbones.semantic_swin import SEMANTIC
from humanbench.models.backbones.timm_network import HIERARCHICAL, STRIDE, family_of
from humanbench.registry import MODELS

from . import clip, hcmoco, hrnet, solider
from .files import Loaded, read_file
from .folder import is_checkpoint, read_meta
from .source import FAMILIES, describe, family_of_file
from .spec import WeightSpec, parse
from .vit_layout import State, grid_of, split_class_position

HEAD_DIMS = {1280: 80, 1408: 88, 1664: 104}
"""Width -> channels of an attention head in the published ViTs (H, g, G) where it is not 64."""
_ONLY = {'solider': (SemanticSwin, "SOLIDER's network"), 'hrnet': (HumanHRNet, 'an HRNet')}
"""Schemes of files of one kind of network."""


def timm_network(name: str) -> dict[str, Any]:
    """The backbone config of a timm model.

    Raises:
        UserError: timm has no such model, or our heads cannot read it.
    """
    return dict(type=TimmSwin if issubclass(family_of(name), HIERARCHICAL) else TimmViT, name=name)


def network_of(spec: str) -> dict[str, Any] | None:
    """The backbone config of the network that weights are of; None for ``scratch``, which is of any.

    Args:
        spec: the weight string, see :mod:`humanbench.weights`. A file is read, ``timm:`` downloads nothing.

    Raises:
        UserError: unknown scheme or timm model, or a lambda for a network that takes none.
        CheckpointError: the file cannot be read, or does not say what network it is of.
    """
    parsed = parse(spec)
    if parsed.scheme == 'scratch':
        return None
    if parsed.scheme == 'timm':
        return timm_network(parsed.name)
    path = Path(parsed.name).expanduser()
    stamp = path.stat().st_mtime_ns if path.exists() else 0
    network = _of_file(str(path), parsed.scheme, stamp, parsed.modality)
    return network if parsed.semantic is None else turned(network, parsed)


def turned(network: Mapping[str, Any], parsed: WeightSpec) -> dict[str, Any]:
    """The network with the lambda that a weight string says.

    Raises:
        UserError: it takes none.
    """
    kind = network['type']
    name = kind.__name__ if inspect.isclass(kind) else str(kind).rpartition('.')[2]
    if name != SemanticSwin.__name__ or network.get('semantic', SEMANTIC) is None:
        raise UserError(f"'{parsed}' says a lambda, and the network, a {name}, has no controllers for it. Leave "
                        '@semantic=... out.')
    return dict(network, semantic=parsed.semantic)


@lru_cache
def _of_file(path: str, scheme: str, stamp: int, modality: str | None) -> dict[str, Any]:
    """What a file says; ``stamp`` is when it was written, so that a new file is read anew."""
    loaded = Loaded({}, metadata=read_meta(path)) if is_checkpoint(path) else read_file(path, shapes_only=True)
    of_backbone = modality != 'depth' or loaded.metadata.get('backbone') != HumanHRNet.__name__
    if 'architecture' in loaded.metadata and of_backbone:
        return _of_metadata(loaded, scheme, path)
    if is_checkpoint(path):
        loaded = read_file(path)
    family = family_of_file(loaded) if scheme == 'file' else scheme
    where = f"'{path}'"
    if family == 'swin':
        raise CheckpointError(f'{where} is a Swin transformer, and weights do not tell its windows. Name the network: '
                              '--backbone swin_b, or --backbone timm:NAME; or say solider:FILE for SOLIDER\'s.')
    if family == 'solider':
        return _semantic_swin(loaded, where)
    if family in ('hrnet', 'hcmoco'):
        return _hrnet(loaded, family, modality, where)
    if family == 'path':
        state = {key.removeprefix('backbone.'): value for key, value in FAMILIES['path'].convert(loaded.state).items()
                 if key.startswith('backbone.')}
    elif family is not None:
        state = FAMILIES[family].timm_names(loaded.state)
    else:
        state = loaded.state
    sizes = _sizes(state, loaded, where)
    if family in ('path', 'hap', 'mae', 'timm') and sizes['patch_size'] == STRIDE and not _needs_timm(state):
        return dict(type=HumanViT, class_token_tasks=('reid', ), **sizes)
    return _timm_vit(state, sizes, family == 'clip' and clip.is_openai(loaded.state), family == 'clip')


def _of_metadata(loaded: Loaded, scheme: str, path: str) -> dict[str, Any]:
    """The network that a file of ours names; it may be one of the user's own."""
    name = loaded.metadata['backbone']
    kind, title = _ONLY.get(scheme, (None, ''))
    if kind is not None and name != kind.__name__:
        raise CheckpointError(f"'{path}' is of a {name}, not of {title}.")
    registered = MODELS.get(name)
    if registered is None:
        raise CheckpointError(f"'{path}' is of a {name}, which is no network of HumanBench's. If it is yours, name its "
                              'module in HUMANBENCH_IMPORT, or its config with --backbone FILE.py.')
    return dict(type=registered, **loaded.metadata['architecture'])


def _semantic_swin(loaded: Loaded, where: str) -> dict[str, Any]:
    """SOLIDER's network of a size that the file says; without controllers where it has none."""
    state = {key.removeprefix('backbone.'): value for key, value in solider.convert(loaded.state).items()}
    return dict(type=SemanticSwin, **solider.network_sizes(state, where))


def _hrnet(loaded: Loaded, family: str, modality: str | None, where: str) -> dict[str, Any]:
    """An HRNet of the sizes that the file says."""
    state = hrnet.convert(loaded.state)
    if family == 'hcmoco':
        state = hrnet.convert({key: value for key, value in hcmoco.convert(loaded.state, modality, where).items()
                               if key.startswith('backbone.')})
        if f'backbone.{hcmoco.POINTS_MARK}' in state:
            raise CheckpointError(f"{where}: its encoder of depth sees points, which no task's recipe gives. It loads "
                                  'into a PointNet2MSG alone, the depth_encoder of a pretext.')
    return dict(type=HumanHRNet, **hrnet.network_sizes(state, where))


def _needs_timm(state: State) -> bool:
    """Whether a ViT has parts that PATH's plain one lacks."""
    marks = ('norm_pre.', 'reg_token', 'fc_norm.')
    return any(key.startswith(marks) or '.ls1.gamma' in key or '.attn.q_norm.' in key for key in state)


def _sizes(state: State, loaded: Loaded, where: str) -> dict[str, Any]:
    """Image, patch, width, depth, heads and MLP of a plain ViT by timm's names.

    Raises:
        CheckpointError: it is no plain ViT, or not all of it follows from the shapes.
    """
    kernel, hidden = state.get('patch_embed.proj.weight'), state.get('blocks.0.mlp.fc1.weight')
    blocks = {key.split('.')[1] for key in state if key.startswith('blocks.')}
    table = split_class_position(state).get('pos_embed')
    if kernel is None or hidden is None or table is None:
        raise CheckpointError(f'{where} does not say which network it is of: it seems to be {describe(loaded)}, no '
                              'plain ViT with an MLP and a position table. Name the network: --backbone timm:NAME.')
    width, patch = kernel.shape[0], kernel.shape[-1]
    size = HEAD_DIMS.get(width, 64)
    heads = loaded.metadata.get('num_heads') or (0 if width % size else width // size)
    if not heads:
        raise CheckpointError(f'{where} is a ViT of width {width}, from which the number of its attention heads does '
                              'not follow. Name the network: --backbone timm:NAME.')
    grid = loaded.metadata.get('grid') or grid_of(table.shape[1])
    if grid is None or grid[0] * grid[1] != table.shape[1]:
        raise CheckpointError(f'{where} has a position table of {table.shape[1]} rows, neither a square nor twice as '
                              'high as wide. Name the network: --backbone timm:NAME, with '
                              'model.backbone.options.img_size.')
    return dict(img_size=[patch * x for x in grid], patch_size=patch, embed_dim=width, depth=len(blocks),
                num_heads=heads, mlp_ratio=hidden.shape[0] / width)


def _timm_vit(state: State, sizes: dict[str, Any], quick: bool, is_clip: bool) -> dict[str, Any]:
    """timm's own ViT with all that the file has, by timm's names."""
    registers = state['reg_token'].shape[1] if 'reg_token' in state else 0
    options = dict(
        sizes, class_token='cls_token' in state, reg_tokens=registers, pre_norm='norm_pre.weight' in state,
        no_embed_class=bool(registers), qkv_bias='blocks.0.attn.qkv.bias' in state,
        qk_norm='blocks.0.attn.q_norm.weight' in state, global_pool='avg' if 'fc_norm.weight' in state else '',
        init_values=1e-5 if 'blocks.0.ls1.gamma' in state else None, **(dict(act_layer='quick_gelu') if quick else {}))
    network = dict(type=TimmViT, options=options)
    if is_clip:
        network.update(norm_eps=1e-5, mean=_pixels(OPENAI_CLIP_MEAN), std=_pixels(OPENAI_CLIP_STD))
    return network


def _pixels(values: tuple[float, ...]) -> list[float]:
    return [round(255 * x, 4) for x in values]
