"""Person search: regions, proposals, what is remembered of people, the losses of both stages, and what is found."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from humanbench.errors import UserError
from humanbench.models import LastStage
from humanbench.models.heads.proposals import RegionProposals
from humanbench.models.memory import InstanceMemory
from humanbench.models.regions import ResidualStage, cut_regions
from humanbench.registry import MODELS
from humanbench.structures import Features, HumanSample, InstanceData


# ------------------------------------------------------------------------------------------------ regions
def sampled(image, x: float, y: float) -> torch.Tensor:
    """Bilinear value at a place in cells, whose centres are at halves; beyond the last centre as there."""
    height, width = image.shape[-2:]
    x, y = min(max(x - 0.5, 0), width - 1), min(max(y - 0.5, 0), height - 1)
    left, top = min(int(x), width - 2), min(int(y), height - 2)
    a, b = x - left, y - top
    return ((1 - a) * (1 - b) * image[:, top, left] + a * (1 - b) * image[:, top, left + 1]
            + (1 - a) * b * image[:, top + 1, left] + a * b * image[:, top + 1, left + 1])


def test_regions_are_means_of_four_samples_a_cell():
    maps = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    boxes = [torch.tensor([[0, 0, 112, 80], [10.5, 20, 77, 64.3]]), torch.tensor([[100, 3, 112, 80.0]])]
    found, i = cut_regions(maps, boxes, 3, 16), 0
    assert found.shape == (3, 3, 3, 3)
    for image, own in zip(maps, boxes):
        for x1, y1, x2, y2 in own.double().tolist():
            for row in range(3):
                for column in range(3):
                    places = [((x1 + (x2 - x1) * (column + a) / 3) / 16, (y1 + (y2 - y1) * (row + b) / 3) / 16)
                              for a in (0.25, 0.75) for b in (0.25, 0.75)]
                    wanted = sum(sampled(image, *place) for place in places) / 4
                    torch.testing.assert_close(found[i, :, row, column], wanted)
            i += 1


def test_regions_of_images_without_boxes():
    maps = torch.randn(2, 4, 5, 5, requires_grad=True)
    found = cut_regions(maps, [torch.zeros(0, 4), torch.tensor([[0, 0, 32, 32.0]])], 2, 16)
    found.sum().backward()
    assert found.shape == (1, 4, 2, 2) and not maps.grad[0].any() and maps.grad[1].any()


@pytest.mark.parametrize('size', [14, 7, 8])
def test_residual_stages_halve_regions(size):
    stage = ResidualStage(12, 20)
    assert stage(torch.randn(3, 12, size, size)).shape == (3, 20, -(-size // 2), -(-size // 2)) == (
        3, stage.out_channels, -(-size // 2), -(-size // 2))


# ------------------------------------------------------------------------------------------------ memory
def one_by_one(table, queue, place: int, rows: list, momentum: float = 0.5) -> int:
    """Online instance matching as it is published, row by row."""
    for identity, embedding in rows:
        if identity >= 0:
            mixed = momentum * table[identity] + (1 - momentum) * embedding
            table[identity] = mixed / mixed.norm()
        else:
            queue[place] = embedding
            place = (place + 1) % len(queue)
    return place


def test_a_memory_is_written_row_by_row_in_the_order_of_units():
    torch.manual_seed(0)
    memory, table, queue, place = InstanceMemory(4, 5, 8).train(), torch.zeros(4, 8), torch.zeros(5, 8), 0
    for _ in range(4):
        told, rows = [], []
        for identities in ([0, 2, -1, 0, -1, 0], [], [-1, -1, 2, -1, -1, -1, -1, 1]):
            embeddings = F.normalize(torch.randn(len(identities), 8))
            memory(embeddings, torch.tensor(identities, dtype=torch.long))
            told.append(memory.take())
            rows += zip(identities, embeddings)
        memory.enter(told)
        place = one_by_one(table, queue, place, rows)
        torch.testing.assert_close(memory.table, table)
        torch.testing.assert_close(memory.queue, queue)
        assert memory.next_place == place
    assert not memory.table[3].any() and len(memory.take()) == 0


def test_the_order_of_units_matters_and_a_mean_would_be_wrong():
    """The control: averaged changes, as those of running statistics, leave rows that are no directions."""
    torch.manual_seed(1)
    before, *embeddings = F.normalize(torch.randn(3, 8))
    units, results = [torch.cat([torch.zeros(1, 1), x[None]], 1) for x in embeddings], []
    for order in (units, units[::-1], units[:1], units[1:]):
        memory = InstanceMemory(1, 1, 8)
        memory.table.copy_(before)
        memory.enter(order)
        results.append(memory.table[0])
    assert not torch.allclose(results[0], results[1])
    assert ((results[2] + results[3]) / 2).norm() < 0.95 and results[0].norm() == pytest.approx(1)


def test_similarities_are_scaled_and_only_training_remembers():
    torch.manual_seed(0)
    memory = InstanceMemory(3, 2, 4, scalar=7.0)
    memory.enter([torch.cat([torch.tensor([[0.0], [2], [-1]]), F.normalize(torch.randn(3, 4))], 1)])
    asked = F.normalize(torch.randn(2, 4))
    similar = memory.eval()(asked, torch.tensor([1, -1]))
    torch.testing.assert_close(similar, 7 * asked @ torch.cat([memory.table, memory.queue]).T)
    assert similar.shape == (2, 5) and not similar[:, 1].any() and len(memory.take()) == 0
    memory.train()(asked, torch.tensor([1, -1]))
    torch.testing.assert_close(memory.take(), torch.cat([torch.tensor([[1.0], [-1]]), asked], 1))
    assert {'table', 'queue', 'next_place'} == set(memory.state_dict())
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(memory.eval()(asked, torch.tensor([1, -1])), similar)


# ------------------------------------------------------------------------------------------------ the head
SIZE = (64, 96)


def people(*boxes: list, identities: list | None = None, **meta) -> HumanSample:
    sample = HumanSample(metainfo=dict(img_shape=SIZE, batch_input_shape=SIZE, ori_shape=SIZE, source='prw', **meta))
    corners = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)
    sample.gt_instances = InstanceData(
        bboxes=corners, labels=torch.zeros(len(boxes), dtype=torch.long),
        identities=torch.tensor(identities if identities is not None else [-1] * len(boxes), dtype=torch.long))
    return sample


def features(batch: int, channels: int = 8, grid=(4, 6), **options) -> Features:
    torch.manual_seed(3)
    maps = torch.randn(batch, channels, *grid, **options)
    return Features(maps=[maps], tokens=[], cls=None, pooled=maps.mean((2, 3)), grid=grid)


def build(make, **options):
    torch.manual_seed(0)
    return MODELS.build(make.HEADS['prw'] | dict(in_channels=8) | options)


ONE, TWO = [0, 0, 32, 64], [48, 0, 80, 64]


def test_losses_by_hand(make):
    """Of one image whose proposals are given, all of which are trained on."""
    head = build(make, first_box_weight=10.0).eval()
    sample, x = people(ONE, TWO, identities=[2, -1]), features(1)
    given = torch.tensor([[0, 0, 32, 60], [40, 40, 60, 60], [50, 0, 80, 64.0]])
    head.proposals.propose = lambda *_: [given]
    head.memory.enter([torch.cat([torch.tensor([[2.0], [0]]), F.normalize(torch.randn(2, 8))], 1)])
    losses = head.loss(x, [sample])

    boxes = torch.cat([torch.tensor([ONE, TWO]).float(), given])  # the annotated ones come first
    order, truth = [0, 1, 2, 4, 3], torch.tensor([ONE, TWO, ONE, TWO]).float()
    boxes, person = boxes[order], torch.tensor([1.0, 1, 1, 1, 0])
    scores, deltas = head._first(x.maps[0], [boxes])
    torch.testing.assert_close(losses['loss_first_cls'], -(
        person * scores.log_softmax(1)[:, 0] + (1 - person) * scores.log_softmax(1)[:, 1]).mean())

    def encoded(own):
        size, there = own[:, 2:] - own[:, :2], truth[:, 2:] - truth[:, :2]
        moved = (truth[:, :2] + there / 2 - own[:, :2] - size / 2) / size / 0.1
        return torch.cat([moved, (there / size).log() / 0.2], 1)
    torch.testing.assert_close(losses['loss_first_bbox'], 10 * F.smooth_l1_loss(
        deltas[:4], encoded(boxes[:4]), reduction='sum') / 5)

    moved = head.coder.decode(boxes, deltas.detach(), max_shape=SIZE)
    second = torch.cat([torch.tensor([ONE, TWO]).float(), moved])
    _, embeddings, confidence = head._second(x.maps[0], [second])
    overlaps = [max(iou(box, ONE), iou(box, TWO)) for box in second.tolist()]
    target = torch.tensor([float(v >= 0.5) for v in overlaps])
    torch.testing.assert_close(losses['loss_second_cls'], F.binary_cross_entropy_with_logits(confidence, target))
    named = torch.tensor([iou(box, ONE) >= 0.5 for box in second.tolist()])
    similar = 3.0 * embeddings @ torch.cat([head.memory.table, head.memory.queue]).T
    torch.testing.assert_close(losses['loss_oim'], F.cross_entropy(similar[named], torch.full((int(named.sum()),), 2)))


def iou(a: list, b: list) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inter = max(width, 0) * max(height, 0)
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


def test_frames_without_people_or_without_names_train(make):
    head = build(make).train()
    losses = head.loss(features(3), [people(), people(ONE), people(TWO, identities=[1])])
    make.total(losses).backward()
    assert all(value.isfinite() for value in losses.values())
    rows = head.memory.take()
    assert set(rows[:, 0].tolist()) == {-1.0, 1.0}
    empty = head.loss(features(2), [people(), people()])
    assert all(value.isfinite() for value in empty.values()) and empty['loss_oim'] == 0
    assert empty['loss_first_bbox'] == empty['loss_second_bbox'] == 0 and len(head.memory.take()) == 0


def test_training_needs_names(make):
    sample = people(ONE)
    del sample.gt_instances.identities
    with pytest.raises(UserError, match='have no identities'):
        build(make).loss(features(1), [sample])


def test_a_map_of_another_stride_is_refused(make):
    assert len(build(make).eval().predict(features(1), [people()])) == 1
    with pytest.raises(UserError, match='has .2, 3. cells for .64, 96. pixels'):
        build(make).predict(features(1, grid=(2, 3)), [people()])


def test_what_is_found_is_in_original_pixels_and_as_long_as_its_score(make):
    head = build(make, score_threshold=0.0, overlap=1.0).eval()
    head.proposals.propose = lambda *_: [torch.tensor([ONE, TWO]).float()]
    asked = [dict(bbox=[0, 0, 16, 128.0]), dict(bbox=[24, 0, 40, 128.0])]  # ONE and TWO at twice the width
    sample = people(scale_factor=(2.0, 0.5), queries=asked)
    found, = head.predict(features(1), [sample])
    own = found.pred_instances
    assert len(own) == 2 and (own.scores[:-1] >= own.scores[1:]).all()
    torch.testing.assert_close(own.features.norm(dim=1), own.scores)
    assert (own.bboxes[:, 0::2] <= 48).all() and (own.bboxes[:, 1::2] <= 128).all()
    torch.testing.assert_close(found.pred_query_features.norm(dim=1), torch.ones(2))
    _, wanted, _ = head._second(features(1).maps[0], [torch.tensor([ONE, TWO]).float()])
    torch.testing.assert_close(found.pred_query_features, wanted)
    plain = build(make, score_threshold=0.0, overlap=1.0, weigh_by_score=False).eval()
    plain.proposals.propose = head.proposals.propose
    plain, = plain.predict(features(1), [people(scale_factor=(2.0, 0.5))])
    torch.testing.assert_close(plain.pred_instances.features.norm(dim=1), torch.ones(2))
    assert plain.pred_query_features.shape == (0, 8)


def test_weak_and_doubled_detections_are_dropped(make):
    head = build(make).eval()
    for layer in (head.first_box, head.second_box, head.first_score):
        nn.init.zeros_(layer.weight)
    head.proposals.propose = lambda *_: [torch.tensor([ONE, [0, 0, 30, 64], TWO]).float()]
    with torch.no_grad():
        head.first_score.bias.copy_(torch.tensor([1.0, 0]))
    found, = head.predict(features(1), [people()])
    torch.testing.assert_close(found.pred_instances.bboxes, torch.tensor([ONE, TWO]).float())
    with torch.no_grad():
        head.first_score.bias.copy_(torch.tensor([-1.0, 0]))
    found, = head.predict(features(1), [people()])
    assert len(found.pred_instances) == 0 and found.pred_instances.features.shape == (0, 8)


def test_stages_are_copies_and_may_be_those_of_a_swin(make):
    head = build(make, stage=dict(type=LastStage, depth=1, num_heads=2, window_size=4, semantic=0.6), region=8)
    first, second = head.first_stage.state_dict(), head.second_stage.state_dict()
    assert head.first_stage.out_channels == 16 and all(torch.equal(first[key], second[key]) for key in first)
    losses = head.train().loss(features(2), [people(ONE, identities=[1]), people(TWO, identities=[0])])
    make.total(losses).backward()
    gradients = [head.get_submodule(name).blocks[0].attn.w_msa.qkv.weight.grad for name in (
        'first_stage', 'second_stage')]
    assert all(x.abs().sum() > 0 for x in gradients) and not torch.equal(*gradients)
    found = head.eval().predict(features(1), [people()])  # no query, maybe nobody: attention over no region
    assert found[0].pred_query_features.shape == (0, 8)


# ------------------------------------------------------------------------------------------------ proposals
def test_proposals_are_the_best_anchors_cut_to_the_image():
    torch.manual_seed(0)
    network = RegionProposals(4, 16, sizes=(32,), ratios=(2.0,), considered=(20, 5), kept=(6, 3), overlap=0.5).eval()
    scores, deltas = torch.zeros(1, 1, 4, 6), torch.zeros(1, 4, 4, 6)
    scores[0, 0, 2, 3], scores[0, 0, 2, 4], scores[0, 0, 0, 0] = 3, 2, 1
    found, = network.propose(scores, deltas, [people()])
    half_width, half_height = 32 / 2 / 2**0.5, 32 / 2 * 2**0.5
    centre = torch.tensor([48.0, 32])  # anchors sit at the corners of their cells
    torch.testing.assert_close(found[0], torch.tensor(
        [centre[0] - half_width, centre[1] - half_height, centre[0] + half_width, centre[1] + half_height]))
    assert len(found) == 3 and (found >= 0).all() and (found[:, 2] <= SIZE[1]).all() and (found[:, 3] <= SIZE[0]).all()
    assert len(network.train().propose(scores, deltas, [people()])[0]) == 6
