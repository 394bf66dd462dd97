"""What the thin MMEngine metrics share; the pure function of a task is the metric, the class only collects for it."""
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from ..errors import unknown_name

LOWER_IS_BETTER = frozenset({'MR', 'EPE', 'NME', 'MAE', 'RMSE'})


class HumanMetric(BaseMetric):
    """Base of the metrics.

    Args:
        ranked: the key a leaderboard ranks by, where it is not the class's own (pixel accuracy for ATR, say).
        prefix, collect_device, collect_dir: as in MMEngine.

    Attributes:
        ranked: (key, higher is better).
        keys: all keys of the result.
        version: of the definition; two results are comparable only when it is the same.
    """
    default_prefix = None
    ranked: tuple[str, bool]
    keys: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[str] = '1'

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
