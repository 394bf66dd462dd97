"""Self-supervised objectives: heads that say themselves what the backbone looks at."""
from .base import BasePretext, Looked, Shared, View
from .dino import DINOPretext
from .hap import HAPPretext
from .hcmoco import HCMoCoPretext
from .hcmoco_parsing import HCMoCoParsingPretext
from .hcmoco_queue import HCMoCoQueuePretext
from .mae import MAEPretext
from .solider import SOLIDERPretext
from .teacher import TeacherPretext

__all__ = ['BasePretext', 'DINOPretext', 'HAPPretext', 'HCMoCoParsingPretext', 'HCMoCoPretext',
           'HCMoCoQueuePretext', 'Looked', 'MAEPretext', 'SOLIDERPretext', 'Shared', 'TeacherPretext', 'View']
