"""Every reader on damaged files: it reads them, or says in one line what is wrong with which; nothing else happens.

    python -m tests.datasets.fuzz --inputs 2000 --seed 1 [DATASET ...]

An input is a copy of a dataset (MiniHuman's tiny edition, in the native format) in which one file that the reader opens
is damaged. It is read in a child process: a crash, a hang and hunger for memory are seen, and so is every file that is
opened outside the dataset.
"""
import argparse
import faulthandler
import math
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

import humanbench
from humanbench import catalog
from humanbench.datasets import places
from humanbench.datasets.base import HumanDataset
from humanbench.datasets.roots import dataset_root
from humanbench.errors import DataError, UserError

from .damage import IMAGES, Damage

SECONDS = 20.0
SOUND_SECONDS = 120.0
MEMORY = 1_500_000_000  # bytes above what the process has when it begins
RECORDS = 6             # of each input that go through the pipeline
LONGEST = 4000          # letters of a message
PIPELINES = Path(humanbench.__file__).parents[1] / 'configs/_base_/pipelines'
NUMBERS = ('bbox', 'bbox_score', 'keypoints', 'keypoints_visible', 'keypoints_3d', 'center', 'scale', 'head_size',
           'gt_points', 'area', 'instances')
READ, REFUSED, FAILED = 'read', 'refused', 'failed'


@dataclass(frozen=True)
class Outcome:
    """What became of an input: :data:`READ`, :data:`REFUSED` (by one sound message) or :data:`FAILED`."""
    dataset: str
    number: int
    kind: str
    text: str = ''
    split: str = ''
    file: str = ''
    damage: str = ''


class Misbehaviour(Exception):
    """A reader does what it may not."""


class Watch:
    """Sees which files are opened. Python offers no way to take it away again: it is for child processes."""

    def __init__(self, root: Path):
        self.opened: set[str] = set()
        self.root = os.path.realpath(root)
        beside = (sys.prefix, sys.base_prefix, Path(humanbench.__file__).parent, Path(__file__).parents[1], '/proc',
                  '/sys', '/dev', '/usr', os.environ['HUMANBENCH_CACHE'])  # readers are hashed, so they are read, too
        self._allowed = tuple(f'{os.path.realpath(x)}/' for x in beside)
        self.active = False
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple) -> None:
        if self.active and event in ('open', 'sqlite3.connect') and isinstance(arguments[0], (str, bytes, os.PathLike)):
            name = os.fsdecode(arguments[0])
            if event == 'sqlite3.connect':
                name = name.removeprefix('file:').partition('?')[0]
            self.opened.add(os.path.realpath(name))

    def outside(self) -> list[str]:
        """What was opened outside the dataset, other than the program itself and its cache."""
        return [x for x in sorted(self.opened)
                if not x.startswith(f'{self.root}/') and x != self.root and not x.startswith(self._allowed)]


@cache
def pipeline(dataset: str) -> list:
    """The test pipeline of a dataset's task."""
    task = 'rgbd' if dataset == 'ntu_rgbd' else catalog.card(dataset).tasks[0]
    return Config.fromfile(PIPELINES / f'{task}.py')[f'{task}_test_pipeline']


def read(reader: type[HumanDataset], dataset: str, split: str, root: Path) -> None:
    """Open a dataset and read records: all labels, and some through the pipeline. The first error ends it."""
    data = reader(root, split, dataset=dataset, pipeline=pipeline(dataset))
    for i in range(len(data)):
        record = data.get_data_info(i)
        if not _finite([record.get(x) for x in NUMBERS]):
            raise Misbehaviour(f'record {i} holds what is no number: {record}')
        if i < RECORDS:
            data[i]


def _finite(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return bool(np.isfinite(value).all())
    if isinstance(value, Mapping):
        return all(map(_finite, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def check_message(error: UserError, root: Path) -> None:
    """One line that can be printed and names a file of the dataset; nor may the memory have run out before it."""
    text, cause = str(error), error
    text.encode()  # a lone surrogate would end the program that prints it
    if type(error) not in (DataError, UserError):
        raise Misbehaviour(f'{type(error).__name__}: {text}')
    if len(text.splitlines()) != 1 or not text.isprintable() or len(text) > LONGEST:
        raise Misbehaviour(f'not a message of one line: {text[:300]!r}')
    if f'{root}/' not in text and 'has no record for split' not in text:
        raise Misbehaviour(f'a message that names no file: {text}')
    while cause is not None:
        if isinstance(cause, MemoryError) or 'Insufficient memory' in str(cause):
            raise Misbehaviour(f'out of memory: {text}')
        cause = cause.__cause__ or cause.__context__


class Subject:
    """A reader, and a sound copy of its dataset to damage.

    Args:
        reader: class.
        dataset: id.
        sound: folder of the dataset.
        place: a folder to work in.
    """

    def __init__(self, reader: type[HumanDataset], dataset: str, sound: Path, place: Path):
        self.reader, self.dataset, self.sound = reader, dataset, sound
        self.root, self.outside = place / 'data/set', place / 'outside'
        self._files: dict[str, tuple[list[str], list[str]]] = {}
        self._watch: Watch | None = None

    def _fresh(self) -> None:
        for folder in (self.root, self.outside):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.sound, self.root)
        self.outside.mkdir(parents=True)
        (self.outside / 'secret').write_text('secret')

    def files(self, split: str) -> tuple[list[str], list[str]]:
        """Files of labels and images that are opened when a split is read."""
        if split not in self._files:
            self._fresh()
            read(self.reader, self.dataset, split, self.root)  # libraries open files of their own at their first use
            self._observed(lambda: read(self.reader, self.dataset, split, self.root))
            inside = [os.path.relpath(x, self._watch.root) for x in sorted(self._watch.opened)
                      if x.startswith(f'{self._watch.root}/')]
            self._files[split] = ([x for x in inside if not x.endswith(IMAGES)],
                                  [x for x in inside if x.endswith(IMAGES)])
        return self._files[split]

    def _observed(self, call: Any) -> None:
        """Call, and raise if a file outside was opened, whatever else happened."""
        self._watch = self._watch or Watch(self.root)
        self._watch.opened.clear()
        self._watch.active = True
        try:
            call()
        finally:
            self._watch.active = False
            if self._watch.outside():
                raise Misbehaviour(f'opened outside the dataset: {self._watch.outside()}')

    def attempt(self, number: int, seed: int) -> Outcome:
        """Damage and read input ``number``."""
        rng = random.Random(f'{seed}/{self.dataset}/{number}')
        split = rng.choice(self.reader.splits)
        labels, images = self.files(split)
        file = rng.choice(labels if labels and (rng.random() < 0.75 or not images) else images)
        self._fresh()
        damage = Damage(self.root, self.outside, rng).apply(self.root / file)
        told = partial(Outcome, self.dataset, number, split=split, file=file, damage=damage)
        try:
            try:
                self._observed(lambda: read(self.reader, self.dataset, split, self.root))
            except UserError as error:
                check_message(error, self.root)
                return told(REFUSED, str(error))
        except BaseException as error:  # what a reader may not raise: that is what is looked for
            place = [x for x in traceback.extract_tb(error.__traceback__) if 'humanbench' in x.filename][-1:]
            where = ''.join(f' ({Path(x.filename).name}:{x.lineno})' for x in place)
            return told(FAILED, f'{type(error).__name__}: {error}{where}'[:LONGEST])
        return told(READ)


def _child(make: Any, numbers: Sequence[int], seed: int, pipe: Any) -> None:
    """Read inputs one after the other; a number, before each, says which it is."""
    faulthandler.disable()
    warnings.simplefilter('ignore')
    np.seterr(all='ignore')
    sys.stderr = open(os.devnull, 'w')  # noqa: SIM115 (of a process that ends in a moment)
    sys.stdout = sys.stderr
    os.dup2(sys.stderr.fileno(), 2)  # what libraries in C have to say about images
    try:
        _attempts(make(), numbers, seed, pipe)
    except BaseException:  # of this harness, or on sound data: no failure on a damaged file
        pipe.send(traceback.format_exc())
        raise


def _attempts(subject: Subject, numbers: Sequence[int], seed: int, pipe: Any) -> None:
    for split in subject.reader.splits:
        subject.files(split)
    pages = int(Path('/proc/self/statm').read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in numbers:
        pipe.send(number)
        pipe.send(subject.attempt(number, seed))


def fuzz(reader: type[HumanDataset], dataset: str, inputs: int, seed: int, seconds: float = SECONDS) -> list[Outcome]:
    """Try so many damaged inputs.

    Args:
        reader: class.
        dataset: its id.
        inputs: how many.
        seed: which.
        seconds: an input that takes longer hangs.
    """
    context = multiprocessing.get_context('fork')
    sound, outcomes = dataset_root('minihuman:tiny', catalog.card(dataset)), []
    pipeline(dataset)
    with tempfile.TemporaryDirectory(prefix='fuzz') as place:
        make = partial(Subject, reader, dataset, sound, Path(place))
        while len(outcomes) < inputs:
            ours, theirs = context.Pipe()
            child = context.Process(target=_child, args=(make, range(len(outcomes), inputs), seed, theirs))
            child.start()
            theirs.close()
            outcomes += _received(ours, dataset, child, seconds)
            ours.close()
    return outcomes


def _received(pipe: Any, dataset: str, child: Any, seconds: float) -> Iterator[Outcome]:
    """What a child says; the input at which it falls silent is a failure."""
    number, end = None, 'crash'
    while True:
        try:
            if not pipe.poll(seconds if number is not None else SOUND_SECONDS):
                end = 'hang'
                break
            message = pipe.recv()
        except (EOFError, ConnectionResetError):
            break
        if isinstance(message, str):
            raise RuntimeError(f'{dataset}, {"sound data" if number is None else f"input {number}"}: {message}')
        if isinstance(message, Outcome):
            yield message
            number = None
        else:
            number = message
    if end == 'hang':
        child.kill()
    child.join()
    if number is None and child.exitcode:
        raise RuntimeError(f'{dataset}: {end} on sound data (exit code {child.exitcode})')
    if number is not None:
        yield Outcome(dataset, number, FAILED, f'{end} (exit code {child.exitcode})')


def main() -> int:
    """The command line: a table, and what failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('datasets', nargs='*', help='ids; all that have a reader by default')
    parser.add_argument('--inputs', type=int, default=2000, help='of each dataset')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--workers', type=int, default=1)
    options = parser.parse_args()
    os.environ['HUMANBENCH_CACHE'] = cache_folder = tempfile.mkdtemp(prefix='fuzzcache')
    readers = places.readers()
    names = options.datasets or sorted(readers)
    print(f'{"dataset":20} {"inputs":>7} {"read":>7} {"DataError":>10} {"failures":>9}')
    total: Counter = Counter()
    with ProcessPoolExecutor(options.workers, multiprocessing.get_context('fork')) as pool:
        jobs = [pool.submit(fuzz, readers[x], x, options.inputs, options.seed) for x in names]
        for name, job in zip(names, jobs, strict=True):
            counts = Counter(x.kind for x in job.result())
            total += counts
            _print_row(name, counts)
            for x in job.result():
                if x.kind == FAILED:
                    print(f'    input {x.number}, {x.damage} of {x.file}, split {x.split}: {x.text[:500]}', flush=True)
    _print_row('all', total)
    shutil.rmtree(cache_folder)
    return int(total[FAILED] > 0)


def _print_row(name: str, counts: Counter) -> None:
    print(f'{name:20} {counts.total():7} {counts[READ]:7} {counts[REFUSED]:10} {counts[FAILED]:9}', flush=True)


if __name__ == '__main__':
    sys.exit(main())
