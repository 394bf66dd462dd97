"""One child of each MMEngine root registry that HumanBench adds to. Modules register where they are defined."""
from mmengine.registry import DATASETS as _DATASETS
from mmengine.registry import HOOKS as _HOOKS
from mmengine.registry import LOG_PROCESSORS as _LOG_PROCESSORS
from mmengine.registry import LOOPS as _LOOPS
from mmengine.registry import METRICS as _METRICS
from mmengine.registry import MODELS as _MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as _OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import OPTIM_WRAPPERS as _OPTIM_WRAPPERS
from mmengine.registry import OPTIMIZERS as _OPTIMIZERS
from mmengine.registry import PARAM_SCHEDULERS as _PARAM_SCHEDULERS
from mmengine.registry import RUNNERS as _RUNNERS
from mmengine.registry import TRANSFORMS as _TRANSFORMS
from mmengine.registry import Registry


def _child(parent: Registry, *locations: str) -> Registry:
    return Registry(parent.name, parent=parent, scope='humanbench', locations=[f'humanbench.{x}' for x in locations])


DATASETS = _child(_DATASETS, 'datasets')
TRANSFORMS = _child(_TRANSFORMS, 'datasets.transforms')
MODELS = _child(_MODELS, 'models')
METRICS = _child(_METRICS, 'evaluation')
LOOPS = _child(_LOOPS, 'engine')
RUNNERS = _child(_RUNNERS, 'engine')
LOG_PROCESSORS = _child(_LOG_PROCESSORS, 'engine.hooks')
HOOKS = _child(_HOOKS, 'engine.hooks')
OPTIMIZERS = _child(_OPTIMIZERS, 'engine.optim')
OPTIM_WRAPPERS = _child(_OPTIM_WRAPPERS, 'engine.optim')
OPTIM_WRAPPER_CONSTRUCTORS = _child(_OPTIM_WRAPPER_CONSTRUCTORS, 'engine.optim')
PARAM_SCHEDULERS = _child(_PARAM_SCHEDULERS, 'engine.optim')
