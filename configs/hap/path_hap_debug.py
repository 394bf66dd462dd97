"""HAP beside supervised sources in one step, at debug size: the seven of `path/path_debug.py`, and masked crops.

    humanbench train hap/path_hap_debug.py --gpus 2
    humanbench benchmark --flavor debug --weights both=work_dirs/path_hap_debug/iter_750.pth

Hardware: two CPU cores. Time: six minutes beside other work (750 steps).
Expected: all eight losses fall; what it gains is not known.
The crops weigh as much as a tenth of all others together (not tuned).
"""
from mmengine.config import read_base

with read_base():
    from .._base_.sources.luperson import *
    from ..path.path_debug import *

luperson.update(batch_size=32, slots=1)
luperson.head.update(img_size=debug_sizes['reid'], decoder_dim=64, decoder_depth=2, decoder_heads=4)
luperson.dataset.update(root=debug_root, keep=None, pipeline=[
    dict(step, size=debug_sizes['reid']) if 'size' in step else step for step in pretext_train_pipeline])
luperson.weight = 0.1 * sum(source.weight for source in sources.values())
sources.update(luperson=luperson)
model.backbone.update(class_token_tasks=('reid', 'pretext'))
