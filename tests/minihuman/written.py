"""What the tests of the writers share: how many images there are, and files as they lie on disk."""
import json
from pathlib import Path

from humanbench.minihuman.edition import SIZES
from humanbench.minihuman.writers import WRITERS

COUNTS = {dataset: size.counts for dataset, size in SIZES['tiny'].items()}


def load(path: Path):
    return json.loads(path.read_text())


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def files(folder: Path, suffix: str = 'jpg') -> list[str]:
    return sorted(x.name for x in folder.glob(f'*.{suffix}'))


def writer(dataset: str, root: Path = Path('unused')):
    return WRITERS[dataset](dataset, SIZES['tiny'][dataset], 0, root)
