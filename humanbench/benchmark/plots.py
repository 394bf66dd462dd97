"""Geometry of the bar plots: one panel per dataset, bars of every row under every protocol. The template draws it.

Horizontal bars with their names above them: names are long, and a panel is as readable on a phone as on a desk.
Lengths are SVG user units; a panel is :data:`WIDTH` wide.
"""
import math
from collections.abc import Sequence
from dataclasses import dataclass

from .leaderboard import Absent, Leaderboard, dataset_name
from .metrics import MetricInfo, metric_info
from .results import Summary

WIDTH = 360
COLOURS = 8
MAX_ROWS = 20  # of a section; the tables have all
_ROW, _HEADING, _RUG, _MORE = 30, 26, 34, 18


@dataclass(frozen=True)
class Bar:
    """One row's value: ``length`` of the bar, ends of its error bar (None for one seed), and one dot per seed."""
    y: float
    name: str
    text: str
    colour: int
    length: float
    low: float | None
    high: float | None
    dots: tuple[float, ...]
    debug: bool


@dataclass(frozen=True)
class Gap:
    """A row without a value, and why."""
    y: float
    name: str
    text: str


@dataclass(frozen=True)
class Rug:
    """Published values under the same protocol: a tick each, ``(x, title)``."""
    y: float
    ticks: tuple[tuple[float, str], ...]
    best: str


@dataclass(frozen=True)
class Section:
    """One protocol's part of a panel. ``more`` rows are not drawn, which is said at ``more_y``."""
    y: float
    protocol: str
    items: tuple[Bar | Gap, ...]
    rug: Rug | None
    more: int = 0
    more_y: float = 0.0


@dataclass(frozen=True)
class Panel:
    """One dataset's plot."""
    dataset: str
    title: str
    metric: str
    summary: str
    height: float
    sections: tuple[Section, ...]
    ticks: tuple[tuple[float, str], ...]


def panels(board: Leaderboard, task: str) -> list[Panel]:
    """The plots of one task. Published values are left out of a debug leaderboard, where they would mislead."""
    return [
        _panel(board, x) for x in board.datasets
        if board.tasks[x] == task and any(s.dataset == x for s in board.summaries)
    ]


def _panel(board: Leaderboard, dataset: str) -> Panel:
    own = [x for x in board.summaries if x.dataset == dataset]
    info, metric = own[0].info, own[0].metric
    shown = [] if board.flavor else [
        x for x in board.published
        if (x.dataset, x.metric) == (dataset, metric) and x.same_protocol and x.protocol in board.protocols
    ]
    reach = [x.value + (x.std or 0) for x in own] + [r.value for x in own for r in x.records] + [x.value for x in shown]
    top, ticks = axis(info.shown(max(reach)))

    def position(value: float) -> float:
        return round(min(max(info.shown(value), 0) / top, 1) * WIDTH, 1)

    y, sections = 0.0, []
    for protocol in board.protocols:
        cells = [board.find(row, dataset, protocol) for row in board.rows]
        if all(isinstance(x, Absent) and x.status == 'not applicable' for x in cells):
            continue
        start, y = y, y + _HEADING
        items = []
        drawn = _best_rows(cells, info)
        for index in drawn:
            items.append(_item(cells[index], y, index % COLOURS, position, info, board.flavor))
            y += _ROW
        more, more_y = len(cells) - len(drawn), y
        y += _MORE if more else 0
        rug = _rug([x for x in shown if x.protocol == protocol], y, position, info)
        y += _RUG if rug else 0
        sections.append(Section(start, protocol, tuple(items), rug, more, more_y))
    marks = tuple((round(x / top * WIDTH, 1), f'{x:g}') for x in ticks)
    best = '; '.join(_best(own, x.protocol) for x in sections if any(s.protocol == x.protocol for s in own))
    return Panel(dataset, dataset_name(dataset), f'{info.full_label} {info.arrow}', best, y, tuple(sections), marks)


def _best_rows(cells: Sequence[Summary | Absent], info: MetricInfo) -> list[int]:
    """Which rows are drawn: all, in their order; of too many, those with the best values."""
    if len(cells) <= MAX_ROWS:
        return list(range(len(cells)))
    valued = [i for i, x in enumerate(cells) if isinstance(x, Summary)]
    valued.sort(key=lambda i: cells[i].value, reverse=info.higher_is_better)
    return sorted(valued[:MAX_ROWS])


def _item(cell: Summary | Absent, y: float, colour: int, position, info: MetricInfo, flavor: str | None) -> Bar | Gap:
    if isinstance(cell, Absent):
        return Gap(y, _short(cell.weights), cell.status)
    spread = (position(cell.value - cell.std), position(cell.value + cell.std)) if cell.std is not None else (None,
                                                                                                              None)
    return Bar(y, _short(cell.weights), value_text(cell), colour, position(cell.value), *spread,
               tuple(position(x.value) for x in cell.records) if cell.n_seeds > 1 else (), flavor is not None)


def _rug(shown: Sequence, y: float, position, info: MetricInfo) -> Rug | None:
    if not shown:
        return None
    best = (max if shown[0].higher_is_better else min)(shown, key=lambda x: x.value)
    ticks = tuple((position(x.value), f'{x.row}: {info.text(x.value)} ({x.source})') for x in shown)
    return Rug(y, ticks, f'best of {len(shown)} published: {info.text(best.value)} {_short(best.row, 22)}')


def _best(own: Sequence[Summary], protocol: str) -> str:
    rivals = [x for x in own if x.protocol == protocol]
    best = (max if rivals[0].higher_is_better else min)(rivals, key=lambda x: x.value)
    return f'{protocol}: best is {best.weights} with {value_text(best)}'


def _short(name: str, length: int = 29) -> str:
    end = length // 3  # versions stand at the end of a name
    return name if len(name) <= length else f'{name[:length - 1 - end]}\N{HORIZONTAL ELLIPSIS}{name[-end:]}'


def value_text(cell: Summary) -> str:
    """``71.2 +- 0.8 (n=3)`` with a real plus-minus sign; without the spread, which nobody knows, for a single seed."""
    info = metric_info(cell.metric)
    spread = '' if cell.std is None else f' \N{PLUS-MINUS SIGN} {info.spread(cell.std, cell.value)}'
    return f'{info.text(cell.value)}{spread} (n={cell.n_seeds})'


def axis(largest: float) -> tuple[float, list[float]]:
    """A round upper end at or above the largest value, and round ticks from 0 to it. Bars start at 0 or they lie."""
    if largest <= 0:
        return 1.0, [0.0, 1.0]
    step = 10 ** math.floor(math.log10(largest))
    step = next(x for x in (step / 5, step / 2, step, 2 * step, 5 * step) if largest / x <= 5)
    count = math.ceil(largest / step - 1e-9)
    return step * count, [round(step * i, 10) for i in range(count + 1)]
