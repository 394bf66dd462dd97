"""Reading the tensors of a checkpoint folder (:mod:`.folder`), all or some of them, without running what is in it.

The index is a pickle; only the handful of classes that it is made of are ever looked up, so it cannot run anything.
"""
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta, TensorStorageMetadata

from humanbench.errors import CheckpointError

from .folder import INDEX

# every process reads what it needs by itself, also where there are several
warnings.filterwarnings('ignore', 'torch.distributed is disabled')

_METADATA_CLASSES = {
    'Metadata', 'MetadataIndex', 'ChunkStorageMetadata', 'TensorStorageMetadata', 'TensorProperties',
    'BytesStorageMetadata', 'StorageMeta', '_MEM_FORMAT_ENCODING'}
_ALLOWED = {
    'torch.distributed.checkpoint.metadata': _METADATA_CLASSES,
    'torch.distributed.checkpoint.filesystem': {'_StorageInfo'},
    'torch.serialization': {'_get_layout'},
    'torch': {'Size', *(name for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype))}}


class _IndexReader(pickle.Unpickler):
    """Unpickles an index and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if name not in _ALLOWED.get(module, ()):
            raise pickle.UnpicklingError(f"it asks for '{module}.{name}', which could run code, so it is refused")
        return super().find_class(module, name)


class FolderReader(dcp.FileSystemReader):
    """Torch's reader of checkpoint folders with a look at what it is given first."""

    def read_metadata(self, *arguments: Any, **options: Any) -> Metadata:
        """The index: names and shapes of the tensors, and where they lie.

        Raises:
            CheckpointError: it is damaged or needs more than that, or a file is missing or too short.
        """
        with open(Path(self.path) / INDEX, 'rb') as file:
            try:
                index = _IndexReader(file).load()
                needed = {entry.relative_path: 0 for entry in index.storage_data.values()}
                for entry in index.storage_data.values():
                    needed[entry.relative_path] = max(needed[entry.relative_path], entry.offset + entry.length)
            except (pickle.UnpicklingError, EOFError, AttributeError, TypeError, ValueError, IndexError) as error:
                raise CheckpointError(f"The index '{file.name}' is damaged, or not one of a checkpoint: {error}. Go on "
                                      'from another checkpoint.') from error
        for name, size in needed.items():
            part = Path(self.path) / name
            if Path(name).name != name or not part.is_file() or part.stat().st_size < size:
                raise CheckpointError(f"The checkpoint '{self.path}' is damaged: its file '{name}' is missing or "
                                      f'shorter than {size:,} bytes. Copy it again, or go on from another checkpoint.')
        index.storage_meta = StorageMeta(load_id=self.load_id)
        return index


def shapes(path: str | Path) -> dict[str, TensorStorageMetadata]:
    """Every tensor in a checkpoint folder by its full name (``model.NAME`` ...): ``size`` and ``properties.dtype``."""
    return dict(FolderReader(path).read_metadata().state_dict_metadata)


def read_into(path: str | Path, state: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Fill tensors from a checkpoint folder, however they were spread when it was written and are now.

    Args:
        path: of the folder.
        state: tensors by section (``model``, ``optimizer``, ``groups``) and name; changed in place.

    Raises:
        CheckpointError: one is not there or has another shape, or the folder is damaged.
    """
    there = shapes(path)
    for section, tensors in state.items():
        for name, tensor in tensors.items():
            _check(path, f'{section}.{name}', tensor, there)
    try:
        dcp.load({section: dict(tensors) for section, tensors in state.items() if tensors},
                 storage_reader=FolderReader(path), no_dist=True)
    except CheckpointException as error:
        reason = next(iter(error.failures.values()))[0]
        raise CheckpointError(f"The checkpoint '{path}' cannot be read: {type(reason).__name__}: {reason}. Copy it "
                              'again, or go on from another checkpoint.') from error


def _check(path: str | Path, name: str, tensor: Tensor, there: Mapping[str, TensorStorageMetadata]) -> None:
    if name not in there:
        raise CheckpointError(f"The checkpoint '{path}' holds no '{name}': it is of another model or optimiser.")
    if tuple(there[name].size) != tuple(tensor.shape):
        raise CheckpointError(f"'{name}' has shape {tuple(there[name].size)} in the checkpoint '{path}', and "
                              f'{tuple(tensor.shape)} in this run.')


def read_model(path: str | Path) -> dict[str, Tensor]:
    """All weights of a checkpoint folder by the model's names, whole and on the host.

    Of a run that averages its weights they are the averages, which are what it leaves at its end, too.
    """
    there, sections = shapes(path), dict(model={}, average={})
    names = [name.removeprefix('model.') for name in there if name.startswith('model.')]
    for name in names:
        section = 'average' if f'average.{name}' in there else 'model'
        entry = there[f'{section}.{name}']
        sections[section][name] = torch.empty(tuple(entry.size), dtype=entry.properties.dtype)
    read_into(path, sections)
    found = sections['model'] | sections['average']
    return {name: found[name] for name in names}
