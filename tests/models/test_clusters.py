"""Clusters of many small sets at once, against scikit-learn; body parts made of them."""
import numpy as np
import pytest
import torch

from humanbench.models.pretext.clusters import k_means, two_means
from humanbench.models.pretext.parts import body_parts


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sets(noise: float, batch: int = 40, points: int = 32, channels: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Points around three centres, of which one in five is not valid."""
    g = generator(5)
    centres = torch.randn(batch, 3, channels, generator=g)
    label = torch.randint(3, (batch, points, 1), generator=g)
    found = centres.gather(1, label.expand(-1, -1, channels))
    return found + noise * torch.randn(found.shape, generator=g), torch.rand(batch, points, generator=g) < 0.8


def spread(points: np.ndarray, labels: np.ndarray) -> float:
    return sum(((points[labels == k] - points[labels == k].mean(0))**2).sum() for k in np.unique(labels))


def pairs(labels: np.ndarray) -> np.ndarray:
    """Which points are together: what does not depend on the names of clusters."""
    return labels[:, None] == labels[None]


@pytest.mark.parametrize('noise', [0.1, 0.3, 0.5])
def test_clusters_are_those_of_scikit_learn(noise):
    from sklearn.cluster import KMeans
    points, valid = sets(noise)
    found = k_means(points, valid, 3, generator())
    assert (found >= 0).equal(valid) and set(found.unique().tolist()) == {-1, 0, 1, 2}
    for own, mask, labels in zip(points.numpy(), valid.numpy(), found.numpy()):
        judge = KMeans(3, n_init=10, random_state=0).fit(own[mask])
        np.testing.assert_array_equal(pairs(labels[mask]), pairs(judge.labels_))
        assert spread(own[mask], labels[mask]) == pytest.approx(judge.inertia_, rel=1e-4)


def test_where_there_are_no_clusters_more_starts_find_better_ones():
    points, valid = sets(20.0, batch=60)

    def mean_spread(starts: int) -> float:
        found = k_means(points, valid, 3, generator(), starts)
        return np.mean([spread(p[v], x[v]) for p, v, x in zip(points.numpy(), valid.numpy(), found.numpy())])

    assert mean_spread(20) < mean_spread(5) < mean_spread(1)


def test_clusters_are_a_function_of_the_generator():
    points, valid = sets(20.0)
    one, two, other = (k_means(points, valid, 3, generator(seed), starts=1) for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)


@pytest.mark.parametrize('kind', ['equal points', 'two points', 'one valid', 'none valid'])
def test_sets_with_fewer_points_than_clusters(kind):
    points, valid = sets(1.0, batch=4)
    if kind == 'equal points':
        points = torch.ones_like(points)
    elif kind == 'two points':
        points = torch.where(torch.arange(32)[None, :, None] < 10, 1.0, -1.0).expand_as(points)
    else:
        valid = torch.zeros_like(valid)
        valid[:, 3] = kind == 'one valid'
    found = k_means(points, valid, 3, generator())
    assert (found >= 0).equal(valid)
    clusters = {'equal points': 1, 'two points': 2, 'one valid': 1, 'none valid': 0}[kind]
    assert all(len(labels[labels >= 0].unique()) == clusters for labels in found)


def test_half_precision_points_are_clustered_in_single():
    points, valid = sets(0.1)
    assert torch.equal(k_means(points.bfloat16(), valid, 3, generator()),
                       k_means(points.bfloat16().float(), valid, 3, generator()))


def test_two_means_leave_the_least_distance():
    values = torch.rand(200, 12, generator=generator(), dtype=torch.float64)
    found = two_means(values)
    for numbers, upper in zip(values.numpy(), found.numpy()):
        order = np.sort(numbers)
        best = min(order[:i].var() * i + order[i:].var() * (12 - i) for i in range(1, 12))
        assert numbers[upper].var() * upper.sum() + numbers[~upper].var() * (~upper).sum() == pytest.approx(best)
        assert numbers[upper].min() > numbers[~upper].max()
    assert not two_means(torch.ones(2, 5)).any()


def person(batch: int = 6, channels: int = 16, beside: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps with a background of short tokens, and three parts below (or beside) each other; and what these are."""
    g = generator(3)
    labels = torch.zeros(8, 4, dtype=torch.long)
    if beside:
        labels[0:7] = torch.tensor([1, 2, 0, 3])
    else:
        labels[0:3, 0:3], labels[3:6, 0:3], labels[6:8, 0:3] = 1, 2, 3
    means = 5 * torch.nn.functional.normalize(torch.randn(batch, 4, channels, generator=g), dim=-1)
    means[:, 0] *= 0.1
    tokens = means[:, labels.flatten()] + 0.1 * torch.randn(batch, 32, channels, generator=g)
    return tokens.mT.unflatten(2, (8, 4)), labels


def test_body_parts_are_counted_from_the_top():
    maps, labels = person()
    found, valid = body_parts(maps, 3, generator())
    assert valid.all() and all(torch.equal(x, labels) for x in found)
    upside_down, _ = body_parts(maps.flip(2), 3, generator())
    assert all(torch.equal(x, torch.tensor([0, 3, 2, 1])[labels.flip(0)]) for x in upside_down)


def test_parts_are_the_same_under_autocast():
    maps = torch.randn(48, 96, 8, 4, generator=generator(3)) + 2 * torch.randn(1, 96, 8, 4, generator=generator(4))
    wanted, valid = body_parts(maps, 3, generator())
    with torch.autocast('cpu', torch.bfloat16):
        found, also = body_parts(maps, 3, generator())
        rounded = (maps.flatten(2).mT @ maps.flatten(2)).dtype
    assert torch.equal(found, wanted) and torch.equal(also, valid)
    assert rounded == torch.bfloat16  # so that without care they would not be


def test_parts_beside_each_other_are_counted_from_the_left():
    maps, labels = person(beside=True)
    for seed in range(5):  # clusters come in another order each time
        assert all(torch.equal(x, labels) for x in body_parts(maps, 3, torch.Generator().manual_seed(seed))[0])


def test_an_image_without_much_foreground_has_no_parts():
    maps, labels = person()
    assert body_parts(maps, 3, generator(), least=0.8)[1].logical_not().all()  # 24 of 32 tokens are foreground
    maps[0] = maps[0] * torch.where(labels == 3, 1.0, 0.1)  # six tokens are left
    assert body_parts(maps, 3, generator())[1].tolist() == [False, True, True, True, True, True]
