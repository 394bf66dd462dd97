"""Facts about every dataset, one YAML card each (``datasets_meta/``), as a typed and frozen :class:`DatasetCard`.

A fact that was not verified is absent from a card; it is then None or empty here.
"""
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from .errors import UserError, unknown_name
from .resources import folder

TASKS = ('reid', 'attribute', 'pose', 'parsing', 'detection', 'counting')
"""What HumanBench judges by."""
FURTHER_TASKS = ('pretext', 'text_reid', 'person_search', 'pose_3d')
"""Self-supervised pretraining, and what else its authors judge it by."""
ALL_TASKS = TASKS + FURTHER_TASKS
ROLES = ('pretrain', 'in_dataset', 'out_of_dataset', 'unseen_task', 'self_supervised', 'downstream')
TRAINING_ROLES = ('pretrain', 'self_supervised')
LICENCE_FLAGS = {
    'attribution': 'name the authors', 'citation': 'cite the paper', 'non_commercial': 'no commercial use',
    'research_only': 'research and education only', 'share_alike': 'derived work under the same terms',
    'no_redistribution': 'do not pass it on', 'registration': 'get an account or write to the owners',
    'form_required': 'fill in and sign a form', 'expires': 'for a limited time',
    'per_image_licence': 'every image has terms of its own',
    'withdrawn': 'taken back by its owners: neither read nor linked here', 'unknown': 'no terms were found'}


@dataclass(frozen=True)
class Layout:
    """Where a dataset lies below the data folder: ``root``, and in words what is expected in it."""
    root: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class Licence:
    """What is known of the terms; ``flags`` are words a program can test, of :data:`LICENCE_FLAGS`."""
    text: str | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetCard:
    """One dataset.

    Attributes:
        splits: name -> counts (``images``, ``persons``, ``ids``) and their ``source``.
        layout: None for a dataset that was withdrawn.
        classes: names of the parsing or detection classes, in label order.
        label_ids: raw ids in the label files where they are not 0..n-1, in class order; empty otherwise.
        class_weights: of a weighted cross-entropy, where the authors have published some; empty otherwise.
        keypoints: names, in the order of the annotation.
        flip_pairs: keypoints, parsing classes or attributes that change places in a mirror image.
        sigmas: of OKS; empty where none are published.
        box_area: OKS takes 0.53 of a person's box for its area, because no area is annotated.
        upper_body: keypoint indices of the upper body; all others are the lower body.
        attributes: names, in label order.
        metric: keys of the metric, the first one ranks.
        traps: what a reader of this format must know.
    """
    id: str
    name: str
    tasks: tuple[str, ...]
    role: tuple[str, ...]
    splits: Mapping[str, Mapping[str, Any]]
    metric: tuple[str, ...]
    layout: Layout | None = None
    year: int | None = None
    cameras: int | None = None
    classes: tuple[str, ...] = ()
    label_ids: tuple[int, ...] = ()
    class_weights: tuple[float, ...] = ()
    keypoints: tuple[str, ...] = ()
    flip_pairs: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] = ()
    box_area: bool = False
    upper_body: tuple[int, ...] = ()
    attributes: tuple[str, ...] = ()
    homepage: str | None = None
    citation: str | None = None
    licence: Licence = field(default_factory=Licence)
    traps: tuple[str, ...] = ()

    @property
    def withdrawn(self) -> bool:
        """Whether the dataset was taken back: it has a card and nothing else."""
        return 'withdrawn' in self.licence.flags

    @property
    def lower_body(self) -> tuple[int, ...]:
        """Keypoint indices that are not in :attr:`upper_body`."""
        return tuple(i for i in range(len(self.keypoints)) if i not in self.upper_body)

    @property
    def flip_indices(self) -> tuple[int, ...]:
        """Where each keypoint (or class, or attribute) goes in a mirror image: an involution on 0..n-1."""
        indices = list(range(len(self.keypoints or self.classes or self.attributes)))
        for a, b in self.flip_pairs:
            indices[a], indices[b] = b, a
        return tuple(indices)


def meta_folder() -> Path:
    """The folder of the cards."""
    return folder('datasets_meta')


def _frozen(value):
    if isinstance(value, list):
        return tuple(_frozen(x) for x in value)
    if isinstance(value, dict):
        return MappingProxyType({k: _frozen(v) for k, v in value.items()})
    return value


def _read(path: Path) -> DatasetCard:
    record = {k: _frozen(v) for k, v in yaml.safe_load(path.read_text(encoding='utf-8')).items()}
    if 'layout' in record:
        record['layout'] = Layout(**record['layout'])
    record['licence'] = Licence(**record.get('licence', {}))
    return DatasetCard(**record)


_added: dict[str, Path] = {}  # id -> file of every card that is not shipped


@cache
def _known() -> tuple[str, ...]:
    """Ids of all cards. A record of published results lies in the same folder and is no card."""
    shipped = {x.stem for x in meta_folder().glob('*.yaml')} - {'published_results'}
    return tuple(sorted(shipped | _added.keys()))


@cache
def card(id: str) -> DatasetCard:
    """The card of one dataset.

    Raises:
        UserError: no dataset has this id; the message offers the nearest one.
    """
    if id not in _known():
        raise unknown_name('dataset', id, _known())
    return _read(_added.get(id) or meta_folder() / f'{id}.yaml')


def add_card(path: str | Path) -> DatasetCard:
    """Make the card of a dataset of your own known; its file is named after its id.

    Raises:
        UserError: it cannot be read, lacks something, or its id is taken.
    """
    path = Path(path).resolve()
    if (meta_folder() / path.name).exists() or _added.get(path.stem, path) != path:
        raise UserError(f"the card '{path}': there is a dataset '{path.stem}' already. Give the file, and the id in "
                        'it, another name.')
    try:
        new = _read(path)
    except (OSError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise UserError(f"the card '{path}' cannot be read: {error}. See '{meta_folder() / 'pa100k.yaml'}' for "
                        'one that can.') from error
    if new.id != path.stem:
        raise UserError(f"the card '{path}' has the id '{new.id}'; expected '{path.stem}', the name of the file.")
    _added[path.stem] = path
    _known.cache_clear()
    card.cache_clear()
    return new


def ids(task: str | None = None, withdrawn: bool = False) -> list[str]:
    """Ids of all datasets, or of those with labels for ``task``.

    Args:
        task: one of :data:`ALL_TASKS`.
        withdrawn: the withdrawn ones instead, which have a card but no reader.
    """
    if task is not None and task not in ALL_TASKS:
        raise unknown_name('task', task, ALL_TASKS)
    return [x for x in _known() if card(x).withdrawn == withdrawn and (task is None or task in card(x).tasks)]
