"""What ``score`` says: the scores, what they are of, and how they stand against earlier ones."""
import argparse
import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _score_files import card, digest, tested_split

from humanbench import __version__
from humanbench.errors import UserError
from humanbench.evaluation import VERSIONS
from humanbench.evaluation.inputs import load_json
from humanbench.files import write_text

OPTIONS = ('distance', 'rerank', 'threshold', 'num_classes', 'ignore_index', 'subset', 'box_area', 'variants')
"""Arguments that change a number."""


@dataclass
class Scored:
    """What a task's scorer gives.

    Attributes:
        scores: by key.
        functions: of ``humanbench.evaluation`` that gave them.
        truth: files that hold the ground truth; none where it is in the names of a dataset's files.
        predictions: files.
        images: of the ground truth.
        split: of the dataset, where its reader read it.
        split_hash: of the records that the reader found, as the benchmark's records have it.
        notes: what is worth knowing before the scores are quoted.
    """
    scores: dict[str, float]
    functions: tuple[str, ...]
    truth: list[Path]
    predictions: list[Path]
    images: int
    split: str | None = None
    split_hash: str | None = None
    notes: list[str] = field(default_factory=list)


def completeness(dataset: str | None, scored: Scored) -> list[str]:
    """A note where the ground truth is not the whole split that the card knows."""
    if dataset is None:
        return []
    splits = card(dataset).splits
    parts = ('query', 'gallery') if 'query' in splits else (scored.split or tested_split(list(splits)),)
    expected = sum(splits.get(part, {}).get('images', 0) for part in parts)
    if not expected or expected == scored.images:
        return []
    return [f"the ground truth has {scored.images:,} images, {dataset}'s {' and '.join(parts)} {expected:,}"]


def as_record(args: argparse.Namespace, scored: Scored) -> dict[str, Any]:
    """Everything that says whether two files of scores are comparable, in JSON; null for a score that is not a
    number."""
    defaults = args.defaults
    return dict(
        humanbench=__version__, task=args.task, dataset=args.dataset, split=scored.split,
        scores={key: value if math.isfinite(value) else None for key, value in scored.scores.items()},
        versions={name: VERSIONS[name] for name in scored.functions},
        options={key: getattr(args, key) for key in OPTIONS if getattr(args, key) != defaults[key]},
        gt=dict(path=args.gt, sha256=digest(scored.truth, Path(args.gt).absolute()) if scored.truth else None,
                split_hash=scored.split_hash, images=scored.images),
        pred=dict(path=args.pred, sha256=digest(scored.predictions, Path(args.pred).absolute())), notes=scored.notes)


def earlier(path: str, record: dict[str, Any]) -> dict[str, float | None]:
    """The scores of an earlier file, if they are comparable with these.

    Raises:
        UserError: it is no such file, or is of other versions, another ground truth or other options.
    """
    other = load_json(path, '--against')
    if not isinstance(other, dict) or not isinstance(other.get('scores'), dict):
        raise UserError(f'--against: {path} holds no scores; expected a file that `humanbench score --json` wrote.')
    for key, (old, new) in {
            'version of the metrics': (other.get('versions'), record['versions']),
            'ground truth': tuple((x.get('gt') or {}).get('sha256') or (x.get('gt') or {}).get('split_hash')
                                  for x in (other, record)),
            'dataset': (other.get('dataset'), record['dataset']),
            'options': (other.get('options'), record['options'])}.items():
        if old != new:
            raise UserError(f'--against: {path} is of another {key}, {old} and not {new}, so the scores are not '
                            'comparable. Score both predictions the same way.')
    return other['scores']


def report(scores: dict[str, float], before: dict[str, float | None] | None) -> str:
    """The scores as a table, with what has changed."""
    width = max(map(len, scores))
    lines = [f'{key:<{width}}  {value:.6f}' for key, value in scores.items()]
    if before is None:
        return '\n'.join(lines)
    changes = [scores[key] - before[key] if before.get(key) is not None else math.nan for key in scores]
    return '\n'.join(f'{line}  {change:+.6f}' for line, change in zip(lines, changes))


def publish(args: argparse.Namespace, scored: Scored) -> None:
    """Print the scores, write the record, say what to mind."""
    scored.notes += completeness(args.dataset, scored)
    record = as_record(args, scored) if args.json or args.against else {}
    before = earlier(args.against, record) if args.against else None
    print(report(scored.scores, before))
    for note in scored.notes:
        print(f'note: {note}', file=sys.stderr)
    if args.json:
        write_text(Path(args.json), json.dumps(record, indent=1))
