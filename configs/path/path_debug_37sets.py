"""All 25 sources of PATH, its 37 datasets, at debug size on MiniHuman: does every reader, head and label space run?

    humanbench train path/path_debug_37sets.py --gpus 2

Hardware: two CPU cores. Time: a few minutes for the data, which are made on first use, and a second a step.
Expected: all losses fall. It is a check of the recipe, too short and too small to compare anything with.
"""
from mmengine.config import read_base

from humanbench.models import LadderProjector

with read_base():
    from .._base_.debug import *
    from .._base_.models.vit_debug import *
    from .._base_.recipes.path_37sets import *

_batches = dict(reid=8, pose=4, parsing=2, attribute=8, detection=2)
for _source in sources.values():
    _small, _sample_weight = debug_sources[_source.task], _source.weight / (_source.batch_size * _source.slots)
    _source.dataset.update(_small.dataset, root='minihuman:tiny')
    _source.head.update(_small.get('head', {}))
    _batch = _batches[_source.task]
    _source.update(batch_size=_batch, slots=1, weight=_sample_weight * _batch)
    if _source.task == 'reid':
        _source.head.num_identities = 64  # as many as the tiny editions have, or more
evaluations = {}

model.update(projector=dict(type=LadderProjector))
train_cfg = dict(max_steps=60)
schedule = dict(policy='cosine', warmup=0.1)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.05), clip_norm=1.0, clip_part='each')
default_hooks = dict(checkpoint=dict(interval=60, max_keep_ckpts=1), logger=dict(interval=10))
