"""The places in a config where an object is described by a ``type`` and arguments, and which names may stand there."""
from dataclasses import dataclass
from typing import Any

from mmengine.registry import DATA_SAMPLERS, FUNCTIONS, LOG_PROCESSORS, VISBACKENDS, VISUALIZERS, Registry, root

from . import registry


@dataclass(frozen=True)
class Slot:
    """A place in a config where an object is described by ``type`` and arguments.

    Attributes:
        registry: where a name given as text is looked up.
        supplied: arguments that the builder adds; None where it is not known what it adds.
        extra: keys that the builder takes out before it builds.
        default: type of a description that has none.
    """
    registry: Registry
    supplied: tuple[str, ...] | None = ()
    extra: tuple[str, ...] = ()
    default: str | None = None


SLOTS = {
    'model': Slot(registry.MODELS, ('heads', 'projectors'), ('projector', )),
    'backbone': Slot(registry.MODELS),
    'head': Slot(registry.MODELS, ('in_channels', ), ('projector', )),
    'projector': Slot(registry.MODELS, ('in_channels', 'depth')),
    'data_preprocessor': Slot(registry.MODELS, default='HumanDataPreprocessor'),
    'dataset': Slot(registry.DATASETS),
    'datasets': Slot(registry.DATASETS),
    'pipeline': Slot(registry.TRANSFORMS),
    'transforms': Slot(registry.TRANSFORMS),
    'evaluator': Slot(registry.METRICS),
    'optimizer': Slot(registry.OPTIMIZERS, ('params', )),
    'optim_wrapper': Slot(registry.OPTIM_WRAPPERS, (), ('constructor', 'paramwise_cfg'), 'HumanOptimWrapper'),
    'param_scheduler': Slot(registry.PARAM_SCHEDULERS, ('optimizer', ), ('convert_to_iter_based', )),
    'train_cfg': Slot(registry.LOOPS, ('runner', 'dataloader'), (), 'MixtureLoop'),
    'hook': Slot(registry.HOOKS),
    'visualizer': Slot(VISUALIZERS),
    'vis_backends': Slot(VISBACKENDS, ('save_dir', )),
    'log_processor': Slot(LOG_PROCESSORS),
    'sampler': Slot(DATA_SAMPLERS, None),
    'collate_fn': Slot(FUNCTIONS, None),
}


def names_in(found: Registry) -> set[str]:
    """Names of a registry and of those above it."""
    found.import_from_location()
    names = set(found.module_dict)
    return names | names_in(found.parent) if found.parent is not None else names


def anywhere(name: str) -> Any:
    """A class of that name in any registry of the OpenMMLab family; inside an object it is not known which is asked."""
    registries = [value for value in vars(root).values() if isinstance(value, Registry)]
    while registries:
        current = registries.pop()
        if name in current.module_dict:
            return current.module_dict[name]
        registries += current.children.values()
    return None
