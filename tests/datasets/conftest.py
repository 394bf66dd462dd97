"""What the tests of readers share."""
from types import SimpleNamespace

import pytest
from mmengine.dataset import base_dataset


@pytest.fixture(autouse=True)
def quick_reading(monkeypatch):
    """MMEngine collects garbage after every reading: 0.2 s each time, which a few records do not need."""
    monkeypatch.setattr(base_dataset, 'gc', SimpleNamespace(collect=lambda: 0))
