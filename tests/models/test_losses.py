"""Losses against plain loops and formulas."""
import math

import pytest
import torch

from humanbench.models.losses import batch_hard_triplet, weighted_attribute_loss


def naive_triplet(features: torch.Tensor, identities: torch.Tensor) -> float:
    values = []
    for i, anchor in enumerate(features):
        distance = [(anchor - other).norm().item() for other in features]
        company = [d for j, d in enumerate(distance) if j != i and identities[j] == identities[i]]
        others = [d for j, d in enumerate(distance) if identities[j] != identities[i]]
        if company and others:
            values.append(math.log1p(math.exp(max(company) - min(others))))
    return sum(values) / len(values) if values else 0.0


@pytest.mark.parametrize('identities', [[0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 2, 2], [3, 3, 3, 3, 3, 5], [0, 0, 0, 0, 0, 0],
                                        [0, 1, 2, 3, 4, 5]])
def test_triplet_equals_a_loop(identities):
    torch.manual_seed(0)
    features, identities = torch.randn(6, 4), torch.tensor(identities)
    found = batch_hard_triplet(features, identities)
    assert found.item() == pytest.approx(naive_triplet(features, identities), rel=1e-4)


def test_triplet_gradient():
    torch.manual_seed(0)
    features = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    identities = torch.tensor([0, 0, 1, 1, 2, 2])
    assert torch.autograd.gradcheck(lambda x: batch_hard_triplet(x, identities), features)


def test_triplet_of_equal_features_has_a_finite_gradient():
    features = torch.ones(4, 3, requires_grad=True)
    batch_hard_triplet(features, torch.tensor([0, 0, 1, 1])).backward()
    assert torch.isfinite(features.grad).all()


def test_triplet_is_computed_in_full_precision_under_autocast():
    torch.manual_seed(0)
    features, identities = torch.randn(6, 4) * 30, torch.tensor([0, 0, 1, 1, 2, 2])
    exact = batch_hard_triplet(features, identities)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(batch_hard_triplet(features, identities), exact)


def test_attribute_loss_equals_the_formula():
    logits = torch.tensor([[0.5, -1.0, 2.0], [0.0, 3.0, -2.0]])
    labels = torch.tensor([[1, 0, -1], [-1, 1, 0]], dtype=torch.int8)
    ratio = torch.tensor([0.2, 0.7, 0.9])
    expected = 0.0
    for i in range(2):
        for j in range(3):
            p = 1 / (1 + math.exp(-logits[i, j]))
            if labels[i, j] == 1:
                expected -= math.exp(1 - ratio[j]) * math.log(p)
            elif labels[i, j] == 0:
                expected -= math.exp(ratio[j]) * math.log(1 - p)
    assert weighted_attribute_loss(logits, labels, ratio).item() == pytest.approx(expected / 2, rel=1e-5)


def test_attribute_loss_of_unknown_labels_is_zero():
    assert weighted_attribute_loss(torch.randn(2, 3), -torch.ones(2, 3), torch.rand(3)) == 0
