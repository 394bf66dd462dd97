"""Results over numbers of labels: a panel for each dataset, a line for each row."""
from collections.abc import Mapping, Sequence
from pathlib import Path

from humanbench.errors import UserError
from humanbench.files import replacing

from ..results import Record, Summary
from .findings import summaries
from .study import Study

_COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000')  # told apart by everybody
_STYLE = {'svg.hashsalt': 'humanbench', 'svg.fonttype': 'none', 'font.size': 9,
          'font.sans-serif': ['DejaVu Sans', 'Arial']}


def draw_curves(records: Mapping[str, Sequence[Record]], study: Study, file: Path) -> None:
    """Draw means over the seeds, and from the smallest to the largest value, as SVG.

    Args:
        records: cells of finished seeds, by level of labels; of one protocol.
        study: that they belong to.
        file: to be written.

    Raises:
        UserError: the study has one level of labels, so that there is nothing to draw over.
    """
    if len(study.labels) < 2:
        raise UserError('This study has one number of labels for each dataset: there is no curve to draw.')
    import matplotlib
    with matplotlib.rc_context(_STYLE), replacing(file) as temporary:
        _figure(_points(records, study)).savefig(temporary, format='svg', metadata=dict(Date=None))


def _figure(points: Mapping[str, Mapping[str, Sequence[tuple[int, Summary]]]]):
    """A panel for each dataset."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(3.4 * len(points), 3.2), layout='constrained')
    for axes, (dataset, rows) in zip(figure.subplots(1, len(points), squeeze=False)[0], points.items(), strict=True):
        for (row, some), colour in zip(rows.items(), _COLOURS, strict=False):
            _line(axes, row, some, colour)
        one = next(iter(rows.values()))[0][1]
        counts = [count for count, _ in max(rows.values(), key=len)]
        axes.set(title=f'{one.task} ({dataset})', xlabel='images with labels', ylabel=one.info.full_label, xscale='log')
        axes.set_xticks(counts, map(str, counts))
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    figure.axes[0].legend(frameon=False)
    return figure


def _points(records: Mapping[str, Sequence[Record]],
            study: Study) -> dict[str, dict[str, list[tuple[int, Summary]]]]:
    """By dataset and row: numbers of labels, the fewest first, and what was measured with them."""
    found: dict[str, dict[str, list[tuple[int, Summary]]]] = {}
    for level, some in records.items():
        for one in summaries(some):
            found.setdefault(one.dataset, {}).setdefault(one.weights, []).append(
                (study.labels[level][one.dataset], one))
    for rows in found.values():
        for points in rows.values():
            points.sort(key=lambda x: x[0])
    return found


def _line(axes, row: str, points: Sequence[tuple[int, Summary]], colour: str) -> None:
    counts = [count for count, _ in points]
    shown = [[x.info.shown(r.value) for r in x.records] for _, x in points]
    axes.plot(counts, [x.info.shown(x.value) for _, x in points], marker='o', markersize=3, color=colour, label=row)
    axes.vlines(counts, [min(x) for x in shown], [max(x) for x in shown], color=colour, alpha=0.5)
