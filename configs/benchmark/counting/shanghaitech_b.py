"""ShanghaiTech part B: crowd counting, MAE and RMSE (the paper prints RMSE). The task is never pretrained.

    humanbench benchmark --datasets shanghaitech_b --protocols full partial head --weights path=path:FILE
    humanbench train benchmark/counting/shanghaitech_b.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 4 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3): full RMSE 10.8, partial 14.0.
ViT-L (--backbone vit_l) and other networks: not printed.
"""
from mmengine.config import read_base

from humanbench.datasets import ShanghaiTech
from humanbench.models import CountingHead

with read_base():
    from ..._base_.benchmarks.counting import *

sources = dict(shanghaitech_b=dict(
    task='counting', batch_size=8, head=dict(type=CountingHead, window=(512, 512)),  # F
    dataset=dict(type=ShanghaiTech, dataset='shanghaitech_b', split='train', pipeline=[
        dict(step, size=512) if 'size' in step else step for step in counting_train_pipeline])))  # M
evaluations = dict(shanghaitech_b=dict(
    source='shanghaitech_b', batch_size=1, evaluator=counting_evaluator,
    dataset=dict(type=ShanghaiTech, dataset='shanghaitech_b', split='test', pipeline=[
        dict(step, min_side=512) if 'min_side' in step else step for step in counting_test_pipeline])))
train_cfg.max_steps = 30_000  # D
protocols.partial.train_cfg.max_steps = protocols.head.train_cfg.max_steps = 20_000  # D
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(shanghaitech_b=debug_evaluations['counting']),
    sources=dict(shanghaitech_b=debug_sources['counting'])))
