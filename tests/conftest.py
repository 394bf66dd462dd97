"""What all tests share."""
import os
from pathlib import Path

import pytest

import humanbench  # noqa: F401  (its compatibility layer comes before any OpenMMLab import)


@pytest.fixture(scope='session')
def edition() -> Path:
    """The data folder of the tests: MiniHuman editions are made in it on first use and kept between runs."""
    root = Path(os.environ.get('HUMANBENCH_TEST_DATA', Path(__file__).resolve().parent.parent / 'data'))
    os.environ['HUMANBENCH_DATA'] = str(root)
    return root
