"""HCMoCo with labels of one modality for another, HRNet-W18: NTU RGB+D, and NTURGBD-Parsing-4K's labelled frames.

    humanbench train hcmoco/hcmoco_parsing_hrnet-w18_ntu.py --gpus 4 \
                     --weights work_dirs/hcmoco_hrnet-w18_ntu/iter_35100.pth
    humanbench train hcmoco/hcmoco_parsing_hrnet-w18_ntu.py --flavor rgb_to_depth --gpus 4 \
                     --work-dir work_dirs/rgb_to_depth --weights work_dirs/hcmoco_hrnet-w18_ntu/iter_35100.pth

The recipe itself learns from both modalities and is tested on both, on colours alone and on depth alone; flavours in
`_base_/recipes/hcmoco_parsing.py`. HCMoCo begins with a run of stage 1 in which the modality to be parsed was
hidden of labelled frames; that of `hcmoco_hrnet-w18_ntu.py` may have seen both of them, without labels.

Hardware: four GPUs of 32 GB. Time: 14 V100 hours as `humanbench plan` computes it; not measured. Not run here: nobody
of us has NTU RGB+D.
Expected: the release prints three mIoU (both, colours alone, depth alone); which numbers its authors had is not known.
"""
from mmengine.config import read_base

with read_base():
    from .._base_.models.hrnet_w18 import model
    from .._base_.recipes.hcmoco import *
    from .._base_.recipes.hcmoco_parsing import *

model.backbone.update(merged=4, momentum=0.01)
sources.ntu_rgbd.head.update(hcmoco_parsing_head, depth_encoder=dict(model.backbone), num_samples=56_578 + 1_963)
sources.ntu_rgbd.dataset.datasets[1] = labelled_frames(rgbd_size)
sources.ntu_rgbd.update(batch_size=45)
train_cfg.max_steps = epochs(1_963, batch=180)
evaluations = parsing_evaluations(rgbd_size, sources.ntu_rgbd.dataset.type)
flavors = parsing_flavors(evaluations)
