"""Detection head: parts against mmdet and PyTorch, matching, the ignore rule, geometry under padding, and learning."""
import numpy as np
import pytest
import torch
from mmdet.models.task_modules import HungarianAssigner
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy, bbox_overlaps
from mmengine.structures import InstanceData
from torch import nn

from humanbench.errors import UserError
from humanbench.models.heads import DetectionHead
from humanbench.models.heads.detection_decoder import Attention, anchor_points, cell_positions
from humanbench.models.losses import SetPrediction
from humanbench.models.losses.set_prediction import pairwise_giou
from humanbench.structures import Features, HumanSample

SMALL = dict(num_points=6, num_patterns=2, embed_dims=32, num_layers=2, num_heads=4, feedforward_channels=64)
SIZE = (64, 96)
BOXES = [[[10.0, 5.0, 40.0, 60.0], [50.0, 20.0, 80.0, 64.0]], [[0.0, 0.0, 96.0, 64.0]]]


def head(seed=0, **options) -> DetectionHead:
    torch.manual_seed(seed)
    return DetectionHead(16, **(SMALL | options))


def samples(boxes=BOXES, ignored=None, size=SIZE, padded=None, **meta) -> list[HumanSample]:
    result = []
    for i, image_boxes in enumerate(boxes):
        sample = HumanSample(metainfo=dict(img_shape=size, ori_shape=size, batch_input_shape=padded or size) | meta)
        corners = torch.tensor(image_boxes).reshape(-1, 4)
        sample.gt_instances = InstanceData(bboxes=corners, labels=torch.zeros(len(corners), dtype=torch.long))
        if ignored is not None:
            sample.ignored_instances = InstanceData(bboxes=torch.tensor(ignored[i]).reshape(-1, 4))
        result.append(sample)
    return result


def features(count=2, size=SIZE, seed=1) -> Features:
    maps = torch.randn(count, 16, size[0] // 16, size[1] // 16, generator=torch.Generator().manual_seed(seed))
    return Features([maps], [maps.flatten(2).mT], None, maps.mean((2, 3)), tuple(maps.shape[-2:]))


def total(losses: dict) -> torch.Tensor:
    return sum(value for key, value in losses.items() if 'loss' in key)


def predictions(layers=2, images=2, queries=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.rand(layers, images, queries, 4, generator=generator) * .5 + .1
    return torch.randn(layers, images, queries, generator=generator), boxes


TARGETS = [torch.tensor([[.3, .4, .2, .5], [.6, .5, .3, .3], [.2, .2, .1, .1]]), torch.tensor([[.5, .5, .4, .9]])]
NOTHING = [torch.zeros(0, 4)] * 2


# parts

def test_attention_is_that_of_pytorch():
    ours, theirs = Attention(32, 4), nn.MultiheadAttention(32, 4, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, torch.randn(32), ours.value.bias]))  # any key bias
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    query, key, value = torch.randn(2, 5, 32), torch.randn(2, 7, 32), torch.randn(2, 7, 32)
    visible = torch.arange(7) < torch.tensor([[7], [4]])
    expected = theirs(query, key, value, key_padding_mask=~visible)[0]
    assert torch.allclose(ours(query, key, value, visible[:, None, None]), expected, atol=1e-5)
    assert not torch.allclose(ours(query, key, value), expected, atol=1e-2)


@pytest.mark.parametrize('count', [1, 12, 48, 300])
def test_grid_points_cover_the_image(count):
    points = anchor_points(count, 'grid')
    assert points.shape == (count, 2) and len(points.unique(dim=0)) == count
    assert torch.allclose(points.mean(0), torch.full((2,), .5), atol=.02)
    assert points.min() > 0 and points.max() < 1
    assert not torch.equal(anchor_points(count, 'uniform'), anchor_points(count, 'uniform'))


def test_cell_positions_are_fractions_of_each_image():
    positions, visible = cell_positions((4, 6), [(64, 96), (40, 60)], (64, 96), 'valid')
    grid = positions.view(2, 4, 6, 2)
    assert grid[0, 1, 2].tolist() == pytest.approx([40 / 96, 24 / 64])
    assert grid[1, 1, 2].tolist() == pytest.approx([40 / 60, 24 / 40])
    assert visible.view(2, 4, 6)[0].all() and visible.view(2, 4, 6)[1].sum() == 3 * 4
    positions, visible = cell_positions((4, 6), [(64, 96), (40, 60)], (64, 96), 'padded')
    assert visible is None and torch.equal(positions[0], positions[1])
    alike, visible = cell_positions((4, 6), [(64, 96)] * 5, (64, 96), 'valid')
    assert alike.shape == (1, 24, 2) and visible is None and torch.allclose(alike[0], positions[0])


# matching and loss

def test_pairwise_giou_is_mmdets():
    boxes, targets = predictions()[1], TARGETS[0]
    corners = bbox_cxcywh_to_xyxy(targets).expand(2, 2, -1, -1), bbox_cxcywh_to_xyxy(boxes)
    giou = pairwise_giou(targets, boxes)
    assert torch.allclose(giou, bbox_overlaps(*corners, mode='giou'), atol=1e-5)
    assert giou.min() < -.1 and giou.max() > .1


def test_matching_is_mmdets():
    logits, boxes = predictions()
    pairs = SetPrediction().match(logits, boxes, TARGETS)
    assigner = HungarianAssigner([
        dict(type='mmdet.FocalLossCost', weight=2.0), dict(type='mmdet.BBoxL1Cost', weight=5.0, box_format='xywh'),
        dict(type='mmdet.IoUCost', iou_mode='giou', weight=2.0)])
    for layer, image in np.ndindex(2, 2):
        truth = InstanceData(bboxes=bbox_cxcywh_to_xyxy(TARGETS[image]), labels=torch.zeros(len(TARGETS[image])).long())
        predicted = InstanceData(bboxes=bbox_cxcywh_to_xyxy(boxes[layer, image]), scores=logits[layer, image, :, None])
        expected = assigner.assign(predicted, truth, img_meta=dict(img_shape=(1, 1))).gt_inds - 1
        mine = (pairs.layer == layer) & (pairs.image == image)
        found = torch.full_like(expected, -1)
        found[pairs.query[mine]] = pairs.box[mine]
        assert torch.equal(found, expected)
    assert len(pairs.layer) == 2 * 4


def test_matching_minimises_the_loss(monkeypatch):
    logits, boxes = predictions()
    criterion = SetPrediction()
    best = total(criterion.loss(logits, boxes, TARGETS, NOTHING))
    pairs = criterion.match(logits, boxes, TARGETS)
    shifted = type(pairs)(pairs.layer, pairs.image, (pairs.query + 1) % 12, pairs.box)
    monkeypatch.setattr(SetPrediction, 'match', lambda *_: shifted)
    assert total(criterion.loss(logits, boxes, TARGETS, NOTHING)) > best + .1


def test_loss_by_hand():
    """One query on its box, one on background; figures from the definitions."""
    logits, boxes = torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[[.5, .5, .2, .4], [.1, .1, .1, .1]]]])
    losses = SetPrediction().loss(logits, boxes, [torch.tensor([[.5, .5, .4, .4]])], NOTHING[:1])
    assert losses['loss_cls'].item() == pytest.approx(2 * (.25 + .75) * .25 * np.log(2))
    assert losses['loss_bbox'].item() == pytest.approx(5 * .2)
    assert losses['loss_giou'].item() == pytest.approx(2 * .5)
    assert losses['matched_iou'].item() == pytest.approx(.5)


def test_loss_sums_layers_and_divides_by_boxes():
    logits, boxes = predictions()
    criterion = SetPrediction()
    layers = [criterion.loss(logits[i:i + 1], boxes[i:i + 1], TARGETS, NOTHING) for i in range(2)]
    images = [criterion.loss(logits[:, i:i + 1], boxes[:, i:i + 1], TARGETS[i:i + 1], NOTHING[:1]) for i in range(2)]
    for key, value in criterion.loss(logits, boxes, TARGETS, NOTHING).items():
        if 'loss' in key:
            assert value.item() == pytest.approx(sum(x[key].item() for x in layers), rel=1e-5)
            assert value.item() == pytest.approx((3 * images[0][key].item() + images[1][key].item()) / 4, rel=1e-5)


def test_predictions_in_ignore_regions_are_not_background():
    """Query 0 is matched, 1 lies in the region, 2 has 60 % of its own area in it, 3 lies elsewhere."""
    boxes = torch.tensor([[[[.3, .3, .2, .2], [.8, .8, .1, .1], [.59, .8, .1, .1], [.2, .8, .1, .1]]]])
    targets, region = [torch.tensor([[.3, .3, .2, .2]])], [torch.tensor([[.78, .8, .4, .4]])]
    criterion, off = SetPrediction(), SetPrediction(ignore_threshold=2.0)
    assert criterion.in_ignored(boxes, region).tolist() == [[[False, True, False, False]]]
    assert SetPrediction(ignore_threshold=.5).in_ignored(boxes, region).tolist() == [[[False, True, True, False]]]

    def gradient(rule: SetPrediction, regions: list) -> list[bool]:
        logits = torch.zeros(1, 1, 4, requires_grad=True)
        rule.loss(logits, boxes, targets, regions)['loss_cls'].backward()
        return (logits.grad != 0).flatten().tolist()

    assert gradient(criterion, region) == [True, False, True, True]
    assert gradient(off, region) == gradient(criterion, NOTHING[:1]) == [True] * 4
    # a matched query keeps its weight, even inside a region
    assert gradient(criterion, [torch.tensor([[.5, .5, 1.0, 1.0]])]) == [True, False, False, False]


def test_ignore_overlap_counts_what_is_inside_the_image():
    """Three quarters of this box lie outside; what is left lies in the region."""
    boxes, region = torch.tensor([[[[.95, .95, .2, .2]]]]), [torch.tensor([[.9, .9, .2, .2]])]
    assert SetPrediction().in_ignored(boxes, region).all()


def test_diverged_predictions_say_so():
    logits, boxes = predictions()
    logits[1, 0, 3] = float('nan')
    with pytest.raises(UserError, match='layer 1, image 0.*diverged'):
        SetPrediction().match(logits, boxes, TARGETS)


# the head

@pytest.mark.parametrize('options', [
    {}, dict(point_init='grid', query_content='sampled', residual_scale=.1, size_prior=.3),
    dict(prior_prob=None, canvas_frame='padded'), dict(checkpointing=True)])
def test_every_parameter_learns(options):
    model = head(**options)
    total(model.loss(features(), samples())).backward()
    dead = [name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-7]
    assert dead == []


def test_images_without_boxes_train_the_scores_alone():
    """Also the control of the test above: without boxes the box tower has gradients of zero."""
    model = head()
    losses = model.loss(features(), samples([[], []]))
    assert losses['loss_bbox'] == losses['loss_giou'] == 0 and losses['loss_cls'] > 0
    total(losses).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    assert all((p.grad == 0).all() for p in model.box.parameters()) and model.classifier.weight.grad.any()
    assert model.count(samples([[], []])) == 1 and model.count(samples()) == 3


def test_checkpointing_changes_no_gradient():
    gradients = []
    for checkpointing in (False, True):
        model = head(checkpointing=checkpointing)
        total(model.loss(features(), samples())).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert torch.allclose(*gradients, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('content', ['pattern', 'sampled'])
def test_padding_changes_nothing(content):
    """An image alone, and the same image in the corner of a larger batch whose other cells hold noise."""
    alone, model = features(1, (32, 48)), head(query_content=content).eval()
    padded = features(1, (64, 96))
    padded.maps[0][:, :, :2, :3] = alone.maps[0]
    expected = model(alone, samples([[]], size=(32, 48)))
    found = model(padded, samples([[]], size=(32, 48), padded=(64, 96)))
    if content == 'sampled':  # bilinear sampling reaches half a cell beyond the image
        padded.maps[0][:, :, 2:], padded.maps[0][:, :, :, 3:] = 0, 0
        padded.maps[0][:, :, 2, :3], padded.maps[0][:, :, :2, 3] = alone.maps[0][:, :, 1], alone.maps[0][:, :, :, 2]
        padded.maps[0][:, :, 2, 3] = alone.maps[0][:, :, 1, 2]
        found = model(padded, samples([[]], size=(32, 48), padded=(64, 96)))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, expected))
    released = head(query_content=content, canvas_frame='padded').eval()
    found = released(padded, samples([[]], size=(32, 48), padded=(64, 96)))
    assert not torch.allclose(found[0], expected[0], atol=1e-3)  # control: the release's frame


def test_predictions_are_in_original_pixels(monkeypatch):
    model = head(score_threshold=.3, max_per_img=3)
    boxes = torch.tensor([
        [.5, .5, .5, .5], [0.0, .5, .5, .5], [.25, .75, .1, .1], [.5, .5, 1.0, 1.0], [.1, .1, .1, .1]])
    logits = torch.tensor([.1, .9, .5, .2, .8]).logit()
    monkeypatch.setattr(model, 'forward', lambda *_: (logits.expand(2, 1, -1), boxes.expand(2, 1, -1, -1)))
    sample, = model.predict(features(1), samples([[]], scale_factor=(2.0, 4.0), ori_shape=(16, 48)))
    found = sample.pred_instances
    assert torch.allclose(found.scores, torch.tensor([.9, .8, .5]))
    assert torch.allclose(found.bboxes[0], torch.tensor([0.0, 4.0, 12.0, 12.0]))  # clipped at the left edge
    assert torch.allclose(found.bboxes[1], torch.tensor([2.4, .8, 7.2, 2.4]))
    assert found.labels.tolist() == [0, 0, 0]
    model.score_threshold = .85
    assert len(model.predict(features(1), samples([[]]))[0].pred_instances) == 1


def test_priors_of_an_untrained_head():
    scores = {p: head(prior_prob=p)(features(), samples())[0].sigmoid().mean().item() for p in (.01, None)}
    assert scores[.01] < .05 < .3 < scores[None]
    sizes = head(size_prior=.2)(features(), samples())[1][..., 2:]
    assert sizes.mean().item() == pytest.approx(.2, abs=.02)


def test_queries_are_ordered_point_by_point():
    model = head(num_points=3, num_patterns=2, num_layers=1)
    with torch.no_grad():
        model.points.copy_(torch.tensor([[.1, .1], [.5, .5], [.9, .9]]))
        model.box[-1].weight.zero_()
        model.box[-1].bias.zero_()
    centres = model(features(), samples())[1][0, 0, :, 0]
    assert centres.tolist() == pytest.approx([.1, .1, .5, .5, .9, .9], abs=1e-4)


def test_losses_are_float32_under_autocast():
    model = head()
    exact = model.loss(features(), samples())
    with torch.autocast('cpu', torch.bfloat16):
        rough = model.loss(features(), samples())
        logits, boxes = model(features(), samples())
    assert logits.dtype == boxes.dtype == torch.float32
    assert all(value.dtype == torch.float32 for value in rough.values())
    assert total(rough).item() == pytest.approx(total(exact).item(), rel=.05)


@pytest.mark.parametrize('name, options', [
    ('canvas_frame', dict(canvas_frame='valdi')), ('query_content', dict(query_content='sample')),
    ('point_init', dict(point_init='grd'))])
def test_wrong_options_offer_the_right_one(name, options):
    with pytest.raises(UserError, match=f'{name}.*Did you mean'):
        head(**options)
    with pytest.raises(UserError, match='multiple'):
        head(embed_dims=30)


def test_finds_what_features_show():
    """Maps that show where bodies are: the small preset learns boxes of images that it has not seen."""
    generator = torch.Generator().manual_seed(0)

    def scene() -> tuple[torch.Tensor, list]:
        maps, boxes = .1 * torch.randn(16, 4, 6, generator=generator), []
        for _ in range(int(torch.randint(1, 3, (), generator=generator))):
            left, top = (int(torch.randint(0, n, (), generator=generator)) for n in (5, 3))
            maps[0, top:top + 2, left:left + 2] += 1
            maps[1, top, left] += 2
            boxes.append([16.0 * left, 16.0 * top, 16.0 * left + 32, 16.0 * top + 32])
        return maps, boxes

    scenes = [scene() for _ in range(136)]

    def batch(start: int, count: int):
        maps = torch.stack([scenes[i][0] for i in range(start, start + count)])
        return Features([maps], [], None, maps.mean((2, 3)), (4, 6)), samples([scenes[i][1] for i in range(
            start, start + count)])

    model = head(num_points=24, num_patterns=1, point_init='grid', query_content='sampled', residual_scale=.1,
                 size_prior=.3)
    first = model.loss(*batch(0, 8))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(120):
        losses = model.loss(*batch(8 * (step % 16), 8))
        optimiser.zero_grad()
        total(losses).backward()
        optimiser.step()
    unseen = model.loss(*batch(128, 8))
    assert total(unseen) < .35 * total(first)
    assert unseen['matched_iou'] > .7 > .5 > first['matched_iou']
