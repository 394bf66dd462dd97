"""Self-supervised objectives: heads that say themselves what the backbone looks at."""
from .base import BasePretext, Looked, Shared, View
from .hap import HAPPretext
from .mae import MAEPretext

__all__ = ['BasePretext', 'HAPPretext', 'Looked', 'MAEPretext', 'Shared', 'View']
