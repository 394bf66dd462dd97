"""The pipelines that MMPose, MMSegmentation and MMDetection train with, on the files of :mod:`_data_files`.

Steps, order and parameters are those of the configs they ship (HRNet-W32 UDP 256 x 192; 480 x 480 crops; multi-scale
480..800 as DETR's first branch), decoding by OpenCV. Of colour distortion they have none here, as ours.
"""
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope

_MMPOSE = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody'),
    dict(type='RandomBBoxTransform'),
    dict(type='TopdownAffine', input_size=(192, 256), use_udp=True),
    dict(type='GenerateTarget', encoder=dict(
        type='UDPHeatmap', input_size=(192, 256), heatmap_size=(48, 64), sigma=2)),
    dict(type='PackPoseInputs'),
]
_MMSEG = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(640, 480), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(480, 480), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
_MMDET = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomChoiceResize', scales=[(1333, x) for x in range(480, 801, 32)], keep_ratio=True),
    dict(type='PackDetInputs'),
]
LIBRARIES = {'pose': ('mmpose', _MMPOSE), 'parsing': ('mmseg', _MMSEG), 'detection': ('mmdet', _MMDET)}


def pipeline(task: str, records: Sequence[dict[str, Any]]) -> tuple[str, Callable[[int], Any]]:
    """Name of the library, and what it does with the record of that number.

    Args:
        task: one of ``LIBRARIES``.
        records: as our readers give them; they have the keys of the libraries.
    """
    import mmdet.datasets.transforms  # noqa: F401  (registers)
    import mmpose.datasets.transforms  # noqa: F401
    import mmseg.datasets.transforms  # noqa: F401
    library, steps = LIBRARIES[task]
    with DefaultScope.overwrite_default_scope(library):
        compose = Compose(steps)
    extra = dict(reduce_zero_label=False) if task == 'parsing' else {}
    return library, lambda i: compose({**_copied(records[i]), **extra})


def _copied(record: dict[str, Any]) -> dict[str, Any]:
    """Transforms write into arrays and lists. The libraries unpickle a record for each use; here they need not."""
    return {key: value.copy() if isinstance(value, (np.ndarray, list)) else value for key, value in record.items()}
