"""Market-1501 with HAP's local-enhanced head: a branch on the class token and one on the patches.

    humanbench train downstream/reid/market1501_hap_lem.py --weights hap:FILE --test
    humanbench train downstream/reid/market1501_hap_lem.py --weights hap:FILE --flavor 384x128 --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 5 V100 hours, as the benchmark's recipe of the same length. The
debug flavour takes seconds on two CPU cores.
Expected (HAP's table 1, ViT-B, 256x128 / 384x128; not run here): mAP 93.8 / 93.9 from HAP.
"""
from mmengine.config import read_base

from humanbench.models import LocalEnhancedReIDHead

with read_base():
    from .market1501_hap import *

sources.market1501.head = dict(type=LocalEnhancedReIDHead, num_identities=751)
