"""A file of any family as one file under our names."""
import re
from pathlib import Path

from humanbench.errors import CheckpointError

from .export import write_weights
from .report import LoadReport
from .source import open_source
from .spec import parse
from .vit_layout import shape_of

_OURS = re.compile(
    r'(projectors|heads)\.[^.]+\..+|backbone\.(pos_embed|cls_token|cls_pos_embed|patch_embed\.proj\.\w+|norm\.\w+|'
    r'blocks\.\d+\.(norm[12]|attn\.qkv|attn\.proj|mlp\.fc[12])\.\w+)')


def convert_file(spec: str, out: str | Path) -> LoadReport:
    """Write the weights that ``spec`` names under our names; the file loads with ``path:FILE``.

    Returns:
        What was written (``matched``) and what has no place here (``ignored``).

    Raises:
        CheckpointError: the weights cannot be read, or nothing in them is a plain ViT.
    """
    parsed = parse(spec)
    if parsed.scheme == 'scratch':
        raise CheckpointError("'scratch' names no weights: there is nothing to convert.")
    source = open_source(parsed)
    state = {key: value for key, value in source.state.items() if _OURS.fullmatch(key)}
    shape = shape_of({key.removeprefix('backbone.'): value for key, value in state.items()})
    if shape is None:
        raise CheckpointError(f"'{spec}' holds no plain ViT. It seems to be {source.seems}.")
    kept = {key: value for key, value in source.metadata.items() if key in ('num_heads', 'grid') and value is not None}
    about = dict(converted_from=str(parsed), family=source.family, source_sha256=source.sha256, notes=source.notes,
                 width=shape[0], depth=shape[1])
    write_weights(state, out, {**about, **kept})
    return LoadReport(spec, source.family, source.sha256, matched=list(state),
                      ignored=[key for key in source.state if key not in state], notes=source.notes)
