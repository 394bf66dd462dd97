"""What all tests share."""
import os
from pathlib import Path

import pytest

import humanbench  # noqa: F401  (its compatibility layer comes before any OpenMMLab import)

REALDATA = Path(os.environ.get('HUMANBENCH_REALDATA', Path(__file__).parents[1].parent / 'shared' / 'realdata'))


@pytest.fixture(scope='session')
def realdata() -> Path:
    """Real annotated samples, which lie beside the checkout or at ``$HUMANBENCH_REALDATA``, never in the repository."""
    if not REALDATA.is_dir():
        pytest.skip(f'no real samples: neither $HUMANBENCH_REALDATA nor {REALDATA} is a folder')
    return REALDATA


@pytest.fixture(scope='session', autouse=True)
def cache(tmp_path_factory) -> Path:
    """The cache folder of the tests: theirs alone."""
    os.environ['HUMANBENCH_CACHE'] = str(tmp_path_factory.mktemp('cache'))
    return Path(os.environ['HUMANBENCH_CACHE'])


@pytest.fixture(scope='session')
def edition() -> Path:
    """The data folder of the tests: MiniHuman editions are made in it on first use and kept between runs."""
    root = Path(os.environ.get('HUMANBENCH_TEST_DATA', Path(__file__).resolve().parent.parent / 'data'))
    os.environ['HUMANBENCH_DATA'] = str(root)
    return root
