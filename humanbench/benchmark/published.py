"""Numbers that others published (``datasets_meta/published_results.yaml``): shown beside ours, never among them."""
from dataclasses import dataclass
from functools import cache

import yaml

from humanbench import protocols, resources

from .metrics import MetricInfo, metric_info

_NO_NAME = ('mixed', 'unstated', 'unstated_in_deck', 'unstated_in_seed')


@dataclass(frozen=True)
class Published:
    """One published number.

    Attributes:
        value: in our unit: a fraction where the metric is one (the file holds what was printed, percent).
        protocol: ours where it is the same thing, else the source's own word.
        source: for people.
        input_size: width x height or height x width as the source writes it; '' where it does not say.
    """
    method: str
    backbone: str
    protocol: str
    dataset: str
    task: str
    metric: str
    higher_is_better: bool
    value: float
    source: str
    input_size: str
    note: str

    @property
    def row(self) -> str:
        """Name of its leaderboard row."""
        if self.backbone in _NO_NAME or self.backbone == self.method:
            return self.method
        return f'{self.method} {self.backbone.replace("_assumed", " (assumed)")}'

    @property
    def same_protocol(self) -> bool:
        """Whether it was got under one of our protocols."""
        return self.protocol in protocols.PROTOCOLS

    @property
    def info(self) -> MetricInfo:
        return metric_info(self.metric)


@cache
def published_results() -> tuple[Published, ...]:
    """All published numbers, in the order of the file."""
    file = yaml.safe_load((resources.folder('datasets_meta') / 'published_results.yaml').read_text(encoding='utf-8'))
    results = []
    for record in file['results']:
        info = metric_info(record['metric'])
        results.append(
            Published(method=record['method'],
                      backbone=record['backbone'],
                      protocol=record['protocol'],
                      dataset=record['dataset'],
                      task=record['task'],
                      metric=record['metric'],
                      higher_is_better=record['higher_is_better'],
                      value=record['value'] / 100 if info.unit == '%' else record['value'],
                      source=file['sources'].get(record['source'], record['source']),
                      input_size=record.get('input_size', ''),
                      note=record.get('note', '')))
    return tuple(results)
