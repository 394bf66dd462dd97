"""What lets the OpenMMLab family run without compiled operators gives what the compiled operators give."""
import logging
import subprocess
import sys

import numpy as np
import pytest
import torch

import humanbench  # noqa: F401
from humanbench import _compat


def greedy(boxes: np.ndarray, scores: np.ndarray, threshold: float, offset: int) -> list[int]:
    """Non-maximum suppression by its definition, one pair at a time."""
    def iou(a, b):
        sides = [max(min(a[i + 2], b[i + 2]) - max(a[i], b[i]) + offset, 0) for i in (0, 1)]
        areas = [(x[2] - x[0] + offset) * (x[3] - x[1] + offset) for x in (a, b)]
        return sides[0] * sides[1] / (sum(areas) - sides[0] * sides[1])
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('seed', range(5))
def test_suppression_is_that_of_its_definition(seed, offset):
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 60, (40, 2))
    boxes = np.concatenate([corners, corners + rng.integers(5, 30, (40, 2))], 1).astype(np.float32)
    scores = rng.integers(0, 15, 40).astype(np.float32)  # with ties
    kept = _compat.nms(torch.tensor(boxes), torch.tensor(scores), 0.4, offset).tolist()
    assert kept == greedy(boxes, scores, 0.4, offset) and 1 < len(kept) < 40
    assert kept != _compat.nms(torch.tensor(boxes), torch.tensor(scores), 0.1, offset).tolist()


def test_nothing_is_kept_of_nothing():
    assert _compat.nms(torch.zeros(0, 4), torch.zeros(0), 0.5).shape == (0,)


def test_torchvision_finds_its_operator():
    from torchvision.ops import nms
    boxes = torch.tensor([[0., 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
    assert nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist() == [1, 2]


def test_the_focal_loss_and_its_gradient_are_those_of_torchvision():
    from mmcv.ops import sigmoid_focal_loss
    from torchvision.ops import sigmoid_focal_loss as theirs
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(12, 3, generator=generator, requires_grad=True)
    target = torch.randint(0, 4, (12,), generator=generator)  # 3 is background
    onehot = torch.nn.functional.one_hot(target, 4)[:, :3].float()

    def with_gradient(loss):
        return loss, torch.autograd.grad(loss.sum(), logits)[0]
    (ours, slope), (expected, expected_slope), (other, _) = (with_gradient(x) for x in (
        sigmoid_focal_loss(logits, target, 2.0, 0.25, None, 'none'),
        theirs(logits, onehot, 0.25, 2.0), theirs(logits, onehot, 0.5, 2.0)))
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(slope, expected_slope)
    assert not torch.allclose(ours, other)


def test_an_operator_that_nobody_has_is_named_when_it_is_called():
    module = _compat._MissingOps('mmcv._ext')
    with pytest.raises(NotImplementedError, match="'roi_align_forward' needs mmcv with compiled operators"):
        module.roi_align_forward()


def test_xtcocotools_measures_masks():
    from xtcocotools import mask
    square = np.zeros((6, 6), np.uint8, order='F')
    square[1:3, 1:4] = 1
    assert mask.area(mask.encode(square)) == 6


def test_importing_the_family_prints_nothing():
    command = "import humanbench, mmdet.datasets, mmseg.datasets, mmpose.datasets; print('end')"
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', command], capture_output=True, text=True, check=True)
    assert done.stdout == 'end\n'


def test_messages_that_people_should_see_are_printed(capsys):
    from mmengine.logging import print_log
    print_log('for debugging', level=logging.DEBUG)
    print_log('for people')
    assert 'for people' in (said := capsys.readouterr().out) and 'for debugging' not in said
