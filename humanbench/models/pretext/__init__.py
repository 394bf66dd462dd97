"""Self-supervised objectives: heads that say themselves what the backbone looks at."""
from .base import BasePretext, Shared, View
from .hap import RELEASED_MASKING, HAPPretext
from .mae import MAEPretext

__all__ = ['RELEASED_MASKING', 'BasePretext', 'HAPPretext', 'MAEPretext', 'Shared', 'View']
