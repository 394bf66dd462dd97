"""The head of anchors: where they lie, what they say together, its losses by hand, and the way back into space."""
import numpy as np
import pytest
import torch

from humanbench.datasets import ITOP
from humanbench.datasets.transforms import DepthBoxCrop, LoadDepthImage, PackHumanInputs
from humanbench.errors import UserError
from humanbench.models import DepthPreprocessor, Pose3DHead
from humanbench.registry import MODELS
from humanbench.structures import Features, HumanSample, InstanceData

SIZE = (32, 48)  # height, width
BACKBONES = {
    'hrnet': dict(type='HumanHRNet', width=4, modules=(1, 1, 1), blocks=1, first_width=4, first_blocks=1, merged=4),
    'vit': dict(type='HumanViT', img_size=64, patch_size=16, embed_dim=16, depth=1, num_heads=2),
    'swin': dict(type='SemanticSwin', embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), window_size=4)}


def head(**options) -> Pose3DHead:
    torch.manual_seed(0)
    return Pose3DHead(8, **dict(num_keypoints=3, channels=8, layers=1, anchors=(0.25, 0.75)) | options)


def features(count=2, grid=(4, 6)) -> Features:
    maps = torch.randn(count, 8, *grid, generator=torch.Generator().manual_seed(0))
    return Features(maps=[maps], tokens=[], cls=None, pooled=maps.mean((2, 3)), grid=grid)


def samples(count=2, **meta) -> list[HumanSample]:
    generator, made = torch.Generator().manual_seed(1), []
    for index in range(count):
        sample = HumanSample(metainfo=dict(source='itop_side', batch_input_shape=SIZE) | meta)
        sample.mean_depth = torch.tensor(2.0 + index)
        sample.gt_instances = InstanceData(
            keypoints=torch.rand(1, 3, 2, generator=generator) * torch.tensor([47.0, 31.0]),
            keypoints_3d=torch.rand(1, 3, 3, generator=generator) + sample.mean_depth - 0.5,
            keypoints_visible=torch.ones(1, 3))
        made.append(sample)
    return made


def by_hand(model: Pose3DHead, x: Features) -> tuple[np.ndarray, ...]:
    """Points, depths and middles, anchor by anchor."""
    maps = {name: value.detach().double().numpy() for name, value in model(x).items()}
    count, joints, side, (rows, columns) = len(x.maps[0]), model.num_keypoints, len(model.anchors), x.grid
    points, depths, middles = (np.zeros((count, joints, *more)) for more in ((2,), (), (2,)))
    for b in range(count):
        for k in range(joints):
            votes = []
            for a in range(side * side):
                for row in range(rows):
                    for column in range(columns):
                        place = np.array([(column + model.anchors[a % side]) * SIZE[1] / columns,
                                          (row + model.anchors[a // side]) * SIZE[0] / rows])
                        offset = [maps['offset'][b, (a * joints + k) * 2 + axis, row, column] for axis in (0, 1)]
                        channel = a * joints + k
                        votes.append((maps['share'][b, channel, row, column], place, offset,
                                      maps['depth'][b, channel, row, column]))
            weights = np.exp([x[0] for x in votes])
            weights /= weights.sum()
            for weight, (_, place, offset, depth) in zip(weights, votes):
                points[b, k] += weight * (place + offset)
                middles[b, k] += weight * place
                depths[b, k] += weight * depth
    return points, depths, middles


def livelier(model: Pose3DHead) -> Pose3DHead:
    """So that anchors differ by much."""
    with torch.no_grad():
        for branch in model.branches.values():
            branch[-1].weight.normal_(std=0.5)
    return model


def test_votes_by_hand():
    model = livelier(head()).eval()
    votes = model.votes(features(), samples())
    for found, expected in zip(votes, by_hand(model, features())):
        torch.testing.assert_close(found.detach().double(), torch.from_numpy(expected), atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(votes.shares.sum(2), torch.ones(2, 3))
    assert votes.shares.max() > 10 / votes.shares.shape[2]  # the control: they are not all alike


def test_anchors_of_the_paper_lie_on_pixels_1_2_and_3_of_every_4():
    model = Pose3DHead(8, channels=8, layers=1)
    sample = HumanSample(metainfo=dict(batch_input_shape=(288, 288)))
    places = model._places(torch.zeros(1, 1, 72, 72), [sample]).flatten(0, 1)
    wanted = {i for i in range(288) if i % 4}
    assert len(places) == 9 * 72 * 72 == len({tuple(x) for x in places.tolist()})
    assert set(places[:, 0].tolist()) == wanted == set(places[:, 1].tolist())


def test_losses_are_those_of_the_parts():
    model, made = livelier(head()).eval(), samples()
    made[1].gt_instances.keypoints_visible[0, 2] = 0
    points, depths, middles = by_hand(model, features())
    sums, count = dict(anchor=0.0, plane=0.0, depth=0.0), 0

    def smooth(error, threshold):
        error = abs(error)
        return error**2 / (2 * threshold) if error < threshold else error - threshold / 2

    for b, sample in enumerate(made):
        own = sample.gt_instances
        for k in range(3):
            if own.keypoints_visible[0, k]:
                count += 1
                for axis in (0, 1):
                    wanted = own.keypoints[0, k, axis].item()
                    sums['anchor'] += smooth(middles[b, k, axis] - wanted, 1) / 2
                    sums['plane'] += 3 * 0.5 * smooth(points[b, k, axis] - wanted, 1) / 2
                away = (own.keypoints_3d[0, k, 2] - sample.mean_depth).item()
                sums['depth'] += 3 * smooth(depths[b, k] - 50 * away, 3)
    losses = model.loss(features(), made)
    assert count == 5 == model.count(made)
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(
        {f'loss_{name}': value / count for name, value in sums.items()}, rel=1e-4)


def test_a_joint_that_the_crop_does_not_show_teaches_nothing():
    model, made = head().eval(), samples()
    made[0].gt_instances.keypoints_visible[0, 1] = 0
    before = model.loss(features(), made)
    made[0].gt_instances.keypoints[0, 1] = 1e6
    assert model.loss(features(), made) == before
    made[0].gt_instances.keypoints[0, 0] = 1e6  # the control: one that it does
    assert model.loss(features(), made)['loss_plane'] > before['loss_plane']
    for sample in made:
        sample.gt_instances.keypoints_visible.zero_()
    nothing = model.loss(features(), made)
    assert not any(nothing.values()) and model.count(made) == 1


def test_every_parameter_learns():
    model = livelier(head(layers=2))
    sum(model.loss(features(), samples()).values()).backward()
    assert [name for name, x in model.named_parameters() if x.grad is None or x.grad.abs().max() < 1e-9] == []


def test_losses_are_float32_under_autocast():
    model = head()
    with torch.autocast('cpu', torch.bfloat16):
        losses = model.loss(features(), samples())
    assert all(x.dtype == torch.float32 and x.isfinite() for x in losses.values())


# ------------------------------------------------------------------------------------------------ back into space
@pytest.fixture(scope='module')
def crops(edition) -> list[HumanSample]:
    """Frames of MiniHuman, moved, turned and scaled at random, as the head gets them in training."""
    reader = ITOP('minihuman:tiny', split='train', pipeline=[
        LoadDepthImage(), DepthBoxCrop((64, 48), shift=10.0, rotate=15.0, scale=(0.5, 1.5)), PackHumanInputs()])
    np.random.seed(0)
    items = [reader[i] for i in range(4)]
    return DepthPreprocessor()(dict(inputs=[x['inputs'] for x in items], data_samples=[
        x['data_samples'] for x in items]))['data_samples']


def perfect(monkeypatch, crops, **changed) -> list[float]:
    """The largest distance in metres, frame by frame, of a head that says exactly where joints are in the crops."""
    model = Pose3DHead(8, channels=8, layers=1)
    points = torch.cat([x.gt_instances.keypoints for x in crops])
    depths = torch.stack([x.gt_instances.keypoints_3d[0, :, 2] - x.mean_depth for x in crops]) * 50
    votes = model.votes(features(4), crops)._replace(points=points, depths=depths)
    monkeypatch.setattr(model, 'votes', lambda *_: votes)
    made = [x.clone() for x in crops]
    for sample in made:
        for name, value in changed.items():
            if name == 'mean_depth':
                sample.mean_depth = value
            else:
                sample.set_metainfo({name: value})
    found = model.predict(features(4), made)
    return [(x.pred_instances.keypoints_3d - x.gt_instances.keypoints_3d).norm(dim=2).max().item() for x in found]


def test_predictions_undo_the_crop_and_the_mean(crops, monkeypatch):
    assert max(perfect(monkeypatch, crops)) < 0.02  # the files have whole pixels
    for changed in (dict(mean_depth=torch.tensor(0.0)), dict(camera=(160.0, 120.0, 200.0)),
                    dict(warp=(1.0, 0, 0, 0, 1, 0))):  # the controls
        assert min(perfect(monkeypatch, crops, **changed)) > 0.05


def test_whoever_steps_back_is_found_farther_away():
    torch.manual_seed(0)
    model = MODELS.build(dict(
        type='HumanModel', backbone=BACKBONES['vit'], data_preprocessor=dict(type='DepthPreprocessor'),
        heads=dict(itop_side=dict(type='Pose3DHead', channels=8, layers=1)))).eval()
    depth = 2 + torch.rand(1, 64, 64)

    def depths(image):
        sample = HumanSample(metainfo=dict(source='itop_side', task='pose_3d', warp=(1.0, 0, 0, 0, 1, 0),
                                           camera=(32.0, 32.0, 100.0)))
        found, = model(**model.data_preprocessor(dict(inputs=[image], data_samples=[sample])), mode='predict')
        return found.pred_instances.keypoints_3d[..., 2]

    torch.testing.assert_close(depths(depth + 0.75), depths(depth) + 0.75, atol=1e-4, rtol=0)


@pytest.mark.parametrize('absent, advice', [
    ('mean_depth', 'DepthPreprocessor'), ('warp', 'DepthBoxCrop'), ('camera', 'a reader whose records have one')])
def test_what_a_recipe_leaves_out_is_named(absent, advice):
    made = samples(warp=(1.0, 0, 0, 0, 1, 0), camera=(0.0, 0.0, 1.0))
    head().predict(features(), made)  # the control
    for sample in made:
        delattr(sample, absent)
    with pytest.raises(UserError, match=f'do not say their {absent}.*{advice}'):
        head().predict(features(), made)


@pytest.mark.parametrize('options', [dict(layers=0), dict(anchors=()), dict(anchors=(0.5, 1.5))])
def test_settings_without_a_meaning(options):
    with pytest.raises(UserError, match='Pose3DHead'):
        head(**options)


@pytest.mark.parametrize('backbone', BACKBONES)
def test_any_backbone(backbone, crops):
    model = MODELS.build(dict(
        type='HumanModel', backbone=BACKBONES[backbone], data_preprocessor=dict(type='DepthPreprocessor'),
        heads=dict(itop_side=dict(type='Pose3DHead', channels=8, layers=1))))
    depths = [1 + torch.rand(1, 64, 48) for _ in crops]
    batch = model.data_preprocessor(dict(inputs=depths, data_samples=[x.clone() for x in crops]), True)
    losses = model(**batch, mode='loss')
    sum(losses.values()).backward()
    assert all(x.isfinite() for x in losses.values()) and any(
        x.grad is not None and x.grad.any() for x in model.backbone.parameters())
    for sample in model.eval()(**batch, mode='predict'):
        assert sample.pred_instances.keypoints_3d.shape == (1, 15, 3)
        assert sample.pred_instances.keypoints_3d.isfinite().all()
