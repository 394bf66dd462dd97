"""Heads: numbers, and what they predict."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmpose.codecs import UDPHeatmap

from humanbench.errors import UserError
from humanbench.models.heads.heatmap import udp_heatmaps
from humanbench.models.losses import batch_hard_triplet
from humanbench.registry import MODELS
from humanbench.structures import Features, PixelData


def features(batch: int = 4, channels: int = 8, grid=(4, 3), cls: bool = False, **options) -> Features:
    torch.manual_seed(0)
    maps = torch.randn(batch, channels, *grid, **options)
    tokens = maps.flatten(2).transpose(1, 2)
    return Features(maps=[maps], tokens=[tokens], cls=torch.randn(batch, channels) if cls else None,
                    pooled=tokens.mean(1), grid=grid)


def build(make, source: str, **options):
    torch.manual_seed(0)
    return MODELS.build(make.HEADS[source] | dict(in_channels=8) | options)


# ------------------------------------------------------------------------------------------------ every head

def test_every_head_is_tested(make):
    ours = {name for name, kind in MODELS.module_dict.items() if 'humanbench.models.heads' in kind.__module__}
    assert ours == {config['type'] for config in make.HEADS.values()}


def test_heads_name_their_task(make, source):
    assert build(make, source).task == make.TASKS[source]


def test_loss_is_a_mean_over_what_count_counts(make, source):
    """Two halves of a unit, weighted by their counts, give the whole: so a source may be cut into units."""
    head = build(make, source).double().eval()  # eval: the statistics of batch norm belong to a unit
    if head.task == 'reid':
        head.triplet_weight = 0.0  # so do triplets
    if source == 'rstpreid':
        head.ranking_weight = 0.0  # and negatives
    samples, size = make.samples(source, 8), make.SIZES[source]
    whole = features(8, grid=(size[0] // 16, size[1] // 16), dtype=torch.float64)
    for index, sample in enumerate(samples):
        sample.set_metainfo(dict(batch_input_shape=size))
        if 'gt_sem_seg' in sample and index < 3:
            sample.gt_sem_seg.data[:, 10:] = 255

    def half(part: slice) -> Features:
        return whole.map_tensors(lambda x: x[part])

    parts = [(head.count(samples[part]), make.total(head.loss(half(part), samples[part])).detach())
             for part in (slice(0, 3), slice(3, 8))]
    combined = sum(count * loss for count, loss in parts) / sum(count for count, _ in parts)
    assert sum(count for count, _ in parts) == head.count(samples)
    torch.testing.assert_close(combined, make.total(head.loss(whole, samples)).detach(), rtol=1e-6, atol=1e-9)


# ------------------------------------------------------------------------------------------------ reid

def test_reid_feature_is_the_class_token_where_there_is_one(make):
    head = build(make, 'market1501')
    for x in (features(cls=False), features(cls=True)):
        expected = x.pooled if x.cls is None else x.cls
        predicted = head.predict(x, make.samples('market1501', 4))
        assert torch.equal(torch.stack([sample.pred_feature for sample in predicted]), expected)


def test_reid_loss(make):
    head, x, samples = build(make, 'market1501'), features(), make.samples('market1501', 4)
    with torch.no_grad():
        head.neck.weight.uniform_(0.5, 2)
    outputs = head.loss(x, samples)
    identities = torch.tensor([0, 0, 1, 1])
    normed = (x.pooled - x.pooled.mean(0)) / (x.pooled.var(0, unbiased=False) + 1e-5).sqrt() * head.neck.weight
    logits = normed @ head.classifier.weight.T
    torch.testing.assert_close(outputs['loss_id'], F.cross_entropy(logits, identities))
    torch.testing.assert_close(outputs['loss_triplet'], batch_hard_triplet(x.pooled, identities))
    assert not head.neck.bias.requires_grad
    weight = build(make, 'market1501', num_identities=500).classifier.weight
    assert weight.std().item() == pytest.approx(0.001, rel=0.05)


@pytest.mark.parametrize('name', ['market1501', 'market1501_hap_lem', 'pa100k'])
def test_a_unit_of_one_image_is_refused(make, name):
    with pytest.raises(UserError, match='batch_size of 2'):
        build(make, name).loss(features(1), make.samples(name, 1))


def test_hap_loss_is_half_classification_and_half_triplet_on_the_bare_feature(make):
    head, x, samples = build(make, 'market1501_hap'), features(cls=True), make.samples('market1501', 4)
    with torch.no_grad():
        head.classifier.bias.uniform_(-1, 1)
    outputs, identities = head.loss(x, samples), torch.tensor([0, 0, 1, 1])
    logits = x.cls @ head.classifier.weight.T + head.classifier.bias
    torch.testing.assert_close(outputs['loss_id'], F.cross_entropy(logits, identities) / 2)
    torch.testing.assert_close(outputs['loss_triplet'], batch_hard_triplet(x.cls, identities) / 2)


def test_local_branch_is_of_the_patches_and_the_losses_are_means_over_branches(make):
    head, x, samples = build(make, 'market1501_hap_lem'), features(cls=True, grid=(8, 4)), make.samples('market1501', 4)
    assert [x.stride[0] for x in (block.conv2 for block in head.local)] == [2, 1, 1]
    assert head.local(x.maps[0]).shape == (4, 16, 4, 2)
    whole, local = head.branches(x)
    assert torch.equal(whole, x.cls) and local.shape == (4, 16)
    torch.testing.assert_close(local.mean(1), torch.zeros(4), atol=1e-5, rtol=0)
    outputs, identities = head.loss(x, samples), torch.tensor([0, 0, 1, 1])

    def by_hand(feature, branch):
        normed = (feature - feature.mean(0)) / (feature.var(0, unbiased=False) + 1e-5).sqrt()
        return F.cross_entropy(normed @ branch[1].weight.T, identities), batch_hard_triplet(feature, identities)

    (id_1, triplet_1), (id_2, triplet_2) = by_hand(whole, head.global_branch), by_hand(local, head.local_branch)
    torch.testing.assert_close(outputs['loss_id'], (id_1 + id_2) / 4)
    torch.testing.assert_close(outputs['loss_triplet'], (triplet_1 + triplet_2) / 4)
    head.eval()
    predicted = torch.stack([sample.pred_feature for sample in head.predict(x, samples)])
    torch.testing.assert_close(predicted, torch.cat(head.branches(x), 1))
    moved = x.map_tensors(lambda y: y + (y.ndim == 4))  # the maps alone: class token and its half stay
    changed = torch.stack([sample.pred_feature for sample in head.predict(moved, samples)])
    assert torch.equal(changed[:, :8], predicted[:, :8]) and not torch.allclose(changed[:, 8:], predicted[:, 8:])


# ------------------------------------------------------------------------------------------------ attribute

def test_hap_attributes_are_a_linear_function_of_the_mean_token(make):
    head, x, samples = build(make, 'pa100k_hap', positive_ratio=[.1, .2, .3, .4, .5]), features(), make.samples(
        'pa100k', 4)
    torch.testing.assert_close(head(x), x.tokens[-1].mean(1) @ head.linear.weight.T)
    labels = torch.stack([sample.gt_attributes for sample in samples])
    wanted = 0.0
    for image, attribute in (labels >= 0).nonzero().tolist():
        p, chance = head.positive_ratio[attribute], head(x).sigmoid()[image, attribute]
        present = labels[image, attribute] == 1
        wanted = wanted - ((1 - p).exp() * chance.log() if present else p.exp() * (1 - chance).log())
    torch.testing.assert_close(head.loss(x, samples)['loss_attribute'], wanted / 4)
    assert head.loss(features(1), samples[:1])['loss_attribute'] > 0  # no batch norm: one image will do


def test_attribute_ratio_is_estimated_from_known_labels(make):
    head = build(make, 'pa100k', momentum=0.5)
    samples = make.samples('pa100k', 4)
    for sample, labels in zip(samples, ([1, 0, -1, 1, 1], [1, 0, -1, -1, 0], [1, 0, -1, 0, 0], [1, 1, -1, 0, 0])):
        sample.gt_attributes = torch.tensor(labels)
    head.eval().loss(features(), samples)
    assert head.positive_ratio.eq(0.5).all()
    head.train().loss(features(), samples)
    torch.testing.assert_close(head.positive_ratio, torch.tensor([0.75, 0.375, 0.5, (0.5 + 1 / 3) / 2, 0.375]))


def test_attribute_ratio_that_is_given_stays(make):
    ratio = [0.1, 0.2, 0.3, 0.4, 0.5]
    head = build(make, 'pa100k', positive_ratio=ratio)
    head.loss(features(), make.samples('pa100k', 4))
    torch.testing.assert_close(head.positive_ratio, torch.tensor(ratio))
    with pytest.raises(UserError, match='5 attributes, but positive_ratio has 2'):
        build(make, 'pa100k', positive_ratio=[0.1, 0.2])


def test_attribute_prediction_is_a_probability(make):
    head, x = build(make, 'pa100k').eval(), features()
    predicted = torch.stack([sample.pred_attributes for sample in head.predict(x, make.samples('pa100k', 4))])
    torch.testing.assert_close(predicted, torch.sigmoid(head.norm(x.pooled @ head.linear.weight.T)))


# ------------------------------------------------------------------------------------------------ pose

@pytest.mark.parametrize('sigma', [1, 2, 3])
@pytest.mark.parametrize('input_size, heatmap_size', [
    ((192, 256), (48, 64)), ((96, 128), (24, 32)), ((112, 64), (28, 16))])
def test_targets_equal_mmpose(input_size, heatmap_size, sigma):
    rng = np.random.default_rng(0)
    keypoints = (rng.uniform(-0.3, 1.3, (5, 40, 2)) * input_size).astype(np.float32)
    visible = (rng.random((5, 40)) < 0.7).astype(np.float32)
    codec = UDPHeatmap(input_size, heatmap_size, sigma=sigma)
    heatmaps, weights = udp_heatmaps(
        torch.from_numpy(keypoints), torch.from_numpy(visible), input_size, heatmap_size, sigma)
    for i in range(5):
        expected = codec.encode(keypoints[i:i + 1], visible[i:i + 1])
        np.testing.assert_allclose(heatmaps[i].numpy(), expected['heatmaps'], atol=1e-5)
        np.testing.assert_array_equal(weights[i].numpy(), expected['keypoint_weights'][0])


def test_pose_loss_is_a_mean_of_squares_over_visible_keypoints(make):
    head, x, samples = build(make, 'coco_pose', loss_weight=10.0), features(), make.samples('coco_pose', 4, (64, 48))
    for sample in samples:
        sample.set_metainfo(dict(batch_input_shape=(64, 48)))
    heatmaps, codec, expected = head(x), UDPHeatmap((48, 64), (12, 16)), 0.0
    for prediction, sample in zip(heatmaps, samples):
        target = codec.encode(sample.gt_instances.keypoints.numpy(), sample.gt_instances.keypoints_visible.numpy())
        error = (prediction - torch.from_numpy(target['heatmaps'])).pow(2).mean((1, 2))
        expected += (error * torch.from_numpy(target['keypoint_weights'][0])).sum() / (4 * 6)
    torch.testing.assert_close(head.loss(x, samples)['loss_heatmap'], 10 * expected)


@pytest.mark.parametrize('batch_shape', [(256, 192), (266, 196)])
def test_decoding_undoes_encoding_in_pixels_of_the_original_image(make, batch_shape):
    head, sample = build(make, 'coco_pose'), make.samples('coco_pose', 1, (256, 192))[0]
    sample.set_metainfo(dict(batch_input_shape=batch_shape))
    center, scale = np.array(sample.input_center), np.array(sample.input_scale)
    generator = torch.Generator().manual_seed(0)
    in_image = torch.rand(1, 6, 2, generator=generator).numpy() * scale * 0.8 + center - 0.4 * scale
    in_input = (in_image - center + scale / 2) / scale * (np.array([192, 256]) - 1)  # UDP's affine map
    maps, _ = udp_heatmaps(torch.from_numpy(in_input).float(), torch.ones(1, 6), batch_shape[::-1], (48, 64), 2)
    found, = head.decode(maps, [sample])
    assert found.pred_instances.keypoints.shape == (1, 6, 2) and found.pred_instances.keypoint_scores.shape == (1, 6)
    np.testing.assert_allclose(found.pred_instances.keypoints.numpy(), in_image, atol=0.2)
    assert found.pred_instances.keypoint_scores.min() > 0.9


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('value', [0.0, -1.0])
def test_a_heat_map_without_a_peak_gives_a_place_without_confidence(make, value):
    head, sample = build(make, 'coco_pose'), make.samples('coco_pose', 1)[0]
    sample.set_metainfo(dict(batch_input_shape=(64, 48)))
    maps = torch.full((1, 6, 16, 12), value)
    found, = head.decode(maps, [sample])
    assert torch.isfinite(found.pred_instances.keypoints).all()
    assert found.pred_instances.keypoint_scores.max() < 1e-6
    assert (maps == value).all(), 'the maps of the caller have changed'


def test_unflip_exchanges_left_and_right(make):
    head, samples = build(make, 'coco_pose'), make.samples('coco_pose', 1)
    maps = torch.randn(1, 6, 4, 4)
    back = head.unflip(maps, samples)
    assert torch.equal(back[0, 0], maps[0, 1].flip(-1)) and torch.equal(back[0, 4], maps[0, 4].flip(-1))


@pytest.mark.parametrize('name', ['coco_pose', 'lip'])
def test_norms_by_name(make, name):
    kinds = {type(module).__name__ for module in build(make, name, norm='BN').modules()}
    assert 'BatchNorm2d' in kinds and 'LayerNorm2d' not in kinds
    assert 'LayerNorm2d' in {type(module).__name__ for module in build(make, name).modules()}
    with pytest.raises(UserError, match="Did you mean 'LN'"):
        build(make, name, norm='LN2')


def test_released_pose_head_has_its_size(make):
    head = build(make, 'coco_pose', in_channels=768, num_keypoints=17, channels=256)
    assert sum(p.numel() for p in head.parameters()) == 16 * 256 * (768 + 256) + 4 * 256 + 17 * 257


# ------------------------------------------------------------------------------------------------ parsing

def padded(make, name: str, shape=(64, 48), ori_shape=(90, 70)):
    samples = make.samples(name, 2, (60, 40))
    for sample in samples:
        sample.set_metainfo(dict(batch_input_shape=shape, ori_shape=ori_shape))
        sample.gt_sem_seg = PixelData(data=F.pad(sample.gt_sem_seg.data, (0, 8, 0, 4), value=255))
    return samples


def test_parsing_loss_ignores_padding(make):
    head, x, samples = build(make, 'lip'), features(2), padded(make, 'lip')
    logits = F.interpolate(head(x), size=(64, 48), mode='bilinear', align_corners=False)
    labels = torch.cat([sample.gt_sem_seg.data for sample in samples]).long()
    expected = F.cross_entropy(logits, labels, ignore_index=255)
    torch.testing.assert_close(head.loss(x, samples)['loss_parsing'], expected)
    assert head.count(samples) == 2 * 60 * 40


def test_parsing_without_any_label_gives_zero_and_not_nan(make):
    head, x, samples = build(make, 'lip'), features(2), padded(make, 'lip')
    for sample in samples:
        sample.gt_sem_seg.data.fill_(255)
    assert head.loss(x, samples)['loss_parsing'] == 0 and head.count(samples) == 1


@pytest.mark.parametrize('classes', [1, 4, 20])
def test_parsing_prediction_in_chunks_equals_all_at_once(make, classes):
    head, samples = build(make, 'lip', num_classes=classes), padded(make, 'lip')
    maps = head(features(2)).detach()
    at_input = F.interpolate(maps, size=(64, 48), mode='bilinear', align_corners=False)[..., :60, :40]
    expected = F.interpolate(at_input, size=(90, 70), mode='bilinear', align_corners=False).argmax(1)
    for sample, labels in zip(head.decode(maps, samples), expected):
        assert sample.pred_sem_seg.data.dtype == torch.uint8
        assert torch.equal(sample.pred_sem_seg.data[0].long(), labels)


def test_ocr_losses(make):
    head, x, samples = build(make, 'h36m_parsing').eval(), features(2), padded(make, 'h36m_parsing')
    outputs = head.loss(x, samples)
    assert set(outputs) == {'loss_parsing', 'loss_auxiliary'}
    labels = head.labels(samples, torch.device('cpu'))
    torch.testing.assert_close(outputs['loss_parsing'], head.pixel_loss(head(x), labels))
    torch.testing.assert_close(outputs['loss_auxiliary'], 0.4 * head.pixel_loss(head.auxiliary(x.maps[0]), labels))
