"""From a weight string to converted tensors: where they come from, which family they are of."""
import hashlib
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from torch import Tensor

from humanbench.errors import CheckpointError, unknown_name

from . import clip, dino, mae, path, timm
from .files import Loaded, existing, file_sha256, read_file
from .folder import is_checkpoint
from .spec import WeightSpec, parse
from .vit_layout import State, shape_of

FAMILIES: dict[str, ModuleType] = {'clip': clip, 'dino': dino, 'path': path, 'mae': mae, 'timm': timm}
"""By scheme, in the order in which a plain file is tried (the most particular names first)."""


@dataclass(frozen=True)
class Source:
    """Converted weights and where they come from.

    Attributes:
        state: tensors by our names with their part in front (``backbone.blocks.0...``, ``heads.coco...``).
        family: what they were read as.
        sha256: of the file's bytes, or of the tensors for ``timm:``.
        notes: what else one should know.
        metadata: what the file says about itself.
        seems: one phrase, what the file seems to be; for errors.
    """
    state: State
    family: str
    sha256: str
    notes: list[str]
    metadata: dict[str, Any] = field(default_factory=dict)
    seems: str = ''


def sha256(spec: str) -> str:
    """SHA-256 that tells weights apart in results.

    It is that of the file's bytes; for ``timm:`` and for a checkpoint folder of names, shapes and values of the
    tensors; for ``scratch`` of nothing.

    Raises:
        UserError: unknown scheme, missing file, unknown model.
    """
    parsed = parse(spec)
    if parsed.scheme == 'scratch':
        return hashlib.sha256().hexdigest()
    if parsed.scheme == 'timm':
        return _tensors_sha256(_timm_state(parsed.name)[0])
    return _tensors_sha256(read_file(parsed.name).state) if is_checkpoint(parsed.name) else file_sha256(parsed.name)


def open_source(parsed: WeightSpec) -> Source:
    """Read and convert what a weight string names (not ``scratch``).

    Raises:
        CheckpointError: it cannot be read, or a plain file is of no known family.
    """
    if parsed.scheme == 'timm':
        state, heads = _timm_state(parsed.name)
        return _converted(
            timm, f'timm {parsed.name}', Loaded(state, metadata={'num_heads': heads}), _tensors_sha256(state)
        )
    if parsed.scheme == 'file':
        _hint_at_timm(parsed.name)
    loaded = read_file(parsed.name)
    digest = _tensors_sha256(loaded.state) if is_checkpoint(parsed.name) else file_sha256(parsed.name)
    scheme = _family_of(loaded) if parsed.scheme == 'file' else parsed.scheme
    if scheme is None:
        raise CheckpointError(
            f"The keys of '{parsed.name}' are of no known family: it seems to be {describe(loaded)}. Families: "
            f'{", ".join(FAMILIES)}; say which with FAMILY:FILE.'
        )
    return _converted(FAMILIES[scheme], scheme, loaded, digest)


def _converted(family: ModuleType, name: str, loaded: Loaded, digest: str) -> Source:
    state = family.convert(loaded.state)
    if family is not path:
        state = {f'backbone.{key}': value for key, value in state.items()}
    return Source(state, name, digest, family.notes(loaded.state), loaded.metadata, describe(loaded))


def _family_of(loaded: Loaded) -> str | None:
    return next((name for name, family in FAMILIES.items() if family.recognise(loaded.state)), None)


def _tensors_sha256(state: State) -> str:
    digest = hashlib.sha256()
    for key in sorted(state):
        value = state[key].detach().cpu().contiguous()
        digest.update(f'{key} {tuple(value.shape)} {value.dtype}'.encode())
        digest.update(value.float().numpy().tobytes())
    return digest.hexdigest()


def _timm_state(name: str) -> tuple[dict[str, Tensor], int | None]:
    """Pretrained tensors of a timm model and its number of attention heads (None where it has no blocks of a ViT)."""
    import timm as library
    if name.split('.')[0] not in library.list_models():
        raise unknown_name_of_timm(name)
    if not library.is_model_pretrained(name):
        raise CheckpointError(
            f"timm publishes no weights for '{name}'. timm.list_models('*vit*', pretrained=True) lists those "
            'that have some.'
        )
    try:
        model = library.create_model(name, pretrained=True, num_classes=0)
    except Exception as error:  # whatever the hub's client raises where it cannot reach the hub; told to the user below
        raise CheckpointError(
            f"The weights of timm model '{name}' are neither in the local cache nor could they be fetched "
            f'({type(error).__name__}: {str(error).splitlines()[0][:160]}). Without a network, copy the file from a '
            'machine that has one and give it as FILE.') from error
    blocks = getattr(model, 'blocks', None)
    heads = getattr(getattr(blocks[0], 'attn', None), 'num_heads', None) if blocks is not None else None
    return dict(model.state_dict()), heads


def unknown_name_of_timm(name: str) -> CheckpointError:
    """Offers the nearest of timm's plain vision transformers, not all of its thousand models."""
    import timm as library
    near = str(unknown_name('timm model', name, library.list_models('vit_*')))
    return CheckpointError(near.split(' Known: ')[0] + " timm.list_models('vit_*') lists them.")


def _hint_at_timm(name: str) -> None:
    if is_checkpoint(name):
        return
    try:
        existing(name)
    except CheckpointError as error:
        import timm as library
        if name.split('.')[0] in library.list_models():
            raise CheckpointError(
                f"There is no weight file '{name}', but timm has a model of that name: timm:{name}"
            ) from error
        raise


def describe(loaded: Loaded) -> str:
    """What a file seems to be, in words."""
    state = loaded.state
    family = _family_of(loaded)
    if family:
        names = FAMILIES[family].convert(state)
        shape = shape_of({key.removeprefix('backbone.'): value for key, value in names.items()})
        size = f' of width {shape[0]} and depth {shape[1]}' if shape else ''
        parts = sorted({key.split('.')[0] for key in names}) if family == 'path' else []
        return f'{_TITLES[family]}{size}' + (f" with {', '.join(parts)}" if parts else '')
    marks = {
        'layers.0.blocks.0.attn.relative_position_bias_table': 'a Swin transformer',
        'layer1.0.conv1.weight': 'a ResNet',
        'stage2.0.branches': 'an HRNet',
        'embeddings.patch_embeddings': 'a Hugging Face vision transformer',
        'layers.0.ln1': 'an mmpretrain vision transformer',
        'stages.0': 'a ConvNeXt',
        'text_model.': 'a text model',
    }
    for mark, title in marks.items():
        if any(mark in key for key in state):
            return title
    return 'something else (it begins with ' + ', '.join(list(state)[:3]) + ')'


_TITLES = {
    'clip': 'CLIP (use clip:FILE), a ViT',
    'dino': 'DINO (use dino:FILE), a ViT',
    'mae': 'a masked autoencoder (use mae:FILE), a ViT',
    'timm': 'a plain ViT (use mae:FILE or FILE)',
    'path': 'a checkpoint of HumanBench or PATH (use path:FILE), a model',
}
