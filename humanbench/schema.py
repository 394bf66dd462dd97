"""Reads a whole config before anything is launched and reports every mistake at once.

The grammar is that of :mod:`humanbench.engine.launch`. A mistake is: a ``type`` that does not exist, an argument that
its constructor does not take or lacks, a literal of the wrong kind, and names that do not go together (sources and
heads, tasks and projectors, datasets, protocols, evaluations).
"""
import copy
import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmengine.config import Config
from mmengine.config.lazy import LazyAttr, LazyObject
from mmengine.registry import FUNCTIONS

from . import catalog, protocols, weights
from .errors import UserError
from .signatures import arguments_of, fits, spoken
from .slots import SLOTS, Slot, anywhere, names_in

_SOURCE = {'task': str, 'head': dict, 'dataset': dict, 'batch_size': int, 'slots': int, 'weight': float, 'sampler': str,
           'images_per_id': int}
_EVALUATION = {'source': str, 'dataset': dict, 'evaluator': dict | list | tuple, 'batch_size': int, 'num_workers': int}
_COUNTS = ('batch_size', 'slots', 'images_per_id', 'max_steps')
_SAMPLERS = ('uniform', 'identity')
_PARTS = ('backbone', 'projectors', 'heads')


_DEFAULT_HOOKS = {'runtime_info': 'RuntimeInfoHook', 'timer': 'IterTimerHook', 'logger': 'LoggerHook',
                  'param_scheduler': 'ParamSchedulerHook', 'checkpoint': 'ShardedCheckpointHook'}


class _Broken:
    """Stands for an import that failed."""

    def __init__(self, error: ImportError):
        self.error = error


def check_config(cfg: Config) -> None:
    """Check a training or benchmark config; its protocols and flavours are checked as laid over it.

    Raises:
        UserError: numbered lines, one per mistake: where, what stands there, what was expected, the nearest valid name.
    """
    mistakes = mistakes_in(cfg)
    if mistakes:
        lines = '\n'.join(f'{i:3d}. {line}' for i, line in enumerate(mistakes, 1))
        count = 'One mistake' if len(mistakes) == 1 else f'{len(mistakes)} mistakes'
        raise UserError(f'{count} in {cfg.filename or "the config"}:\n{lines}')


def mistakes_in(cfg: Config) -> list[str]:
    """What :func:`check_config` finds, one line per mistake; empty for a sound config."""
    mistakes = _mistakes(cfg)
    known = set(mistakes)
    for name, overrides in _overrides(cfg):
        for mistake in _mistakes_with(cfg, overrides):
            if mistake not in known:
                known.add(mistake)
                mistakes.append(f'{name}: {mistake}')
    return mistakes


def _overrides(cfg: Config) -> list[tuple[str, list[Mapping]]]:
    """Every protocol, every flavour, and every flavour on every protocol: what a command may lay over it.

    A config of which one flavour is in force gets no second one.
    """
    sound = {key: {name: value for name, value in _mapping(cfg.get(key)).items() if isinstance(value, Mapping)}
             for key in ('protocols', 'flavors')}
    if cfg.get('flavor') is not None:
        sound['flavors'] = {}
    pairs = [(protocol, flavor) for protocol in [None, *sound['protocols']] for flavor in [None, *sound['flavors']]]
    return [(' + '.join(f'{key}.{name}' for key, name in zip(sound, pair) if name is not None),
             protocols.overlays(sound, *pair)) for pair in pairs[1:]]


def _mistakes_with(cfg: Config, overrides: list[Mapping]) -> list[str]:
    merged = Config(cfg._cfg_dict.__deepcopy__({}))
    for layer in overrides:
        try:
            merged.merge_from_dict(copy.deepcopy(dict(layer)))
        except (KeyError, TypeError, AssertionError) as error:
            return [f'it cannot be laid over the config: {error}']
    return _mistakes(merged)


def _mistakes(cfg: Config) -> list[str]:
    return _Checker(_built(cfg._cfg_dict._to_lazy_dict())).mistakes


def _built(value: Any) -> Any:
    """The config with its lazy imports done; one that fails leaves a mark."""
    if isinstance(value, (LazyObject, LazyAttr)):
        try:
            return value.build()
        except ImportError as error:
            return _Broken(error)
    if isinstance(value, Mapping):
        return {key: _built(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_built(item) for item in value)
    return value


def _mapping(value: Any) -> Mapping:
    return value if isinstance(value, Mapping) else {}


def _nearest(name: Any, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    return next(iter(difflib.get_close_matches(str(name), list(known), n=1, cutoff=cutoff)), None)


def _shown(value: Any) -> str:
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__name__
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


class _Checker:
    """One pass over one config."""

    def __init__(self, config: Mapping):
        self.config, self.mistakes = config, []
        self._names()
        self._sources()
        self._model()
        self._evaluations()
        self._training()
        for key in ('visualizer', 'log_processor'):
            self.object(key, config.get(key), SLOTS[key])

    def add(self, path: str, value: Any, expected: str) -> None:
        self.mistakes.append(f'{path} = {_shown(value)}: {expected}')

    def missing(self, path: str, expected: str) -> None:
        self.mistakes.append(f'{path} is missing: expected {expected}')

    def choice(self, path: str, value: Any, known: Iterable[str], kind: str) -> bool:
        """Whether a name is one of those known; the nearest is offered where it is not."""
        known = sorted(known)
        if value in known:
            return True
        near = _nearest(value, known)
        self.add(path, value, f'expected {kind}: {", ".join(known)}.' + (f" Did you mean '{near}'?" if near else ''))
        return False

    def fields(self, path: str, node: Any, known: Mapping[str, Any], required: Iterable[str]) -> Mapping:
        """Check a description that is no object: its keys, and the kinds of their literals."""
        if not isinstance(node, Mapping):
            self.add(path, node, f'expected a dict with {", ".join(known)}.')
            return {}
        for key, value in node.items():
            if key not in known:
                near = _nearest(key, known)
                self.add(f'{path}.{key}', value, f'no such key here; known: {", ".join(known)}.'
                         + (f" Did you mean '{near}'?" if near else ''))
            else:
                self.literal(f'{path}.{key}', key, value, known[key])
        for key in required:
            if key not in node:
                self.missing(f'{path}.{key}', spoken(known[key]))
        return node

    def literal(self, path: str, key: str, value: Any, annotation: Any) -> None:
        if not isinstance(value, _Broken) and not fits(value, annotation):
            self.add(path, value, f'expected {spoken(annotation)}.')
        elif key in _COUNTS and isinstance(value, int) and value < 1:
            self.add(path, value, 'expected a whole number above zero.')

    # the parts of the grammar

    def _names(self) -> None:
        from .engine.launch import KEYS  # here, because the commands of the engine call this check
        grammar = (*KEYS, 'protocols', 'flavors')
        for key, value in self.config.items():
            near = None if key in grammar else _nearest(key, grammar, cutoff=0.86)
            if near and near not in self.config:
                self.add(key, value, f"means nothing. Did you mean '{near}'?")
        if 'protocol' in self.config:
            self.choice('protocol', self.config['protocol'], protocols.PROTOCOLS, 'a protocol')
        for name in _mapping(self.config.get('protocols')):
            self.choice('protocols', name, protocols.PROTOCOLS, 'the name of a protocol')
        for flavor, overrides in _mapping(self.config.get('flavors')).items():
            for name in _mapping(_mapping(overrides).get('protocols')):
                self.choice(f'flavors.{flavor}.protocols', name, protocols.PROTOCOLS, 'the name of a protocol')
        if self.config.get('weights') is not None:
            self._weights(self.config['weights'])
        for part in self.config.get('weights_parts') or ():
            self.choice('weights_parts', str(part).split('.')[0], _PARTS, 'parts of a model')
        for key in ('seed', 'partial_blocks'):
            self.literal(key, key, self.config.get(key), int | None)
        self.literal('frozen', 'frozen', self.config.get('frozen', ()), list | tuple)
        self.literal('train_frozen', 'train_frozen', self.config.get('train_frozen', False), bool)

    def _weights(self, spec: Any) -> None:
        if not isinstance(spec, str):
            self.add('weights', spec, 'expected text such as mae:FILE.')
            return
        try:
            weights.parse(spec)
        except UserError as error:
            self.add('weights', spec, str(error))

    def _sources(self) -> None:
        sources = self.config.get('sources')
        if not isinstance(sources, Mapping) or not sources:
            if sources:
                self.add('sources', sources, 'expected a dict of sources by name.')
            else:
                self.missing('sources', 'a dict of sources by name')
            return
        has_heads = 'heads' in _mapping(self.config.get('model'))
        for name, source in sources.items():
            path = f'sources.{name}'
            if isinstance(source, Mapping) and source and not source.keys() & {'task', 'dataset', 'head'}:
                near = _nearest(name, [other for other in sources if other != name])
                self.add(path, source, 'no such source.' + (f" Did you mean '{near}'?" if near else ''))
                continue
            required = ['task', 'dataset', 'batch_size'] + ['head'] * (not has_heads)
            source = self.fields(path, source, _SOURCE, required)
            known_task = 'task' in source and self.choice(f'{path}.task', source['task'], catalog.ALL_TASKS, 'a task')
            if 'sampler' in source:
                self.choice(f'{path}.sampler', source['sampler'], _SAMPLERS, 'a sampler')
            self.object(f'{path}.dataset', source.get('dataset'), SLOTS['dataset'])
            head = self.object(f'{path}.head', source.get('head'), SLOTS['head'])
            serves = getattr(head, 'task', None)
            if known_task and isinstance(serves, str) and serves != source['task']:
                self.add(f'{path}.head.type', head, f"serves {serves}, but the source's task is {source['task']}.")

    def _model(self) -> None:
        model = self.config.get('model')
        if not isinstance(model, Mapping):
            self.missing('model', 'a dict with type and backbone')
            return
        self.object(
            'model', {k: v for k, v in model.items() if k not in ('heads', 'projectors', 'projector')}, SLOTS['model']
        )
        self.object('model.projector', model.get('projector'), SLOTS['projector'])
        sources, heads = _mapping(self.config.get('sources')), _mapping(model.get('heads'))
        for name, head in heads.items():
            self.object(f'model.heads.{name}', head, SLOTS['head'])
            if name not in sources:
                self.choice(f'model.heads.{name}', name, sources, 'the name of a source')
        for name in sources if heads else ():
            if name not in heads and 'head' not in _mapping(sources[name]):
                self.missing(f'model.heads.{name}', f"a head for source '{name}'")
        self._projectors(model, sources, heads)

    def _projectors(self, model: Mapping, sources: Mapping, heads: Mapping) -> None:
        projectors = model.get('projectors')
        if projectors is None:
            return
        routes = {}
        for name, source in sources.items():
            if _mapping(source).get('task') == 'pretext':
                continue  # reads the backbone itself
            head = _mapping(heads.get(name) or _mapping(source).get('head'))
            routes[name] = head.get('projector', _mapping(source).get('task'))
        for name, projector in _mapping(projectors).items():
            self.object(f'model.projectors.{name}', projector, SLOTS['projector'])
            if name not in catalog.ALL_TASKS and name not in routes.values():
                self.choice(f'model.projectors.{name}', name, catalog.ALL_TASKS, 'the name of a task')
        for name, route in routes.items():
            if route is not None and route not in _mapping(projectors):
                self.missing(f'model.projectors.{route}', f"a projector for source '{name}'")

    def _evaluations(self) -> None:
        for name, evaluation in _mapping(self.config.get('evaluations')).items():
            path = f'evaluations.{name}'
            evaluation = self.fields(path, evaluation, _EVALUATION, ('source', 'dataset', 'evaluator'))
            if 'source' in evaluation:
                self.choice(f'{path}.source', evaluation['source'], _mapping(self.config.get('sources')), 'a source')
            self.object(f'{path}.dataset', evaluation.get('dataset'), SLOTS['dataset'])
            self.object(f'{path}.evaluator', evaluation.get('evaluator'), SLOTS['evaluator'])

    def _training(self) -> None:
        config = self.config
        self.object('optim_wrapper', config.get('optim_wrapper'), SLOTS['optim_wrapper'])
        if isinstance(config.get('optim_wrapper'), Mapping):
            self._paramwise(config['optim_wrapper'])
            if 'train_cfg' not in config:
                self.missing('train_cfg', 'a dict with max_steps')
            self.object('train_cfg', config.get('train_cfg'), SLOTS['train_cfg'])
        if isinstance(config.get('schedule'), Mapping):
            from .engine.schedule import param_schedulers
            self.arguments('schedule', config['schedule'], param_schedulers, ('max_steps', ))
        self.object('param_scheduler', config.get('param_scheduler'), SLOTS['param_scheduler'])
        for name, hook in _mapping(config.get('default_hooks')).items():
            # an entry without a type changes the default of that name
            self.object(f'default_hooks.{name}', hook, replace(SLOTS['hook'], default=_DEFAULT_HOOKS.get(name)))
        self.object('custom_hooks', config.get('custom_hooks'), SLOTS['hook'])
        if isinstance(config.get('loader'), Mapping):
            from .engine.loading import UnitLoader
            self.arguments('loader', config['loader'], UnitLoader, None)

    def _paramwise(self, wrapper: Mapping) -> None:
        """Our optimiser constructor knows its options itself."""
        from .engine.optim import LayerDecayConstructor
        if wrapper.get('constructor', LayerDecayConstructor) not in (LayerDecayConstructor, 'LayerDecayConstructor'):
            return
        try:
            LayerDecayConstructor({}, wrapper.get('paramwise_cfg'))
        except UserError as error:
            self.add('optim_wrapper.paramwise_cfg', wrapper['paramwise_cfg'], str(error))

    # objects

    def object(self, path: str, node: Any, slot: Slot) -> type | None:
        """Check a described object, or each of a list of them, and what it is made of; returns its class."""
        if isinstance(node, (list, tuple)):
            for i, item in enumerate(node):
                self.object(f'{path}[{i}]', item, slot)
            return None
        if not isinstance(node, Mapping):
            return None
        kind = self.kind(path, node, slot)
        if kind is not None:
            self.arguments(
                path,
                {k: v for k, v in node.items() if k not in ('type', '_scope_', '_delete_', *slot.extra)},
                kind,
                None if slot.supplied is None or slot.registry is FUNCTIONS else slot.supplied,
            )
        for key, value in node.items():
            if isinstance(value, (Mapping, list, tuple)) and key not in slot.extra:
                self.inner(f'{path}.{key}', key, value, slot)
        return kind if inspect.isclass(kind) else None

    def inner(self, path: str, key: str, value: Any, slot: Slot) -> None:
        """Objects inside an object: by the name of the argument, else of the same registry with unknown additions."""
        if isinstance(value, Mapping) and 'type' not in value and key != 'data_preprocessor':
            for name, item in value.items():
                if isinstance(item, (Mapping, list, tuple)):
                    self.inner(f'{path}.{name}', name, item, slot)
        elif isinstance(value, (list, tuple)) and key not in SLOTS:
            for i, item in enumerate(value):
                if isinstance(item, (Mapping, list, tuple)):
                    self.inner(f'{path}[{i}]', '', item, slot)
        else:
            self.object(path, value, SLOTS.get(key) or Slot(slot.registry, None))

    def kind(self, path: str, node: Mapping, slot: Slot) -> Any:
        """The class or function that ``type`` names, or None after a mistake."""
        name = node.get('type', slot.default)
        if name is None:
            self.missing(f'{path}.type', f'the name of one of the {slot.registry.name}s, or the class itself')
            return None
        if isinstance(name, _Broken):
            self.mistakes.append(f'{path}.type cannot be imported: {name.error}')
            return None
        if not isinstance(name, str):
            return name
        found = slot.registry.get(name) or (anywhere(name) if slot.supplied is None else None)
        if found is None:
            known = names_in(slot.registry)
            near = _nearest(name, known)
            self.add(
                f'{path}.type',
                name,
                f'no {slot.registry.name} has this name.' + (f" Did you mean '{near}'?" if near else ''),
            )
        return found

    def arguments(self, path: str, given: Mapping, kind: Any, supplied: Sequence[str] | None) -> None:
        """Check what is given to a constructor; ``supplied`` comes from the builder (None: nobody knows what)."""
        taken = arguments_of(kind)
        if taken is None:
            return
        for key, value in given.items():
            path_of_key = f'{path}.{key}'
            if key not in taken.known and not taken.open:
                known = [name for name in taken.known if name not in (supplied or ())]
                near = _nearest(key, known)
                self.add(path_of_key, value, f'{kind.__name__} has no such argument' + (
                    f". Did you mean '{near}'?" if near else f'; it takes {", ".join(known) or "none"}.'))
            elif isinstance(value, _Broken):
                self.mistakes.append(f'{path_of_key} cannot be imported: {value.error}')
            elif key in taken.known:
                self.literal(path_of_key, key, value, taken.known[key])
            if key in ('dataset', 'card') and isinstance(value, str) and kind.__module__.startswith('humanbench.'):
                self.choice(path_of_key, value, catalog.ids(), 'the id of a dataset')
        for key in taken.required:
            if supplied is not None and key not in given and key not in supplied:
                self.missing(f'{path}.{key}', f'{spoken(taken.known[key])} for {kind.__name__}'
                             if taken.known[key] is not inspect.Parameter.empty else f'an argument of {kind.__name__}')
