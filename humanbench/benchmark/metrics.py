"""How a metric reads: which way is better, in what unit, under what name."""
from dataclasses import dataclass


@dataclass(frozen=True)
class MetricInfo:
    """Attributes:
        unit: ``%`` for a fraction in [0, 1], which is shown in percent; else the unit the value is in.
        label: for people.
    """
    higher_is_better: bool
    unit: str
    label: str

    @property
    def arrow(self) -> str:
        return '\N{UPWARDS ARROW}' if self.higher_is_better else '\N{DOWNWARDS ARROW}'

    def shown(self, value: float) -> float:
        """The value in the unit in which people read it."""
        return 100 * value if self.unit == '%' else value

    def text(self, value: float) -> str:
        """One decimal; two for pixels and people below 10."""
        return f'{self.shown(value):.{self._decimals(value)}f}'

    def spread(self, std: float, value: float) -> str:
        """A standard deviation with as many decimals as its value."""
        return f'{self.shown(std):.{self._decimals(value)}f}'

    def _decimals(self, value: float) -> int:
        return 1 if self.unit == '%' or abs(value) >= 10 else 2

    @property
    def full_label(self) -> str:
        return self.label if self.unit == '%' else f'{self.label} ({self.unit})'


_LOWER = {
    'EPE': ('px', 'EPE'), 'MAE': ('people', 'MAE'), 'RMSE': ('people', 'RMSE'), 'NME': ('%', 'NME'), 'MR':
    ('%', 'MR\u207b\u00b2'), 'point': ('px', 'point')
}
_LABELS = {'mean': 'PCKh@0.5', 'pixel_accuracy': 'pixel accuracy', 'mean_accuracy': 'mean accuracy', 'rank1': 'rank 1',
           'rank5': 'rank 5', 'rank10': 'rank 10', 'mIoU_present': 'mIoU (present classes)',
           'mA_present': 'mA (attributes labelled both ways)'}


def metric_info(name: str) -> MetricInfo:
    """Direction, unit and label of a metric key, as the functions of ``humanbench.evaluation`` name them.

    A key with a subset behind an underscore (``MR_heavy``) is read as its metric; any other is a fraction to be raised.
    """
    base, _, subset = name.partition('_')
    if base in _LOWER:
        unit, label = _LOWER[base]
        return MetricInfo(False, unit, f'{label} {subset.replace("_", " ")}'.strip())
    return MetricInfo(True, '%', _LABELS.get(name, name))
