"""What ``tools/benchmark.py`` does for each of its verbs, after reading the command line."""
import re
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from humanbench.errors import UserError

from ..datasets.audit import read_audit
from .audit import record_audit
from .compare import compare_rows
from .disk import plan_disk, size_text
from .files import json_text, write_json
from .plan import PlannedCell, Weights, plan
from .progress import format_seconds
from .report import write_report
from .results import ANY_FLAVOR, load_records
from .run import run_cells
from .scheduler import Outcome
from .slurm import submit
from .together import units_per_step
from .validate import check_folder


def plan_command(arguments: Namespace) -> int:
    """Print the plan and its cost; nothing runs."""
    planned = _planned(arguments)
    if arguments.json == '-':
        sys.stdout.write(json_text(_plan_json(planned, arguments.out)))
        return 0
    print(plan_text(planned, arguments.out))
    if arguments.json:
        write_json(Path(arguments.json), _plan_json(planned, arguments.out))
    return 0


def run_command(arguments: Namespace, report: bool = False) -> int:
    """Run what is not cached, here or as a job array, and report failures at the end."""
    if arguments.jobs is not None and arguments.slurm is None:
        raise UserError('--jobs N is for a job array: give --slurm as well, or --workers N here.')
    planned = _planned(arguments)
    if arguments.audit:
        read_audit(arguments.audit)  # a mistake is said before hours of training
    print(plan_text(planned, arguments.out))
    cells = sum(x.status == 'run' for x in planned)
    if arguments.gpus_per_cell > 1:
        print(sharing_text(planned, arguments.gpus_per_cell))
    if arguments.slurm is not None and cells:
        print(submit(arguments.argv, arguments.slurm, arguments.out, cells, arguments.jobs))
        return 0
    outcome = run_cells(planned, arguments.out, arguments.workers, arguments.retries, processes=arguments.gpus_per_cell)
    print(outcome_text(outcome))
    if outcome.stopped:
        return 128 + signal.Signals[outcome.stopped]
    if arguments.audit:
        print(f'{record_audit(arguments.out, planned, arguments.audit)} records say what {arguments.audit} found.')
    if report and load_records(arguments.out, arguments.flavor):
        _print_files(write_report(arguments.out, arguments.flavor, _planned(arguments)))
    return 0 if outcome.ok else 1


def all_command(arguments: Namespace) -> int:
    """Plan, run, report."""
    return run_command(arguments, report=True)


def report_command(arguments: Namespace) -> int:
    """Write the leaderboard of the records there are."""
    _print_files(write_report(arguments.out, _flavor(arguments.flavor)))
    return 0


def validate_command(arguments: Namespace) -> int:
    """Check records and rows; say what is wrong and what is absent."""
    found = check_folder(arguments.out, _flavor(arguments.flavor))
    print(found)
    return 0 if found.ok else 1


def compare_command(arguments: Namespace) -> int:
    """Print two rows cell by cell."""
    print(compare_rows(load_records(arguments.out, _flavor(arguments.flavor)), *arguments.rows))
    return 0


COMMANDS = {'plan': plan_command, 'run': run_command, 'all': all_command, 'report': report_command,
            'validate': validate_command, 'compare': compare_command}


def _plan_json(planned: Sequence[PlannedCell], out: str | Path) -> list[dict]:
    return [x.to_json() | dict(disk=asdict(disk)) for x, disk in zip(planned, plan_disk(planned, out).cells)]


def _planned(arguments: Namespace) -> list[PlannedCell]:
    rows = [Weights.parse(x, arguments.backbone) for x in arguments.weights]
    return plan(arguments.datasets, arguments.protocols, rows, arguments.seeds, arguments.flavor, arguments.out,
                arguments.retries, _overrides(arguments.cfg_options))


def _overrides(options: Sequence[str] | None) -> dict | None:
    """``a.b=1`` -> {'a.b': 1}, with values read as MMEngine reads them."""
    if not options:
        return None
    wrong = [x for x in options if not re.fullmatch(r'[^=]+=.*', x, re.DOTALL)]
    if wrong:
        raise UserError(f"--cfg-options takes KEY=VALUE; got {', '.join(wrong)}.")
    from mmengine.config import DictAction
    parser = ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_args(['--cfg-options', *options]).cfg_options


def _flavor(text: str) -> str | None:
    return {'any': ANY_FLAVOR, 'none': None}.get(text, text)


def _print_files(paths: Sequence[Path]) -> None:
    print('Leaderboard: ' + ', '.join(map(str, paths)))


def plan_text(planned: Sequence[PlannedCell], out: str | Path) -> str:
    """The plan for people: a line per dataset and row, what will not run and why, and the cost in time and disk."""
    counts = Counter(x.status for x in planned)
    lines = [
        f'{len(planned)} cells: ' + ', '.join(f'{n} {status.replace("run", "to run")}' for status, n in counts.items())
    ]
    lines += _plan_table(planned)
    networks = {x.cell.weights.name: x.backbone for x in planned}
    lines += [f'{weights} is measured in the network {backbone}' for weights, backbone in networks.items()]
    reasons = Counter((x.status, x.reason) for x in planned if x.reason)
    lines += [f'{status} ({n} cells): {reason}' for (status, reason), n in reasons.items()]
    lines.append(_cost_text([x for x in planned if x.status == 'run']))
    if counts['run']:
        lines.append(_disk_text(planned, out))
    return '\n'.join(lines)


def _plan_table(planned: Sequence[PlannedCell]) -> list[str]:
    """A line for each dataset and row: what becomes of its cells under each protocol, over all seeds."""
    names = list(dict.fromkeys(x.cell.protocol for x in planned))
    seeds = len({x.cell.seed for x in planned})
    by_row: dict[tuple[str, str], dict[str, list[str]]] = {}
    for x in planned:
        row = by_row.setdefault((x.cell.dataset, x.cell.weights.name), {name: [] for name in names})
        row[x.cell.protocol].append(x.status)
    rows = [['dataset', 'weights', *names, f'({seeds} seed{"s" * (seeds > 1)})']]
    rows += [[*row, *(_counts(statuses) for statuses in by_row[row].values()), ''] for row in by_row]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ['  '.join(f'{text:<{width}}' for text, width in zip(row, widths)).rstrip() for row in rows]


def _counts(statuses: Sequence[str]) -> str:
    short = {'run': 'to run', 'not applicable': 'n/a', 'missing data': 'no data'}
    counts = Counter(short.get(x, x) for x in statuses)
    return next(iter(counts)) if len(counts) == 1 else ', '.join(f'{n} {x}' for x, n in counts.items())


def _cost_text(cells: Sequence[PlannedCell]) -> str:
    if not cells:
        return 'Nothing to run.'
    known = [x.seconds for x in cells if x.seconds is not None]
    if not known:
        return 'Estimated cost: unknown, for no cell of this size has finished here yet.'
    text = f'Estimated cost: {format_seconds(sum(known))} on one device for {len(known)} cells'
    unknown = len(cells) - len(known)
    return text + (f', unknown for {unknown} (none of their size has finished here yet).' if unknown else '.')


def sharing_text(planned: Sequence[PlannedCell], processes: int) -> str:
    """Which cells several processes can share, and which leave some idle."""
    units = {x.recipe.dataset: units_per_step(str(x.recipe.config), x.cell.protocol, x.cell.flavor, x.overrides)
             for x in planned if x.status == 'run'}
    idle = [f'{name} {count}' for name, count in units.items() if count < processes]
    if not idle:
        return f'{processes} processes train each cell.'
    return (f'{processes} processes train each cell, as many as its step has units: ' + ', '.join(idle)
            + ' keep fewer busy. docs/benchmark.md says how units are cut.')


def _disk_text(planned: Sequence[PlannedCell], out: str | Path) -> str:
    found = plan_disk(planned, out)
    text = f'Disk: {size_text(found.kept)} when all are done, {size_text(found.running)} more for each that runs'
    text += f', {size_text(found.data)} for MiniHuman editions' if found.data else ''
    text += f'; {size_text(found.free)} are free.'
    return text + ('' if found.fits else ' THAT IS NOT ENOUGH.')


def outcome_text(outcome: Outcome) -> str:
    """How a run ended, failures last so that they are seen."""
    counts = (len(outcome.done), len(outcome.skipped), len(outcome.failed))
    lines = ['{} cells done, {} cached or not applicable, {} failed.'.format(*counts)]
    for planned, error in outcome.failed:
        lines.append(f'FAILED {planned.cell}: {error}')
    if outcome.elsewhere:
        owners = '; '.join(dict.fromkeys(owner for _, owner in outcome.elsewhere))
        lines.append(f'{len(outcome.elsewhere)} cells are run by others in this folder ({owners}).')
    if outcome.stopped:
        lines.append(f'Stopped ({outcome.stopped}): what was training has saved its step. The same command goes on.')
    if outcome.failed:
        lines.append(
            'Logs are in work/<cell>/log.txt of the output folder. Cells that failed too often are tried again '
            'with a larger --retries.')
    return '\n'.join(lines)
