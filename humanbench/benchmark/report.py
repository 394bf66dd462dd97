"""Writes a leaderboard as Markdown, CSV, JSON and one static HTML page that needs no server and loads nothing."""
import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import humanbench

from ..files import write_text
from .files import explained, json_text
from .leaderboard import GROUP_NAMES, Leaderboard, leaderboard
from .metrics import metric_info
from .page import ABSENT_MARKS, meaning, published_rows, rank_text, to_html
from .plan import PlannedCell
from .plots import value_text
from .results import ANY_FLAVOR, Summary

CSV_COLUMNS = ('weights', 'dataset', 'task', 'protocol', 'metric', 'higher_is_better', 'value', 'std', 'n_seeds',
               'published')
DEBUG_WARNING = (
    "These are '{flavor}' runs: small models, few steps, synthetic MiniHuman images. They show that the machinery "
    'works and which way an effect points. They do not compare with any published number.')


def write_report(out: str | Path, flavor: str | None = ANY_FLAVOR, planned: Sequence[PlannedCell] = ()) -> list[Path]:
    """Write ``leaderboard.md``, ``.csv``, ``.json`` and ``.html`` into a benchmark folder.

    Args:
        out: the folder that ``benchmark run`` wrote.
        flavor: which flavour to show (None is the real size); by default the only one there is.
        planned: cells that belong to the leaderboard even if they have not run.

    Returns:
        The files written.

    Raises:
        UserError: nothing to report, cells that do not compare, or a folder that cannot be written.
    """
    board = leaderboard(out, flavor, planned)
    texts = {  # all are made before the first is written: files that lie together agree
        'md': to_markdown(board), 'csv': to_csv(board), 'html': to_html(board, _warning(board), _today()),
        'json': json_text(to_json(board))}
    paths = {suffix: Path(out) / f'leaderboard.{suffix}' for suffix in texts}
    for suffix, text in texts.items():
        with explained(paths[suffix]):
            write_text(paths[suffix], text)
    return list(paths.values())


def to_csv(board: Leaderboard) -> str:
    """Measured values (fractions, pixels, people), then published ones in the same units.

    Cells without a value have no line: they are in the other formats, with the reason. A debug leaderboard has no
    published lines, for a table of these columns cannot say that the two do not compare.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(CSV_COLUMNS)
    for x in board.summaries:
        std = '' if x.std is None else f'{x.std:.6g}'
        writer.writerow((x.weights, x.dataset, x.task, x.protocol, x.metric, _bool(
            x.higher_is_better), f'{x.value:.6g}', std, x.n_seeds, 'false'))
    for p in () if board.flavor else board.published:
        writer.writerow((p.row, p.dataset, p.task, p.protocol, p.metric, _bool(
            p.higher_is_better), f'{p.value:.6g}', '', '', 'true'))
    return text.getvalue()


def _bool(value: bool) -> str:
    return 'true' if value else 'false'


def to_json(board: Leaderboard) -> dict[str, Any]:
    """Everything the page shows, for programs. Values are fractions, pixels or people."""
    return {
        'generated': _today(), 'humanbench': humanbench.__version__, 'flavor': board.flavor,
        'comparable_with_published': board.flavor is None, 'warning': _warning(board), 'notes': list(board.notes),
        'datasets_without_any_cell': list(board.outside),
        'results': [_summary_json(board, x) for x in board.summaries], 'absent': [asdict(x) for x in board.absent],
        'group_ranks': [asdict(x) for x in board.group_ranks], 'averages': [asdict(x) for x in board.averages],
        'published': [asdict(x) | {'row': x.row} for x in board.published],
    }


def _summary_json(board: Leaderboard, x: Summary) -> dict[str, Any]:
    rank, of = board.ranks[x.weights, x.dataset, x.protocol]
    one = x.records[0]
    return {
        'weights': x.weights,
        'weights_spec': one.values['weights_spec'],
        'dataset': x.dataset,
        'task': x.task,
        'group': x.group,
        'protocol': x.protocol,
        'metric': x.metric,
        'higher_is_better': x.higher_is_better,
        'unit': x.info.unit,
        'value': x.value,
        'std': x.std,
        'n_seeds': x.n_seeds,
        'seeds': {str(r.seed): r.value
                  for r in x.records},
        'rank': rank,
        'of': of,
        'published': False,
        'input_size': list(one.input_size),
        'backbone': one.values['backbone'],
        'trainable_parameters': one.values['trainable_parameters'],
        'total_parameters': one.values['total_parameters'],
        'key': dict(one.key),
        'audit': one.values.get('audit'),
        'all_metrics': {str(r.seed): r.values['metrics']
                        for r in x.records},
    }


def to_markdown(board: Leaderboard) -> str:
    """One table per protocol: own rows, then published ones."""
    parts = [
        '# HumanBench leaderboard',
        f'{_today()}, humanbench {humanbench.__version__}. Values: percent, pixels or people; mean '
        'and sample standard deviation over seeds; the better direction is marked.'
    ]
    if board.flavor:
        parts.append(f'> **{board.flavor.upper()} RUNS.** {_warning(board)}')
    for protocol in board.protocols:
        parts += [f'## {protocol}: {meaning(protocol)}', _protocol_table(board, protocol)]
    parts += ['## Ranks', _rank_table(board)]
    if board.averages:
        lines = ['| weights | task | protocol | metric | datasets | mean |', '|--|--|--|--|--|--:|']
        for x in board.averages:
            info = metric_info(x.metric)
            value = 'incomplete' if x.value is None else info.text(x.value)
            lines.append(
                f'| {_cell(x.weights)} | {x.task} | {x.protocol} | {info.label} | {", ".join(x.datasets)} | {value} |')
        parts += ['## Averages over the datasets of a task', '\n'.join(lines)]
    reasons = sorted({
        f'- {x.dataset}, {x.protocol}, {_cell(x.weights)}: {x.status}' + (f' ({_cell(x.reason)})' if x.reason else '')
        for x in board.absent
    })
    if reasons:
        parts += ['## Cells without a value', '\n'.join(reasons)]
    notes = [*board.notes, *([f'No cell at all: {", ".join(board.outside)}.'] if board.outside else [])]
    if notes:
        parts += ['## Notes', '\n'.join(f'- {x}' for x in notes)]
    return '\n\n'.join(parts) + '\n'


def _protocol_table(board: Leaderboard, protocol: str) -> str:
    ranked = {x.dataset: x.metric for x in board.summaries}
    columns = [x for x in board.datasets if x in ranked]
    heads = [f'{x} {metric_info(ranked[x]).full_label} {metric_info(ranked[x]).arrow}' for x in columns]
    lines = ['| weights | ' + ' | '.join(heads) + ' |', '|--|' + '--:|' * len(columns)]
    for weights in board.rows:
        cells = [board.find(weights, x, protocol) for x in columns]
        mark = f' [{board.flavor}]' if board.flavor else ''
        lines.append(f'| **{_cell(weights)}**{mark} | ' + ' | '.join(_own_text(board, x) for x in cells) + ' |')
    for row in published_rows(board, protocol, ranked):
        values = ' | '.join(row['cells'].get(x, '') for x in columns)
        lines.append(f'| {_cell(row["name"])} *(published: {_cell(row["source"])})* | {values} |')
    return '\n'.join(lines)


def _own_text(board: Leaderboard, cell) -> str:
    if not isinstance(cell, Summary):
        return ABSENT_MARKS[cell.status]
    rank, of = board.ranks[cell.weights, cell.dataset, cell.protocol]
    text = value_text(cell)
    return f'**{text}**' if rank == 1 and of > 1 else text


def _rank_table(board: Leaderboard) -> str:
    lines = [
        'Mean rank among the own rows, per dataset and protocol; none while a cell is absent that could be run.', '',
        '| weights | ' + ' | '.join(GROUP_NAMES.values()) + ' |', '|--|' + '--:|' * len(GROUP_NAMES)
    ]
    for weights in board.rows:
        found = {x.group: x for x in board.group_ranks if x.weights == weights}
        lines.append(f'| {_cell(weights)} | ' + ' | '.join(rank_text(found.get(x)) for x in GROUP_NAMES) + ' |')
    return '\n'.join(lines)


def _cell(text: str) -> str:
    return text.replace('|', '\\|').replace('\n', ' ')


def _warning(board: Leaderboard) -> str:
    return DEBUG_WARNING.format(flavor=board.flavor) if board.flavor else ''


def _today() -> str:
    return datetime.now(timezone.utc).date().isoformat()
