"""What a trained model can be asked: its heads, what their answers are called, and how each wants its pictures.

Nothing of this is written here. The heads, and the pipeline that each is tested with, are those of the recipe: of a
config, or of a checkpoint, which carries what it was trained by.
"""
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcv.transforms import BaseTransform
from mmengine.config import Config
from mmengine.dataset import Compose
from torch import nn
from torch.utils.data import Dataset

from ..catalog import TASKS
from ..datasets.base import HumanDataset
from ..datasets.merged import MergedDataset
from ..datasets.transforms import LoadImage
from ..engine.input_size import pipeline_of
from ..engine.launch import complete, load_config
from ..errors import CheckpointError, UserError, unknown_name
from ..registry import DATASETS
from ..weights.files import read_file
from ..weights.folder import resolve

# Of several heads of a task, the one of the first of these sources is taken, else the first that the recipe tests.
PREFERRED = ('coco_pose', 'lip', 'cihp', 'crowdhuman', 'shanghaitech_a')
# Parsing datasets whose pictures show several people: a head of theirs is given whole pictures, others a person each.
SCENES = ('cihp', 'vip')
NAMES = dict(pose='keypoints', attribute='classes', parsing='classes')
_LIBRARIES = ('humanbench.', 'mmcv.', 'mmdet.', 'mmpose.', 'mmseg.')


@dataclass(frozen=True)
class TaskHead:
    """The head that answers for one task.

    Attributes:
        task: of the head.
        source: its name in the model.
        dataset: id of the dataset whose records its pictures imitate.
        names: of its keypoints, classes or attributes; empty where its answers have none.
        facts: what every record of that dataset says.
        pipeline: of its test, from a picture to the network's input.
        whole: it is given whole pictures, not one person each.
    """
    task: str
    source: str
    dataset: str
    names: tuple[str, ...]
    facts: Mapping[str, Any]
    pipeline: Compose
    whole: bool


@dataclass(frozen=True)
class Recipe:
    """A model that can be built and asked.

    Attributes:
        model: config of the model with all its heads.
        sources: by name, ``task`` and ``dataset``; those that the weights have a head for.
        evaluations: by name, ``source`` and ``dataset``.
        where: the config or checkpoint, for what is said to people.
    """
    model: Mapping[str, Any]
    sources: Mapping[str, Mapping]
    evaluations: Mapping[str, Mapping]
    where: str

    def of_task(self, task: str) -> list[str]:
        """The sources of a task."""
        return [name for name, source in self.sources.items() if source['task'] == task]

    def choose(self, task: str, wanted: str | None = None) -> str:
        """The source whose head answers for a task that some have.

        Args:
            task: of the head.
            wanted: its name; by default the first of ``PREFERRED``, else the first that is tested, else the first.

        Raises:
            UserError: no head of this task is called so; the message lists those that are.
        """
        known = self.of_task(task)
        if wanted is not None:
            if wanted not in known:
                raise unknown_name(f'head for {task} in {self.where}', wanted, known)
            return wanted
        tested = [x['source'] for x in self.evaluations.values() if x['source'] in known]
        return next(name for name in (*PREFERRED, *tested, *known) if name in known)

    def head(self, source: str) -> TaskHead | None:
        """A head as it can be asked; None where the recipe tests no head of its task, so that nobody knows how its
        pictures are made."""
        task = self.sources[source]['task']
        pipeline = self._pipeline(source, task)
        if pipeline is None:
            return None
        reader = self._reader(source)
        facts = reader.record_facts() if isinstance(reader, HumanDataset) else {}
        # the metainfo of some merged datasets reads their files, which a user of a model need not have
        names = reader.metainfo.get(NAMES[task], ()) if reader is not None and task in NAMES else ()
        dataset = reader.dataset if isinstance(reader, HumanDataset) else source
        whole = task in ('detection', 'counting') or (task == 'parsing' and dataset in SCENES)
        return TaskHead(task, source, dataset, tuple(names), facts, pipeline, whole)

    def _pipeline(self, source: str, task: str) -> Compose | None:
        """How the head is tested; a head without a test, as the first one of its task."""
        tests = sorted(self.evaluations.values(), key=lambda x: x['source'] != source)
        found = next((pipeline_of(x['dataset']) for x in tests if self._task(x['source']) == task), None)
        if not found:
            return None
        pipeline = Compose(list(found))
        if not isinstance(pipeline.transforms[0], LoadImage):
            raise UserError(f"the test pipeline for {task} in {self.where} begins with "
                            f'{type(pipeline.transforms[0]).__name__}; expected LoadImage, which takes pictures that '
                            'are in memory.')
        return pipeline

    def _task(self, source: str) -> str | None:
        return self.sources[source]['task'] if source in self.sources else None

    def _reader(self, source: str) -> HumanDataset | MergedDataset | None:
        """The training data of a source, of which nothing is read; None for a reader of another kind."""
        config = {key: value for key, value in self.sources[source]['dataset'].items()
                  if key not in ('pipeline', 'root', 'lazy_init')}
        kind = config['type'] if isinstance(config['type'], type) else DATASETS.get(config['type'])
        if kind is None or not issubclass(kind, (HumanDataset, MergedDataset)):
            return None
        return DATASETS.build(dict(config, lazy_init=True))


def read_recipe(model: str | Path | Config, weights: str | None) -> tuple[Recipe, str]:
    """A recipe and the weights for it.

    Args:
        model: a config (a path, a name below ``configs`` or a Config), or a checkpoint that says what it was trained
            by.
        weights: the checkpoint, where ``model`` is a config; ``scratch`` for an untrained one.

    Raises:
        UserError: no such config or checkpoint, or they do not go together.
    """
    if isinstance(model, Config) or str(model).endswith('.py'):
        config = model if isinstance(model, Config) else load_config(str(model))
        if weights is None:
            raise UserError(f"'{config.filename}' is a config. Which weights? Expected weights=FILE, or --checkpoint "
                            'FILE.')
        return _of_config(config, weights)
    if weights is not None:
        raise UserError(f"'{model}' and '{weights}' are two checkpoints; expected one, and a config (.py) where it "
                        'does not say what it was trained by.')
    path = resolve(model)
    return _of_checkpoint(str(path), read_file(path).metadata), str(path)


def _of_config(config: Config, weights: str) -> tuple[Recipe, str]:
    config = config.copy()
    config.pop('optim_wrapper', None)  # nothing is trained
    name, config = str(config.filename), complete(config)
    if weights == 'scratch':
        return Recipe(config.model, config.sources, config.get('evaluations', {}), name), weights
    weights = str(resolve(weights.removeprefix('path:')))
    trained = read_file(weights).metadata.get('heads')
    sources = {key: x for key, x in config.sources.items() if trained is None or key in trained}
    if not sources:
        raise CheckpointError(f"'{weights}' has no head of {name}: it has {', '.join(trained) or 'none'}. Give the "
                              'config that it was trained by.')
    return Recipe(config.model, sources, config.get('evaluations', {}), name), weights


def _of_checkpoint(path: str, meta: Mapping[str, Any]) -> Recipe:
    recipe = meta.get('recipe')
    if not isinstance(recipe, Mapping) or 'evaluations' not in meta:
        raise CheckpointError(f"'{path}' does not say what it was trained by and how it is tested (files of other "
                              'programs do not, nor those of this one before they kept it). Give the config as well: '
                              '--config FILE, or HumanInferencer(CONFIG, weights=FILE).')
    parts = {key: _buildable(value, path) for key, value in
             (('model', recipe['model']), ('sources', recipe['sources']), ('evaluations', meta['evaluations']))}
    return Recipe(**parts, where=f"'{path}'")


def _buildable(value: Any, path: str) -> Any:
    """The plain values of a checkpoint as a config: classes for their names, tuples for lists of numbers."""
    if isinstance(value, Mapping):
        return {key: _class(item, path) if key == 'type' else _buildable(item, path) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = [_buildable(item, path) for item in value]
        return tuple(items) if all(isinstance(x, (int, float)) for x in items) else items
    return value


def _class(name: str, path: str) -> Any:
    """The class of a dotted name that a file of unknown origin gives.

    Only networks, transforms and readers of the libraries that are installed here: importing or calling anything else
    would let a checkpoint run code.
    """
    if '.' not in name:
        return name  # looked up among what is registered
    module, _, attribute = name.rpartition('.')
    try:
        found = getattr(importlib.import_module(module), attribute, None) if name.startswith(_LIBRARIES) else None
    except ImportError:
        found = None  # said below
    if not (isinstance(found, type) and issubclass(found, (nn.Module, BaseTransform, Dataset))):
        raise CheckpointError(f"'{path}' asks for '{name}', which is no part of HumanBench and could run code, so it "
                              'is not used. Where you trust it, give the config that names it: --config FILE.')
    return found


def chosen_heads(recipe: Recipe, tasks: Sequence[str] | None,
                 heads: Mapping[str, str] | None) -> tuple[dict[str, TaskHead], list[str]]:
    """The head for each task, and what the model cannot do.

    Args:
        recipe: of the model.
        tasks: that are wanted; all that the model can do by default.
        heads: source by task, in place of the default.

    Raises:
        UserError: an unknown task or head, or a task that is wanted by name and that the model cannot do.
    """
    heads = heads or {}
    for task in (*(tasks or ()), *heads):
        if task not in TASKS:
            raise unknown_name('task', task, TASKS)
    found, notes = {}, []
    for task in TASKS:
        named = task in heads or task in (tasks or ())
        if tasks is not None and not named and task != 'detection':  # which finds the people for all others
            continue
        head = recipe.head(recipe.choose(task, heads.get(task))) if recipe.of_task(task) else None
        if head is not None:
            found[task] = head
            continue
        lack = f'no head for {task}' if not recipe.of_task(task) else (
            f'heads for {task} ({", ".join(recipe.of_task(task))}), but no evaluation that says how their pictures are '
            'made')
        if named:
            able = [x for x in TASKS if recipe.of_task(x)]
            raise UserError(f'{recipe.where} has {lack}. It can be asked for: {", ".join(able)}.')
        notes.append(f'{task}: left out; the model has {lack}')
    return found, notes
