"""Small pretrainings side by side, a worker process each: kill them at any point and start them again."""
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, TextIO

from humanbench.errors import UserError

from .files import digest, folder_lock, read_json, write_json
from .progress import format_seconds, progress_for
from .recipe import shaping
from .recording import git_revision
from .workers import Answer, Worker

RECORD = 'pretraining.json'


@dataclass(frozen=True)
class Pretraining:
    """One pretraining.

    Attributes:
        name: for people, and of its folder.
        config: the recipe.
        options: dotted config keys to values, over the recipe.
        seed: of the run; also the name of its folder.
        out: where the folders of all pretrainings lie.
        flavor: of the recipe, below the options.
        after: :attr:`template` of the pretraining, of the same seed, whose networks and heads it goes on from.
        test: whether the recipe's own evaluations are run at its end.
    """
    name: str
    config: str
    options: Mapping[str, Any]
    seed: int
    out: Path
    flavor: str | None = None
    after: str = ''
    test: bool = False

    @cached_property
    def template(self) -> str:
        """The file at its end, with ``{seed}`` for the seed; in a folder that no other recipe has."""
        from humanbench.engine.launch import load_config
        config = load_config(self.config, self.flavor, options=self.options)
        shape = shaping(config.to_dict())
        recipe = digest([shape, Path(self.after).parts[-3:]] if self.after else shape)[:8]  # wherever the folder lies
        return str(self.out / f'{self.name}__{recipe}' / '{seed}' / f'iter_{config.train_cfg.max_steps}.pth')

    @property
    def checkpoint(self) -> Path:
        """The file at its end."""
        return Path(self.template.replace('{seed}', str(self.seed)))

    @property
    def weights(self) -> str:
        """What it starts from; empty for first values."""
        return self.after.replace('{seed}', str(self.seed))

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        record = self.checkpoint.parent / RECORD
        return record.is_file() and (not self.test or 'tests' in read_json(record))

    def __str__(self) -> str:
        return f'{self.name}, seed {self.seed}'


def pretrain(config_path: str, flavor: str | None, options: Mapping[str, Any], seed: int, work_dir: str,
             weights: str = '', test: bool = False) -> dict[str, Any]:
    """Pretrain one recipe, from where it was interrupted; what a worker runs.

    Returns:
        ``steps``, taken in all; ``tests``, the metrics of each evaluation, where they were asked for.
    """
    from humanbench.engine.command import evaluate_all
    from humanbench.engine.finetune import end_if_stopped
    from humanbench.engine.launch import build_runner, load_config
    from humanbench.schema import check_config
    from humanbench.weights.folder import newest
    config = load_config(config_path, flavor, options=options)
    config.seed, config.work_dir, config.resume = seed, work_dir, newest(work_dir) is not None
    if weights:
        config.weights = weights
    check_config(config)
    runner = build_runner(config)
    runner.train()
    end_if_stopped(runner)
    tests = dict(tests=evaluate_all(config, None, model=runner.model)) if test else {}
    return dict(steps=runner.iter, **tests)


def run_pretrainings(wanted: Sequence[Pretraining], workers: int, stream: TextIO | None = None) -> None:
    """Run those that are not finished, ``workers`` at a time; each leaves ``pretraining.json`` beside its checkpoint.

    Raises:
        UserError: one of them failed (where its log is), or another command runs them.
    """
    queue = deque(x for x in wanted if not x.finished)
    if not queue:
        return
    running: dict[Any, tuple[Worker, Pretraining]] = {}
    with folder_lock(queue[0].out), progress_for(len(queue), stream or sys.stdout) as progress:
        try:
            while queue or running:
                while queue and len(running) < workers:
                    worker = _start(queue[0])
                    running[worker.connection] = worker, queue.popleft()
                progress.update(str(x) for _, x in running.values())
                for connection in wait(list(running)):
                    worker, one = running.pop(connection)
                    answer = worker.receive()
                    worker.stop()
                    _keep(one, answer)
                    progress.finish(f'{one}: {answer.result["steps"]} steps ({format_seconds(answer.seconds)})', True)
        finally:
            for worker, _ in running.values():
                worker.stop()


def _start(one: Pretraining) -> Worker:
    folder = one.checkpoint.parent
    worker = Worker(pretrain, threads=1, devices=None)
    worker.submit(dict(config_path=one.config, flavor=one.flavor, options=dict(one.options), seed=one.seed,
                       work_dir=str(folder), weights=one.weights, test=one.test), folder / 'log.txt')
    return worker


def _keep(one: Pretraining, answer: Answer) -> None:
    """Note beside the checkpoint how it was made; refuse an answer that has none."""
    folder = one.checkpoint.parent
    if answer.result is None:
        raise UserError(f"The pretraining of {one} ended: {answer.error}\nIts log is '{folder / 'log.txt'}'. The same "
                        'command goes on from its last checkpoint.')
    write_json(folder / RECORD, dict(
        name=one.name, config=one.config, flavor=one.flavor, options=dict(one.options), weights=one.weights,
        seed=one.seed, seconds=round(answer.seconds, 1), **answer.result, **git_revision(), **(answer.machine or {})))
