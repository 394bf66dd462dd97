"""Files that are written whole or not at all, and short keys for their names."""
import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, durable: bool = True) -> Iterator[Path]:
    """The path of a file beside ``path`` to write inside; it takes the place of ``path`` at the end, and nothing is
    left of it after an error.

    Args:
        path: where the file shall be; its folder is made.
        durable: on the disk before it takes that place, so that not even a power cut leaves half of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # of this process alone, on all machines that share the folder; the suffix stays: it may say the format
    temporary = path.with_name(f'.{platform.node()[:32]}-{os.getpid()}.{path.name}')
    try:
        yield temporary
        if durable:
            with open(temporary, 'rb+') as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file: a reader never sees half of it, and a crash leaves the old one."""
    with replacing(path) as temporary, open(temporary, 'w', encoding='utf-8', newline='') as file:
        file.write(text)


def name_key(name: str) -> int:
    """64 bits of a file name."""
    return int.from_bytes(hashlib.blake2b(os.fsencode(name), digest_size=8).digest(), 'little', signed=True)
