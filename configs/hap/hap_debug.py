"""HAP at debug size: a ViT of half a million weights on MiniHuman's person crops (made on first use).

    mim train humanbench configs/hap/hap_debug.py          or        humanbench train hap/hap_debug.py --gpus 2
    humanbench train hap/hap_debug.py --flavor mae --work-dir work_dirs/mae_debug             (or another ablation)
    humanbench test  hap/hap_debug.py --checkpoint work_dirs/hap_debug/iter_600.pth --sheet masks.png
    humanbench benchmark --flavor debug --weights hap=work_dirs/hap_debug/iter_600.pth

Hardware: two CPU cores. Time: six minutes beside other work (600 steps).
Expected: the loss falls from 1.15 to 0.82; finetuned from it, tasks do no better than from scratch
(docs/fidelity_hap.md).
The recipe is the paper-size one with small parts; images of 128 x 64 have 32 patches, of which 16 are masked.
"""
from mmengine.config import read_base

from humanbench.datasets import LUPerson
from humanbench.evaluation import ReconstructionMetric

with read_base():
    from .._base_.debug import debug_root, debug_sizes
    from .._base_.recipes.hap import *

_size = debug_sizes['reid']
sources.luperson.update(batch_size=64, slots=2)
sources.luperson.head.update(img_size=_size, decoder_dim=64, decoder_depth=2, decoder_heads=4)
sources.luperson.dataset.update(root=debug_root, keep=None)
for _source in (sources.luperson, *(flavor.sources.luperson for flavor in flavors.values())):
    if 'pipeline' in _source.get('dataset', {}):
        _source.dataset.pipeline = [dict(step, size=_size) if 'size' in step else step
                                    for step in _source.dataset.pipeline]
model.backbone.update(img_size=_size, embed_dim=96, depth=4, num_heads=3)

train_cfg = dict(max_steps=600)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=3e-3, betas=(0.9, 0.95), weight_decay=0.05))
loader = dict()
default_hooks = dict(checkpoint=dict(interval=200, max_keep_ckpts=1), logger=dict(interval=20))

# people that training has not seen: another edition of MiniHuman
evaluations = dict(luperson=dict(
    source='luperson', batch_size=64, evaluator=dict(type=ReconstructionMetric), dataset=dict(
        type=LUPerson, root=f'{debug_root}@1', indices=256, pipeline=[
            dict(step, size=_size) if 'size' in step else step for step in pretext_test_pipeline])))
