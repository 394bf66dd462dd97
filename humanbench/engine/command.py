"""What the command-line tools share: options to a config, evaluations to a table, user errors without a trace."""
import contextlib
import json
import math
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from rich.console import Console
from rich.table import Table
from torch import nn

from .. import weights
from ..errors import CheckpointError, UserError
from ..files import write_text
from ..schema import check_config
from .launch import build_runner, load_config
from .lost import LostRanks
from .runner import HumanRunner


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Print a user's mistake as one message and exit with status 2, the loss of another process with status 1; let
    every other error show its trace."""
    try:
        yield
    except LostRanks as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        raise SystemExit(1) from error
    except UserError as error:
        print(f'{type(error).__name__}: {_own_words(error)}', file=sys.stderr)
        raise SystemExit(2) from error


def _own_words(error: UserError) -> str:
    """The message without the trace that a DataLoader puts before what one of its processes raised."""
    text = str(error)
    if 'Original Traceback (most recent call last)' not in text:
        return text
    return text.rstrip().rsplit(f'{type(error).__name__}: ', 1)[-1]


def configure(args: Namespace) -> Config:
    """The config that a command line asks for, checked."""
    config = load_config(args.config, args.flavor, args.protocol, args.cfg_options, getattr(args, 'backbone', None),
                         getattr(args, 'weights', None) or getattr(args, 'checkpoint', None))
    config.launcher = args.launcher
    if args.work_dir:
        config.work_dir = args.work_dir
    if getattr(args, 'seed', None) is not None:
        config.seed = args.seed
    if getattr(args, 'weights', None):
        config.weights = args.weights
    resume = getattr(args, 'resume', None)
    if resume:
        if resume != 'auto' and not Path(resume).exists():
            raise UserError(f"--resume: there is no checkpoint '{resume}'. Give a checkpoint folder (iter_N), or "
                            '--resume alone to continue the run in the work folder.')
        config.resume = True
        config.load_from = None if resume == 'auto' else resume
    check_config(config)
    return config


def evaluate_all(config: Config, checkpoint: str | None, name: str | None = None,
                 json_file: str | None = None, after: Callable[[str, HumanRunner], None] | None = None,
                 model: nn.Module | None = None) -> dict[str, dict]:
    """Run the evaluations of a config and print them as one table.

    Args:
        config: of the model.
        checkpoint: the trained model, or ``scratch``; None evaluates ``model`` or what the config's ``weights`` say.
        name: one evaluation instead of all.
        json_file: where to write the metrics as well; null for one that is not a number.
        after: called after every evaluation with its name and the runner, which holds model and data.
        model: in place of a checkpoint, one that has just been trained.

    Returns:
        The metrics by evaluation.
    """
    names = [name] if name else evaluations_of(config)
    if model is None and not checkpoint and not config.get('weights'):
        raise UserError('Which model? Expected --checkpoint FILE; --checkpoint scratch tests an untrained one.')
    config, results = config.copy(), {}
    config.pop('optim_wrapper', None)  # nothing is trained
    if model is not None:
        config.pop('weights', None)
    for evaluation in names:
        runner = build_runner(config, evaluation)
        if model is None and checkpoint:
            report = load_trained(runner.model, checkpoint, {config.evaluations[x].source for x in names})
            if is_main_process():
                print(report)
        elif model is not None:
            runner.model = model
        model = runner.model
        results[evaluation] = {key: float(value) for key, value in runner.test().items()}
        if after is not None:
            after(evaluation, runner)
    if not is_main_process():  # of several, each has evaluated its share, and all have the results
        return results
    Console().print(table(results))
    if json_file:
        write_json(json_file, {evaluation: {key: value if math.isfinite(value) else None for key, value in x.items()}
                               for evaluation, x in results.items()})
    return results


def evaluations_of(config: Config) -> list[str]:
    """The names of a config's evaluations.

    Raises:
        UserError: it has none.
    """
    names = list(config.get('evaluations', {}))
    if not names:
        raise UserError(f'{config.filename} has no evaluations.')
    return names


def load_trained(model: nn.Module, checkpoint: str, sources: Iterable[str]) -> weights.LoadReport:
    """Put a checkpoint into everything that predicts for ``sources``; none of it may keep its random values.

    Raises:
        CheckpointError: of another model, or without some of these heads.
    """
    parts = {f'{kind}.{name}': None for source in sorted(sources)
             for kind, name in (('projectors', model.routes[source]), ('heads', source))}
    report = weights.load_into(model, checkpoint, parts=('backbone', *parts))
    if report.missing and checkpoint != 'scratch':
        raise CheckpointError(
            f"'{checkpoint}' lacks {len(report.missing)} parameters of the model that is tested, "
            f"'{report.missing[0]}' first. Give a checkpoint trained with this config, or test it with its own.")
    return report


def table(results: Mapping[str, Mapping[str, float]]) -> Table:
    """Metrics by evaluation, for a terminal."""
    view = Table('evaluation', 'metric', 'value', title='Evaluation')
    for evaluation, metrics in results.items():
        for i, (key, value) in enumerate(metrics.items()):
            view.add_row(evaluation if i == 0 else '', key, f'{value:.4f}')
    return view


def write_json(path: str | Path, content) -> None:
    """Write JSON whole or not at all."""
    write_text(Path(path), json.dumps(content, indent=2, allow_nan=False) + '\n')
