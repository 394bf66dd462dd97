"""The debug size of everything: MiniHuman in place of the real datasets, small images, network and heads.

Used by `configs/path/path_debug.py` and by the `debug` flavour of every benchmark config: both see the same images.
Augmentation is mild (flips and small shifts; no rotation, scaling or erasing): a network of half a million weights that
sees ten thousand images has no use for more. Two CPU cores: a step of one source takes 40 to 120 ms.
"""
from mmengine.config import read_base

from mmdet.datasets.transforms import Resize as ResizeWithBoxes

with read_base():
    from .models.vit_debug import model as debug_model
    from .pipelines.attribute import *
    from .pipelines.counting import *
    from .pipelines.detection import *
    from .pipelines.parsing import *
    from .pipelines.pose import *
    from .pipelines.reid import *
    from .pipelines.text_reid import *

debug_root = 'minihuman:small'
debug_sizes = dict(
    reid=(128, 64), attribute=(128, 96), parsing=(128, 128), pose=(96, 128), detection=(256, 192), counting=128,
    text_reid=(128, 64))

# what a source of each task looks like: merged over the source's own settings
debug_sources = dict(
    reid=dict(
        batch_size=32, slots=1, dataset=dict(root=debug_root, pipeline=[
            dict(step, size=debug_sizes['reid']) if 'size' in step else step
            for step in reid_train_pipeline if 'aspect' not in step])),
    attribute=dict(
        batch_size=32, slots=1, dataset=dict(root=debug_root, pipeline=[
            dict(step, size=debug_sizes['attribute']) if 'size' in step else step
            for step in attribute_train_pipeline])),
    pose=dict(
        batch_size=16, slots=1, head=dict(channels=64), dataset=dict(root=debug_root, pipeline=[
            dict(step, input_size=debug_sizes['pose']) if 'input_size' in step else step
            for step in pose_mpii_train_pipeline if 'rotate_factor' not in step])),
    parsing=dict(
        batch_size=8, slots=1, head=dict(channels=64), dataset=dict(root=debug_root, pipeline=[
            dict(step, size=debug_sizes['parsing'], scales=(0.9, 1.0, 1.1)) if 'size' in step else step
            for step in parsing_train_pipeline])),
    detection=dict(
        batch_size=6, slots=1, head=dict(
            embed_dims=64, num_layers=3, num_heads=4, feedforward_channels=256, num_points=48, num_patterns=1,
            max_per_img=48, point_init='grid', query_content='sampled', residual_scale=0.1, size_prior=0.3),
        dataset=dict(root=debug_root, pipeline=[
            dict(type=ResizeWithBoxes, scale=debug_sizes['detection'], keep_ratio=True) if 'scales' in step else
            dict(step, lazy=False) if 'lazy' in step else step
            for step in detection_train_pipeline if 'shorts' not in step])),
    counting=dict(
        batch_size=16, slots=1, head=dict(channels=64, loss='gaussian', window=(128, 128)),
        dataset=dict(root=debug_root, pipeline=[
            dict(step, size=debug_sizes['counting']) if 'size' in step else step for step in counting_train_pipeline])),
    text_reid=dict(
        batch_size=32, slots=1, head=dict(
            feature_channels=96, neck=True, text=dict(folder='minihuman', weights='scratch', frozen=False)),
        dataset=dict(root=debug_root, pipeline=[
            dict(step, size=debug_sizes['text_reid']) if 'size' in step else step
            for step in text_reid_train_pipeline])))

# how each task is tested at that size
debug_evaluations = dict(
    reid=dict(dataset=dict(root=debug_root, pipeline=[
        dict(step, size=debug_sizes['reid']) if 'size' in step else step for step in reid_test_pipeline])),
    attribute=dict(dataset=dict(root=debug_root, pipeline=[
        dict(step, size=debug_sizes['attribute']) if 'size' in step else step for step in attribute_test_pipeline])),
    pose=dict(dataset=dict(root=debug_root, pipeline=[
        dict(step, input_size=debug_sizes['pose']) if 'input_size' in step else step for step in pose_test_pipeline])),
    parsing=dict(dataset=dict(root=debug_root, pipeline=[
        dict(step, size=debug_sizes['parsing']) if 'size' in step else step for step in parsing_test_pipeline])),
    detection=dict(dataset=dict(root=debug_root, pipeline=[
        dict(step, scale=debug_sizes['detection']) if 'scale' in step else step for step in detection_test_pipeline])),
    counting=dict(batch_size=1, dataset=dict(root=debug_root, pipeline=[
        dict(step, min_side=debug_sizes['counting']) if 'min_side' in step else step
        for step in counting_test_pipeline])),
    text_reid=dict(dataset=dict(root=debug_root, pipeline=[
        dict(step, size=debug_sizes['text_reid']) if 'size' in step else step for step in text_reid_test_pipeline])))

# one optimisation recipe for every debug finetuning run, whatever the weights it starts from
debug_finetune = dict(
    model=dict(debug_model, backbone=dict(debug_model.backbone, _delete_=True)),
    optim_wrapper=dict(optimizer=dict(_delete_=True, type='AdamW', lr=4e-3, weight_decay=0.05), clip_norm=1.0,
                       clip_part='all', paramwise_cfg=dict(_delete_=True, backbone_multiplier=0.25)),
    schedule=dict(_delete_=True, policy='cosine', warmup=0.1),
    train_cfg=dict(max_steps=80, precision='fp32'))
