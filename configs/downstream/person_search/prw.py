"""PRW: person search as SOLIDER finetunes for it; mAP and top-1 among all test frames.

    humanbench train downstream/person_search/prw.py --weights solider:FILE --test
    humanbench train downstream/person_search/prw.py --flavor base --weights solider:FILE --test
    humanbench train downstream/person_search/prw.py --flavor debug --test

Hardware: one GPU of 40 GB or more in bf16. Time: not run here at this size; the debug flavour takes about four minutes
on two CPU cores.
Expected (SOLIDER's slides and repository; not run here): mAP / top-1 56.8 / 86.8 for Swin-T, 59.8 / 86.7 for Swin-S
(flavour small), 59.7 / 86.8 for Swin-B (flavour base); 50.0 / 84.4 from ImageNet and 54.1 / 85.0 from SOLIDER on a
quarter of the images (Swin-T, LUP1M).
"""
from mmengine.config import read_base

from humanbench.datasets import PRW

with read_base():
    from ..._base_.downstream.person_search import *

sources = dict(prw=dict(
    task='person_search', batch_size=4, head=dict(person_search_head, num_identities=482, queue_size=500),  # S
    dataset=dict(type=PRW, split='train', pipeline=person_search_train_pipeline)))
evaluations = dict(prw=dict(
    source='prw', batch_size=1, evaluator=person_search_evaluator,
    dataset=dict(type=PRW, split='test', pipeline=person_search_test_pipeline)))
train_cfg.max_steps = 18 * 5_704 // 4  # S
schedule = dict(policy='step', warmup=5_704 // 4, start_factor=1e-3, milestones=(16 / 18,))  # Q, Q, S
flavors = dict(
    debug=dict(debug_person_search, sources=dict(prw=debug_person_search_source),
               evaluations=dict(prw=debug_person_search_evaluation)),
    small=dict(person_search_small, sources=dict(prw=dict(batch_size=3)),  # S
               train_cfg=dict(max_steps=18 * 5_704 // 3), schedule=dict(warmup=5_704 // 3)),
    base=dict(person_search_base, sources=dict(prw=dict(batch_size=2)),  # S
              train_cfg=dict(max_steps=18 * 5_704 // 2), schedule=dict(warmup=5_704 // 2)))
