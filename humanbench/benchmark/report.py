"""Writes a leaderboard as Markdown, CSV, JSON and one static HTML page that needs no server and loads nothing."""
import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jinja2

import humanbench
from humanbench import catalog

from . import plots
from .files import write_json, write_text
from .leaderboard import GROUP_MEANINGS, GROUP_NAMES, Leaderboard, dataset_name, leaderboard
from .metrics import metric_info
from .plan import PlannedCell
from .published import Published
from .results import ANY_FLAVOR, Summary

CSV_COLUMNS = ('weights', 'dataset', 'task', 'protocol', 'metric', 'higher_is_better', 'value', 'std', 'n_seeds', 'published')
DEBUG_WARNING = ("These are '{flavor}' runs: small models, few steps, synthetic MiniHuman images. They show that the machinery works "
                 'and which way an effect points. They do not compare with any published number.')
ABSENT_MARKS = {'not run': 'not run', 'failed': 'failed', 'missing data': 'no data', 'not applicable': 'n/a'}


def write_report(out: str | Path, flavor: str | None = ANY_FLAVOR, planned: Sequence[PlannedCell] = ()) -> list[Path]:
    """Write ``leaderboard.md``, ``.csv``, ``.json`` and ``.html`` into a benchmark folder.

    Args:
        out: the folder that ``benchmark run`` wrote.
        flavor: which flavour to show (None is the real size); by default the only one there is.
        planned: cells that belong to the leaderboard even if they have not run.

    Returns:
        The files written.

    Raises:
        UserError: nothing to report, or cells that do not compare.
    """
    board = leaderboard(out, flavor, planned)
    base = Path(out) / 'leaderboard'
    write_text(base.with_suffix('.md'), to_markdown(board))
    write_text(base.with_suffix('.csv'), to_csv(board))
    write_json(base.with_suffix('.json'), to_json(board))
    write_text(base.with_suffix('.html'), to_html(board))
    return [base.with_suffix(x) for x in ('.md', '.csv', '.json', '.html')]


def to_csv(board: Leaderboard) -> str:
    """Measured values (fractions, pixels, people), then published ones in the same units.

    Cells without a value have no line: they are in the other formats, with the reason. A debug leaderboard has no published
    lines, for a table of these columns cannot say that the two do not compare.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(CSV_COLUMNS)
    for x in board.summaries:
        std = '' if x.std is None else f'{x.std:.6g}'
        writer.writerow((x.weights, x.dataset, x.task, x.protocol, x.metric, _bool(x.higher_is_better), f'{x.value:.6g}', std,
                         x.n_seeds, 'false'))
    for p in () if board.flavor else board.published:
        writer.writerow((p.row, p.dataset, p.task, p.protocol, p.metric, _bool(p.higher_is_better), f'{p.value:.6g}', '', '',
                         'true'))
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
        'weights': x.weights, 'weights_spec': one.values['weights_spec'], 'dataset': x.dataset, 'task': x.task, 'group': x.group,
        'protocol': x.protocol, 'metric': x.metric, 'higher_is_better': x.higher_is_better, 'unit': x.info.unit, 'value': x.value,
        'std': x.std, 'n_seeds': x.n_seeds, 'seeds': {str(r.seed): r.value for r in x.records}, 'rank': rank, 'of': of,
        'published': False, 'input_size': list(one.input_size), 'trainable_parameters': one.values['trainable_parameters'],
        'total_parameters': one.values['total_parameters'], 'key': dict(one.key),
        'all_metrics': {str(r.seed): r.values['metrics'] for r in x.records},
    }


def to_markdown(board: Leaderboard) -> str:
    """One table per protocol: own rows, then published ones."""
    parts = ['# HumanBench leaderboard', f'{_today()}, humanbench {humanbench.__version__}. Values: percent, pixels or people; mean '
             'and sample standard deviation over seeds; the better direction is marked.']
    if board.flavor:
        parts.append(f'> **{board.flavor.upper()} RUNS.** {_warning(board)}')
    for protocol in board.protocols:
        parts += [f'## {protocol}: {_meaning(protocol)}', _protocol_table(board, protocol)]
    parts += ['## Ranks', _rank_table(board)]
    if board.averages:
        lines = ['| weights | task | protocol | metric | datasets | mean |', '|--|--|--|--|--|--|']
        lines += [f'| {_cell(x.weights)} | {x.task} | {x.protocol} | {metric_info(x.metric).label} | {", ".join(x.datasets)} | '
                  f'{metric_info(x.metric).text(x.value)} |' for x in board.averages]
        parts += ['## Averages of complete tasks', '\n'.join(lines)]
    reasons = sorted({f'- {x.dataset}, {x.protocol}, {_cell(x.weights)}: {x.status}' + (f' ({_cell(x.reason)})' if x.reason else '')
                      for x in board.absent})
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
    for row, values in _published_rows(board, protocol, ranked).items():
        lines.append(f'| {_cell(row)} *(published)* | ' + ' | '.join(values.get(x, '') for x in columns) + ' |')
    return '\n'.join(lines)


def _own_text(board: Leaderboard, cell) -> str:
    if not isinstance(cell, Summary):
        return ABSENT_MARKS[cell.status]
    rank, of = board.ranks[cell.weights, cell.dataset, cell.protocol]
    text = plots.value_text(cell)
    return f'**{text}**' if rank == 1 and of > 1 else text


def _published_rows(board: Leaderboard, protocol: str, ranked: dict[str, str]) -> dict[str, dict[str, str]]:
    """Published values under a protocol, by row and source; none on a debug leaderboard."""
    rows: dict[str, dict[str, str]] = {}
    for x in () if board.flavor else board.published:
        if x.protocol == protocol and ranked.get(x.dataset) == x.metric:
            size = f', {x.input_size}' if x.input_size else ''
            rows.setdefault(f'{x.row}, {x.source}{size}', {}).setdefault(x.dataset, x.info.text(x.value))
    return rows


def _rank_table(board: Leaderboard) -> str:
    lines = ['Mean rank among the own rows, per dataset and protocol; none while a cell is absent that could be run.', '',
             '| weights | ' + ' | '.join(GROUP_NAMES.values()) + ' |', '|--|' + '--:|' * len(GROUP_NAMES)]
    for weights in board.rows:
        found = {x.group: x for x in board.group_ranks if x.weights == weights}
        lines.append(f'| {_cell(weights)} | ' + ' | '.join(rank_text(found.get(x)) for x in GROUP_NAMES) + ' |')
    return '\n'.join(lines)


def rank_text(rank) -> str:
    """A mean rank for people; an incomplete group has none, and says how much of it there is."""
    if rank is None:
        return 'no cell'
    return f'incomplete: {rank.cells} of {rank.of} cells' if rank.mean_rank is None else f'{rank.mean_rank:.2f} ({rank.cells} cells)'


def _cell(text: str) -> str:
    return text.replace('|', '\\|').replace('\n', ' ')


def _meaning(protocol: str) -> str:
    from humanbench.protocols import PROTOCOLS
    return PROTOCOLS[protocol].meaning if protocol in PROTOCOLS else "the source's own protocol"


def _warning(board: Leaderboard) -> str:
    return DEBUG_WARNING.format(flavor=board.flavor) if board.flavor else ''


def _today() -> str:
    return datetime.now(timezone.utc).date().isoformat()


def to_html(board: Leaderboard) -> str:
    """The page. All text is escaped; styles, script and plots are inside."""
    environment = jinja2.Environment(loader=jinja2.PackageLoader('humanbench.benchmark', 'templates'), autoescape=True,
                                     undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    tasks = [x for x in catalog.TASKS if x in board.tasks.values()]
    ranked = {x.dataset: x.metric for x in board.summaries}
    return environment.get_template('leaderboard.html.j2').render(
        board=board, date=_today(), version=humanbench.__version__, warning=_warning(board), group_names=GROUP_NAMES,
        group_meanings=GROUP_MEANINGS, tasks=tasks, task_panels={x: plots.panels(board, x) for x in tasks}, plot_width=plots.WIDTH,
        ranked=ranked, metric_info=metric_info, value_text=plots.value_text, rank_text=rank_text, dataset_name=dataset_name,
        absent_marks=ABSENT_MARKS, meaning=_meaning, lines=_table_lines(board, ranked), colours=plots.COLOURS)


def _table_lines(board: Leaderboard, ranked: dict[str, str]) -> list[dict[str, Any]]:
    """Lines of the long table: measured, absent, published."""
    lines = []
    for x in board.summaries:
        rank, of = board.ranks[x.weights, x.dataset, x.protocol]
        one = x.records[0]
        details = '; '.join(f'seed {r.seed}: {x.info.text(r.value)}' for r in x.records)
        size = '\N{MULTIPLICATION SIGN}'.join(map(str, one.input_size))
        lines.append(_line('own', x.weights, x.dataset, x.task, board.groups[x.dataset], x.protocol, x.metric) | {
            'value': x.value, 'std': x.std, 'seeds': x.n_seeds, 'rank': rank, 'of': of, 'size': size,
            'source': f"{one.values['trainable_parameters'] / 1e6:.2f} M of {one.values['total_parameters'] / 1e6:.2f} M weights trained",
            'note': details})
    for x in board.absent:
        lines.append(_line('absent', x.weights, x.dataset, board.tasks[x.dataset], board.groups[x.dataset], x.protocol,
                           ranked.get(x.dataset, '')) | {'status': x.status, 'source': x.reason, 'note': ''})
    for x in board.published:
        lines.append(_published_line(board, x, ranked))
    return lines


def _published_line(board: Leaderboard, x: Published, ranked: dict[str, str]) -> dict[str, Any]:
    return _line('published', x.row, x.dataset, x.task, board.groups[x.dataset], x.protocol, x.metric) | {
        'value': x.value, 'size': x.input_size, 'source': x.source, 'note': x.note, 'is_ranked': ranked.get(x.dataset) == x.metric}


def _line(kind: str, weights: str, dataset: str, task: str, group: str, protocol: str, metric: str) -> dict[str, Any]:
    return {'kind': kind, 'weights': weights, 'dataset': dataset, 'task': task, 'group': group, 'protocol': protocol, 'metric': metric,
            'value': None, 'std': None, 'seeds': None, 'rank': None, 'of': None, 'status': '', 'size': '', 'source': '', 'note': '',
            'is_ranked': True}
