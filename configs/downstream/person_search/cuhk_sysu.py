"""CUHK-SYSU: person search as SOLIDER finetunes for it; mAP and top-1 of galleries of 100 images.

    humanbench train downstream/person_search/cuhk_sysu.py --weights solider:FILE --test
    humanbench train downstream/person_search/cuhk_sysu.py --flavor base --weights solider:FILE --test
    humanbench train downstream/person_search/cuhk_sysu.py --flavor debug --test

Hardware: one GPU of 40 GB or more in bf16. Time: not run here at this size; the debug flavour takes about four minutes
on two CPU cores.
Expected (SOLIDER's slides and repository; not run here): mAP / top-1 94.9 / 95.7 for Swin-T, 95.5 / 95.8 for Swin-S
(flavour small), 94.9 / 95.5 for Swin-B (flavour base); 93.0 / 94.1 from ImageNet and 94.0 / 94.7 from SOLIDER on a
quarter of the images (Swin-T, LUP1M).
"""
from mmengine.config import read_base

from humanbench.datasets import CUHKSYSU

with read_base():
    from ..._base_.downstream.person_search import *

sources = dict(cuhk_sysu=dict(
    task='person_search', batch_size=4, head=dict(person_search_head, num_identities=5_532, queue_size=5_000),  # S
    dataset=dict(type=CUHKSYSU, split='train', pipeline=person_search_train_pipeline)))
evaluations = dict(cuhk_sysu=dict(
    source='cuhk_sysu', batch_size=1, evaluator=person_search_evaluator,
    dataset=dict(type=CUHKSYSU, split='test', pipeline=person_search_test_pipeline)))
train_cfg.max_steps = 20 * 11_206 // 4  # S
schedule = dict(policy='step', warmup=11_206 // 4, start_factor=1e-3, milestones=(16 / 20,))  # Q, Q, S
flavors = dict(
    debug=dict(debug_person_search, sources=dict(cuhk_sysu=debug_person_search_source),
               evaluations=dict(cuhk_sysu=debug_person_search_evaluation)),
    small=dict(person_search_small, sources=dict(cuhk_sysu=dict(batch_size=3)),  # S
               train_cfg=dict(max_steps=20 * 11_206 // 3), schedule=dict(warmup=11_206 // 3)),
    base=dict(person_search_base, sources=dict(cuhk_sysu=dict(batch_size=2)),  # S
              train_cfg=dict(max_steps=20 * 11_206 // 2), schedule=dict(warmup=11_206 // 2)))
