"""COCO, AI Challenger and MPII together as HAP finetunes for them: one backbone, a head for each, tested on all three.

    humanbench train downstream/pose/coco_aic_mpii_hap.py --weights hap:FILE --gpus 8
    humanbench test  downstream/pose/coco_aic_mpii_hap.py --checkpoint work_dirs/coco_aic_mpii_hap/iter_112877.pth

A mixture of three sources, each with as many crops in a step, and as much weight, as it has people; HAP draws 128 crops
for each GPU from all three. Each head has the joints of its own dataset; in HAP all have 17 maps of which some are
unused.

Hardware: eight GPUs, a unit of 140 crops on each (of MPII 44); fewer take longer and give the same. Time: not measured;
`humanbench plan` computes 31 A100 hours on eight for 116 million crops. The debug flavour takes seconds on a CPU.
Expected (HAP's table 1, ViT-B, 256x192 / 384x288; not run here): COCO AP 77.0 / 78.2, AI Challenger AP 32.2 / 38.1,
MPII PCKh 93.4 / 93.6 from HAP.
"""
from mmengine.config import read_base

with read_base():
    from ..._base_.downstream.pose_hap import EPOCHS, model, schedule, train_cfg  # no protocols: they are for one set
    from .aic_hap import evaluations as _aic_evaluations
    from .aic_hap import flavors as _aic_flavors
    from .aic_hap import sources as _aic_sources
    from .coco_hap import evaluations as _coco_evaluations
    from .coco_hap import flavors as _coco_flavors
    from .coco_hap import sources as _coco_sources
    from .mpii_hap import evaluations as _mpii_evaluations
    from .mpii_hap import flavors as _mpii_flavors
    from .mpii_hap import sources as _mpii_sources

sources = dict(**_coco_sources, **_aic_sources, **_mpii_sources)
for _name, (_batch_size, _slots) in dict(coco_pose=(140, 2), aic=(140, 5), mpii=(44, 1)).items():  # D: by people
    sources[_name].update(batch_size=_batch_size, slots=_slots, weight=_batch_size * _slots / 1024)
evaluations = dict(**_coco_evaluations, **_aic_evaluations, **_mpii_evaluations)
train_cfg.max_steps = EPOCHS * (149_813 + 378_352 + 22_246) // 1024
optim_wrapper = dict(  # H; decay and clipping D, as for COCO alone
    optimizer=dict(type='AdamW', lr=1.1e-3, weight_decay=0.1), clip_norm=1.0, paramwise_cfg=dict(layer_decay=0.77))
flavors = {
    _name: dict(_coco_flavors[_name], **{
        _part: dict(**_coco_flavors[_name][_part], **_aic_flavors[_name][_part], **_mpii_flavors[_name][_part])
        for _part in ('sources', 'evaluations')})
    for _name in ('debug', '384x288')}
