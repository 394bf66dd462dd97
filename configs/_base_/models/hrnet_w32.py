"""HRNet-W32: nine modules in four stages, 32 to 256 channels, 480 together, 29.3 million weights. All else as W18."""
from mmengine.config import read_base

with read_base():
    from .hrnet_w18 import *

model.backbone.width = 32
