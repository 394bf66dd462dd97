"""HumanBench: one backbone for everything that is known about people in images (PATH, CVPR 2023, and its peers)."""
from . import _compat  # noqa: F401  (first: it makes the imports below possible on current PyTorch)

__version__ = '0.1.0'
