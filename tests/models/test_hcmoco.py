"""HCMoCo: three networks that agree, what is missing counts nothing, banks that remember."""
import math

import pytest
import torch
import torch.nn.functional as F

from humanbench.errors import UserError
from humanbench.models.memory import ModalityBanks
from humanbench.models.pretext.hcmoco import MODALITIES, PAIRS, Seen, cells_of_depth, cells_of_joints, centred
from humanbench.registry import MODELS
from humanbench.visualization import prediction_sheet

DEPTH_TERMS = {f'loss_{MODALITIES[a]}_{MODALITIES[b]}' for a, b in PAIRS if 'depth' in (MODALITIES[a], MODALITIES[b])}
STAGE_2 = {'loss_dense', 'loss_joint_rgb', 'loss_joint_depth', 'loss_structure'}


def network(make, **head):
    return make.model(('ntu_rgbd',), projector=None) if not head else _changed(make, head)


def _changed(make, head):
    torch.manual_seed(0)
    return MODELS.build(dict(type='HumanModel', backbone=make.VIT, heads=dict(
        ntu_rgbd=make.PRETEXTS['ntu_rgbd'] | head)))


def without_depth(data: dict, which=lambda index: True) -> dict:
    for sample in data['data_samples']:
        if which(sample.index):
            sample.gt_depth = torch.zeros_like(sample.gt_depth)
            sample.set_metainfo(dict(has_depth=False))
    return data


# ------------------------------------------------------------------------------------------------------------- losses
def test_stage_one_is_six_terms_and_stage_two_four_more(make):
    six = {f'loss_{MODALITIES[a]}_{MODALITIES[b]}' for a, b in PAIRS}
    assert set(make.losses(network(make, terms=('sample',)), make.unit('ntu_rgbd'))) == six and len(six) == 6
    assert set(make.losses(network(make), make.unit('ntu_rgbd'))) == six | STAGE_2
    one = make.losses(network(make, terms=('sample', 'joint')), make.unit('ntu_rgbd'))
    assert set(one) == six | {'loss_joint_rgb', 'loss_joint_depth'}


def test_a_batch_without_depth_has_no_loss_of_it_and_no_gradient(make):
    model = network(make)
    found = make.losses(model, without_depth(make.unit('ntu_rgbd')))
    zero = DEPTH_TERMS | {'loss_dense', 'loss_joint_depth'}
    assert {name for name, value in found.items() if value.item() == 0} == zero
    make.total(found).backward()
    head = model.heads['ntu_rgbd']
    gone = [*head.depth_encoder.parameters(), *head.projections['depth'].parameters(),
            *head.mappers['depth'].parameters()]
    assert not any(x.grad is not None and x.grad.any() for x in gone)
    assert all(x.grad is not None for x in head.projections['depth'].parameters())  # the graph is whole
    assert any(x.grad.any() for x in model.backbone.parameters() if x.grad is not None)


def test_what_lacks_depth_changes_no_loss_of_depth(make):
    """Pictures without depth may be anything: the terms of depth are those of the others."""
    model, depth_less = network(make), lambda index: index % 3 == 2
    model.set_unit(seed=3)
    one = make.losses(model, make.unit('ntu_rgbd'))
    data = make.unit('ntu_rgbd')
    for image, sample in zip(data['inputs'], data['data_samples']):
        if depth_less(sample.index):
            image.copy_(torch.randint_like(image, 256))
    model.set_unit(seed=3)
    other = make.losses(model, data)
    terms = DEPTH_TERMS | {'loss_dense', 'loss_joint_depth'}
    # batch statistics of the graph network do not see pictures, so everything else is equal bit by bit
    assert all(torch.equal(one[name], other[name]) for name in terms)
    assert one['loss_rgb_joints'] != other['loss_rgb_joints']


def without_joints(data: dict, which=lambda index: True) -> dict:
    for sample in data['data_samples']:
        if which(sample.index):
            people = sample.gt_instances
            people.keypoints_visible, people.skeleton_visible = (torch.zeros_like(x) for x in (
                people.keypoints_visible, people.skeleton_visible))
    return data


@pytest.mark.parametrize('num_samples', [40, None])
def test_a_batch_without_joints_has_no_loss_of_them_and_no_gradient(make, num_samples):
    model = network(make, num_samples=num_samples)
    head = model.heads['ntu_rgbd']
    before = {name: x.clone() for name, x in head.named_buffers()}
    found = make.losses(model, without_joints(make.unit('ntu_rgbd')))
    of_joints = {f'loss_{a}_{b}' for a in MODALITIES for b in MODALITIES if a != b and 'joints' in (a, b)}
    assert {name for name, value in found.items() if value.item() == 0} == of_joints | STAGE_2 - {'loss_dense'}
    make.total(found).backward()
    assert not any(x.grad is not None and x.grad.any() for x in head.joint_encoder.parameters())
    make.remember(model)
    joints = MODALITIES.index('joints')
    for name, x in head.named_buffers():
        if name == 'banks.table':
            assert torch.equal(x[joints], before[name][joints]) and not torch.equal(x, before[name])
        elif name.startswith('joint_encoder.'):
            assert torch.equal(x, before[name]), name


def test_who_has_no_joints_is_nobodys_negative(make):
    """Of those who have joints, what is found is as if the others were not in the unit."""
    model = network(make, num_samples=None)
    vectors, lacks = unit(3, 8, 16, seed=4), torch.arange(8) % 2 == 1
    has = torch.ones(3, 8, dtype=torch.bool)
    has[2, lacks] = False
    pairs = dict(zip(PAIRS, model.heads['ntu_rgbd']._errors_in_unit(vectors, has, torch.arange(8)), strict=True))
    alone = dict(zip(PAIRS, model.heads['ntu_rgbd']._errors_in_unit(
        vectors[:, ~lacks], has[:, ~lacks], torch.arange(4)), strict=True))
    torch.testing.assert_close(pairs[0, 2][~lacks], alone[0, 2])
    assert (pairs[0, 1][~lacks] > alone[0, 1]).all()  # of depth they are


def test_a_sample_drawn_twice_is_not_told_from_itself(make):
    head = network(make, num_samples=None).heads['ntu_rgbd']
    vectors, has = unit(3, 4, 16, seed=5), torch.ones(3, 4, dtype=torch.bool)
    twice = torch.cat([vectors, vectors[:, :1]], 1)
    once = next(head._errors_in_unit(vectors, has, torch.arange(4)))
    again = next(head._errors_in_unit(twice, torch.ones(3, 5, dtype=torch.bool), torch.tensor([0, 1, 2, 3, 0])))
    torch.testing.assert_close(again[[0, 4]], once[[0, 0]])


@pytest.mark.parametrize('encode_missing', [False, True])
def test_empty_depth_moves_no_statistics_unless_asked(make, encode_missing):
    encoder = dict(type='HumanHRNet', width=4, modules=(1, 1, 1), blocks=1, first_width=8, first_blocks=1, merged=4)
    model = network(make, depth_encoder=encoder, encode_missing=encode_missing)
    encoder = model.heads['ntu_rgbd'].depth_encoder
    before = {name: x.clone() for name, x in encoder.named_buffers()}
    make.total(make.losses(model, without_depth(make.unit('ntu_rgbd')))).backward()
    assert all(torch.equal(x, before[name]) for name, x in encoder.named_buffers()) == (not encode_missing)
    found = {}
    for others in (1, 2):  # of what stands where there is no depth
        model = network(make, depth_encoder=dict(
            type='HumanHRNet', width=4, modules=(1, 1, 1), blocks=1, first_width=8, first_blocks=1, merged=4),
            encode_missing=encode_missing)
        data = make.unit('ntu_rgbd')
        for sample in data['data_samples']:
            if not sample.has_depth:
                sample.gt_depth = torch.rand(sample.gt_depth.shape, generator=torch.Generator().manual_seed(others))
        model.set_unit(seed=3)
        found[others] = make.losses(model, data)['loss_depth_rgb']
    assert torch.equal(found[1], found[2]) == (not encode_missing)


def test_each_modality_finds_its_own_sample(make):
    """Definition: of vector a, the softmax over sample's row and random rows of the bank of b."""
    model = network(make)
    head, data = model.heads['ntu_rgbd'], make.unit('ntu_rgbd')
    found = make.losses(model, data)
    prepared = model.data_preprocessor(make.unit('ntu_rgbd'), True)
    model.set_unit()
    views = head.views(prepared['inputs'], prepared['data_samples'], torch.Generator().manual_seed(5))
    seen = head(model.see(views, 'ntu_rgbd'), views)
    rows = (views[0].draws[:12] * 40).long()
    table, has = head.banks.table, views[0].has_depth
    errors = []
    for i in range(8):
        if has[i]:
            query = seen.vectors[0, i]
            logits = torch.stack([query @ table[1, i], *(query @ table[1, row] for row in rows)]) / 0.2
            errors.append(-logits.log_softmax(0)[0])
    again = head.loss(model.see(views, 'ntu_rgbd'), prepared['data_samples'], views)
    assert again['loss_rgb_depth'].item() == pytest.approx(torch.stack(errors).mean().item(), rel=1e-5)
    assert found.keys() == again.keys()


def test_without_banks_it_finds_its_own_sample_in_the_unit(make):
    """Definition: of vector a, the softmax over the vectors b of the unit, of those that have it."""
    model = network(make, num_samples=None)
    head, data = model.heads['ntu_rgbd'], make.unit('ntu_rgbd')
    assert head.banks is None and not list(head.buffers(recurse=False))
    prepared = model.data_preprocessor(data, True)
    model.set_unit()
    views = head.views(prepared['inputs'], prepared['data_samples'], torch.Generator().manual_seed(5))
    seen, has = head(model.see(views, 'ntu_rgbd'), views), views[0].has_depth
    assert has.any() and not has.all()
    among = [F.cross_entropy((seen.vectors[0, i] @ seen.vectors[1, has].T / 0.2)[None],
                             torch.tensor([int(has[:i].sum())])) for i in range(8) if has[i]]
    found = head.losses(seen, prepared['data_samples'], views[0])
    assert found['loss_rgb_depth'].item() == pytest.approx(torch.stack(among).mean().item(), rel=1e-5)
    for one in (0, 1):  # both sides are trained
        gradient, = torch.autograd.grad(found['loss_rgb_depth'], seen.vectors, retain_graph=True)
        assert gradient[one, has].any() and not gradient[one, ~has].any()


def test_without_banks_a_unit_without_depth_has_zeros(make):
    model = network(make, num_samples=None)
    found = make.losses(model, without_depth(make.unit('ntu_rgbd')))
    assert {name for name, value in found.items() if value.item() == 0} == DEPTH_TERMS | {'loss_dense',
                                                                                         'loss_joint_depth'}
    make.total(found).backward()
    assert all(x.grad is None or x.grad.isfinite().all() for x in model.parameters())
    assert not any(x.grad is not None and x.grad.any() for x in model.heads['ntu_rgbd'].depth_encoder.parameters())


def test_it_learns_to_tell_samples_apart(make):
    """A few steps on one batch: what the modalities of a sample say of each other comes together."""
    model = network(make)
    optimiser, first = torch.optim.AdamW(model.parameters(), lr=3e-3), None
    for _ in range(30):
        found = make.losses(model, make.unit('ntu_rgbd'))
        first = first or {name: value.item() for name, value in found.items()}
        optimiser.zero_grad()
        make.total(found).backward()
        optimiser.step()
        make.remember(model)
    last = {name: value.item() for name, value in found.items()}
    for name in ('loss_rgb_joints', 'loss_depth_joints', 'loss_joint_rgb', 'loss_joint_depth', 'loss_structure'):
        assert last[name] < 0.8 * first[name], name


def test_what_is_predicted_of_people(make):
    model = network(make).eval()
    head = model.heads['ntu_rgbd']
    head.depth_encoder = None  # depth is seen as the picture is: every point finds itself
    seen = {}

    def forward(features, views):
        vectors = F.normalize(torch.randn(3, 8, 16, generator=torch.Generator().manual_seed(0)), dim=-1)
        maps = F.normalize(torch.randn(8, 16, 4, 4, generator=torch.Generator().manual_seed(1)), dim=1)
        seen['maps'] = maps
        return Seen(vectors, maps, maps.roll(1, 3) if seen.get('moved') else maps, vectors)

    head.forward = forward
    data = model.data_preprocessor(make.unit('ntu_rgbd'))
    for sample in data['data_samples']:
        sample.gt_depth = torch.full_like(sample.gt_depth, float(sample.has_depth))
    same = model(**data, mode='predict')
    assert [math.isnan(x.point_error) for x in same] == [index % 3 == 2 for index in range(8)]
    assert all(x.point_error == 0 for x in same if x.has_depth) and same[0].pred_vectors.shape == (3, 16)
    seen['moved'] = True  # by a cell of 16 pixels to the right, around the edge
    moved = model(**data, mode='predict')[0]
    shift = moved.pred_matches[:, 1] - moved.pred_matches[:, 0]
    assert set(shift[:, 0].tolist()) == {16.0, -48.0} and not shift[:, 1].any()
    assert moved.point_error.item() == pytest.approx(shift[:, 0].abs().mean().item())
    assert torch.equal(moved.pred_view, make.unit('ntu_rgbd')['inputs'][0])
    assert prediction_sheet({'pretext': [(moved.pred_view.permute(1, 2, 0).numpy(), moved)] * 2}).shape[1] == 1240


def test_more_records_than_banks(make):
    with pytest.raises(UserError, match='has a record 7, and its head has banks for 5'):
        make.losses(network(make, num_samples=5), make.unit('ntu_rgbd'))


@pytest.mark.parametrize('wrong, expected', [
    (dict(terms=('sampel',)), "Did you mean 'sample'"), (dict(temperature=0), 'numbers above 0'),
    (dict(out_channels=8), 'expected as many')])
def test_options_that_cannot_be(make, wrong, expected):
    with pytest.raises(UserError, match=expected):
        network(make, **wrong)


def test_samples_that_are_no_people_with_depth(make):
    data = make.unit('ntu_rgbd')
    for sample in data['data_samples']:
        del sample.gt_depth
    with pytest.raises(UserError, match='gives HCMoCoPretext no gt_depth'):
        make.losses(network(make), data)


# ------------------------------------------------------------------------------------------------------------- labels
def labelled(make, **head):
    torch.manual_seed(0)
    return MODELS.build(dict(type='HumanModel', backbone=make.VIT, heads=dict(
        ntu_labelled=make.PRETEXTS['ntu_labelled'] | head)))


@pytest.mark.parametrize('learns_from, hidden', [('rgb', 'has_depth'), ('depth', 'has_rgb'), ('both', None)])
def test_labels_are_learnt_from_one_modality(make, learns_from, hidden):
    model = labelled(make, learns_from=learns_from)
    data = model.data_preprocessor(make.unit('ntu_labelled'), True)
    view, = model.heads['ntu_labelled'].views(data['inputs'], data['data_samples'], torch.Generator())
    odd = torch.arange(8) % 2 == 1  # those have labels
    had = dict(has_rgb=torch.ones(8, dtype=torch.bool), has_depth=torch.arange(8) % 3 < 2)
    for name, before in had.items():
        assert torch.equal(getattr(view, name), before & ~odd if name == hidden else before)
    found = model(**data, mode='loss')
    found['loss_parsing'].backward()
    head = model.heads['ntu_labelled']
    reached = {name: any(x.grad is not None and x.grad.any() for x in part.parameters())
               for name, part in (('rgb', model.backbone), ('depth', head.depth_encoder))}
    assert reached == dict(rgb=learns_from != 'depth', depth=learns_from != 'rgb')


def test_what_is_hidden_counts_in_no_term(make):
    """Labelled frames without pictures: nothing of their pictures matters, where all frames have labels."""
    model = labelled(make, learns_from='depth')
    data = make.unit('ntu_labelled')
    for index, sample in enumerate(data['data_samples']):
        sample.gt_sem_seg = make._bands(index, 64, 64)
    found = make.losses(model, data)
    gone = {f'loss_{a}_{b}' for a in MODALITIES for b in MODALITIES if a != b and 'rgb' in (a, b)}
    assert all(found[name].item() == 0 for name in (gone | {'loss_dense', 'loss_joint_rgb'}))
    assert found['loss_depth_joints'] > 0 and found['loss_joint_depth'] > 0 and found['loss_parsing'] > 0


def test_a_batch_without_labels_has_no_loss_of_them(make):
    data = make.unit('ntu_labelled')
    for sample in data['data_samples']:
        sample.pop('gt_sem_seg', None)
    found = make.losses(labelled(make), data)['loss_parsing']
    found.backward()
    assert found.item() == 0


def test_any_modality_is_parsed(make):
    said = {}
    for reads in ('rgb', 'depth', 'both'):
        model = labelled(make, reads=reads).eval()
        with torch.no_grad():
            model.heads['ntu_labelled'].parsing.classifier.weight.mul_(50)  # untrained, it says one class of everything
        data = make.unit('ntu_labelled')
        samples = model(**model.data_preprocessor(data), mode='predict')
        said[reads] = torch.stack([x.pred_sem_seg.data for x in samples])
        assert said[reads].shape == (8, 1, 129, 192) and said[reads].max() < 4
    assert not torch.equal(said['rgb'], said['depth']) and not torch.equal(said['rgb'], said['both'])


@pytest.mark.parametrize('hidden, left', [('has_depth', 'rgb'), ('has_rgb', 'depth')])
def test_what_is_left_is_parsed_where_a_modality_is_missing(make, hidden, left):
    model = labelled(make).eval()
    head, data = model.heads['ntu_labelled'], model.data_preprocessor(make.unit('ntu_labelled'))
    for sample in data['data_samples']:
        sample.gt_depth = 1 + torch.rand_like(sample.gt_depth)
        sample.set_metainfo(dict(has_depth=True, has_rgb=True))
    data['data_samples'][0].set_metainfo({hidden: False})
    view, = head.views(data['inputs'], data['data_samples'], torch.Generator())
    maps = unit(8, 16, 4, 4, seed=0), unit(8, 16, 4, 4, seed=1)
    seen = Seen(unit(3, 8, 16, seed=2), *maps, unit(8, 6, 16, seed=3))
    both, one = head._read(seen, view, 'both'), head._read(seen, view, left)
    assert torch.equal(both[0], one[0]) and not torch.equal(both[1], one[1])


def test_a_modality_that_there_is_not(make):
    with pytest.raises(UserError, match="Did you mean 'depth'"):
        labelled(make, reads='dept')


# -------------------------------------------------------------------------------------------------- where things are
def test_joints_are_seen_relative_to_the_root():
    joints = torch.tensor([[[10., 20.], [14., 28.], [10., 12.]]])
    seen = centred(joints, torch.ones(1, 3, dtype=torch.bool), root=0)
    assert seen.tolist() == [[[0, 0], [1, 0.5], [-1, 0]]]  # y, x
    moved = centred(3 * joints + 7, torch.ones(1, 3, dtype=torch.bool), root=0)
    assert torch.allclose(seen, moved)
    hidden = centred(joints, torch.tensor([[True, False, True]]), root=0)
    assert hidden[0, 1].tolist() == [0, 0]
    rootless = centred(joints, torch.tensor([[False, True, True]]), root=0)
    assert rootless[0, 0].tolist() == [0, 0] and rootless[0, 1].tolist() == pytest.approx([1, 0.25])
    assert not centred(joints, torch.zeros(1, 3, dtype=torch.bool), root=0).any()


def test_the_cell_of_a_joint():
    joints = torch.tensor([[[0., 0.], [15.9, 0.], [16., 7.9], [40., -3.]]])
    assert cells_of_joints(joints, (8, 32), (2, 8)).tolist() == [[0, 3, 4 + 8, 7]]


def test_points_lie_where_depth_is_known():
    depth = torch.zeros(2, 1, 8, 8)
    depth[0, :, 4:, :2] = 1.0
    draws = torch.rand(2, 400, generator=torch.Generator().manual_seed(0))
    cells, found = cells_of_depth(depth, (4, 4), draws)
    assert found.tolist() == [True, False]
    assert set(cells[0].tolist()) == {8, 12}  # rows 2 and 3 of the first column
    assert 150 < (cells[0] == 8).sum() < 250
    edge, _ = cells_of_depth(depth, (4, 4), torch.tensor([[0.0, 1 - 1e-7]]).expand(2, 2))
    assert edge[0].tolist() == [8, 12]


# -------------------------------------------------------------------------------------------------------------- banks
def unit(*shape: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_banks_move_towards_what_was_seen_and_only_there():
    banks = ModalityBanks(6, 2, 3)
    before = banks.table.clone()
    assert torch.allclose(before.norm(dim=-1), torch.ones(2, 6))
    seen = unit(2, 3, 3, seed=1)
    banks.see(torch.tensor([4, 1, 4]), seen, torch.tensor([[True, True, True], [True, False, False]]))
    assert torch.equal(banks.table, before)  # until the step is over
    banks.enter([banks.take()])
    once = F.normalize(0.5 * before[0, 4] + 0.5 * seen[0, 0], dim=0)
    assert torch.allclose(banks.table[0, 4], F.normalize(0.5 * once + 0.5 * seen[0, 2], dim=0))
    assert torch.allclose(banks.table[0, 1], F.normalize(0.5 * before[0, 1] + 0.5 * seen[0, 1], dim=0))
    assert torch.allclose(banks.table[1, 4], F.normalize(0.5 * before[1, 4] + 0.5 * seen[1, 0], dim=0))
    kept = torch.ones(2, 6, dtype=torch.bool)
    kept[0, [1, 4]] = kept[1, 4] = False
    assert torch.equal(banks.table[kept], before[kept])


def test_negatives_are_drawn_among_all_samples():
    banks = ModalityBanks(5, 2, 3)
    draws = torch.rand(2000, generator=torch.Generator().manual_seed(0))
    rows = banks.negatives(draws)
    assert rows.shape == (2, 2000, 3)
    shares = [(rows[1] == row).all(-1).float().mean().item() for row in banks.table[1]]
    assert sum(shares) == pytest.approx(1) and all(math.isclose(x, 0.2, abs_tol=0.05) for x in shares)
