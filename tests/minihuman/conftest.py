"""One tiny edition for all tests of this folder."""
from pathlib import Path

import pytest

from humanbench.minihuman import ensure


@pytest.fixture(scope='session')
def tiny(tmp_path_factory) -> Path:
    """All datasets, size tiny, seed 0, written by one process."""
    base = tmp_path_factory.mktemp('minihuman')
    ensure(base, 'tiny', seed=0, workers=1)
    return base
