"""From a weight string to converted tensors: where they come from, which family they are of."""
import hashlib
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from torch import Tensor

from humanbench.errors import CheckpointError
from humanbench.models.backbones.timm_network import check_name

from . import clip, dino, hap, hcmoco, hrnet, mae, path, solider, swin, timm
from .files import Loaded, existing, file_sha256, read_file
from .folder import is_checkpoint
from .spec import WeightSpec, parse
from .vit_layout import State, shape_of

FAMILIES: dict[str, ModuleType] = {'clip': clip, 'dino': dino, 'solider': solider, 'hcmoco': hcmoco,
                                  'hrnet': hrnet, 'path': path, 'hap': hap, 'mae': mae, 'timm': timm, 'swin': swin}
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
        timm_state: tensors by timm's names, for timm's own network; empty where the file is of HumanBench, PATH,
            SOLIDER or HCMoCo.
        timm_notes: what else one should know where that network takes them.
    """
    state: State
    family: str
    sha256: str
    notes: list[str]
    metadata: dict[str, Any] = field(default_factory=dict)
    seems: str = ''
    timm_state: State = field(default_factory=dict)
    timm_notes: list[str] = field(default_factory=list)


def sha256(spec: str) -> str:
    """SHA-256 that tells weights apart in results.

    It is that of the file's bytes; for ``timm:`` and for a checkpoint folder of names, shapes and values of the
    tensors; for ``scratch`` of nothing. The encoder of depth in a file has that of the file's and ``@modality=depth``.

    Raises:
        UserError: unknown scheme, missing file, unknown model.
    """
    parsed = parse(spec)
    if parsed.scheme == 'scratch':
        return hashlib.sha256().hexdigest()
    if parsed.scheme == 'timm':
        return _tensors_sha256(_timm_state(parsed.name)[0])
    return _of_modality(_tensors_sha256(read_file(parsed.name).state) if is_checkpoint(parsed.name)
                        else file_sha256(parsed.name), parsed)


def _of_modality(digest: str, parsed: WeightSpec) -> str:
    """What tells the encoder of depth from that of colours in the same file."""
    return hashlib.sha256(f'{digest}@modality=depth'.encode()).hexdigest() if parsed.modality == 'depth' else digest


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
    digest = _of_modality(
        _tensors_sha256(loaded.state) if is_checkpoint(parsed.name) else file_sha256(parsed.name), parsed)
    scheme = family_of_file(loaded) if parsed.scheme == 'file' else parsed.scheme
    if scheme is None:
        raise CheckpointError(
            f"The keys of '{parsed.name}' are of no known family: it seems to be {describe(loaded)}. Families: "
            f'{", ".join(FAMILIES)}; say which with FAMILY:FILE. path:FILE takes the names of a network of your own '
            'as they are.'
        )
    if scheme == 'hcmoco':
        state = hcmoco.convert(loaded.state, parsed.modality, f"'{parsed.name}'") | hcmoco.banks(loaded.memories)
        return Source(state, scheme, digest, [], loaded.metadata, describe(loaded))
    return _converted(FAMILIES[scheme], scheme, loaded, digest)


def _converted(family: ModuleType, name: str, loaded: Loaded, digest: str) -> Source:
    state, notes = family.convert(loaded.state), family.notes(loaded.state)
    if family in (path, solider):
        return Source(state, name, digest, notes, loaded.metadata, describe(loaded))
    state = {f'backbone.{key}': value for key, value in state.items()}
    return Source(state, name, digest, notes, loaded.metadata, describe(loaded), family.timm_names(loaded.state),
                  family.exact_notes(loaded.state))


def family_of_file(loaded: Loaded) -> str | None:
    """The family whose names a file has, or None."""
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
    check_name(name)
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
            f'({type(error).__name__}: {str(error).splitlines()[0][:160]}). Where no hub can be reached, copy the file '
            f'from a machine that reaches it and give it as FILE: --weights FILE --backbone timm:{name}') from error
    blocks = getattr(model, 'blocks', None)
    heads = getattr(getattr(blocks[0], 'attn', None), 'num_heads', None) if blocks is not None else None
    return dict(model.state_dict()), heads


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
    family = family_of_file(loaded)
    if family:
        names = state if family in ('hrnet', 'hcmoco') else FAMILIES[family].convert(state)
        shape = shape_of({key.removeprefix('backbone.'): value for key, value in names.items()})
        size = f' of width {shape[0]} and depth {shape[1]}' if shape else ''
        parts = sorted({key.split('.')[0] for key in names}) if family == 'path' else []
        return f'{_TITLES[family]}{size}' + (f" with {', '.join(parts)}" if parts else '')
    marks = {
        'stage2.0.branches': 'several HRNets',
        'layer1.0.conv1.weight': 'a ResNet',
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
    'hap': 'HAP, or another masked autoencoder on crops of people (use hap:FILE), a ViT',
    'mae': 'a masked autoencoder (use mae:FILE), a ViT',
    'timm': 'a plain ViT (use mae:FILE or FILE)',
    'path': 'a checkpoint of HumanBench or PATH (use path:FILE), a model',
    'hcmoco': 'HCMoCo (use hcmoco:FILE, or hcmoco:FILE@modality=depth), several encoders',
    'hrnet': 'an HRNet (use hrnet:FILE)',
    'solider': 'SOLIDER, or another Swin by mmdet\'s names (use solider:FILE), a Swin transformer',
    'swin': 'a Swin transformer (use FILE, or solider:FILE for SOLIDER\'s network)',
}
