"""WiderPerson, COCO's people, EuroCity Persons by day, CityPersons and WIDER Pedestrian under one head: 155,687 images.

Loss weight 10 a sample (PATH, entry 24). In PATH this source and CrowdHuman share one head; here each has its own.
"""
from mmengine.config import read_base

from humanbench.datasets import (CityPersons, CocoPersons, EuroCityPersons, MergedDetection, WiderPedestrian,
                                 WiderPerson)
from humanbench.models import DetectionHead

with read_base():
    from ..pipelines.detection import *

det_5sets = dict(
    task='detection',
    dataset=dict(type=MergedDetection, pipeline=detection_train_pipeline, datasets=[
        dict(type=WiderPerson, split='trainval'), dict(type=CocoPersons, split='train'),
        dict(type=EuroCityPersons, split='train'), dict(type=CityPersons, split='train'),
        dict(type=WiderPedestrian, split='train')]),
    head=dict(type=DetectionHead),
    batch_size=2, slots=16, weight=10.0 * 32)
