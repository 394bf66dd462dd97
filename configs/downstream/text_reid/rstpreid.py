"""RSTPReid: text-to-image ReID as HAP finetunes for it, rank-1.

    humanbench train downstream/text_reid/rstpreid.py --weights hap:FILE --test
    humanbench train downstream/text_reid/rstpreid.py --flavor debug --test

Hardware: one GPU of 24 GB or more in bf16, and BERT in `data/bert-base-uncased`. Time: not run here at this size; the
debug flavour takes about a minute on two CPU cores.
Expected (HAP's table 1, ViT-B; not run here): rank-1 49.35 from HAP, 44.15 from MAE.
HAP trains on train and val together, under a classifier of 4,100: the flavour `released`. So its numbers are not
those of this recipe, which trains on train alone.
"""
from mmengine.config import read_base

from humanbench.datasets import RSTPReid

with read_base():
    from ..._base_.downstream.text_reid import *

sources = dict(rstpreid=dict(
    task='text_reid', batch_size=64, head=dict(text_reid_head, num_identities=3_701),
    dataset=dict(type=RSTPReid, split='train', pipeline=text_reid_train_pipeline)))
evaluations = dict(rstpreid=dict(
    source='rstpreid', batch_size=128, evaluator=text_reid_evaluator,
    dataset=dict(type=RSTPReid, split='test', pipeline=text_reid_test_pipeline)))
train_cfg.max_steps = 60 * 37_010 // 64
debug_sources['text_reid']['head'].update(num_identities=96)
flavors = dict(
    debug=dict(debug_text_reid, sources=dict(rstpreid=debug_sources['text_reid']),
               evaluations=dict(rstpreid=debug_evaluations['text_reid'])),
    released=dict(sources=dict(rstpreid=dict(
        dataset=dict(split='trainval'), head=dict(num_identities=4_100))),
        train_cfg=dict(max_steps=60 * 39_010 // 64)))
