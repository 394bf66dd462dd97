"""Point, joint and structure losses against loops over everything, and what they leave out."""
import math

import pytest
import torch
import torch.nn.functional as F

from humanbench.models.losses.correspondence import joint_agreement, soft_correspondence, structure_contrast

T = 0.1


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    found = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(found, dim=-1).requires_grad_()


def places(batch: int = 2, count: int = 5) -> torch.Tensor:
    return torch.randint(0, 8, (batch, count, 2), generator=torch.Generator().manual_seed(1)).double()


def dense_by_loops(first, second, points, soft: bool) -> torch.Tensor:
    """Definition: of every point the shares over all points of the other picture, against what was wanted."""
    images = []
    for a, b, where in zip(first, second, points):
        total = 0.0
        for one, other in ((a, b), (b, a)):
            for i in range(len(where)):
                similar = torch.stack([one[i] @ other[j] / T for j in range(len(where))])
                near = torch.stack([-torch.dist(where[i], where[j]) for j in range(len(where))])
                wanted = near.softmax(0) if soft else F.one_hot(torch.tensor(i), len(where)).double()
                total -= (wanted * similar.log_softmax(0)).sum() / len(where)
        images.append(total)
    return torch.stack(images)


@pytest.mark.parametrize('soft', [True, False])
def test_targets_sum_to_one(soft):
    """Where all points look alike the shares are equal, and the loss is the entropy of guessing if and only if what is
    wanted of each point sums to one, both ways."""
    alike = torch.ones(2, 5, 4, dtype=torch.float64) / 2
    found = soft_correspondence(alike, alike, places(), T, soft)
    assert found.tolist() == pytest.approx([2 * math.log(5)] * 2, rel=1e-12)


@pytest.mark.parametrize('soft', [True, False])
def test_points_find_themselves_and_what_is_near_is_nearly_right(soft):
    first, second, points = unit(2, 5, 4), unit(2, 5, 4, seed=1), places()
    found = soft_correspondence(first, second, points, T, soft)
    assert torch.allclose(found, dense_by_loops(first, second, points, soft))
    assert not torch.allclose(found, dense_by_loops(first, second, points, not soft))


def test_soft_targets_prefer_a_near_mistake_to_a_far_one():
    """Points in a row; the features of one picture are exchanged between neighbours, or between the two ends."""
    points = torch.tensor([[[0., x] for x in (0, 1, 8, 9)]])
    features = torch.eye(4)[None]
    near, far = features[:, [1, 0, 3, 2]], features[:, [3, 2, 1, 0]]
    losses = {soft: [float(soft_correspondence(features, x, points, T, soft)) for x in (near, far)]
              for soft in (True, False)}
    assert losses[True][0] < 0.8 * losses[True][1]
    assert losses[False][0] == pytest.approx(losses[False][1])  # a hard target knows no near


def test_joints_are_told_apart_where_they_are_visible():
    pixels, joints = unit(2, 3, 4), unit(2, 3, 4, seed=1)
    visible = torch.tensor([[True, False, True], [True, True, False]])
    errors = [-(pixels[b, j] @ joints[b].T / T).log_softmax(0)[j] for b in range(2) for j in range(3) if visible[b, j]]
    found = joint_agreement(pixels, joints, visible, T)
    assert found.item() == pytest.approx(torch.stack(errors).mean().item())
    found.backward()
    assert not pixels.grad[0, 1].any() and pixels.grad[0, 0].any()


def test_without_any_visible_joint_loss_and_gradient_are_zero():
    pixels, joints = unit(2, 3, 4), unit(2, 3, 4, seed=1)
    found = joint_agreement(pixels, joints, torch.zeros(2, 3, dtype=torch.bool), T)
    structure = structure_contrast(torch.stack([pixels, pixels]), torch.zeros(2, 2, 3, dtype=torch.bool), T)
    assert found.item() == structure.item() == 0
    (found + structure).backward()
    assert not pixels.grad.any() and not joints.grad.any()


def structure_by_loops(features, valid, everything: bool) -> float:
    rows = [(v, b, j) for v in range(features.shape[0]) for b in range(features.shape[1])
            for j in range(features.shape[2])]
    errors = []
    for one in rows:
        compared = [x for x in rows if everything or (x != one and valid[x])]
        right = [x for x in rows if x != one and x[2] == one[2] and valid[x] and valid[one]]
        if right:
            norm = math.log(sum(math.exp(float(features[one] @ features[x]) / T) for x in compared))
            errors.append(sum(norm - float(features[one] @ features[x]) / T for x in right) / len(right))
        elif everything:
            errors.append(0.0)
    return sum(errors) / len(errors)


@pytest.mark.parametrize('everything', [False, True])
def test_the_same_joint_of_others_is_right_and_all_other_joints_are_wrong(everything):
    features = unit(2, 3, 4, 6)
    valid = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(2)) > 0.3
    valid[1, 0] = False  # no depth
    found = structure_contrast(features, valid, T, everything)
    assert found.item() == pytest.approx(structure_by_loops(features, valid, everything))
    assert found.item() != pytest.approx(structure_by_loops(features, valid, not everything))
    found.backward()
    assert features.grad.isfinite().all()
    assert everything or not features.grad[1, 0].any()
