"""Files of datasets by their path, wherever their bytes are.

A folder with an index (:mod:`.index`) is a packed dataset: the paths below it name what was packed, and everything here
answers as it would for the folder that was packed. All other paths are files of this machine. The path alone says
which, so that records hold nothing but paths, and any process can read them.
"""
import os
from pathlib import Path

from ...errors import DataError
from .index import INDEX, Member
from .packed import Pack, mount

_packs: dict[str, Pack | None] = {}  # by folder, of this process
_mounted: dict[str, Path] = {}


def is_url(root: object) -> bool:
    """Whether this is a URL and no path."""
    return isinstance(root, str) and '://' in root


def folder_of(url: str) -> Path:
    """The folder that stands for a packed dataset behind a URL; the server is asked once."""
    if url not in _mounted or not (_mounted[url] / INDEX).exists():
        _mounted[url] = mount(url)
        forget()
    return _mounted[url]


def find_folder(url: str) -> Path | None:
    """:func:`folder_of`; None where the server says that there is no packed dataset."""
    try:
        return folder_of(url)
    except DataError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def forget() -> None:
    """Look for indices again: one was written."""
    _packs.clear()


def pack_of(folder: str) -> Pack | None:
    """The packed dataset that a folder is, or would lie in."""
    try:
        return _packs[folder]
    except KeyError:
        pass
    absolute = os.path.abspath(folder)
    if absolute != folder:
        return pack_of(absolute)  # not kept: a relative path means another folder elsewhere
    parent = os.path.dirname(folder)
    if os.path.isfile(os.path.join(folder, INDEX)):
        found = Pack(folder)
    else:
        found = None if parent == folder else pack_of(parent)
    _packs[folder] = found
    return found


def _member(path: str) -> tuple[Pack | None, Member | None]:
    pack = pack_of(os.path.dirname(path))
    return pack, None if pack is None else pack.index.find(pack.name(path))


def read(path: str | os.PathLike) -> bytes:
    """All bytes of a file.

    Raises:
        OSError: it is missing, or the disk fails.
        DataError: it is damaged.
        StorageError: the store does not answer.
    """
    path = os.fspath(path)
    pack, member = _member(path)
    if member is not None:
        return pack.shards.read(member)
    with open(path, 'rb') as file:
        return file.read()


def is_remote(path: str) -> bool:
    """Whether the bytes of a file come over the network."""
    pack, member = _member(path)
    return member is not None and pack.shards.remote


def fetch(path: str) -> None:
    """Make sure that a file is near when it is read soon."""
    pack, member = _member(path)
    if member is not None:
        pack.shards.fetch(member)


def local(path: str | os.PathLike) -> Path:
    """A path of this machine with the contents of a file; ``path`` itself, unless that is packed."""
    pack, member = _member(os.fspath(path))
    return Path(path) if member is None else Path(pack.local(member))


def made_of(path: str | os.PathLike) -> Path:
    """The file or folder on disk whose change is a change of ``path``: the index, for what is packed."""
    pack = pack_of(os.fspath(path))
    if pack is None or os.path.exists(path) and os.fspath(path) != pack.folder:
        return Path(path)
    return Path(pack.folder, INDEX)


def is_file(path: str | os.PathLike) -> bool:
    """Whether there is such a file."""
    return _member(os.fspath(path))[1] is not None or os.path.isfile(path)


def is_folder(path: str | os.PathLike) -> bool:
    """Whether there is such a folder."""
    path = os.fspath(path)
    pack = pack_of(path)
    return pack is not None and pack.index.is_folder(pack.name(path)) or os.path.isdir(path)


def exists(path: str | os.PathLike) -> bool:
    """Whether there is such a file or folder."""
    return is_file(path) or is_folder(path)


def list_folder(path: str | os.PathLike) -> tuple[list[str], list[str]]:
    """Names of the files and of the folders in a folder, sorted.

    Raises:
        OSError: there is no such folder.
    """
    path = os.fspath(path)
    pack = pack_of(path)
    if pack is not None and pack.index.is_folder(pack.name(path)):
        return pack.index.children(pack.name(path))
    files, folders = [], []
    with os.scandir(path) as entries:
        for entry in entries:
            # of a link that leads in a circle entry.is_dir() raises
            is_folder = os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()
            (folders if is_folder else files).append(entry.name)
    return sorted(files), sorted(folders)


def described(path: str | os.PathLike) -> str:
    """A path for messages: the URL, where it stands for one."""
    path = os.fspath(path)
    pack = pack_of(path)
    if pack is None or pack.place() in (None, pack.folder):
        return path
    return f'{pack.place()}/{pack.name(path)}'.rstrip('/')
