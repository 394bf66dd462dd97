"""One child of each MMEngine root registry that HumanBench adds to, or builds from.

Modules register where they are defined.
"""
from mmengine import registry as root
from mmengine.registry import Registry


def _child(parent: Registry, *locations: str) -> Registry:
    return Registry(parent.name, parent=parent, scope='humanbench', locations=[f'humanbench.{x}' for x in locations])


DATASETS = _child(root.DATASETS, 'datasets')
TRANSFORMS = _child(root.TRANSFORMS, 'datasets.transforms')
MODELS = _child(root.MODELS, 'models')
METRICS = _child(root.METRICS, 'evaluation')
LOOPS = _child(root.LOOPS, 'engine')
RUNNERS = _child(root.RUNNERS, 'engine')
LOG_PROCESSORS = _child(root.LOG_PROCESSORS, 'engine.hooks')
HOOKS = _child(root.HOOKS, 'engine.hooks')
OPTIMIZERS = _child(root.OPTIMIZERS, 'engine.optim')
OPTIM_WRAPPERS = _child(root.OPTIM_WRAPPERS, 'engine.optim')
OPTIM_WRAPPER_CONSTRUCTORS = _child(root.OPTIM_WRAPPER_CONSTRUCTORS, 'engine.optim')
PARAM_SCHEDULERS = _child(root.PARAM_SCHEDULERS, 'engine.optim')

# nothing of ours in these; without a child MMEngine warns at every look-up from the scope `humanbench`
VISUALIZERS = _child(root.VISUALIZERS)
VISBACKENDS = _child(root.VISBACKENDS)
DATA_SAMPLERS = _child(root.DATA_SAMPLERS)
EVALUATOR = _child(root.EVALUATOR)
FUNCTIONS = _child(root.FUNCTIONS)
