"""DINO and SOLIDER: crops, teacher, what is asked of whom, body parts and the dial."""
import math
import warnings

import pytest
import torch
import torch.nn.functional as F

from humanbench.canvas import Canvas
from humanbench.errors import UserError
from humanbench.models.pretext.dino import WeightNormLinear
from humanbench.registry import MODELS

SWIN = dict(type='SemanticSwin', embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), window_size=4,
            strides=(4, 2, 1, 1), semantic=0.5)


def network(make, source: str = 'solider', **head):
    """A model whose backbone has a dial, or a ViT for DINO."""
    torch.manual_seed(0)
    config = make.PRETEXTS[source] | (dict(semantic_draw='bernoulli') if source == 'solider' else {}) | head
    backbone = SWIN if source == 'solider' else make.VIT
    return MODELS.build(dict(type='HumanModel', backbone=dict(backbone), heads={source: config}))


def data(make, model, source: str = 'solider', count: int = 6) -> dict:
    return model.data_preprocessor(make.unit(source, count), True)


# ------------------------------------------------------------------------------------------------ crops

def test_crops_lie_side_by_side_and_nowhere_twice():
    canvas = Canvas([dict(count=2, size=(256, 128), scale=(0.8, 1)), dict(count=8, size=(128, 64))])
    assert canvas.size == (512, 256)
    covered = torch.zeros(canvas.size)
    for (_, (h, w)), corners in zip(canvas.groups, canvas.corners):
        for top, left in corners:
            covered[top:top + h, left:left + w] += 1
    assert (covered == 1).all()
    odd = Canvas([dict(count=1, size=(10, 7)), dict(count=3, size=(4, 5))])
    assert odd.size == (22, 7) and odd.corners[1] == [(10, 0), (14, 0), (18, 0)]
    with pytest.raises(UserError, match='1 or more'):
        Canvas([dict(count=0, size=(4, 4))])


def test_views_are_the_crops_of_the_picture(make):
    model = network(make, 'dino')
    unit = data(make, model, 'dino')
    large, small = model.heads['dino'].views(unit['inputs'], unit['data_samples'], torch.Generator())
    assert large.images.shape == (12, 3, 64, 32) and small.images.shape == (18, 3, 32, 16)
    assert torch.equal(large.images[6 + 2], unit['inputs'][2, :, :64, 32:64])
    assert torch.equal(small.images[12 + 1], unit['inputs'][1, :, 64:, 32:48])  # third crop of the second image


def test_other_crops_than_the_heads_are_refused(make):
    model = network(make, 'dino', crops=[dict(count=2, size=(64, 32))])
    with pytest.raises(UserError, match='Give MultiCrop in its pipeline the groups that the head has'):
        make.losses(model, make.unit('dino'))


# ------------------------------------------------------------------------------------------------ DINO

def test_prototypes_have_length_one_whatever_their_weights():
    layer = WeightNormLinear(6, 9)
    x = torch.randn(4, 6)
    torch.testing.assert_close(layer(x), x @ F.normalize(layer.weight_v, dim=1).T)
    with torch.no_grad():
        before = layer(x)
        layer.weight_v *= 3
    torch.testing.assert_close(layer(x), before)  # so that weight decay changes nothing of a frozen layer
    with warnings.catch_warnings(action='ignore'):  # deprecated, but it has the names of the published files
        theirs = torch.nn.utils.weight_norm(torch.nn.Linear(6, 9, bias=False))
    theirs.load_state_dict(layer.state_dict())
    torch.testing.assert_close(theirs(x), layer(x))


def one_by_one(model, unit: dict) -> float:
    """The loss of DINO, crop by crop and image by image."""
    head, images = model.heads['dino'], unit['inputs']
    places = [(corner, group.size) for group, corners in zip(head.canvas.groups, head.canvas.corners)
              for corner in corners]
    terms = []
    for picture in images:
        crops = [picture[None, :, top:top + h, left:left + w] for (top, left), (h, w) in places]
        taught = [head.teacher['head'](head.teacher['backbone'](x, dict(task='pretext')).cls)[0] for x in crops[:2]]
        said = [head.head(model.backbone(x, dict(task='pretext')).cls)[0] for x in crops]
        for i, target in enumerate(taught):
            target = ((target - head.centre) / 0.04).softmax(0)
            terms += [-(target * (x / 0.1).log_softmax(0)).sum() for j, x in enumerate(said) if j != i]
    return float(torch.stack(terms).mean())


def test_every_crop_is_asked_what_the_teacher_says_of_the_other_large_ones(make):
    torch.manual_seed(0)
    model = MODELS.build(dict(type='HumanModel', backbone=dict(make.VIT, class_token_tasks=None),
                              heads=dict(dino=make.PRETEXTS['dino']))).double()
    head = model.heads['dino']
    head.centre.normal_()
    with torch.no_grad():
        head.teacher['backbone'].norm.weight *= 2  # another network than the student
    unit = data(make, model, 'dino', 4)
    unit['inputs'] = unit['inputs'].double()
    expected, centre = one_by_one(model, unit), head.centre.clone()
    losses = model(**unit, mode='loss')
    assert losses['loss_dino'].item() == pytest.approx(expected, rel=1e-9)
    large = torch.cat([unit['inputs'][:, :, :64, :32], unit['inputs'][:, :, :64, 32:]])
    taught = head.teacher['head'](head.teacher['backbone'](large, dict(task='pretext')).cls)
    torch.testing.assert_close(head.centre, 0.9 * centre + 0.1 * taught.mean(0))


def test_information_is_nothing_where_the_teacher_says_the_same_of_all(make):
    model = network(make, 'dino')
    unit = data(make, model, 'dino')
    known = model(**unit, mode='loss')
    unit['inputs'] = unit['inputs'][:1, :, :, :].expand(6, -1, -1, -1).clone()
    unit['inputs'][:, :, :64, 32:] = unit['inputs'][:, :, :64, :32]
    same = model(**unit, mode='loss')
    assert abs(same['information']) < 1e-5 < known['information'] and 0 < known['entropy'] < math.log(24)


def test_the_last_layer_learns_nothing_at_first(make):
    model = network(make, 'dino', freeze_last_layer=0.5)
    for progress, learns in ((0.0, False), (0.49, False), (0.5, True)):
        model.zero_grad()
        model.begin_step(progress)
        make.total(make.losses(model, make.unit('dino'))).backward()
        gradient = model.heads['dino'].head.last_layer.weight_v.grad
        assert (gradient is not None and bool(gradient.abs().sum() > 0)) is learns
        assert model.heads['dino'].head.mlp[0].weight.grad.abs().sum() > 0


# ------------------------------------------------------------------------------------------------ teacher

def test_the_teacher_follows_along_half_a_cosine(make):
    model = network(make, momentum=0.9)
    head = model.heads['solider']
    assert not any(p.requires_grad for p in head.teacher.parameters())
    assert set(head.teacher) == {'backbone', 'head'}  # no classifier of parts
    before = head.teacher['backbone'].state_dict()['patch_embed.projection.weight'].clone()
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter += 1
    for progress, share in ((0.0, 0.1), (1.0, 0.0), (0.5, 0.05)):
        with torch.no_grad():
            head.teacher['backbone'].patch_embed.projection.weight.copy_(before)
        model.begin_step(progress)
        model.end_step()
        torch.testing.assert_close(head.teacher['backbone'].patch_embed.projection.weight, before + share)


def test_the_teacher_drops_no_path_and_gets_no_gradient(make):
    model = network(make)
    model.drop_path = 0.9
    model.train()
    head = model.heads['solider']
    assert head.training and not head.teacher.training and not any(m.training for m in head.teacher.modules())
    make.total(make.losses(model, make.unit('solider'))).backward()
    assert all(p.grad is None for p in head.teacher.parameters())


@pytest.mark.parametrize('loaded, follows', [
    (['backbone.norm.bias'], True), (['backbone.norm.bias', 'heads.solider.head.mlp.0.bias'], True),
    (['backbone.norm.bias', 'heads.solider.teacher.backbone.patch_embed.projection.weight'], False),
    (['backbone.norm.bias', 'heads.solider2.teacher.backbone.patch_embed.projection.weight'], True)])
def test_a_teacher_starts_from_the_weights_that_were_loaded_unless_it_has_its_own(make, loaded, follows):
    model = network(make)
    with torch.no_grad():
        model.backbone.patch_embed.projection.weight.fill_(7)
    model.restart_teachers(loaded)
    teacher = model.heads['solider'].teacher['backbone']
    assert bool((teacher.patch_embed.projection.weight == 7).all()) is follows
    assert all(torch.equal(value, model.backbone.state_dict()[name]) for name, value in teacher.state_dict().items()
               if name != 'patch_embed.projection.weight')


# ------------------------------------------------------------------------------------------------ SOLIDER

def looked(make, model, seed: int = 0, count: int = 6):
    unit = data(make, model, count=count)
    head = model.heads['solider']
    return head.views(unit['inputs'], unit['data_samples'], torch.Generator().manual_seed(seed)), unit


def test_one_part_is_erased_from_the_crops_that_have_a_foreground(make):
    model = network(make, least_foreground=0.3)
    erased = set()
    for seed in range(12):
        (first, small), unit = looked(make, model, seed)
        whole, masked = first.images[:12], first.images[12:]
        assert len(masked) == len(first.labels) == len(first.crops) > 0
        hidden = (masked == 0).all(1)  # no pixel of a random picture is zero in all channels
        part, = {int(x) for x in first.labels[F.interpolate(
            hidden[:, None].float(), first.labels.shape[1:], mode='nearest')[:, 0] > 0]}
        cells = torch.repeat_interleave(torch.repeat_interleave(first.labels == part, 8, 1), 8, 2)
        assert torch.equal(hidden, cells)
        assert torch.equal(masked[~hidden[:, None].expand_as(masked)],
                           whole[first.crops][~hidden[:, None].expand_as(masked)])
        erased.add(part)
        assert small.images.shape == (18, 3, 32, 16)
    assert erased == {1, 2, 3}


def test_all_crops_of_an_image_have_its_lambda(make):
    model = network(make, least_foreground=0.3)
    (first, small), _ = looked(make, model, 1)
    semantic = first.condition['semantic']
    assert set(semantic.tolist()) == {0.0, 1.0}
    assert torch.equal(semantic[:6], semantic[6:12]) and torch.equal(semantic[12:], semantic[first.crops])
    assert torch.equal(small.condition['semantic'], semantic[:6].repeat(3))
    uniform = network(make, semantic_draw='uniform')
    assert (((drawn := looked(make, uniform)[0][0].condition['semantic']) > 0) & (drawn < 1)).all()


def test_tokens_count_as_much_as_lambda_says(make):
    """The classifier's loss from its definition; tokens of lambda 0 count in the mean and not in the sum."""
    model = network(make, least_foreground=0.3, semantic_weight=2.0)
    head = model.heads['solider']
    views, unit = looked(make, model, 1)
    features = model.see(views, 'solider')
    losses = head.loss(features, unit['data_samples'], views)
    maps, first, total = features[0].maps[-1], views[0], 0.0
    for index, (labels, crop) in enumerate(zip(first.labels, first.crops)):
        for place in (12 + index, int(crop)):
            said = head.semantic_head(maps[place].permute(1, 2, 0))
            total += first.condition['semantic'][crop] * F.cross_entropy(said.flatten(0, 1), labels.flatten())
    expected = 2.0 * total / (2 * len(first.crops))
    assert losses['loss_semantic'].item() == pytest.approx(float(expected), rel=1e-5) != 0
    assert losses['foreground'].item() == pytest.approx(len(first.crops) / 12)


def test_what_the_dial_is_turned_to_changes_what_is_said(make):
    model = network(make, least_foreground=0.3)
    views, _ = looked(make, model, 1)
    one = model.see(views, 'solider')[0]
    views[0].condition['semantic'].fill_(1.0)
    other = model.see(views, 'solider')[0]
    assert torch.equal(one.maps[0], other.maps[0])
    assert all(not torch.allclose(one.maps[i], other.maps[i]) for i in (1, 2, 3))


def test_a_unit_without_any_foreground_trains_what_dino_trains(make):
    model = network(make, least_foreground=1.0)
    losses = make.losses(model, make.unit('solider'))
    assert losses['loss_semantic'] == 0 == losses['foreground'] and losses['loss_dino'] > 0
    make.total(losses).backward()
    assert model.backbone.patch_embed.projection.weight.grad.abs().sum() > 0
    some = make.losses(network(make, least_foreground=0.3), make.unit('solider'))
    assert some['loss_semantic'] > 0 and some['foreground'] > 0  # control


def test_the_released_classifier_is_never_trained_and_passes_its_gradient_on(make):
    trained, released = (network(make, least_foreground=0.3, train_semantic_head=x) for x in (True, False))
    for model in (trained, released):
        torch.manual_seed(0)
        model.set_unit(seed=3)
        make.losses(model, make.unit('solider'))['loss_semantic'].backward()
    assert all(p.requires_grad for p in trained.heads['solider'].semantic_head.mlp.parameters())
    assert all(p.grad is None for p in released.heads['solider'].semantic_head.parameters())
    own, theirs = (x.backbone.patch_embed.projection.weight.grad for x in (trained, released))
    assert own.abs().sum() > 0 and torch.equal(own, theirs)


def test_predictions_are_the_parts_of_the_teachers_semantic_tokens(make):
    model = network(make)
    unit = model.data_preprocessor(make.unit('solider', 4, (64, 32)), False)
    model.eval()
    found = model(**unit, mode='predict')
    expected, _ = model.heads['solider'].labels(unit['inputs'], torch.Generator().manual_seed(0))
    assert all(torch.equal(x.pred_parts, y) for x, y in zip(found, expected))
    assert expected.shape == (4, 8, 4) and set(expected.unique().tolist()) == {0, 1, 2, 3}


# ------------------------------------------------------------------------------------------------ mistakes

def test_what_cannot_be_is_said(make):
    with pytest.raises(UserError, match="Take a SemanticSwin with a lambda, or semantic_draw='none'"):
        model = make.model(('solider', ), projector=None)
        model.heads['solider'].semantic_draw = 'bernoulli'
        make.losses(model, make.unit('solider'))
    for wrong, message in ((dict(semantic_draw='normal'), 'semantic_draw'), (dict(semantic_weight=-1), 'at least 0'),
                           (dict(parts=0), 'at least one'), (dict(momentum=2), 'from 0 to 1')):
        with pytest.raises(UserError, match=message):
            MODELS.build(dict(make.PRETEXTS['solider'], in_channels=8, **wrong))


def test_a_teacher_follows_running_statistics(make):
    model = MODELS.build(dict(type='HumanModel', heads=dict(dino=make.PRETEXTS['dino']), backbone=dict(
        type='HumanHRNet', width=8, modules=(1, 1, 1), blocks=1, first_width=16, first_blocks=1)))
    model.backbone.bn1.running_mean.fill_(3)
    model.begin_step(0.0)
    model.end_step()
    teacher = model.heads['dino'].teacher['backbone'].bn1
    assert (teacher.running_mean == 3).all() and (teacher.running_var == 1).all()
