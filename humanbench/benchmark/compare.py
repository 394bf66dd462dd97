"""Two rows cell by cell: the difference, the spread over seeds, and whether the seeds can tell the rows apart."""
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import ttest_ind

from humanbench.errors import UserError, unknown_name

from .plots import value_text
from .results import Record, Summary, summarise


@dataclass(frozen=True)
class Difference:
    """First row minus second, in the metric's unit.

    Attributes:
        difference: of the means.
        p_value: of Welch's two-sided t-test over seeds (unequal variances); None below two seeds on either side, or
            where neither side varies.
        better: which row is better, ignoring significance; '' for a tie.
    """
    first: Summary
    second: Summary
    difference: float
    p_value: float | None
    better: str

    @property
    def gain(self) -> float:
        """How far the first is ahead of the second; negative where it is behind, whichever way the metric counts."""
        return self.difference if self.first.higher_is_better else -self.difference

    @property
    def scatter(self) -> float:
        """What the seeds scatter: the larger of the two ranges, largest minus smallest value."""
        return max(max(x.value for x in side.records) - min(x.value for x in side.records)
                   for side in (self.first, self.second))

    @property
    def clear(self) -> bool:
        """Whether the means are further apart than the seeds scatter, with two seeds or more on both sides."""
        seeds = min(len(self.first.records), len(self.second.records))
        return seeds > 1 and abs(self.difference) > self.scatter


def differences(records: Sequence[Record], first: str, second: str) -> list[Difference]:
    """Every cell that both rows have.

    Raises:
        UserError: no such row, the same row twice, no common cell, or cells that do not compare.
    """
    summaries = summarise(records)
    names = {x.weights for x in summaries}
    for name in (first, second):
        if name not in names:
            raise unknown_name('row', name, names)
    if first == second:
        raise UserError(f"'{first}' cannot be compared with itself: name two rows.")
    others = {(x.dataset, x.protocol): x for x in summaries if x.weights == second}
    pairs = [(x, others[x.dataset, x.protocol]) for x in summaries
             if x.weights == first and (x.dataset, x.protocol) in others]
    if not pairs:
        raise UserError(
            f"'{first}' and '{second}' have no cell in common. Run both on the same datasets and protocols.")
    return [compare_cells(a, b) for a, b in pairs]


def compare_cells(a: Summary, b: Summary) -> Difference:
    """Two cells of one dataset, whose metric is the same."""
    difference = a.value - b.value
    p_value = None
    if a.std is not None and b.std is not None and a.std + b.std > 0:
        p_value = float(ttest_ind([x.value for x in a.records], [x.value for x in b.records], equal_var=False).pvalue)
    ahead = difference > 0 if a.higher_is_better else difference < 0
    return Difference(a, b, difference, p_value, '' if difference == 0 else a.weights if ahead else b.weights)


def compare_rows(records: Sequence[Record], first: str, second: str) -> str:
    """The comparison as a table for people."""
    found = differences(records, first, second)
    lines = [
        f'{"dataset":<16}{"protocol":<10}{"metric":<22}{first[:20]:>22}{second[:20]:>22}{"difference":>12}{"p":>8}'
    ]
    for x in found:
        info = x.first.info
        p_value = 'n<2' if x.p_value is None else f'{x.p_value:.3f}'
        sign, size = '+' if x.difference >= 0 else '-', info.spread(abs(x.difference), x.first.value)
        metric = f'{info.full_label} {info.arrow}'
        columns = f'{value_text(x.first):>22}{value_text(x.second):>22}{sign + size:>12}{p_value:>8}'
        lines.append(f'{x.first.dataset:<16}{x.first.protocol:<10}{metric:<22}{columns}')
    wins = {name: sum(x.better == name for x in found) for name in (first, second)}
    clear = {
        name: sum(x.better == name and x.p_value is not None and x.p_value < 0.05 for x in found)
        for name in (first, second)
    }
    lines += [
        f'{name} is better in {wins[name]} of {len(found)} cells, in {clear[name]} with p < 0.05' for name in wins
    ]
    lines.append(
        f'p: Welch t-test over seeds, each cell for itself; of {len(found)} cells, about {0.05 * len(found):.1f} '
        'fall below 0.05 by chance.')
    return '\n'.join(lines)


def clear_leads(records: Sequence[Record], first: str, second: str) -> dict[str, dict[str, bool]]:
    """Where the first row leads clearly (:attr:`Difference.clear`), by protocol and dataset."""
    leads: dict[str, dict[str, bool]] = {}
    for x in differences(records, first, second):
        leads.setdefault(x.first.protocol, {})[x.first.dataset] = x.clear and x.better == first
    return leads


def leads_text(records: Sequence[Record], first: str, second: str) -> str:
    """:func:`clear_leads` in one line for each protocol."""
    lines = []
    for protocol, datasets in clear_leads(records, first, second).items():
        others = [name for name, clear in datasets.items() if not clear]
        lines.append(f'{protocol}: {first} leads {second} by more than the seeds scatter on '
                     f'{len(datasets) - len(others)} of {len(datasets)} datasets'
                     + (f' (not on {", ".join(others)})' if others else ''))
    return '\n'.join(lines)
