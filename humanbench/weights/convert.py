"""A file of any family as one file under our names."""
import re
from pathlib import Path
from typing import Any

from humanbench.errors import CheckpointError

from . import hrnet
from .export import write_weights
from .report import LoadReport
from .solider import network_sizes, recognise
from .source import Source, open_source
from .spec import parse
from .vit_layout import State, shape_of

_OURS = re.compile(
    r'(projectors|heads)\.[^.]+\..+|backbone\.(pos_embed|cls_token|cls_pos_embed|patch_embed\.proj\.\w+|norm\.\w+|'
    r'blocks\.\d+\.(norm[12]|attn\.qkv|attn\.proj|mlp\.fc[12])\.\w+|'
    r'(patch_embed\.(projection|norm)|norm[0-3]|semantic_embed_[wb]\.[0-3])\.\w+|'
    r'stages\.\d+\.(blocks\.\d+\.(norm[12]|attn\.w_msa|ffn\.layers)|downsample)\..+|'
    r'((conv|bn)[12]|layer1|transition[1-3]|stage[2-4])\..+)')


def convert_file(spec: str, out: str | Path) -> LoadReport:
    """Write the weights that ``spec`` names under our names; the file loads with ``path:FILE``.

    Returns:
        What was written (``matched``) and what has no place here (``ignored``).

    Raises:
        CheckpointError: the weights cannot be read, or nothing in them is a plain ViT, SOLIDER's Swin or an HRNet.
    """
    parsed = parse(spec)
    if parsed.scheme == 'scratch':
        raise CheckpointError("'scratch' names no weights: there is nothing to convert.")
    source = open_source(parsed)
    state = {key: value for key, value in source.state.items() if _OURS.fullmatch(key)}
    backbone = {key.removeprefix('backbone.'): value for key, value in state.items() if key.startswith('backbone.')}
    about = dict(converted_from=str(parsed), family=source.family, source_sha256=source.sha256, notes=source.notes)
    write_weights(state, out, about | _what_it_is(backbone, source, f"'{spec}'"))
    return LoadReport(spec, source.family, source.sha256, matched=list(state),
                      ignored=[key for key in source.state if key not in state], notes=source.notes)


def _what_it_is(backbone: State, source: Source, where: str) -> dict[str, Any]:
    """What a file says of the network it is of."""
    if recognise(backbone):
        return dict(backbone='SemanticSwin', architecture=network_sizes(backbone, where))
    if hrnet.recognise(backbone):
        return dict(backbone='HumanHRNet', architecture=hrnet.network_sizes(backbone, where))
    shape = shape_of(backbone)
    if shape is None:
        raise CheckpointError(f"{where} holds no plain ViT, no HRNet and no Swin for SOLIDER's network. It seems to be "
                              f'{source.seems}.')
    kept = {key: value for key, value in source.metadata.items() if key in ('num_heads', 'grid') and value is not None}
    return dict(width=shape[0], depth=shape[1]) | kept
