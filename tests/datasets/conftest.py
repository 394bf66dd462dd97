"""Real annotated samples, which lie beside the checkout or at ``$HUMANBENCH_REALDATA`` and never in the repository."""
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.dataset import base_dataset

REALDATA = Path(os.environ.get('HUMANBENCH_REALDATA', Path(__file__).parents[2].parent / 'shared' / 'realdata'))


@pytest.fixture(autouse=True)
def quick_reading(monkeypatch):
    """MMEngine collects garbage after every reading: 0.2 s each time, which a few records do not need."""
    monkeypatch.setattr(base_dataset, 'gc', SimpleNamespace(collect=lambda: 0))


@pytest.fixture(scope='session')
def realdata() -> Path:
    if not REALDATA.is_dir():
        pytest.skip(f'no real samples: neither $HUMANBENCH_REALDATA nor {REALDATA} is a folder')
    return REALDATA
