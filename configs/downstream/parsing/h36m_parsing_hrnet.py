"""Human3.6M body parts with HRNet-W18 as HCMoCo finetunes for it, with all labels or few: mIoU over 25 classes.

    humanbench train downstream/parsing/h36m_parsing_hrnet.py --weights hcmoco:FILE --gpus 2 --test
    humanbench train downstream/parsing/h36m_parsing_hrnet.py --flavor labels_1 --weights hcmoco:FILE --gpus 2 --test
    humanbench train downstream/parsing/h36m_parsing_hrnet.py --flavor debug --test

Hardware: two GPUs, 20 images of 473 x 473 on each. Time: not run here at this size, and `humanbench plan` counts
operations, where an HRNet waits for memory. The debug flavour takes a minute on one CPU core.
Expected (HCMoCo's figures; not run here): mIoU 62.5 with all labels, 60.9 with 20 %, 58.3 with 10 %, 20.8 with 1 %;
48.9 with 20 % from ImageNet. Which frames these were is not known: here every 5th, 10th and 100th (D). Fewer labels
have as many epochs (D).
"""
from mmengine.config import read_base

from humanbench.datasets import Human36MParsing

with read_base():
    from ..._base_.downstream.parsing_hrnet import *
    from ..._base_.pipelines.parsing import *


def steps(frames):
    """50 epochs (H) of batches of 40."""
    return 50 * frames // 40


train_cfg.max_steps = steps(62_668)
sources = dict(h36m_parsing=dict(
    task='parsing', batch_size=20, slots=2, head=parsing_hrnet_head,  # H
    dataset=dict(type=Human36MParsing, split='train', pipeline=resized(parsing_train_pipeline, (473, 473)))))  # H
evaluations = dict(h36m_parsing=dict(
    source='h36m_parsing', batch_size=16, evaluator=parsing_hrnet_evaluator,
    dataset=dict(type=Human36MParsing, split='test', pipeline=resized(parsing_test_pipeline, (473, 473)))))
flavors = {f'labels_{100 // every}': dict(
    train_cfg=dict(max_steps=steps(62_668 // every)), sources=dict(h36m_parsing=dict(dataset=dict(
        indices=range(every - 1, 62_668, every))))) for every in (5, 10, 100)}
flavors.update(debug=dict(
    debug_parsing_hrnet, sources=dict(h36m_parsing=dict(
        batch_size=8, slots=1, head=dict(class_weights='nturgbd_parsing'),  # 19 of 20 pixels are background
        dataset=dict(root=debug_root, pipeline=resized(parsing_train_pipeline, (128, 128), debug_scales)))),
    evaluations=dict(h36m_parsing=dict(dataset=dict(
        root=debug_root, pipeline=resized(parsing_test_pipeline, (128, 128)))))))
