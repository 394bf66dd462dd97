"""ICFG-PEDES: text-to-image ReID as HAP finetunes for it, rank-1.

    humanbench train downstream/text_reid/icfg_pedes.py --weights hap:FILE --test
    humanbench train downstream/text_reid/icfg_pedes.py --flavor debug --test

Hardware: one GPU of 24 GB or more in bf16, and BERT in `data/bert-base-uncased`. Time: not run here at this size; the
debug flavour takes about a minute on two CPU cores.
Expected (HAP's table 1, ViT-B; not run here): rank-1 61.80 from HAP, 53.68 from MAE.
The flavour `released` leaves out person 1369, as HAP does by a slip, under a classifier of all 3,102.
"""
from mmengine.config import read_base

from humanbench.datasets import ICFGPEDES

with read_base():
    from ..._base_.downstream.text_reid import *

sources = dict(icfg_pedes=dict(
    task='text_reid', batch_size=64, head=dict(text_reid_head, num_identities=3_102),
    dataset=dict(type=ICFGPEDES, split='train', pipeline=text_reid_train_pipeline)))
evaluations = dict(icfg_pedes=dict(
    source='icfg_pedes', batch_size=128, evaluator=text_reid_evaluator,
    dataset=dict(type=ICFGPEDES, split='test', pipeline=text_reid_test_pipeline)))
train_cfg.max_steps = 60 * 34_674 // 64
debug_sources['text_reid']['head'].update(num_identities=64)
flavors = dict(
    debug=dict(debug_text_reid, sources=dict(icfg_pedes=debug_sources['text_reid']),
               evaluations=dict(icfg_pedes=debug_evaluations['text_reid'])),
    released=dict(sources=dict(icfg_pedes=dict(dataset=dict(exclude=[1369]))),
        train_cfg=dict(max_steps=60 * 34_664 // 64)))
