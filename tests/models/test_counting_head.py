"""Counting head: the transport loss against exact answers, where points land, and learning."""
import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from humanbench.errors import UserError
from humanbench.models.heads import CountingHead
from humanbench.models.heads.counting import dot_map, gaussian_map
from humanbench.models.losses.optimal_transport import sinkhorn, squared_distances, transport_loss
from humanbench.structures import Features, HumanSample, InstanceData

STRIDE = 8


def samples(points: list, size=(64, 96), padded=None) -> list[HumanSample]:
    """One sample for every list of points."""
    result = []
    for image_points in points:
        sample = HumanSample(metainfo=dict(img_shape=size, ori_shape=size, batch_input_shape=padded or size))
        sample.gt_instances = InstanceData(points=torch.as_tensor(image_points, dtype=torch.float32).reshape(-1, 2))
        result.append(sample)
    return result


def features(count: int, channels=16, size=(64, 96), seed=0) -> Features:
    """Random maps of stride 16."""
    maps = torch.randn(count, channels, size[0] // 16, size[1] // 16, generator=torch.Generator().manual_seed(seed))
    return Features(maps=[maps], tokens=[maps.flatten(2).mT], cls=None, pooled=maps.mean((2, 3)),
                    grid=tuple(maps.shape[-2:]))


def exact_transport(rows: np.ndarray, columns: np.ndarray, cost: np.ndarray) -> float:
    """Cost of the best plan, by linear programming."""
    n, m = cost.shape
    margins = np.concatenate([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    return linprog(cost.ravel(), A_eq=margins, b_eq=np.concatenate([rows, columns])).fun


@pytest.mark.parametrize('seed', range(3))
def test_sinkhorn_reaches_the_linear_programme(seed):
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(4, 2, generator=generator, dtype=torch.double) * torch.tensor([48.0, 32.0])
    columns = torch.rand(4 * 6, generator=generator, dtype=torch.double)
    columns /= columns.sum()
    rows = columns.new_full((4,), .25)
    cost = squared_distances(points, (4, 6), STRIDE)
    exact = exact_transport(rows.numpy(), columns.numpy(), cost.numpy())

    def regularised(reg: float) -> float:
        f, g = sinkhorn(rows, columns, cost, reg, iterations=2000)
        plan = ((f[:, None] + g - cost) / reg).exp()
        assert torch.allclose(plan.sum(0), columns) and torch.allclose(plan.sum(1), rows)
        return (plan * cost).sum().item()

    assert regularised(10.0) == pytest.approx(exact, rel=3e-3)
    assert regularised(1000.0) > 1.5 * exact  # control: the entropy does matter when it is strong


def test_distances_are_to_cell_centres_in_pixels():
    distances = squared_distances(torch.tensor([[4.0, 12.0], [20.0, 4.0]]), (2, 3), STRIDE).view(2, 2, 3)
    assert distances[0, 1, 0] == 0 and distances[1, 0, 2] == 0
    assert distances[0, 0, 1] == 8**2 + 8**2 and distances[1, 1, 0] == 16**2 + 8**2


def test_transport_gradient_is_that_of_its_value():
    """Against central differences of the value itself, with the iterations run to convergence."""
    generator = torch.Generator().manual_seed(0)
    density = torch.rand(3, 4, generator=generator, dtype=torch.double) + .1
    points = torch.rand(3, 2, generator=generator, dtype=torch.double) * torch.tensor([32.0, 24.0])

    def value(x: torch.Tensor) -> torch.Tensor:
        return transport_loss(x, points, STRIDE, reg=10.0, iterations=600)[0]

    density.requires_grad_(True)
    gradient, = torch.autograd.grad(value(density), density)
    assert (gradient * density).sum().abs() < 1e-9  # scaling the map changes nothing
    numeric, step = torch.zeros_like(gradient), 1e-5
    for cell in np.ndindex(*density.shape):
        shift = torch.zeros_like(density)
        shift[cell] = step
        numeric[cell] = (value(density + shift) - value(density - shift)).detach() / (2 * step)
    assert gradient.abs().max() > 1
    assert torch.allclose(gradient, numeric, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('count', [1, 500])
def test_transport_is_finite_on_the_largest_crops(count):
    """512 x 512 pixels: exp(-distance / reg) underflows some 30 pixels from a point, the logarithm does not."""
    points = torch.rand(count, 2, generator=torch.Generator().manual_seed(0)) * 512
    density = torch.full((64, 64), 1e-3, requires_grad=True)
    value, cost = transport_loss(density, points, STRIDE, iterations=8)
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(cost) and torch.isfinite(density.grad).all()
    assert value >= 0 and density.grad.abs().max() > 0
    assert (-squared_distances(points, (64, 64), STRIDE) / 10).exp().sum(0).min() == 0  # control: it does underflow


def test_descent_on_transport_moves_mass_to_the_points():
    points = torch.tensor([[12.0, 12.0], [100.0, 40.0], [60.0, 110.0]])
    logits = torch.zeros(16, 16, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=.3)
    values, costs = [], []
    for _ in range(20):
        value, cost = transport_loss(torch.nn.functional.softplus(logits), points, STRIDE)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
        costs.append(cost.item())
    assert all(later < earlier for earlier, later in zip(values, values[1:]))
    assert costs[-1] < .3 * costs[0]
    mass = logits.detach().sigmoid()
    assert mass[1, 1] > 5 * mass[8, 3]


def test_points_on_edges_belong_to_the_last_cell():
    dots = dot_map(torch.tensor([[0.0, 0.0], [24.0, 16.0], [23.9, 15.9], [30.0, 3.0], [-.5, 8.0]]), (2, 3), STRIDE)
    assert dots.tolist() == [[1, 0, 1], [1, 0, 2]]
    assert dot_map(torch.zeros(0, 2), (2, 3), STRIDE).sum() == 0


@pytest.mark.parametrize('count', [0, 1, 37])
def test_maps_sum_to_the_number_of_points(count):
    points = torch.rand(count, 2) * torch.tensor([100.0, 70.0]) - 3
    assert dot_map(points, (8, 12), STRIDE).sum() == count
    assert gaussian_map(points, (8, 12), STRIDE, 15.0).sum().item() == pytest.approx(count, abs=1e-3)


def test_gaussian_peaks_at_its_point():
    smooth = gaussian_map(torch.tensor([[20.0, 44.0]]), (8, 12), STRIDE, 8.0)
    assert smooth.argmax() == 5 * 12 + 2
    assert smooth[5, 3].item() == pytest.approx(smooth[5, 2].item() * np.exp(-.5), rel=1e-5)


@pytest.mark.parametrize('mean', [.01, .05])
def test_starts_at_the_mean_count(mean):
    head = CountingHead(16, channels=64, mean_count_per_cell=mean)
    density = head(features(2))
    assert density.shape == (2, 1, 8, 12)
    assert density.mean().item() == pytest.approx(mean, rel=.15)


def test_images_without_people():
    """They have a count and no distribution; alone they still train the head."""
    head = CountingHead(16, channels=64)
    losses = head.loss(features(2), samples([[], []]))
    assert losses['loss_transport'] == losses['loss_tv'] == 0
    assert losses['loss_count'].item() == pytest.approx(head(features(2)).sum((1, 2, 3)).mean().item())
    total = sum(value for key, value in losses.items() if 'loss' in key)
    total.backward()
    assert all(torch.isfinite(p.grad).all() for p in head.parameters())

    mixed = head.loss(features(2), samples([[[30.0, 30.0]], []]))
    alone = head.loss(features(1), samples([[[30.0, 30.0]]]))
    assert alone['loss_transport'] > 0
    assert mixed['loss_transport'].item() != 0 and mixed['loss_tv'].item() != 0


def test_losses_are_means_over_images():
    head = CountingHead(16, channels=64)
    points = [[[30.0, 30.0], [50.0, 9.0]], [[3.0, 60.0]]]
    both, labels = features(2), samples(points)
    together = head.loss(both, labels)
    singles = [head.loss(both.map_tensors(lambda x: x[i:i + 1]), labels[i:i + 1]) for i in range(2)]  # noqa: B023
    for key, value in together.items():
        assert value.item() == pytest.approx(np.mean([single[key].item() for single in singles]), rel=1e-4)
    assert 'loss' not in 'transport_cost' and together['transport_cost'] > 0
    assert head.count(labels) == 2


@pytest.mark.parametrize('loss', ['dm', 'gaussian'])
def test_every_parameter_learns(loss):
    head = CountingHead(16, channels=64, loss=loss)
    losses = head.loss(features(2), samples([[[30.0, 30.0]], [[3.0, 60.0]]]))
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


def test_padding_takes_no_part():
    head = CountingHead(16, channels=64)
    maps = features(1, size=(64, 96))
    labels = samples([[[30.0, 30.0]]], size=(45, 70), padded=(64, 96))
    sample, = head.predict(maps, labels)
    assert sample.pred_density.shape == (6, 9)
    assert sample.pred_count == sample.pred_density.sum()
    assert torch.equal(sample.pred_density, head(maps)[0, 0, :6, :9])
    count = head.loss(maps, labels)['loss_count'].item()
    assert count == pytest.approx(abs(sample.pred_count.item() - 1), rel=1e-5)
    assert count != pytest.approx(abs(head(maps).sum().item() - 1), rel=1e-2)  # control: the padding is not empty


def test_losses_are_float32_under_autocast():
    head = CountingHead(16, channels=64)
    labels = samples([[[30.0, 30.0]], []])
    exact = head.loss(features(2), labels)
    with torch.autocast('cpu', torch.bfloat16):
        rough = head.loss(features(2), labels)
    for key, value in rough.items():
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(exact[key].item(), rel=.05)


@pytest.mark.parametrize('loss', ['dm', 'gaussian'])
def test_learns_to_count_where_features_show_people(loss):
    generator = torch.Generator().manual_seed(1)
    points = [torch.rand(n, 2, generator=generator) * torch.tensor([96.0, 64.0]) for n in (0, 3, 12, 30)]
    dots = torch.stack([dot_map(p, (4, 6), 16) for p in points])[:, None]
    maps = torch.cat([dots, .1 * torch.randn(4, 15, 4, 6, generator=generator)], 1)
    seen, labels = Features([maps], [maps.flatten(2).mT], None, maps.mean((2, 3)), (4, 6)), samples(points)
    torch.manual_seed(0)
    head = CountingHead(16, channels=32, loss=loss, iterations=20)

    def error() -> float:
        return sum(abs(s.pred_count.item() - len(p)) for s, p in zip(head.predict(seen, labels), points))

    before = error()
    optimiser = torch.optim.AdamW(head.parameters(), lr=1e-2)
    for _ in range(60):
        losses = head.loss(seen, labels)
        optimiser.zero_grad()
        sum(value for key, value in losses.items() if 'loss' in key).backward()
        optimiser.step()
    assert error() < .25 * before


def test_wrong_options_say_what_is_right():
    with pytest.raises(UserError, match="counting loss 'dmm'.*Did you mean 'dm'"):
        CountingHead(16, loss='dmm')
    with pytest.raises(UserError, match='not a multiple'):
        CountingHead(16, stride=12)
    with pytest.raises(UserError, match='in_stride'):
        CountingHead(16, channels=64, in_stride=8).loss(features(1), samples([[]]))
