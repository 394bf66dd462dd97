"""Self-supervised objectives: heads that say themselves what the backbone looks at."""
from .base import BasePretext, Shared, View
from .hap import HAPPretext
from .mae import MAEPretext

__all__ = ['BasePretext', 'HAPPretext', 'MAEPretext', 'Shared', 'View']
