"""The claims, and what the records say of each: which side leads, by how much, and whether the seeds can tell."""
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, sqrt

from scipy.integrate import quad
from scipy.stats import norm, studentized_range

from ..compare import Difference, compare_cells
from ..published import published_results
from ..results import Record, Summary, summarise
from .experiment import FINETUNING

VERDICTS = ('holds', 'unclear', 'against', 'open')
"""``open``: a clear difference of which nobody has said which way it should go."""


@dataclass(frozen=True)
class Pair:
    """Two cells of a dataset, each a row and a protocol; the claim is that the first leads."""
    column: str
    first: tuple[str, str]
    second: tuple[str, str]


@dataclass(frozen=True)
class Claim:
    """What is claimed, and the comparisons that test it on each dataset.

    Attributes:
        groups: of the leaderboard (``in``, ``out``, ``unseen``) whose datasets it is about.
        as_published: the side that leads is not the first but the one that led in the paper (PATH, ViT-B).
    """
    title: str
    text: str
    pairs: tuple[Pair, ...]
    groups: tuple[str, ...] = ('in', 'out', 'unseen')
    as_published: bool = False


def _rows(first: str, second: str, protocols: Sequence[str]) -> tuple[Pair, ...]:
    return tuple(Pair(x, (first, x), (second, x)) for x in protocols)


def _protocols(row: str, *pairs: tuple[str, str]) -> tuple[Pair, ...]:
    return tuple(Pair(f'{a} \N{MINUS SIGN} {b}', (row, a), (row, b)) for a, b in pairs)


_ALL = (*FINETUNING, 'direct')
CLAIMS = (
    Claim('PATH against scratch', 'Finetuning from PATH leads training from scratch on the tasks of the pretraining',
          _rows('path', 'scratch', FINETUNING), groups=('in', 'out')),
    Claim('Unseen task', 'It leads on crowd counting too, which the pretraining never saw',
          _rows('path', 'scratch', FINETUNING), groups=('unseen', )),
    Claim('With against without projector', 'Projectors between backbone and heads help',
          _rows('path', 'no_projector', _ALL)),
    Claim('A projector per task against one for all', 'Projectors help because each task has its own',
          _rows('path', 'one_projector', _ALL)),
    Claim('Hierarchical sharing against sharing the backbone alone',
          'Datasets of a task do better with one projector together than with one each',
          _rows('path', 'projector_per_dataset', _ALL)),
    Claim('Partial against head against full', 'The protocols rank as in the paper (PATH, ViT-B), dataset by dataset',
          _protocols('path', ('full', 'partial'), ('full', 'head'), ('partial', 'head')), as_published=True),
)


@dataclass(frozen=True)
class Finding:
    """One comparison.

    Attributes:
        expected: 1 where the claim is that the first side leads, -1 for the second, 0 where it does not say.
        published: first minus second in the paper, in the metric's unit; None where the paper's metric is another, or
            it has no such numbers, or the claim is not about them.
    """
    claim: Claim
    column: str
    difference: Difference
    expected: int
    published: float | None = None

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


def findings(records: Sequence[Record]) -> list[Finding]:
    """Every comparison of every claim of which both sides were measured, in the order of :data:`CLAIMS`.

    Raises:
        UserError: the records do not compare.
    """
    summaries = {(x.weights, x.protocol, x.dataset): x for x in summarise(records)}
    datasets = list(dict.fromkeys(x.dataset for x in records))
    return [finding for claim in CLAIMS for dataset in datasets for finding in _of(claim, dataset, summaries)]


def _of(claim: Claim, dataset: str, summaries: dict[tuple[str, str, str], Summary]) -> Iterator[Finding]:
    for pair in claim.pairs:
        first, second = summaries.get((*pair.first, dataset)), summaries.get((*pair.second, dataset))
        if first is None or second is None or first.group not in claim.groups:
            continue
        difference = compare_cells(first, second)
        if not claim.as_published:
            yield Finding(claim, pair.column, difference, 1)
            continue
        published = _published(first, second)
        sign = 0 if not published else (1 if published > 0 else -1) * (1 if first.higher_is_better else -1)
        yield Finding(claim, pair.column, difference, sign, published)


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
