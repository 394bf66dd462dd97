"""Lets the OpenMMLab family run on current PyTorch without compiled operators.

Imported first by :mod:`humanbench`. Every part is a no-op where the real thing loads:

========================  ==================================================================================
part                      why
========================  ==================================================================================
:func:`patch_torchvision` the wheel's ``_C.so`` links CUDA libraries and does not load beside a CPU-only torch; the
                          Python half then dies in ``register_fake('torchvision::nms')`` (pytorch/vision #8986)
:func:`patch_mmcv_ops`    a pure-Python mmcv has no ``mmcv._ext``, yet mmdet and mmpose import modules that look it
                          up at import time (open-mmlab/mmcv #3263)
:func:`patch_xtcocotools` the wheel is built against NumPy 1 and fails to import on NumPy 2 (jin-s13/xtcocoapi #27);
                          pycocotools' C module has the same interface
:func:`patch_read_base`   a config of yours may begin with one of ours, ``from humanbench.configs._base_...``: they lie
                          beside the package or in its ``.mim``, where MMEngine's lazy configs do not look
:func:`patch_print_log`   without a logger MMEngine prints messages of any level, so importing mmdet prints one that is
                          for debugging, into the output of every command
========================  ==================================================================================
"""
import importlib.machinery
import importlib.util
import logging
import sys
import types
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

_LIBRARIES: list[torch.library.Library] = []  # a library's operators live as long as its handle


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Greedy non-maximum suppression.

    Args:
        boxes: (n, 4) corners x1, y1, x2, y2.
        scores: (n,) confidences; ties keep their input order.
        iou_threshold: a box is dropped when it overlaps a kept one by more than this.
        offset: 1 for the inclusive-pixel convention, 0 for continuous coordinates.

    Returns:
        Indices of the kept boxes, by falling score.
    """
    order = scores.argsort(descending=True, stable=True)
    boxes = boxes[order].float()
    size = (boxes[:, 2:] - boxes[:, :2] + offset).clamp(min=0)
    area = size.prod(1)
    keep = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    for i in range(len(boxes)):
        if not keep[i]:
            continue
        rest = boxes[i + 1:]
        top_left = torch.maximum(boxes[i, :2], rest[:, :2])
        bottom_right = torch.minimum(boxes[i, 2:], rest[:, 2:])
        overlap = (bottom_right - top_left + offset).clamp(min=0).prod(1)
        iou = overlap / (area[i] + area[i + 1:] - overlap).clamp(min=1e-12)
        keep[i + 1:] &= iou <= iou_threshold
    return order[keep]


def patch_torchvision() -> bool:
    """Declare ``torchvision::nms`` in Python where the compiled library cannot load. Returns whether it had to."""
    spec = importlib.util.find_spec('torchvision')
    if spec is None or spec.origin is None or 'torchvision' in sys.modules:
        return False
    for library in Path(spec.origin).parent.glob('_C*.so'):
        try:
            torch.ops.load_library(str(library))
            return False
        except OSError:
            break  # linked against CUDA libraries this torch does not have
    library = torch.library.Library('torchvision', 'FRAGMENT')
    library.define('nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    library.define('qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    library.impl('nms', lambda dets, scores, threshold: nms(dets, scores, threshold), 'CompositeExplicitAutograd')
    _LIBRARIES.append(library)
    import torchvision.ops.boxes
    torchvision.ops.boxes._assert_has_ops = lambda: None  # it looks for the compiled library, not for the operator
    return True


def _focal_loss(logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float) -> Tensor:
    """Sigmoid focal loss in mmcv's convention: (n, c) logits, (n,) class ids, id c is background."""
    num_classes = logits.shape[1]
    onehot = F.one_hot(target.clamp(max=num_classes), num_classes + 1)[:, :num_classes].to(logits.dtype)
    probability = logits.sigmoid()
    p_true = probability * onehot + (1 - probability) * (1 - onehot)
    alpha_true = alpha * onehot + (1 - alpha) * (1 - onehot)
    cross_entropy = F.binary_cross_entropy_with_logits(logits, onehot, reduction='none')
    loss = alpha_true * (1 - p_true).pow(gamma) * cross_entropy
    if weight.numel():
        loss = loss * (weight[None] * onehot + (1 - onehot))
    return loss


def _sigmoid_focal_loss_forward(input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float,
                                alpha: float) -> None:
    output.copy_(_focal_loss(input, target, weight, gamma, alpha))


def _sigmoid_focal_loss_backward(input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float,
                                 alpha: float) -> None:
    with torch.enable_grad():
        logits = input.detach().requires_grad_(True)
        gradient, = torch.autograd.grad(_focal_loss(logits, target, weight, gamma, alpha).sum(), logits)
    grad_input.copy_(gradient)


class _MissingOps(types.ModuleType):
    """Stands in for ``mmcv._ext``: an operator that nobody provides raises when it is called, not when imported."""

    def __getattr__(self, name: str):
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*args, **kwargs):
            raise NotImplementedError(f"mmcv operator '{name}' needs mmcv with compiled operators, "
                                      'which is not installed; HumanBench itself does not use it')
        return missing


def patch_mmcv_ops() -> bool:
    """Put a stand-in for ``mmcv._ext`` in place where mmcv has no compiled operators. Returns whether it had to."""
    spec = importlib.util.find_spec('mmcv')
    if spec is None or spec.origin is None or 'mmcv._ext' in sys.modules:
        return False
    if any(Path(spec.origin).parent.glob('_ext*.so')):
        return False
    module = _MissingOps('mmcv._ext')
    module.__spec__ = importlib.machinery.ModuleSpec('mmcv._ext', None)
    module.nms = nms
    module.sigmoid_focal_loss_forward = _sigmoid_focal_loss_forward
    module.sigmoid_focal_loss_backward = _sigmoid_focal_loss_backward
    sys.modules['mmcv._ext'] = module
    return True


def patch_xtcocotools() -> bool:
    """Give xtcocotools pycocotools' C module where its own was built for NumPy 1. Returns whether it had to."""
    if importlib.util.find_spec('xtcocotools') is None or 'xtcocotools._mask' in sys.modules:
        return False
    import numpy
    if int(numpy.__version__.split('.')[0]) < 2:
        return False
    import pycocotools._mask
    sys.modules['xtcocotools._mask'] = pycocotools._mask
    return True


def patch_read_base() -> None:
    """Let ``with read_base(): from humanbench.configs...`` find the shipped configs, in a checkout and in a wheel."""
    from mmengine.config import config

    from .resources import folder
    original = config.get_installed_path

    def installed_path(package: str) -> str:
        return str(folder('configs').parent) if package == 'humanbench' else original(package)
    config.get_installed_path = installed_path


def patch_print_log() -> None:
    """Leave out messages for debugging where no logger decides about them."""
    from mmengine import logging as mmengine_logging
    original = mmengine_logging.print_log

    def print_log(msg: object, logger: logging.Logger | str | None = None, level: int = logging.INFO) -> None:
        if logger is not None or level > logging.DEBUG:
            original(msg, logger, level)
    mmengine_logging.print_log = print_log


patch_torchvision()
patch_mmcv_ops()
patch_xtcocotools()
patch_read_base()
patch_print_log()
