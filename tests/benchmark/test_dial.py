"""Distances of body parts under SOLIDER's dial."""
import math

import pytest
import torch

from humanbench import weights
from humanbench.benchmark.fidelity.dial import (
    PARTS,
    Distances,
    dial_table,
    distances,
    measure_dial,
    part_vectors,
    token_parts,
)
from humanbench.benchmark.fidelity.studies import LAMBDAS
from humanbench.catalog import card
from humanbench.engine.launch import complete, load_config
from humanbench.registry import MODELS


def test_a_token_belongs_to_the_part_of_most_of_its_pixels():
    labels = torch.zeros(8, 4, dtype=torch.long)
    labels[:3], labels[4:] = 7, 9
    found = token_parts(labels, (2, 1), [[7, 8], [9]])
    assert found.flatten(1).tolist() == [[True, False], [False, True]]
    assert not token_parts(labels, (2, 1), [[8], [5]]).any()


def test_features_of_a_part_are_the_mean_of_its_tokens():
    maps = torch.arange(8.).view(1, 2, 2, 2)
    parts = torch.tensor([[[[True, True], [False, False]], [[False, False], [False, False]]]])
    found = part_vectors(maps, parts)
    assert found[0, 0].tolist() == [0.5, 4.5] and found[0, 1].isnan().all()


def directions(*degrees: float) -> torch.Tensor:
    angles = torch.tensor(degrees).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], -1)


def test_distances_tell_parts_from_people():
    """Two people of two parts: 60 degrees between parts, 90 between people, whatever the lengths."""
    vectors = torch.stack([3 * directions(0, 60), directions(90, 150)])
    found = distances(vectors, 0.2)
    assert found == Distances(0.2, pytest.approx(0.5), pytest.approx(1.0))
    missing = torch.cat([vectors, torch.full((1, 2, 2), math.nan)])
    assert distances(missing, 0.2) == Distances(0.2, pytest.approx(0.5), pytest.approx(1.0))
    alike = distances(torch.stack([directions(0, 90), directions(0, 90)]), 1.0)
    assert (alike.within, alike.between) == (pytest.approx(1.0), pytest.approx(0.0, abs=1e-9))


def test_parts_are_classes_of_lip():
    assert {name for members in PARTS.values() for name in members} <= set(card('lip').classes)


def test_a_pretrained_network_is_looked_at_under_every_lambda(tmp_path):
    torch.manual_seed(0)
    config = load_config('solider/solider_swin-t_debug.py')
    file = weights.export(MODELS.build(complete(config).model), tmp_path / 'iter_1.pth')
    found = measure_dial(file, 'minihuman:tiny')
    assert [x.semantic for x in found] == list(LAMBDAS)
    assert all(0 < x.within < 2 and 0 < x.between < 2 for x in found)
    assert len({x.within for x in found}) == len(found)  # the dial changes features
    text = dial_table({0: found, 1: found})
    assert text.count('\n| 0.') + text.count('\n| 1.0') == len(LAMBDAS)
