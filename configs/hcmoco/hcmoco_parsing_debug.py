"""HCMoCo with labels of one modality for another, at debug size: people without labels, and frames with 25 body parts.

    humanbench train hcmoco/hcmoco_parsing_debug.py --work-dir work_dirs/both \
                     --weights work_dirs/hcmoco_debug/iter_300.pth
    humanbench test  hcmoco/hcmoco_parsing_debug.py --checkpoint work_dirs/both       (both, colours alone, depth alone)
    humanbench train hcmoco/hcmoco_parsing_debug.py --flavor rgb_to_depth --work-dir work_dirs/rgb_to_depth \
                     --weights work_dirs/hcmoco_debug/iter_300.pth
    humanbench test  hcmoco/hcmoco_parsing_debug.py --flavor rgb_to_depth --checkpoint work_dirs/rgb_to_depth

The recipe itself learns from both modalities and reads what there is; flavours in `_base_/recipes/hcmoco_parsing.py`.

Hardware: two CPU cores. Time: minutes (300 steps).
Expected (two seeds, 200 steps from stage 1): mIoU .19 of both, .12 of colours alone, .16 of depth alone;
`rgb_to_depth` .09, `depth_to_rgb` .06, `rgb_to_rgb` .15, `depth_to_depth` .20.
"""
from mmengine.config import read_base

with read_base():
    from .._base_.recipes.hcmoco_parsing import *
    from .hcmoco_debug import *

sources.ntu_rgbd.dataset.datasets[1] = labelled_frames(_size, root=debug_root)
sources.ntu_rgbd.head.update(hcmoco_parsing_head)
train_cfg.max_steps = 300
evaluations = parsing_evaluations(_size, sources.ntu_rgbd.dataset.type, root=debug_root)
flavors = parsing_flavors(evaluations)
