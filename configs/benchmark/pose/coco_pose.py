"""COCO keypoints: OKS AP on val2017 with the 56.4-AP person detections (flip test, DARK, OKS-NMS).

    humanbench benchmark --datasets coco_pose --protocols full partial head --weights path=path:FILE
    humanbench train benchmark/pose/coco_pose.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 45 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3): full AP 76.3, partial 76.0, head 75.2.
ViT-L (--backbone vit_l): partial 77.1, direct 74.7; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import CocoKeypoints
from humanbench.evaluation import KeypointAPMetric

with read_base():
    from ..._base_.benchmarks.pose import *
    from ..._base_.sources.coco_pose import *

sources = dict(coco_pose=dict(coco_pose, batch_size=160, slots=1))
evaluations = dict(coco_pose=dict(
    source='coco_pose', batch_size=64, evaluator=dict(type=KeypointAPMetric),
    dataset=dict(type=CocoKeypoints, split='val', pipeline=pose_test_pipeline,
                 bbox_file='COCO_val2017_detections_AP_H_56_person.json')))
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(coco_pose=dict(  # annotated boxes
        dataset=dict(debug_evaluations['pose']['dataset'], bbox_file=None))),
    sources=dict(coco_pose=debug_sources['pose'])))
