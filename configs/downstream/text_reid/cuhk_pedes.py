"""CUHK-PEDES: text-to-image ReID as HAP finetunes for it, rank-1.

    humanbench train downstream/text_reid/cuhk_pedes.py --weights hap:FILE --test
    humanbench train downstream/text_reid/cuhk_pedes.py --flavor debug --test

Hardware: one GPU of 24 GB or more in bf16, and BERT in `data/bert-base-uncased`. Time: not run here at this size; the
debug flavour takes about a minute on two CPU cores.
Expected (HAP's table 1, ViT-B; not run here): rank-1 68.05 from HAP, 60.19 from MAE.
The flavour `released` leaves out three people of one image, as HAP does: 11,000 people, 68,120 pairs.
"""
from mmengine.config import read_base

from humanbench.datasets import CUHKPEDES

with read_base():
    from ..._base_.downstream.text_reid import *

sources = dict(cuhk_pedes=dict(
    task='text_reid', batch_size=64, head=dict(text_reid_head, num_identities=11_003),
    dataset=dict(type=CUHKPEDES, split='train', pipeline=text_reid_train_pipeline)))
evaluations = dict(cuhk_pedes=dict(
    source='cuhk_pedes', batch_size=128, evaluator=text_reid_evaluator,
    dataset=dict(type=CUHKPEDES, split='test', pipeline=text_reid_test_pipeline)))
train_cfg.max_steps = 60 * 68_126 // 64
debug_sources['text_reid']['head'].update(num_identities=160)
flavors = dict(
    debug=dict(debug_text_reid, sources=dict(cuhk_pedes=debug_sources['text_reid']),
               evaluations=dict(cuhk_pedes=debug_evaluations['text_reid'])),
    released=dict(sources=dict(cuhk_pedes=dict(
        dataset=dict(exclude=[1369, 4116, 6116]), head=dict(num_identities=11_000))),
        train_cfg=dict(max_steps=60 * 68_120 // 64)))
