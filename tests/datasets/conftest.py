"""Real annotated samples, which lie beside the checkout or at ``$HUMANBENCH_REALDATA`` and never in the repository."""
import os
from pathlib import Path

import pytest

REALDATA = Path(os.environ.get('HUMANBENCH_REALDATA', Path(__file__).parents[2].parent / 'shared' / 'realdata'))


@pytest.fixture(scope='session')
def realdata() -> Path:
    if not REALDATA.is_dir():
        pytest.skip(f'no real samples: neither $HUMANBENCH_REALDATA nor {REALDATA} is a folder')
    return REALDATA
