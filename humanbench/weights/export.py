"""Writing weights for others: one file, and one per module where that is asked for."""
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from humanbench import __version__
from humanbench.errors import CheckpointError, UserError
from humanbench.files import replacing

from . import hap, hcmoco, solider
from .files import read_file
from .folder import resolve
from .vit_layout import shape_of

_PLAIN = (str, int, float, bool, type(None))
_PART = re.compile(r'(backbone|(?:projectors|heads)\.[^.]+)\.')


def export(model: nn.Module, path: str | Path, metadata: Mapping[str, Any] | None = None) -> Path:
    """Write backbone, projectors and heads of a model.

    ``OUT.pth`` holds everything; the folder ``OUT/`` beside it holds ``backbone.pth``, ``projectors/TASK.pth`` and
    ``heads/SOURCE.pth``. All have the same layout, ``{'state_dict': tensors, 'meta': plain values}``, keep the full
    names, and load with ``path:FILE``. Each file appears whole or not at all.

    Args:
        model: a HumanModel, or a bare backbone.
        path: file to write; ``.pth`` is added where it has no suffix.
        metadata: plain values (numbers, strings, lists, dicts) to keep beside what is known of the model itself.

    Returns:
        The file that holds everything.

    Raises:
        UserError: ``metadata`` holds something that is not a plain value.
    """
    meta = {**about(model), **_plain(metadata or {}, 'metadata')}
    prefix = '' if hasattr(model, 'backbone') else 'backbone.'
    state = {f'{prefix}{key}': value for key, value in model.state_dict().items() if _PART.match(f'{prefix}{key}')}
    path = write_weights(state, path, meta)
    if len(_parts(state)) > 1:
        write_modules(state, path.with_suffix(''), meta)
    return path


def export_checkpoint(checkpoint: str | Path, path: str | Path, modules: str | Path | None = None) -> list[Path]:
    """Write the weights of a training run as one file, without what only training needs.

    Args:
        checkpoint: a checkpoint folder, a file, or the work folder of a run (its newest checkpoint).
        path: file to write; ``.pth`` is added where it has no suffix.
        modules: folder that takes ``backbone.pth``, ``projectors/TASK.pth`` and ``heads/SOURCE.pth`` as well.

    Returns:
        What was written.

    Raises:
        CheckpointError: there is no such checkpoint, it cannot be read, or it has no module by our names.
    """
    found = resolve(checkpoint)
    loaded = read_file(found)
    written = [write_weights(loaded.state, path, loaded.metadata)]
    if modules is None:
        return written
    if not _parts(loaded.state):
        raise CheckpointError(f"'{found}' has no backbone.*, projectors.* or heads.* in it; expected a checkpoint of "
                              'this project. `humanbench convert_weights` brings other files under its names.')
    return written + write_modules(loaded.state, Path(modules), loaded.metadata)


def export_hap(checkpoint: str | Path, path: str | Path, source: str | None = None) -> Path:
    """Write the encoder and the decoder of a HAP run in the layout that HAP's authors publish.

    The file is what their code finetunes from: ``model`` and ``arch`` (where it has a name there), and ``meta``, ours.
    What only training needs (``epoch``, ``optimizer``, ``scaler``) is not in it. It loads with ``hap:FILE``.

    Args:
        checkpoint: a checkpoint folder, a file, or the work folder of a run (its newest checkpoint).
        path: file to write; ``.pth`` is added where it has no suffix.
        source: whose head has the decoder; None for the only one.

    Returns:
        The file.

    Raises:
        UserError: no such head.
        CheckpointError: there is no such checkpoint, or it holds no masked autoencoder.
    """
    found = resolve(checkpoint)
    loaded = read_file(found)
    state, grid = hap.official_state(loaded.state, loaded.metadata.get('grid'), source)
    meta = {key: loaded.metadata[key] for key in ('num_heads', 'humanbench_version') if key in loaded.metadata}
    arch = {'arch': hap.ARCHS[shape_of(state)]} if shape_of(state) in hap.ARCHS else {}
    return write_content(dict(model=state, **arch, meta=meta | {'grid': list(grid)}), path)


def export_solider(checkpoint: str | Path, path: str | Path, source: str | None = None) -> Path:
    """Write SOLIDER's network in the layout that SOLIDER's authors publish.

    The file is what their task repositories finetune from: ``teacher`` with ``backbone.*`` and, of a pretraining run,
    the DINO head ``head.*`` (without a teacher, the backbone alone), and ``meta``, ours. It loads with
    ``solider:FILE``.

    Args:
        checkpoint: a checkpoint folder, a file, or the work folder of a run (its newest checkpoint).
        path: file to write; ``.pth`` is added where it has no suffix.
        source: whose head has the teacher; None for the only one.

    Returns:
        The file.

    Raises:
        UserError: no such head.
        CheckpointError: there is no such checkpoint, or its backbone is no SemanticSwin.
    """
    loaded = read_file(resolve(checkpoint))
    meta = {key: loaded.metadata[key] for key in ('backbone', 'architecture', 'humanbench_version')
            if key in loaded.metadata}
    return write_content(dict(teacher=solider.official_state(loaded.state, source), meta=meta), path)


def export_hcmoco(checkpoint: str | Path, path: str | Path, source: str | None = None) -> Path:
    """Write all encoders of an HCMoCo run, their projections, dense mappers and memories in the layout that its
    authors' code writes.

    The file has ``model``, ``contrast`` where the run has memories, and ``meta``, ours. What only training needs
    (``optimizer``, ``epoch``), and what that layout has no place for (a queue, slow copies), is not in it. It loads
    with ``hcmoco:FILE``, and for depth ``hcmoco:FILE@modality=depth``.

    Args:
        checkpoint: a checkpoint folder, a file, or the work folder of a run (its newest checkpoint).
        path: file to write; ``.pth`` is added where it has no suffix.
        source: whose head has the other encoders; None for the only one.

    Returns:
        The file.

    Raises:
        UserError: no such head.
        CheckpointError: there is no such checkpoint, or it is of no HCMoCo run with an HRNet.
    """
    loaded = read_file(resolve(checkpoint))
    model, contrast = hcmoco.official_state(loaded.state, source)
    meta = {key: loaded.metadata[key] for key in ('humanbench_version',) if key in loaded.metadata}
    return write_content(dict(model=model, **({'contrast': contrast} if contrast else {}), meta=meta), path)


def write_modules(state: Mapping[str, Tensor], folder: Path, meta: Mapping[str, Any]) -> list[Path]:
    """One file for each of backbone, projectors and heads, under their full names."""
    return [write_weights({key: value for key, value in state.items() if key.startswith(f'{part}.')},
                          folder / f'{part.replace(".", "/")}.pth', meta) for part in _parts(state)]


def _parts(state: Mapping[str, Tensor]) -> list[str]:
    """The modules that the names belong to: ``backbone``, ``projectors.TASK``, ``heads.SOURCE``."""
    matches = (_PART.match(key) for key in state)
    return list(dict.fromkeys(match[1] for match in matches if match))


def about(model: nn.Module) -> dict[str, Any]:
    """What the model says about itself: enough to build it again and to refuse a mistaken use."""
    backbone = getattr(model, 'backbone', model)
    shape = shape_of(backbone.state_dict())
    name = type(backbone).__name__.removeprefix('FSDP')  # torch renames the class of what it spreads over ranks
    facts: dict[str, Any] = {'humanbench_version': __version__, 'backbone': name}
    if hasattr(backbone, 'architecture'):
        facts['architecture'] = backbone.architecture
    if shape:
        facts |= {'width': shape[0], 'depth': shape[1]}
        heads = getattr(getattr(backbone.blocks[0], 'attn', None), 'num_heads', None)
        facts |= {'num_heads': heads, 'patch_size': backbone.patch_embed.proj.weight.shape[-1],
                  'grid': list(backbone.patch_embed.grid_size)}
    for kind in ('projectors', 'heads'):
        facts[kind] = {name: type(module).__name__ for name, module in dict(getattr(model, kind, None) or {}).items()}
    return facts


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f'{where}.{key}') for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f'{where}[{index}]') for index, item in enumerate(value)]
    raise UserError(
        f'{where} is a {type(value).__name__}; a weight file keeps plain values only: numbers, strings, lists, dicts.'
    )


def write_weights(state: Mapping[str, Tensor], path: str | Path, meta: Mapping[str, Any]) -> Path:
    """Write ``{'state_dict': state, 'meta': meta}``, whole or not at all.

    Args:
        state: tensors by full name, on any device.
        path: file to write; ``.pth`` is added where it has no suffix.
        meta: plain values.

    Returns:
        The file.

    Raises:
        CheckpointError: it cannot be written (the disk is full ...); a file of that name stays as it was.
    """
    return write_content(dict(state_dict=state, meta=dict(meta)), path)


def write_content(content: Mapping[str, Any], path: str | Path) -> Path:
    """Write a dict of plain values and of dicts of tensors, as :func:`write_weights` does."""
    path = Path(path)
    path = path if path.suffix else path.with_suffix('.pth')
    content = {key: {name: _compact(x) if isinstance(x, Tensor) else x for name, x in value.items()}
               if isinstance(value, Mapping) else value for key, value in content.items()}
    try:
        with replacing(path) as temporary, open(temporary, 'wb') as file:
            torch.save(content, file)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"'{path}' cannot be written: {system_error(error)}.") from error
    return path


def _compact(tensor: Tensor) -> Tensor:
    """The tensor on the host; of a larger storage, its own part alone."""
    tensor = tensor.detach().cpu()
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()


def system_error(error: BaseException) -> BaseException:
    """What the operating system said where torch reports a file that it could not write, else the error itself."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__context__
    return found or error
