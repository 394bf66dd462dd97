"""What a trained model does for people who do not train: answers about their pictures, and drawings of them."""
from .inferencer import HumanInferencer
from .results import ImageResult, PersonResult

__all__ = ['HumanInferencer', 'ImageResult', 'PersonResult']
