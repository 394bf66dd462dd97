"""CrowdHuman: 15,000 images, full-body boxes. Loss weight 10 a sample (PATH, entry 23)."""
from mmengine.config import read_base

from humanbench.datasets import CrowdHuman
from humanbench.models import DetectionHead

with read_base():
    from ..pipelines.detection import *

crowdhuman = dict(
    task='detection',
    dataset=dict(type=CrowdHuman, split='train', pipeline=detection_train_pipeline),
    head=dict(type=DetectionHead),
    batch_size=2, slots=16, weight=10.0 * 32)
