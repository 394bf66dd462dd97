"""One tiny edition for all tests of this folder."""
from collections.abc import Callable
from pathlib import Path

import pytest

from humanbench import catalog
from humanbench.minihuman import ensure


@pytest.fixture(scope='session')
def tiny(tmp_path_factory) -> Path:
    """All datasets, size tiny, seed 0, written by one process."""
    base = tmp_path_factory.mktemp('minihuman')
    ensure(base, 'tiny', seed=0, workers=1)
    return base


@pytest.fixture
def root(tiny) -> Callable[[str], Path]:
    """Where a dataset of the tiny edition lies, by its id."""
    return lambda dataset: tiny / catalog.card(dataset).layout.root
