"""What the HTML page shows, line by line, and the rendering of its template."""
import re
from collections.abc import Sequence
from typing import Any

import jinja2
from markupsafe import Markup, escape

import humanbench
from humanbench import catalog, protocols

from . import plots
from .audit import audit_text
from .leaderboard import GROUP_MEANINGS, GROUP_NAMES, Leaderboard
from .metrics import metric_info
from .plots import value_text
from .published import Published

ABSENT_MARKS = {'not run': 'not run', 'failed': 'failed', 'missing data': 'no data', 'not applicable': 'n/a'}
COLUMNS = (('weights', 'text'), ('dataset', 'text'), ('protocol', 'text'), ('value', 'number'),
           ('\N{PLUS-MINUS SIGN} std', 'number'), ('seeds', 'number'), ('rank', 'number'), ('metric', 'text'),
           ('task', 'text'), ('group', 'text'), ('input size', 'text'), ('source', 'text'))
MAX_PUBLISHED_ROWS = 6  # per protocol in the overview; the table of all lines has every one


def to_html(board: Leaderboard, warning: str, date: str) -> str:
    """The page: all text is escaped; styles, script and plots are inside, nothing is loaded."""
    environment = jinja2.Environment(loader=jinja2.PackageLoader('humanbench.benchmark'),
                                     autoescape=True,
                                     trim_blocks=True,
                                     lstrip_blocks=True,
                                     undefined=jinja2.StrictUndefined)
    environment.filters['breakable'] = breakable
    environment.tests['in_task'] = lambda dataset, board, task: board.tasks[dataset] == task
    tasks = [x for x in catalog.ALL_TASKS if x in board.tasks.values()]
    ranked = {x.dataset: x.metric for x in board.summaries}
    lines = table_lines(board, ranked)
    return environment.get_template('leaderboard.html.j2').render(
        board=board,
        date=date,
        version=humanbench.__version__,
        warning=warning,
        tasks=tasks,
        ranked=ranked,
        lines=lines,
        group_names=GROUP_NAMES,
        group_meanings=GROUP_MEANINGS,
        plot_width=plots.WIDTH,
        columns=COLUMNS,
        task_panels={x: plots.panels(board, x)
                     for x in tasks},
        published=_overview_published(board, ranked),
        meaning=meaning,
        metric_info=metric_info,
        rank_text=rank_text,
        absent_marks=ABSENT_MARKS,
        filters=_filters(board, tasks, lines),
        version_list=_versions(board),
        averages={(x.weights, x.task, x.protocol, x.metric): x
                  for x in board.averages},
        average_places=_average_places(board),
        average_columns=list(dict.fromkeys((x.task, x.metric, x.datasets) for x in board.averages)))


def breakable(name: str) -> Markup:
    """A name that may be broken where its parts end, so that a narrow column need not cut words."""
    return Markup(re.sub(r'([:/_.@=])', r'\1<wbr>', str(escape(name))))


def meaning(protocol: str) -> str:
    """What a protocol is, in one line."""
    return protocols.PROTOCOLS[protocol].meaning if protocol in protocols.PROTOCOLS else "the source's own protocol"


def rank_text(rank) -> str:
    """A mean rank for people; an incomplete group has none, and says how much of it there is."""
    if rank is None:
        return 'no cell'
    if rank.mean_rank is None:
        return f'incomplete: {rank.cells} of {rank.of} cells'
    return f'{rank.mean_rank:.2f} ({rank.cells} cell{"s" * (rank.cells != 1)})'


def published_rows(board: Leaderboard, protocol: str, ranked: dict[str, str]) -> list[dict[str, Any]]:
    """Published values under a protocol, in the ranked metrics, by row and source; none on a debug leaderboard."""
    rows: dict[tuple[str, str, str], dict[str, Published]] = {}
    for x in () if board.flavor else board.published:
        if x.protocol == protocol and ranked.get(x.dataset) == x.metric:
            rows.setdefault((x.row, x.source, x.input_size), {}).setdefault(x.dataset, x)
    return [{'name': name, 'source': f'{source}, {size}' if size else source,
             'cells': {dataset: x.info.text(x.value) for dataset, x in cells.items()},
             'values': {dataset: x.value for dataset, x in cells.items()}}
            for (name, source, size), cells in sorted(rows.items(), key=lambda x: -len(x[1]))]


def _overview_published(board: Leaderboard, ranked: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    rows = {x: published_rows(board, x, ranked)[:MAX_PUBLISHED_ROWS] for x in board.protocols}
    return {protocol: found for protocol, found in rows.items() if found}


def _average_places(board: Leaderboard) -> dict[tuple[str, str, str, str], int]:
    """The place of each complete average among those of its task, protocol and metric."""
    places = {}
    for x in board.averages:
        rivals = [y.value for y in board.averages if y.value is not None
                  and (y.task, y.protocol, y.metric) == (x.task, x.protocol, x.metric)]
        if x.value is not None:
            better = sum(y > x.value if metric_info(x.metric).higher_is_better else y < x.value for y in rivals)
            places[x.weights, x.task, x.protocol, x.metric] = 1 + better
    return places


def _filters(board: Leaderboard, tasks: Sequence[str], lines: Sequence[dict]) -> dict[str, list[tuple[str, str]]]:
    protocol_names = dict.fromkeys([*board.protocols, *(x['protocol'] for x in lines)])
    others = sorted({x['weights'] for x in lines} - set(board.rows), key=str.lower)
    return {'task': [(x, x) for x in tasks], 'protocol': [(x, x) for x in protocol_names],
            'weights': [*((x, x) for x in board.rows), *((x, f'{x} (published)') for x in others)],
            'group': [(x, name) for x, name in GROUP_NAMES.items() if x in board.groups.values()]}


def _versions(board: Leaderboard) -> list[tuple[str, str]]:
    records = [x for s in board.summaries for x in s.records]
    found = {
        'protocol version': {x.key['protocol_version']
                             for x in records}, 'metric version':
        {f'{x.metric} {x.key["metric_version"]}'
         for x in records}, 'PyTorch': {str(x.values.get('torch'))
                                        for x in records}, 'device': {str(x.values.get('device'))
                                                                      for x in records}, 'commit':
        {str(x.values.get('git_hash'))[:10]
         for x in records}
    }
    return [(name, ', '.join(sorted(values))) for name, values in found.items()]


def table_lines(board: Leaderboard, ranked: dict[str, str]) -> list[dict[str, Any]]:
    """Lines of the long table: measured, absent, published."""
    return [*(_own_line(board, x) for x in board.summaries),
            *(_line('absent', x.weights, x.dataset, board.tasks[x.dataset], board.groups[x.dataset], x.protocol,
                    ranked.get(x.dataset, '')) | {'status': x.status, 'source': x.reason} for x in board.absent),
            *(_published_line(board, x, ranked) for x in board.published)]


def _own_line(board: Leaderboard, x) -> dict[str, Any]:
    rank, of = board.ranks[x.weights, x.dataset, x.protocol]
    one = x.records[0]
    trained, total = one.values['trainable_parameters'] / 1e6, one.values['total_parameters'] / 1e6
    return _line('own', x.weights, x.dataset, x.task, x.group, x.protocol, x.metric) | {
        'value': x.value, 'std': x.std, 'seeds': x.n_seeds, 'rank': rank, 'of': of,
        'size': '\N{MULTIPLICATION SIGN}'.join(map(str, one.input_size)),
        'source': '; '.join(filter(None, (f"{one.values['backbone']}, {trained:.2f} M of {total:.2f} M weights trained",
                                          audit_text(one)))),
        'note': ', '.join(f'seed {r.seed}: {x.info.text(r.value)}' for r in x.records)}


def _published_line(board: Leaderboard, x: Published, ranked: dict[str, str]) -> dict[str, Any]:
    return _line('published', x.row, x.dataset, x.task, board.groups[x.dataset], x.protocol, x.metric) | {
        'value': x.value, 'size': x.input_size, 'source': x.source, 'note': x.note, 'is_ranked': ranked.get(x.dataset)
        == x.metric
    }


def _line(kind: str, weights: str, dataset: str, task: str, group: str, protocol: str, metric: str) -> dict[str, Any]:
    empty = dict.fromkeys(('value', 'std', 'seeds', 'rank', 'of'))
    return empty | {
        'kind': kind, 'weights': weights, 'dataset': dataset, 'task': task, 'group': group, 'protocol': protocol,
        'metric': metric, 'status': '', 'size': '', 'source': '', 'note': '', 'is_ranked': True
    }


__all__ = ['ABSENT_MARKS', 'meaning', 'published_rows', 'rank_text', 'to_html', 'value_text']
