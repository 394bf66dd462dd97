"""PointNet++: its searches against brute force, its names, depth in space by hand, what the map is, training."""
import pytest
import torch

from humanbench.errors import UserError
from humanbench.models import PointNet2MSG
from humanbench.models.backbones.pointnet2 import WIDTHS, Abstraction, draw, in_space
from humanbench.models.backbones.points import (
    ball_neighbours,
    farthest_points,
    interpolated,
    nearest_three,
    squared_distances,
)

SMALL = dict(points=60, centres=(60, 20, 8), radii=((0.05, 0.2), (0.2, 0.5), (0.5, 1.0)), neighbours=(4, 8),
             widths=(((4, 8), (4, 8)), ((8, 16), (8, 16)), ((16, 16), (16, 32))), propagation=((16, 12), (16,), (24,)))


def cloud(batch: int = 2, count: int = 50, seed: int = 0) -> torch.Tensor:
    return torch.rand(batch, count, 3, generator=torch.Generator().manual_seed(seed)) - 0.5


def scene(batch: int = 2, height: int = 32, width: int = 24) -> torch.Tensor:
    """(B, 1, H, W) metres: a slanted person before nothing."""
    depth = torch.zeros(batch, 1, height, width)
    rows = torch.linspace(0, 0.4, height - 8)[:, None]
    depth[..., 4:-4, 6:-6] = 2 + rows + 0.1 * torch.rand(height - 8, width - 12)
    return depth


def network(**options) -> PointNet2MSG:
    torch.manual_seed(0)
    made = PointNet2MSG(**SMALL | options)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return made.eval()


# ------------------------------------------------------------------------------------------------------------- searches
def test_farthest_points_by_brute_force():
    points = cloud()
    for one, found in zip(points.double(), farthest_points(points, 12)):
        chosen = [0]
        for _ in range(11):
            gaps = [min(float((one[i] - one[j]).norm()) for j in chosen) for i in range(len(one))]
            chosen.append(max(range(len(one)), key=gaps.__getitem__))
        assert found.tolist() == chosen
    assert farthest_points(points, 50).tolist() == farthest_points(points, 99).tolist() == [list(range(50))] * 2


def test_ball_neighbours_by_brute_force(monkeypatch):
    points, centres = cloud(), torch.cat([cloud(seed=1)[:, :9], torch.full((2, 1, 3), 9.0)], dim=1)
    monkeypatch.setattr('humanbench.models.backbones.points.ROWS', 4)  # several rounds
    for radius, count in ((0.3, 4), (0.45, 60)):
        found = ball_neighbours(centres, points, radius, count)
        assert found.shape == (2, 10, count)
        for b in range(2):
            for m in range(10):
                near = [i for i in range(50) if (points[b, i] - centres[b, m]).norm() < radius][:count]
                filled = near + near[:1] * (count - len(near))
                assert found[b, m].tolist() == (filled or [0] * count)
    assert not torch.equal(ball_neighbours(centres, points, 0.3, 4), ball_neighbours(centres, points, 0.35, 4))


def test_nearest_three_by_brute_force():
    points, queries = cloud(), torch.cat([cloud(seed=1)[:, :9], cloud()[:, 7:8]], dim=1)
    indices, weights = nearest_three(queries, points)
    for b in range(2):
        for m in range(10):
            order = sorted(range(50), key=lambda i: float((points[b, i] - queries[b, m]).norm()))[:3]
            inverse = torch.stack([1 / ((points[b, i] - queries[b, m]).norm() + 1e-8) for i in order])
            assert indices[b, m].tolist() == order
            torch.testing.assert_close(weights[b, m], inverse / inverse.sum())
    values = torch.randn(2, 5, 50)
    wanted = sum(weights[:, None, :, k] * values.gather(2, indices[:, None, :, k].expand(-1, 5, -1)) for k in range(3))
    torch.testing.assert_close(interpolated(values, indices, weights), wanted)
    torch.testing.assert_close(interpolated(values, indices, weights)[..., 9], values[..., 7])  # where a point lies


def test_distances_are_exact_for_points_close_together():
    points = 3 + 1e-3 * cloud()
    wanted = torch.cdist(points.double(), points.double(), compute_mode='donot_use_mm_for_euclid_dist').square()
    found = squared_distances(points, points)
    assert (found - wanted).abs().max() < 1e-4 * wanted.max()
    short = (points.square().sum(-1)[:, :, None] + points.square().sum(-1)[:, None] - 2 * points @ points.mT)
    assert (short - wanted).abs().max() > wanted.max()  # the control: the usual formula


# --------------------------------------------------------------------------------------------------------------- layout
def test_names_and_shapes_are_those_of_hcmoco():
    def layer(prefix: str, before: int, after: int) -> dict:
        norm = dict(weight=(after,), bias=(after,), running_mean=(after,), running_var=(after,), num_batches_tracked=())
        return {f'{prefix}.conv.weight': (after, before, 1, 1)} | {
            f'{prefix}.bn.bn.{name}': shape for name, shape in norm.items()}

    wanted, channels = {}, [0, 96, 256, 512, 1024]
    for i, scales in enumerate(WIDTHS):
        for j, widths in enumerate(scales):
            for k, (before, after) in enumerate(zip((3 + channels[i], *widths), widths)):
                wanted |= layer(f'SA_modules.{i}.mlps.{j}.layer{k}', before, after)
    for i, (before, after) in enumerate(((256, 128), (512 + 96, 256), (512 + 256, 512), (1024 + 512, 512))):
        wanted |= layer(f'FP_modules.{i}.mlp.layer0', before, after) | layer(f'FP_modules.{i}.mlp.layer1', after, after)
    with torch.device('meta'):
        made = PointNet2MSG()
    assert {key: tuple(value.shape) for key, value in made.state_dict().items()} == wanted
    assert made.out_channels == 128 and made.levels == ((128, 4),)


def test_depth_in_space_by_hand():
    depth = torch.zeros(1, 1, 4, 6)
    depth[0, 0, 1, 5], depth[0, 0, 3, 0] = 2.0, 3.0
    places, valid = in_space(depth, 0.01)
    assert valid.nonzero()[:, 1].tolist() == [6 + 5, 18]
    torch.testing.assert_close(places[0, 11], torch.tensor([2 * 0.01 * 2.0, 1 * 0.01 * 2.0, -0.5]))
    torch.testing.assert_close(places[0, 18], torch.tensor([-3 * 0.01 * 3.0, -1 * 0.01 * 3.0, 0.5]))
    torch.testing.assert_close(places[0, 0], torch.tensor([-3 * 0.01 * 2.5, 2 * 0.01 * 2.5, 0.0]))  # at the mean
    assert not in_space(torch.zeros(1, 1, 4, 6), 0.01)[0].any()


def test_points_are_drawn_from_where_there_is_depth():
    places, valid = in_space(scene(), 0.01)
    places[1], valid[1] = 0, False
    found = draw(places, valid, torch.rand(2, 4000))
    there = {tuple(x) for x in places[0, valid[0]].tolist()}
    drawn = [tuple(x) for x in found[0].tolist()]
    assert set(drawn) <= there and len(set(drawn)) > 0.99 * len(there) and len(there) == 24 * 12
    assert max(drawn.count(x) for x in there) < 40  # 14 each, as likely as another
    assert found.shape == (2, 4000, 3) and not found[1].any()
    ends = draw(places, valid, torch.tensor([[0.0, 1 - 2**-24]] * 2))[0]
    assert torch.equal(ends, places[0, valid[0]][[0, -1]])


# ---------------------------------------------------------------------------------------------------------- the network
@torch.no_grad()
def test_the_map_has_the_features_of_the_points():
    own, depth = network(points=400, centres=(400, 20, 8)), scene()
    features = own(depth)
    assert features.maps[0].shape == (2, 12, 8, 6) and features.tokens[0].shape == (2, 400, 12)
    torch.testing.assert_close(features.pooled, features.tokens[0].mean(1))
    places, valid = in_space(depth, own.pixel)
    clouds = draw(places, valid, torch.rand(2, 400, generator=torch.Generator().manual_seed(0)))
    cells, found = places.unflatten(1, (32, 24))[0, ::4, ::4].flatten(0, 1), 0
    for cell, feature in zip(cells, features.maps[0][0].flatten(1).T):
        for point in (clouds[0] == cell).all(-1).nonzero().flatten()[:1]:  # where the cell's own pixel was drawn
            torch.testing.assert_close(feature, features.tokens[0][0, point], atol=1e-4, rtol=1e-3)
            found += 1
    assert found > 8 and features.tokens[0][0].std(0).max() > 0.01


@torch.no_grad()
def test_an_abstraction_by_hand():
    points, features = cloud(1, 30), torch.randn(1, 5, 30)
    stage = Abstraction(5, 6, (0.4,), (4,), ((7,),)).eval()
    places, found = stage(points, features)
    layer, chosen = stage.mlps[0][0], farthest_points(points, 6)[0]
    for m, centre in enumerate(chosen):
        near = ball_neighbours(points[:, centre:centre + 1], points, 0.4, 4)[0, 0]
        rows = torch.stack([torch.cat([points[0, i] - points[0, centre], features[0, :, i]]) for i in near])
        norm = layer.bn['bn']
        values = rows @ layer.conv.weight[:, :, 0, 0].T / (norm.running_var + norm.eps).sqrt()
        torch.testing.assert_close(found[0, :, m], values.relu().amax(0), atol=1e-5, rtol=1e-5)
    assert torch.equal(places[0], points[0, chosen])


@torch.no_grad()
def test_draws_are_the_generators_and_repeat_without_one():
    own, depth = network(), scene()
    assert torch.equal(own(depth).pooled, own(depth).pooled)
    seeded = [own(depth, dict(generator=torch.Generator().manual_seed(seed))).pooled for seed in (0, 0, 1)]
    assert torch.equal(seeded[0], seeded[1]) and not torch.equal(seeded[0], seeded[2])


def test_it_trains_with_images_without_depth():
    own, depth = network().train(), scene(3)
    depth[1] = 0
    features = own(depth)
    (features.maps[0].square().mean() + features.pooled.square().mean()).backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in own.parameters())
    names = [name for name, _ in own.named_parameters()]
    assert {own.layer_id(name) for name in names} == set(range(1, own.depth + 1)) and own.depth == len(own.blocks) == 6


def test_bf16_finds_the_same_neighbours():
    own, depth = network(), scene()
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        found = own(depth)
    wanted = own(depth).pooled
    assert (found.pooled - wanted).abs().max() < 0.05 * wanted.abs().max()


@pytest.mark.parametrize('depth', [torch.zeros(2, 3, 32, 32), torch.zeros(2, 1, 30, 32)])
def test_what_is_no_depth_is_refused(depth):
    with pytest.raises(UserError, match=r'depth \(B, 1, H, W\) in metres'):
        network()(depth)
    with pytest.raises(UserError, match='different numbers of stages'):
        PointNet2MSG(**SMALL | dict(centres=(60, 20)))


def test_a_pretext_whose_depth_is_points(make):
    def model(**encoder):
        head = dict(make.PRETEXTS['ntu_rgbd'], depth_encoder=encoder)
        return make.MODELS.build(dict(type='HumanModel', backbone=make.VIT, heads=dict(ntu_rgbd=head)))

    own = model(type='PointNet2MSG', **SMALL)
    make.total(make.losses(own, make.unit('ntu_rgbd'))).backward()
    encoder = own.heads['ntu_rgbd'].depth_encoder
    assert all(p.grad.any() for p in encoder.parameters())
    again = PointNet2MSG(**encoder.architecture)
    again.load_state_dict(encoder.state_dict())
