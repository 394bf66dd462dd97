"""ShanghaiTech part A: crowd counting, MAE and RMSE (the paper prints RMSE). The task is never pretrained.

    humanbench benchmark --datasets shanghaitech_a --protocols full partial head --weights path=path:FILE
    humanbench train benchmark/counting/shanghaitech_a.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 3 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3): full RMSE 91.7; the other protocols are not printed.
ViT-L (--backbone vit_l) and other networks: not printed.
"""
from mmengine.config import read_base

from humanbench.datasets import ShanghaiTech
from humanbench.models import CountingHead

with read_base():
    from ..._base_.benchmarks.counting import *

sources = dict(shanghaitech_a=dict(
    task='counting', batch_size=16, head=dict(type=CountingHead, window=(256, 256)),  # F
    dataset=dict(type=ShanghaiTech, dataset='shanghaitech_a', split='train', pipeline=counting_train_pipeline)))  # M
evaluations = dict(shanghaitech_a=dict(
    source='shanghaitech_a', batch_size=1, evaluator=counting_evaluator,
    dataset=dict(type=ShanghaiTech, dataset='shanghaitech_a', split='test', pipeline=counting_test_pipeline)))
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(shanghaitech_a=debug_evaluations['counting']),
    sources=dict(shanghaitech_a=debug_sources['counting'])))
