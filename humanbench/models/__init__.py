"""Models: a backbone for all tasks, a projector per task, a head per source."""
from . import backbones, heads, losses, projectors
from .data_preprocessor import HumanDataPreprocessor
from .human_model import HumanModel

__all__ = ['HumanDataPreprocessor', 'HumanModel', 'backbones', 'heads', 'losses', 'projectors']
