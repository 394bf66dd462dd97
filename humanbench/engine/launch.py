"""From a config file to a runner: overrides by flavour and protocol, heads and loaders from the sources, weights.

Config grammar (all of it optional but ``model`` and ``sources``):

====================  ================================================================================================
key                   content
====================  ================================================================================================
``sources``           by name: ``task``, ``head``, ``dataset``, ``batch_size``, and ``slots``, ``weight``, ``sampler``
``model``             ``type``, ``backbone``, ``projector`` (one per task is made from it, or one for each
                      ``projector`` that heads name), ``drop_path`` ...
``evaluations``       by name: ``source``, ``dataset``, ``evaluator`` (a metric or a list of them), ``batch_size``
``loader``            options of the training DataLoader (``num_workers`` ...)
``schedule``          learning rate as shares of the run (``engine.schedule``), or MMEngine's ``param_scheduler``
``optim_wrapper`` ..  as in MMEngine: ``optim_wrapper``, ``train_cfg``, ``default_hooks``, ``custom_hooks`` ...
``protocols``         override dict for each finetuning protocol; ``protocol`` names the one in force
``partial_blocks``    how many blocks ``partial`` opens; ``frozen``, ``train_frozen``: see :func:`protocols.apply`
``flavors``           override dicts, e.g. ``debug``, ``released`` (what a release does differently); ``flavor`` names
                      the one in force
``weights``           what to start from (``humanbench.weights``), ``weights_parts`` which parts of the model
``leave_out_missing`` True: sources whose datasets are not on disk are left out, and a table says so
====================  ================================================================================================
"""
import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from pprint import pformat
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.config.utils import ConfigParsingError
from mmengine.dataset import DefaultSampler
from mmengine.dist import all_gather_object, get_dist_info
from mmengine.hooks import IterTimerHook, LoggerHook, ParamSchedulerHook, RuntimeInfoHook
from mmengine.logging import print_log
from mmengine.runner import TestLoop
from mmengine.visualization import LocalVisBackend, TensorboardVisBackend, Visualizer

from .. import protocols, weights
from ..errors import CheckpointError, UserError, unknown_name
from ..models import BasePretext
from ..models.backbones.semantic_swin import SEMANTIC
from ..resources import find_config
from . import processes
from .assign import place_units
from .available import check_same_everywhere, leave_out_missing
from .backbone import choose, is_semantic, other_than
from .hooks import MixtureLogProcessor, ProgressHook, ShardedCheckpointHook, TelemetryHook
from .loop import MixtureLoop
from .mixture import SourceDataset
from .optim import HumanOptimWrapper, LayerDecayConstructor
from .runner import HumanRunner
from .schedule import param_schedulers
from .sharding import compile_blocks, shard

# What a runner gets of a config file; the rest (pipelines, sources and defaults by their own names) is scaffolding.
KEYS = ('model', 'sources', 'evaluations', 'loader', 'optim_wrapper', 'schedule', 'param_scheduler', 'train_cfg',
        'default_hooks', 'custom_hooks', 'visualizer', 'log_processor', 'log_level', 'env_cfg', 'launcher',
        'default_scope', 'randomness', 'seed', 'protocol', 'partial_blocks', 'frozen', 'train_frozen', 'weights',
        'weights_parts', 'resume', 'load_from', 'work_dir', 'leave_out_missing')


class RunConfig(Config):
    """A config written out in milliseconds (MMEngine formats with yapf: seconds for every run and checkpoint)."""

    @property
    def pretty_text(self) -> str:
        """The config as a Python file."""
        lines = (f'{key} = {pformat(value, width=118, sort_dicts=False)}' for key, value in self.plain().items())
        return '\n'.join(lines)

    def plain(self) -> dict[str, Any]:
        """The config with dotted names in place of classes: plain values only."""
        return _named(self.to_dict())


def _named(value: Any) -> Any:
    """The same nest of values with the dotted name in place of every class."""
    if isinstance(value, Mapping):
        return {key: _named(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_named(item) for item in value)
    return _name(value) if isinstance(value, type) else value


def load_config(name: str, flavor: str | None = None, protocol: str | None = None,
                options: Mapping | None = None, backbone: str | None = None, start_from: str | None = None) -> Config:
    """Read a config and lay overrides on it: those of :func:`protocols.overlays`, then ``options``.

    Args:
        name: a path, or a name below ``configs``.
        flavor: a key of the config's ``flavors``.
        protocol: ``full``, ``partial``, ``head`` or ``direct``.
        options: dotted keys to values, as from ``--cfg-options``.
        backbone: another network than the recipe's, see :func:`.backbone.choose`; what its size changes in a
            benchmark recipe is laid below protocol and flavour.
        start_from: weights; a benchmark config takes the network that they are of.

    Raises:
        UserError: no such config, flavour, protocol or network, or it begins with one that does not exist.
    """
    config = _read(name)
    if protocol is not None:
        protocols.get(protocol)
        if 'protocols' not in config:
            raise UserError(f"{name} is no benchmark config: it has no protocols, so --protocol {protocol} says "
                            'nothing.')
    if flavor is not None and flavor not in config.get('flavors', {}):
        raise unknown_name(f'flavor of {name}', flavor, config.get('flavors', {}))
    layers = protocols.overlays(config, protocol, flavor)
    _lay_over(config, layers)
    benchmark = 'protocols' in config
    if backbone is not None or (benchmark and start_from is not None):
        chosen = other_than(choose(backbone, start_from or 'scratch'), config.model.backbone)
        if chosen is not None:
            where = _task_and_dataset(config) if benchmark else None
            config = _read(name)  # once more, for what the size changes lies below the other layers
            _lay_over(config, [*(chosen.overrides(*where) if where else []), *layers])
            config.model.backbone = ConfigDict(
                chosen.network_for(*where) if where else copy.deepcopy(dict(chosen.network)))
    if start_from is not None and (parsed := weights.parse(start_from)).semantic is not None:
        config.model.backbone.semantic = weights.turned(config.model.backbone, parsed)['semantic']
    if protocol is not None:
        config.protocol = protocol
    if flavor is not None:
        config.flavor = flavor
    for first in {key.partition('.')[0] for key in options or ()} - set(KEYS):
        raise unknown_name('part of a config that options can change', first, KEYS)
    if options:
        config.merge_from_dict(dict(options))
    _turn_stages(config, options or {})
    return config


def _read(name: str) -> Config:
    try:
        return Config.fromfile(find_config(name))
    except ConfigParsingError as error:
        raise UserError(f"cannot read the config '{name}': {error}") from error


def _lay_over(config: Config, layers: Sequence[Mapping]) -> None:
    """Merge overrides into a config in their order."""
    for overrides in layers:
        config.merge_from_dict(copy.deepcopy(dict(overrides)))


def _turn_stages(config: Config, options: Mapping) -> None:
    """Give the network's stages that heads have (:class:`LastStage`) the lambda of the network, or no controllers where
    it has none; unless an option says their own."""
    for name, source in config.sources.items():
        stage = source.get('head', {}).get('stage')
        # asked of these alone: a backbone that does not exist is explained when the whole config is checked
        if stage and f'sources.{name}.head.stage.semantic' not in options and is_semantic(config.model.backbone):
            turned = config.model.backbone.get('semantic', SEMANTIC)
            stage.semantic = turned.get(source.task, stage.semantic) if isinstance(turned, Mapping) else turned


def _task_and_dataset(config: Config) -> tuple[str, str]:
    """Of a benchmark config."""
    (dataset, source), = config.sources.items()
    return source.task, dataset


def _name(item: type) -> str:
    """The dotted name of a class, by which a dumped config finds it again."""
    return f'{item.__module__}.{item.__qualname__}'


def complete(config: Config, evaluation: str | None = None) -> Config:
    """Fill in what follows from the sources: heads, projectors, loaders, and the defaults of hooks and logging.

    Args:
        config: in the grammar above.
        evaluation: which of ``evaluations`` the runner tests; by default the only one, or none.
    """
    kept = {key: copy.deepcopy(value) for key, value in config.items() if key in KEYS}
    config = RunConfig(kept, filename=config.filename)
    _complete_model(config)
    if config.get('optim_wrapper') and config.get('protocol') != 'direct':
        _complete_training(config)
    else:
        config.train_cfg = config.optim_wrapper = config.param_scheduler = None
        config.resume, config.load_from = False, None  # there is no run to continue
    evaluations = config.get('evaluations', {})
    if evaluation is None and len(evaluations) == 1:
        evaluation, = evaluations
    if evaluation is not None:
        if evaluation not in evaluations:
            raise unknown_name('evaluation', evaluation, evaluations)
        _complete_test(config, evaluations[evaluation])
    _complete_runtime(config)
    return config


def _complete_model(config: Config) -> None:
    sources, model = config.sources, config.model
    projector = model.pop('projector', None)
    model.heads = ConfigDict({name: source.head for name, source in sources.items()})
    if projector is not None:
        names = sorted({source.head.get('projector', source.task) for source in sources.values()
                        if source.task != BasePretext.task})
        model.projectors = ConfigDict({name: copy.deepcopy(projector) for name in names})


def _complete_training(config: Config) -> None:
    loader = config.get('loader', {})
    config.train_dataloader = ConfigDict(sources=config.sources, **loader)
    config.train_cfg.setdefault('type', _name(MixtureLoop))
    config.optim_wrapper.setdefault('type', _name(HumanOptimWrapper))
    config.optim_wrapper.setdefault('constructor', _name(LayerDecayConstructor))
    if 'schedule' in config:
        config.param_scheduler = param_schedulers(config.train_cfg.max_steps, **config.schedule)


def _complete_test(config: Config, evaluation: ConfigDict) -> None:
    source = config.sources.get(evaluation.source)
    if source is None:
        raise unknown_name('source of an evaluation', evaluation.source, config.sources)
    config.test_dataloader = ConfigDict(
        batch_size=evaluation.get('batch_size', 32), num_workers=evaluation.get('num_workers', 0),
        dataset=dict(type=_name(SourceDataset), dataset=evaluation.dataset, source=evaluation.source, task=source.task),
        sampler=dict(type=_name(DefaultSampler), shuffle=False), collate_fn=dict(type='pseudo_collate'))
    metrics = evaluation.evaluator
    config.test_evaluator = list(metrics) if isinstance(metrics, Sequence) else [metrics]
    config.test_cfg = ConfigDict(type=_name(TestLoop))


def _complete_runtime(config: Config) -> None:
    defaults = dict(
        runtime_info=dict(type=_name(RuntimeInfoHook)), timer=dict(type=_name(IterTimerHook)),
        logger=dict(type=_name(LoggerHook), interval=10), param_scheduler=dict(type=_name(ParamSchedulerHook)),
        checkpoint=dict(type=_name(ShardedCheckpointHook)),
        sampler_seed=None)  # the plan needs no epochs told to a sampler
    for hook, changes in config.get('default_hooks', {}).items():
        defaults[hook] = None if changes is None else dict(defaults.get(hook) or {}, **changes)
    config.default_hooks = ConfigDict(defaults)
    telemetry = dict(type=_name(TelemetryHook), interval=(config.default_hooks.logger or {}).get('interval', 10))
    config.custom_hooks = [*config.get('custom_hooks', []), telemetry, dict(type=_name(ProgressHook))]
    backends = [dict(type=_name(LocalVisBackend)), dict(type=_name(TensorboardVisBackend))]
    config.setdefault('visualizer', dict(type=_name(Visualizer), vis_backends=backends))
    config.setdefault('log_processor', dict(type=_name(MixtureLogProcessor), by_epoch=False, window_size=10))
    config.setdefault('default_scope', 'humanbench')
    config.setdefault('launcher', 'none')
    config.setdefault('env_cfg', dict(dist_cfg=dict(backend='nccl')))
    config.setdefault('randomness', dict(seed=config.get('seed', 0)))
    config.setdefault('work_dir', f"work_dirs/{Path(config.filename or 'run').stem}")
    # MMEngine keeps loggers and writers by this name and the second of the start; cells of one process may share that
    config.setdefault('experiment_name', str(Path(config.work_dir).absolute()))


def _load_weights(model: torch.nn.Module, config: Config, parts: Sequence[str], world: int) -> weights.LoadReport:
    """Put the config's weights into a model; of several ranks each has some of the heads and projectors, so that a part
    of which nothing is in the file is found together."""
    if world == 1:
        return weights.load_into(model, config.weights, parts)
    elsewhere = {f'heads.{name}' for name in config.model.heads} | {
        f'projectors.{name}' for name in config.model.get('projectors') or ()}
    here = {f'{kind}.{name}' for kind in ('heads', 'projectors') for name in getattr(model, kind)}
    report = weights.load_into(model, config.weights, [x for x in parts if x not in elsewhere - here], all_here=False)
    found = [{x for x in parts if any(name.startswith(f'{x}.') for name in names)}
             for names in (report.matched, report.missing)]
    matched, missing = (set().union(*some) for some in zip(*all_gather_object(found), strict=True))
    nothing = sorted(missing - matched)
    if nothing and weights.parse(config.weights).scheme != 'scratch':
        raise CheckpointError(f"Nothing in '{config.weights}' is for the model's {', '.join(nothing)}.")
    return report


def build_runner(config: Config, evaluation: str | None = None) -> HumanRunner:
    """A runner whose model carries the config's weights and whose parameters train as its protocol says.

    In a run of several processes the model has the heads and projectors that the placement puts here, unless nothing
    is trained.
    """
    left_out = ''
    if config.get('leave_out_missing'):
        config, left_out = leave_out_missing(config)
    config = complete(config, evaluation)
    begins = config.get('train_cfg') and not config.get('resume')
    if begins and config.get('weights_parts') and not config.get('weights'):
        raise UserError(f'This recipe goes on from other weights (weights_parts = {list(config.weights_parts)}), and '
                        'none are named. Give --weights FILE, or --weights scratch to begin anew.')
    if begins and config.get('load_from'):
        raise UserError(f"load_from = '{config.load_from}' without resume = True: expected weights = ... (--weights) "
                        'for a run that begins with other weights, or resume = True (--resume) for one that goes on.')
    processes.start(config.launcher, processes.group_timeout(config))
    if not torch.cuda.is_available():
        processes.keep_memory()
    rank, world = get_dist_info()
    if left_out:
        check_same_everywhere(config)
    placement = place_units(config, world) if config.get('train_cfg') else None
    if world > 1 and placement:
        config.model.owned = sorted({source for source, _ in placement[rank]})
    runner = HumanRunner.from_cfg(config)
    runner.placement, model = placement, runner.model
    if left_out:
        print_log(left_out, 'current')
    if config.get('weights'):
        parts = tuple(config.get('weights_parts', ('backbone',)))
        report = _load_weights(model, config, parts, world)
        print_log(str(report), 'current')
        for name, count in model.restart_teachers(report.matched).items():
            if count:
                print_log(f'{name}: {count} entries were not loaded, and start as copies of the network', 'current')
    if counts := protocols.apply_recipe(model, config):
        print_log(str(counts), 'current')
    training = config.get('train_cfg') or {}
    if training.get('compile_blocks'):
        compile_blocks(model.backbone)
    if training.get('shard_backbone') and world > 1:
        shard(model.backbone, world)
    return runner
