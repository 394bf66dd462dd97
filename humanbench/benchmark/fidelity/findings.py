"""What the records say of each claim: which side leads, by how much, and whether the seeds can tell."""
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt

from scipy.integrate import quad
from scipy.stats import norm, studentized_range

from ..compare import Difference, compare_cells
from ..published import published_results
from ..results import Record, Summary, summarise
from .study import Claim

VERDICTS = ('holds', 'unclear', 'against', 'open')
"""``open``: a clear difference of which nobody has said which way it should go."""


@dataclass(frozen=True)
class Finding:
    """One comparison.

    Attributes:
        level: of labels; empty where a study has one, and where nothing is finetuned.
        expected: 1 where the claim is that the first side leads, -1 for the second, 0 where it does not say.
        published: first minus second in the paper, in the metric's unit; None where the paper's metric is another, or
            it has no such numbers, or the claim is not about them.
    """
    claim: Claim
    column: str
    difference: Difference
    expected: int
    published: float | None = None
    level: str = ''

    @property
    def dataset(self) -> str:
        return self.difference.first.dataset

    @property
    def direction(self) -> int:
        """1 where the means are as claimed, -1 where they are the other way round, 0 for a tie or no claim."""
        return self.expected * ((self.difference.gain > 0) - (self.difference.gain < 0))

    @property
    def verdict(self) -> str:
        """One of :data:`VERDICTS`, by the rule of :attr:`Difference.clear`."""
        if not self.difference.clear:
            return 'unclear'
        return {1: 'holds', -1: 'against', 0: 'open'}[self.direction]


def findings(records: Mapping[str, Sequence[Record]], claims: Sequence[Claim],
             own: Mapping[str, Sequence[Record]] | None = None) -> list[Finding]:
    """Every comparison of every claim of which both sides were measured, in the order of the claims.

    Args:
        records: of cells, by level of labels.
        claims: about them.
        own: what pretrainings say of themselves, by metric.

    Raises:
        UserError: the records do not compare.
    """
    found = {level: _by_cell(some) for level, some in records.items()}
    of_metric = {metric: _by_cell(some) for metric, some in (own or {}).items()}
    return [finding for claim in claims
            for level, cells in ({'': of_metric.get(claim.metric, {})} if claim.metric else found).items()
            for dataset in dict.fromkeys(x.dataset for x in cells.values())
            for finding in _of(claim, dataset, cells, level)]


def _by_cell(records: Sequence[Record]) -> dict[tuple[str, str, str], Summary]:
    return {(x.weights, x.protocol, x.dataset): x for x in summaries(records)}


def summaries(records: Sequence[Record]) -> list[Summary]:
    """Mean and spread of every cell. A row may be another network of its file for each dataset
    (:attr:`.study.Row.weights_of`), so that records are held against those of their own dataset alone.

    Raises:
        UserError: the records do not compare.
    """
    return [summary for dataset in dict.fromkeys(x.dataset for x in records)
            for summary in summarise([x for x in records if x.dataset == dataset])]


def _of(claim: Claim, dataset: str, cells: dict[tuple[str, str, str], Summary], level: str) -> Iterator[Finding]:
    for pair in claim.pairs:
        first, second = cells.get((*pair.first, dataset)), cells.get((*pair.second, dataset))
        if first is None or second is None or not claim.is_about(dataset, first.group):
            continue
        difference = compare_cells(first, second)
        if not claim.as_published:
            yield Finding(claim, pair.column, difference, 1, level=level)
            continue
        published = _published(first, second)
        sign = 0 if not published else (1 if published > 0 else -1) * (1 if first.higher_is_better else -1)
        yield Finding(claim, pair.column, difference, sign, published, level)


def _published(first: Summary, second: Summary) -> float | None:
    """First minus second as the paper has them, under the same protocols."""
    values = {x.protocol: x.value for x in published_results()
              if (x.method, x.backbone, x.dataset, x.metric) == ('PATH', 'ViT-B', first.dataset, first.metric)}
    if first.protocol not in values or second.protocol not in values:
        return None
    return values[first.protocol] - values[second.protocol]


def chance_of_clear(seeds: int) -> float:
    """How often two equal sides pass for clearly different, either way: what the rule is worth with so few seeds.

    For values that scatter normally and equally on both sides. The mean and the range of a normal sample are
    independent, so it is the chance that the difference of two means exceeds both of two ranges:
    E[F(|d|)^2], d ~ N(0, 2 / n), F the distribution of the range of n (the studentised range with a known deviation).

    Args:
        seeds: n, two or more, on each side.
    """
    spread = sqrt(2 / seeds)
    value, _ = quad(lambda d: 2 * norm.pdf(d, scale=spread) * studentized_range.cdf(d, seeds, inf)**2, 0, 10 * spread,
                    epsabs=1e-5, limit=100)
    return float(value)
