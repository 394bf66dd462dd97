"""Text encoders: sentences to features."""
from .encoder import TextEncoder
from .folder import write_text_folder

__all__ = ['TextEncoder', 'write_text_folder']
