"""MSMT17 with HAP's local-enhanced head: a branch on the class token and one on the patches.

    humanbench train downstream/reid/msmt17_hap_lem.py --weights hap:FILE --test
    humanbench train downstream/reid/msmt17_hap_lem.py --weights hap:FILE --flavor 384x128 --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 8 V100 hours, as the benchmark's recipe of the same length. The
debug flavour takes seconds on two CPU cores.
Expected (HAP's table 1, ViT-B, 256x128 / 384x128; not run here): mAP 78.0 / 78.1 from HAP.
"""
from mmengine.config import read_base

from humanbench.models import LocalEnhancedReIDHead

with read_base():
    from .msmt17_hap import *

sources.msmt17.head = dict(type=LocalEnhancedReIDHead, num_identities=1041)
