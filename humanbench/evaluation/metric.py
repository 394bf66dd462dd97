"""What the thin MMEngine metrics share; the pure function of a task is the metric, the class only collects for it."""
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from ..errors import unknown_name

VERSIONS = {
    'reid': '1', 'attributes': '1', 'confusion_matrix': '1', 'parsing': '1', 'keypoint_ap': '2', 'box_ap': '1',
    'pckh': '1', 'epe': '1', 'nme': '1', 'crowdhuman': '1', 'miss_rate': '1', 'counting': '1', 'aic_official': '1',
    'heavy_by_crowdhuman': '1', 'text_to_image': '1', 'person_search': '1', 'reconstruction': '1',
    'part_agreement': '1', 'pose_3d': '1', 'modality_agreement': '1'}
"""Version of each function's definition, by its name; raised with any change that can change a number of the benchmark.

``keypoint_ap`` 2: AI Challenger's people, of whom no area is annotated, have 0.53 of their box.
"""
LOWER_IS_BETTER = frozenset({'MR', 'EPE', 'MPJPE', 'NME', 'MAE', 'RMSE', 'MSE'})


class HumanMetric(BaseMetric):
    """Base of the metrics.

    Args:
        ranked: the key a leaderboard ranks by, where it is not the class's own (pixel accuracy for ATR, say).
        prefix, collect_device, collect_dir: as in MMEngine.

    Attributes:
        ranked: (key, higher is better).
        keys: all keys of the result.
        function: name of the pure function that a metric of ours calls.
        version: of the definition, that function's; two results are comparable only when it is the same. A metric of
            your own states it.
    """
    default_prefix = None
    ranked: tuple[str, bool]
    keys: ClassVar[tuple[str, ...]] = ()
    function: ClassVar[str | None] = None
    version: ClassVar[str] = '1'

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        if 'function' in vars(cls):
            cls.version = VERSIONS[cls.function]

    def __init__(self, ranked: str | None = None, prefix: str | None = None, collect_device: str = 'cpu',
                 collect_dir: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if ranked is not None:
            if ranked not in self.keys:
                raise unknown_name('metric key', ranked, self.keys)
            self.ranked = (ranked, ranked.partition('_')[0] not in LOWER_IS_BETTER)


def numpy(value: Any) -> np.ndarray:
    """A tensor (on any device), an array or a box structure as an array; half precision becomes float32."""
    value = getattr(value, 'tensor', value)  # mmdet's HorizontalBoxes
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return value.float().numpy() if value.dtype in (torch.bfloat16, torch.float16) else value.numpy()
    return np.asarray(value)


def sample_field(sample: Mapping, name: str, metric: str) -> Any:
    """A field of a sample; its absence is our own mistake, not a user's."""
    value = sample.get(name)
    assert value is not None, f"{metric} needs the field '{name}'; the sample has {sorted(sample)}"
    return value
