"""SenseReID: person ReID, rank-1.

    humanbench benchmark --datasets sensereid --protocols full partial --weights path=path:FILE
    humanbench train benchmark/reid/sensereid.py --protocol partial --weights path:FILE --test

SenseReID is a test set. Which models its published numbers are of was never said; here one is finetuned on Market-1501,
CUHK03 and MSMT17 together (D), the joint recipe of the release without DukeMTMC (withdrawn) and MARS.

Hardware: one GPU of 40 GB or more in bf16. Time: not measured; by its number of steps about 6 V100 hours for full
finetuning, half of it for partial. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3; of which model is open):
full rank-1 47.7, partial 48.2; head does not apply (the tested feature lies before it).
ViT-L (--backbone vit_l): partial 60.0; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import CUHK03, MSMT17, Market1501, SenseReID

with read_base():
    from ..._base_.benchmarks.reid import *
    from ..._base_.sources.reid_3sets import *

sources = dict(sensereid=dict(reid_3sets, batch_size=64))  # 16 people x 4 crops (S)
sources['sensereid']['dataset']['datasets'] = [
    dict(type=Market1501, split='train'), dict(type=CUHK03, split='train'),
    dict(type=MSMT17, split='train')]  # with its val list: 52,922 crops
evaluations = dict(sensereid=dict(
    source='sensereid', batch_size=128, evaluator=dict(reid_evaluator, ranked='rank1'),
    dataset=dict(type=SenseReID, split='test', pipeline=reid_test_pipeline)))
train_cfg.max_steps = 30_000  # S
protocols.partial.train_cfg.max_steps = 15_000  # D
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(sensereid=debug_evaluations['reid']),
    sources=dict(sensereid=dict(debug_sources['reid'], head=dict(num_identities=64 + 40 + 64)))),
    released=dict(sources=dict(sensereid=dict(dataset=dict(pipeline=reid_released_pipeline)))))
