"""What ``plan`` finds out about a recipe, as plain values and as tables for a terminal."""
import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from humanbench.engine.available import leave_out_missing
from humanbench.engine.costs import CostTable, find_device
from humanbench.engine.estimate import Estimate, estimate
from humanbench.engine.launch import complete, load_config
from humanbench.engine.plan import Plan
from humanbench.engine.preview import CARD, UNKNOWN, Preview, preview
from humanbench.engine.simulate import Forecast, apply_cut, cut, forecast, grown, one_source_per_rank
from humanbench.errors import UserError, unknown_name
from humanbench.schema import check_config
from humanbench.weights.folder import checkpoints_in, is_checkpoint, read_meta

ROWS = 20  # of the table of ranks
POOR = 0.92  # compute utilisation below which it is said what would help


@dataclass(frozen=True)
class Run:
    """A recipe at one world size.

    Attributes:
        forecast: its placement and times.
        estimate: costs of the units as they are placed.
        parts: into how many units those of the config were cut.
        growth: how many times the config's batch a step has.
        memory: bytes that each rank needs.
    """
    forecast: Forecast
    estimate: Estimate
    parts: Mapping[str, int]
    growth: int
    memory: list[float]

    @property
    def plan(self) -> Plan:
        return self.forecast.plan


@dataclass(frozen=True)
class Recipe:
    """What is asked about.

    Attributes:
        preview: the plan of the config.
        estimate: what its units cost.
        steps: length of the run.
        measured: sources whose costs were measured.
        speeds: of the ranks, or None.
        grow_from: world size above which the batch grows, or None.
        cut: whether units are cut for the world size.
    """
    preview: Preview
    estimate: Estimate
    steps: int
    measured: frozenset[str]
    speeds: Sequence[float] | None
    grow_from: int | None
    cut: bool

    @classmethod
    def from_arguments(cls, args: argparse.Namespace) -> 'Recipe':
        device = find_device(args.device)
        for size in (args.world_size, args.grow_from, *(args.sweep or ())):
            if size is not None and size < 1:
                raise UserError(f'{size} ranks: expected a whole number above zero.')
        config = load_config(args.config, args.flavor, args.protocol, args.cfg_options)
        check_config(config)
        if config.get('leave_out_missing'):
            config, table = leave_out_missing(config)
            print(f'{table}\n')
        found = preview(config, read=not args.cards)
        steps = (config.get('train_cfg') or {}).get('max_steps') if args.steps is None else args.steps
        if args.epochs_of:
            steps = steps_of(args.epochs_of, found.plan)
        if steps is None or steps < 1:
            raise UserError(f'A run of {steps} steps cannot be planned: give --steps, or train_cfg.max_steps.')
        table = read_costs(args.costs, found.plan) if args.costs else None
        costs = estimate(complete(config), device)
        if table is not None:
            costs = costs.with_seconds(table.complete(costs.costs))
        measured = frozenset(table.as_mapping() if table is not None else ())
        return cls(found, costs, steps, measured, args.speeds, args.grow_from, args.cut)

    def at(self, world_size: int, cut_units: bool | None = None) -> Run:
        """The recipe on so many ranks."""
        growth = max(1, world_size // self.grow_from) if self.grow_from else 1
        plan, costs, parts = grown(self.preview.plan, growth), self.estimate, {}
        if self.cut if cut_units is None else cut_units:
            parts = cut(plan, world_size, costs.costs, costs.batch_statistics, costs.device.floor)
            plan, costs = apply_cut(plan, parts), costs.cut(parts)
        result = forecast(plan, world_size, costs.costs, costs.traffic, self.speeds)
        kinds = [tuple(dict.fromkeys(source for source, _ in rank)) for rank in result.placement]
        needs = {kind: costs.memory(kind, world_size) for kind in set(kinds)}
        return Run(result, costs, parts, growth, [needs[kind] for kind in kinds])

    def summary(self, run: Run) -> dict:
        """The figures of a run, as plain values; seconds, bytes, shares."""
        found = run.forecast
        return dict(
            world_size=found.world_size, compute_utilisation=found.compute_utilisation,
            end_to_end_utilisation=found.end_to_end_utilisation,
            original_utilisation=one_source_per_rank(self.preview.plan, found.world_size, self.estimate.costs),
            units=sum(source.slots for source in run.plan.sources.values()), batch_growth=run.growth,
            images_per_step=sum(source.slots * source.batch_size for source in run.plan.sources.values()),
            step_seconds=found.time.total, compute_seconds=found.time.compute, exposed_seconds=found.time.exposed,
            steps=self.steps, hours=found.hours(self.steps), gpu_hours=found.hours(self.steps) * found.world_size,
            head_copies=found.time.copies, sent_bytes_max=float(found.time.sent.max()),
            memory_bytes_max=max(run.memory))

    def content(self, run: Run) -> dict:
        """Everything about a run, as plain values."""
        found = run.forecast
        epochs = run.plan.epochs(self.steps)
        ranks_of: dict[str, list[int]] = {name: [] for name in run.plan.sources}
        for rank, units in enumerate(found.units_per_rank):
            for name in units:
                ranks_of[name].append(rank)
        sources = {
            name: dict(
                task=source.task, samples=None if self.preview.origins[name] == UNKNOWN else source.size,
                samples_from=self.preview.origins[name], batch_size=source.batch_size, slots=source.slots,
                images_per_step=source.batch_size * source.slots, weight=run.plan.weights[name],
                epochs=None if self.preview.origins[name] == UNKNOWN else epochs[name],
                unit_seconds=run.estimate.units[name].seconds, unit_flops=run.estimate.units[name].flops,
                measured=name in self.measured, ranks=ranks_of[name])
            for name, source in run.plan.sources.items()}
        ranks = [dict(units=dict(units), compute_seconds=float(found.time.busy[rank]), memory_bytes=run.memory[rank],
                      sent_bytes=float(found.time.sent[rank])) for rank, units in enumerate(found.units_per_rank)]
        advice = self.advice(run)
        suggestion = None if advice is None else dict(
            compute_utilisation=advice.forecast.compute_utilisation,
            sources={name: dict(batch_size=advice.plan.sources[name].batch_size, slots=advice.plan.sources[name].slots)
                     for name, parts in advice.parts.items() if parts > 1})
        return dict(self.summary(run), sources=sources, ranks=ranks, suggestion=suggestion)

    def advice(self, run: Run) -> Run | None:
        """The run with its units cut, where that is worth it."""
        if run.parts or run.forecast.compute_utilisation >= POOR or run.forecast.world_size == 1:
            return None
        better = self.at(run.forecast.world_size, cut_units=True)
        gain = better.forecast.compute_utilisation - run.forecast.compute_utilisation
        return better if gain > 0.02 else None


def read_costs(path: str, plan: Plan) -> CostTable:
    """A measured cost table for the units of a plan.

    Args:
        path: a checkpoint folder, a work folder (its newest such), or a JSON file of such a table.
        plan: whose units they are.

    Raises:
        UserError: there is none.
    """
    batch_sizes = {name: source.batch_size for name, source in plan.sources.items()}
    if Path(path).is_dir():
        return CostTable.from_dict(_costs_of_run(Path(path)), batch_sizes)
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
    except (OSError, ValueError) as error:
        raise UserError(f"--costs '{path}' cannot be read: {error}. Expected a checkpoint folder (iter_N), a work "
                        'folder, or a JSON file.') from error
    return CostTable.from_dict(content, batch_sizes)


def _costs_of_run(folder: Path) -> Mapping[str, Any]:
    """The table in a checkpoint folder, or in the newest of a work folder."""
    found = [folder] if is_checkpoint(folder) else list(checkpoints_in(folder).values())
    if not found:
        raise UserError(f"--costs '{folder}' has no checkpoint folder (iter_N) in it, which is where a run keeps what "
                        'its units cost; weights alone (.pth) do not say it.')
    return read_meta(found[-1])['training']['costs']


def steps_of(text: str, plan: Plan) -> int:
    """Steps of a run from ``SOURCE=EPOCHS``."""
    name, _, epochs = text.partition('=')
    if name not in plan.sources:
        raise unknown_name('source of --epochs-of', name, plan.sources)
    if not epochs.replace('.', '', 1).isdigit() or not float(epochs):
        raise UserError(f"--epochs-of '{text}': expected SOURCE=N with N above zero, such as {name}=100.")
    return max(1, round(float(epochs) / plan.epochs(1)[name]))


def show_run(console: Console, recipe: Recipe, run: Run, title: str) -> None:
    """Print a run in detail."""
    found, device = run.forecast, recipe.estimate.device
    console.print(f'[bold]{title}[/] on {found.world_size} x {device.name.upper()}, {recipe.steps:,} steps')
    console.print()
    console.print(_sources(console, recipe, run))
    cards = [name for name, origin in recipe.preview.origins.items() if origin == CARD]
    if cards:
        console.print(f'* size from the dataset card, not from the disk ({len(cards)} of {len(run.plan.sources)}).')
    unknown = [name for name, origin in recipe.preview.origins.items() if origin == UNKNOWN]
    if unknown:
        console.print(f'? neither on disk nor on the card: {", ".join(unknown)}.')
    console.print()
    console.print(_ranks(console, run))
    console.print()
    time = found.time
    console.print(
        f'Compute utilisation [bold]{found.compute_utilisation:.1%}[/], end to end '
        f'{found.end_to_end_utilisation:.1%}.\n'
        f'Step {_ms(time.total)}: {_ms(time.compute)} on the slowest rank, {_ms(time.exposed)} of gradient traffic '
        f'that nothing hides.\nRun of {recipe.steps:,} steps: [bold]{_duration(found.hours(recipe.steps))}[/], '
        f'{found.hours(recipe.steps) * found.world_size:,.1f} device hours.', highlight=False)
    _show_warnings(console, recipe, run)


def _show_warnings(console: Console, recipe: Recipe, run: Run) -> None:
    device = recipe.estimate.device
    full = [rank for rank, need in enumerate(run.memory) if need > device.memory]
    if full:
        console.print(f'[red]Memory:[/] ranks {_ranges(full)} need more than the {_gb(device.memory)} GB of a '
                      f'{device.name.upper()}. Cut their units (--cut), or recompute activations '
                      '(model.backbone.checkpointing).')
    advice = recipe.advice(run)
    if advice is not None:
        console.print(f'The units are too large to share evenly. Cut as below (the same images in every step, another '
                      f'recipe), {advice.forecast.compute_utilisation:.1%} would compute:')
        _show_cut(console, advice)
    elif any(parts > 1 for parts in run.parts.values()):
        console.print('Units were cut; to train like this:')
        _show_cut(console, run)
    kind = f'measured for {len(recipe.measured)} of {len(run.plan.sources)} sources, else ' if recipe.measured else ''
    console.print(f'Times are {kind}estimates: {device.achieved:.0%} of the peak of one {device.name.upper()}, '
                  'without data loading. Memory is an estimate, too.', highlight=False)


def _show_cut(console: Console, run: Run) -> None:
    options = [f'sources.{name}.batch_size={run.plan.sources[name].batch_size} '
               f'sources.{name}.slots={run.plan.sources[name].slots}' for name, parts in run.parts.items() if parts > 1]
    console.print('  --cfg-options ' + '\n    '.join(options), highlight=False, soft_wrap=True)


def _table(console: Console) -> Table:
    """An empty table, tight where the terminal is narrow."""
    return Table(box=SIMPLE_HEAD, padding=(0, int(console.width >= 90), 0, 0), pad_edge=False, show_edge=False,
                 caption_justify='left')


def _sources(console: Console, recipe: Recipe, run: Run) -> Table:
    view = _table(console)
    view.add_column('source', no_wrap=True)
    view.add_column('task', no_wrap=True)
    for name in ('samples', 'units', 'batch', 'epochs', 'ms/unit', 'share'):
        view.add_column(name, justify='right', no_wrap=True)
    view.add_column('ranks')
    epochs, costs, found = run.plan.epochs(recipe.steps), run.estimate.costs, run.forecast
    total = sum(costs[name] * source.slots for name, source in run.plan.sources.items())
    units = found.units_per_rank
    for name, source in run.plan.sources.items():
        origin = recipe.preview.origins[name]
        mark = '*' if origin == CARD else ' '
        view.add_row(
            name, source.task, '?' if origin == UNKNOWN else f'{source.size:,}{mark}',
            f'{source.slots}x{source.batch_size}', f'{source.slots * source.batch_size:,}',
            '?' if origin == UNKNOWN else f'{epochs[name]:,.{0 if epochs[name] >= 100 else 1}f}',
            f'{1000 * costs[name]:.1f}', f'{costs[name] * source.slots / total:.0%}',
            _ranges([rank for rank, held in enumerate(units) if name in held], most=3))
    view.caption = f'batch: {sum(s.slots * s.batch_size for s in run.plan.sources.values()):,} images in a step'
    return view


def _ranks(console: Console, run: Run) -> Table:
    """One row for each group of neighbouring ranks that do the same."""
    view = _table(console)
    view.add_column('rank', no_wrap=True)
    view.add_column('units')
    for name in ('compute ms', 'busy', 'memory GB', 'sends MB'):
        view.add_column(name, justify='right', no_wrap=True)
    time, groups = run.forecast.time, []
    for rank, units in enumerate(run.forecast.units_per_rank):
        if groups and groups[-1][1] == units:
            groups[-1][0].append(rank)
        else:
            groups.append(([rank], units))
    for ranks, units in groups[:ROWS]:
        first = ranks[0]
        view.add_row(_ranges(ranks), _counted(units), f'{1000 * time.busy[first]:.1f}',
                     f'{time.busy[first] / time.total:.1%}', _gb(run.memory[first]), f'{time.sent[first] / 1e6:,.0f}')
    if len(groups) > ROWS:
        rest = sum(len(ranks) for ranks, _ in groups[ROWS:])
        view.caption = f'and {rest} more ranks, all of them in --json'
    return view


def show_sweep(console: Console, recipe: Recipe, runs: Sequence[Run]) -> None:
    """Print world sizes side by side."""
    view = _table(console)
    for name in ('ranks', 'units', 'batch', 'step ms', 'compute', 'whole', 'PATH', 'hours', 'heads', 'GB', 'MB'):
        view.add_column(name, justify='right', no_wrap=True)
    for run in runs:
        row = recipe.summary(run)
        original = row['original_utilisation']
        view.add_row(
            f"{row['world_size']:,}", f"{row['units']:,}", f"{row['images_per_step']:,}",
            f"{1000 * row['step_seconds']:,.1f}", f"{row['compute_utilisation']:.1%}",
            f"{row['end_to_end_utilisation']:.1%}", '-' if original is None else f'{original:.0%}',
            f"{row['hours']:,.1f}", f"{row['head_copies']:,}", _gb(row['memory_bytes_max']),
            f"{row['sent_bytes_max'] / 1e6:,.0f}")
    console.print()
    console.print(view)
    console.print()
    console.print('compute: utilisation while the slowest rank computes; whole: of the whole step, gradient traffic '
                  "included; PATH: of its release's scheme, one GPU a slot, - where that cannot run. hours: of "
                  f'{recipe.steps:,} steps. heads: copies on all ranks. GB needed and MB sent: of the rank with the '
                  'most.', highlight=False)


def _counted(units: Counter) -> str:
    return ', '.join(name if count == 1 else f'{count} {name}' for name, count in units.items()) or 'idle'


def _ranges(ranks: Sequence[int], most: int | None = None) -> str:
    """0-3, 5, 7-8; beyond ``most`` ranges, how many there are besides."""
    runs: list[list[int]] = []
    for rank in ranks:
        if runs and rank == runs[-1][1] + 1:
            runs[-1][1] = rank
        else:
            runs.append([rank, rank])
    texts = [str(a) if a == b else f'{a}-{b}' for a, b in runs]
    if most is not None and len(texts) > most:
        texts = [*texts[:most - 1], f'+{sum(b - a + 1 for a, b in runs[most - 1:])}']
    return ', '.join(texts)


def _ms(seconds: float) -> str:
    return f'{1000 * seconds:,.1f} ms'


def _duration(hours: float) -> str:
    if hours >= 1:
        return f'{hours:,.1f} hours'
    return f'{60 * hours:.1f} minutes' if hours >= 1 / 60 else f'{3600 * hours:.0f} seconds'


def _gb(size: float) -> str:
    return f'{size / 1e9:.1f}' if size < 100e9 else f'{size / 1e9:.0f}'
