"""Reading a weight file without running what is in it."""
import hashlib
import os
import pickle
import re
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from humanbench.errors import CheckpointError

from .folder import is_checkpoint, newest, read_meta

_WRAPPERS = ('state_dict', 'model', 'teacher', 'model_state', 'model_state_dict', 'module', 'net', 'params')
_ZIP, _PICKLE = b'PK\x03\x04', b'\x80'


@dataclass(frozen=True)
class Loaded:
    """What a weight file holds.

    Attributes:
        state: every tensor by its name, without the wrapper's ``module.``.
        wrapper: entry of the file that held them, '' when they lay at the top.
        metadata: the ``meta`` entry, if it is a dict.
        memories: tensors of the ``contrast`` entry, HCMoCo's.
    """
    state: dict[str, Tensor]
    wrapper: str = ''
    metadata: dict[str, Any] = field(default_factory=dict)
    memories: dict[str, Tensor] = field(default_factory=dict)


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(existing(path), 'rb') as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def existing(path: str | Path) -> Path:
    """The path itself, if it is a file that has something in it."""
    path = Path(path).expanduser()
    if path.is_dir():
        last = newest(path)
        raise CheckpointError(f"'{path}' is a folder, not a weight file. Name "
                              + (f"its newest checkpoint, '{last}'." if last else 'one of the files in it.'))
    if not path.is_file():
        raise CheckpointError(f"There is no weight file '{path}'. Give an existing file, scratch, or timm:NAME.")
    if os.path.getsize(path) == 0:
        raise CheckpointError(f"The weight file '{path}' is empty: copy or download it again.")
    return path


def read_file(path: str | Path, shapes_only: bool = False) -> Loaded:
    """Read the tensors of a ``.pth``/``.pt``/``.bin`` or ``.safetensors`` file, or the weights of a checkpoint folder.

    Only tensors and plain values are read (``weights_only=True``); no code in the file runs.

    Args:
        path: of the file or folder.
        shapes_only: leave the values out: tensors on the meta device.

    Raises:
        CheckpointError: missing, truncated, not a weight file, or it needs more than tensors and plain values.
    """
    if is_checkpoint(path):
        from .sharded import read_model  # its libraries take a while to import and are rarely needed
        return Loaded(read_model(path), 'model', {key: x for key, x in read_meta(path).items() if key != 'training'})
    path = existing(path)
    if path.suffix == '.safetensors':
        content = _read_safetensors(path)
    else:
        content = read_content(path, 'meta' if shapes_only else 'cpu')
    return unwrap(content, str(path))


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    import safetensors
    import safetensors.torch
    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise CheckpointError(
            f"'{path}' is not a whole safetensors file ({error}). Copy or download it again."
        ) from error


def read_content(path: str | Path, map_location: str | torch.device | None = 'cpu') -> Any:
    """Everything that a file written by ``torch.save`` holds, tensors and plain values alone (``weights_only=True``).

    Plain is also ``argparse.Namespace``, in which the runs of DINO, MAE and SOLIDER keep their command lines.

    Raises:
        CheckpointError: missing, truncated, not a weight file, or it needs more than tensors and plain values.
    """
    path = existing(path)
    with open(path, 'rb') as file:
        head = file.read(200)
    try:
        with torch.serialization.safe_globals([Namespace]):
            return torch.load(path, map_location=map_location, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise CheckpointError(_explain(path, head, str(error))) from error


def _explain(path: Path, head: bytes, error: str) -> str:
    wanted = re.search(r'(?:Unsupported global: GLOBAL|GLOBAL|Unsupported class|unsupported global)\s+([\w.]+)', error)
    if 'TorchScript' in error:
        return (
            f"'{path}' is a TorchScript archive, which is a program and is not run here. Where you trust it, write its "
            'weights to a plain file: torch.save(torch.jit.load(FILE).state_dict(), NEW_FILE).'
        )
    if wanted:
        return (
            f"'{path}' needs more than tensors and plain values: it asks for '{wanted.group(1)}', which could run "
            'code, so it is refused. Where you trust the file, write its weights alone to a new one: '
            "torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW_FILE)."
        )
    if head.startswith((_ZIP, _PICKLE)):
        return (
            f"'{path}' ({os.path.getsize(path):,} bytes) is truncated or damaged: it begins like a PyTorch file but "
            'does not end like one. Copy or download it again.'
        )
    kind = 'a web page' if head.lstrip().lower().startswith((b'<!doctype', b'<html')) else \
        'a Git LFS pointer' if head.startswith(b'version https://git-lfs') else 'something else'
    return (
        f"'{path}' is not a PyTorch weight file but {kind} (it begins with {head[:16]!r}). Expected a file written by "
        'torch.save, or a .safetensors file.'
    )


def unwrap(content: Any, where: str) -> Loaded:
    """Find the tensors in what a file held: at the top, or in ``state_dict``, ``model``, ``teacher``, ...

    Raises:
        CheckpointError: there are none.
    """
    if not isinstance(content, Mapping):
        raise CheckpointError(f"'{where}' holds a {type(content).__name__}; expected a dict of tensors by name.")
    metadata = content.get('meta')
    wrapper = next((name for name in _WRAPPERS if _has_tensors(content.get(name))), '')
    tensors = content[wrapper] if wrapper else content
    state = {str(key): value for key, value in tensors.items() if isinstance(value, Tensor)}
    if not state:
        keys = ', '.join(str(key) for key in list(content)[:6])
        raise CheckpointError(f"'{where}' holds no weights: no tensor in it, at the top or in {', '.join(_WRAPPERS)}. "
                              f'Its entries: {keys or "none"}.')
    for prefix in ('module.', '_orig_mod.'):
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    contrast = content.get('contrast') if wrapper else None
    memories = {key: value for key, value in contrast.items() if isinstance(value, Tensor)} if _has_tensors(
        contrast) else {}
    return Loaded(state, wrapper, dict(metadata) if isinstance(metadata, Mapping) else {}, memories)


def _has_tensors(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(x, Tensor) for x in value.values())
