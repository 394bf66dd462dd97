"""Routing, loss weights, keyed drop path, freezing, prediction."""
import copy

import pytest
import torch
from torch import nn

from humanbench.errors import UserError
from humanbench.models.backbones import HumanViT
from humanbench.registry import MODELS


def gradients(module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def test_every_head_gives_finite_losses_and_predictions(make, source):
    network = make.model((source,))
    outputs = make.losses(network, make.unit(source))
    assert any(name.startswith('loss_') for name in outputs)
    assert all(torch.isfinite(value) and value.ndim == 0 for value in outputs.values())
    assert network.heads[source].count(make.unit(source)['data_samples']) >= 1
    network.eval()
    predictions = network(**network.data_preprocessor(make.unit(source)), mode='predict')
    assert len(predictions) == 8 and any(key.startswith('pred_') for key in predictions[0].keys())  # noqa: SIM118 (no dict)


@pytest.mark.parametrize('size', [(64, 48), (70, 41), (33, 90)])
def test_any_image_size(make, source, size):
    network = make.model((source,))
    make.total(make.losses(network, make.unit(source, 2, size))).backward()
    network.eval()
    data = network.data_preprocessor(make.unit(source, 2, size))
    assert data['inputs'].shape[-2] % 16 == 0 and data['inputs'].shape[-1] % 16 == 0
    assert len(network(**data, mode='predict')) == 2


def test_only_the_route_of_the_source_gets_a_gradient(make):
    network = make.model(('market1501', 'coco_pose'))
    make.total(make.losses(network, make.unit('market1501'))).backward()
    touched = {'.'.join(name.split('.')[:2]) for name in gradients(network) if not name.startswith('backbone')}
    assert touched == {'projectors.reid', 'heads.market1501'}


def test_unknown_source_and_missing_projector_name_the_nearest(make):
    network = make.model(('market1501', 'coco_pose'))
    data = make.unit('market1501', 2)
    for sample in data['data_samples']:
        sample.set_metainfo(dict(source='market150'))
    with pytest.raises(UserError, match='market1501'):
        make.losses(network, data)
    with pytest.raises(UserError, match="projector of source 'market1501'"):
        MODELS.build(dict(type='HumanModel', backbone=make.VIT, heads=dict(market1501=make.HEADS['market1501']),
                          projectors=dict(pose=dict(type='LadderProjector'))))
    with pytest.raises(UserError, match='NoHead'):
        MODELS.build(dict(type='HumanModel', backbone=make.VIT, heads=dict(market1501=dict(type='NoHead'))))


def test_a_model_of_one_head_takes_any_samples_of_its_task(make):
    network, data = make.model(('market1501',)), make.unit('market1501', 2)
    for sample in data['data_samples']:
        sample.set_metainfo(dict(source='sensereid'))
    assert torch.isfinite(make.total(make.losses(network, data)))
    with pytest.raises(UserError, match="source 'coco_pose'"):
        make.losses(network, make.unit('coco_pose', 2))


def test_unknown_test_setting(make):
    with pytest.raises(UserError, match="Did you mean 'flip_test'"):
        make.model(('market1501',), test_cfg=dict(flip_tests=True))


def test_two_projectors_for_one_task(make):
    heads = {'lip': make.HEADS['lip'], 'modanet': make.HEADS['lip'] | dict(projector='clothes')}
    network = MODELS.build(dict(type='HumanModel', backbone=make.VIT, heads=heads, projectors=dict(
        parsing=dict(type='LadderProjector'), clothes=dict(type='LadderProjector', reduction=4))))
    assert network.routes == {'lip': 'parsing', 'modanet': 'clothes'}


def test_weight_scales_the_shared_part_and_not_the_head(make, source):
    def run(weight: float) -> dict[str, torch.Tensor]:
        network = make.model((source,)).double()
        network.set_unit(weight=weight)
        data = network.data_preprocessor(make.unit(source), True)
        make.total(network(data['inputs'].double(), data['data_samples'], mode='loss')).backward()
        return gradients(network)

    plain, scaled = run(1.0), run(0.25)
    assert plain.keys() == scaled.keys()
    for name in plain:
        factor = 1.0 if name.startswith('heads') else 0.25  # a power of two: exact
        assert torch.equal(scaled[name], plain[name] * factor), name


class DeadLastBlock(HumanViT):
    """As the release: the last block and the final norm are computed and not used."""

    @staticmethod
    def _features(levels, *rest, **options):
        return HumanViT._features([*levels[:-1], levels[-2]], *rest, **options)


def without_gradient(make, backbone: type) -> list[str]:
    """Parameters of backbone and projectors that one unit of every task leaves without a gradient."""
    sources = ('market1501', 'pa100k', 'coco_pose', 'lip')
    network = make.model(sources, vit=dict(type=backbone, class_token_tasks=('reid',))).double()
    for source in sources:
        data = network.data_preprocessor(make.unit(source), True)
        make.total(network(data['inputs'].double(), data['data_samples'], mode='loss')).backward()
    shared = [(n, p) for n, p in network.named_parameters() if not n.startswith('heads')]
    # in float64 a true gradient stands ten orders of magnitude above rounding
    return [name for name, p in shared if p.grad is None or p.grad.abs().max() < 1e-13]


# one constant for all images, which these heads' batch norm and distances take away again
INVARIANT = [f'projectors.{task}.{name}' for task in ('reid', 'attribute')
             for name in ('expand.bias', 'blocks.2.mlp.fc2.bias')]


def test_every_shared_parameter_learns(make):
    assert sorted(without_gradient(make, HumanViT)) == sorted(INVARIANT)


def test_the_check_finds_a_dead_last_block(make):
    dead = set(without_gradient(make, DeadLastBlock)) - set(INVARIANT)
    assert dead and all(name.startswith(('backbone.blocks.2.', 'backbone.norm.')) for name in dead)
    assert {'backbone.norm.weight', 'backbone.blocks.2.mlp.fc2.weight'} <= dead


def test_drop_path_is_a_function_of_the_unit_seed(make):
    network = make.model(('coco_pose',), drop_path=dict(pose=0.5))
    data = network.data_preprocessor(make.unit('coco_pose', 8), True)

    def run(seed: int, global_seed: int = 0) -> torch.Tensor:
        torch.manual_seed(global_seed)
        network.set_unit(seed=seed)
        return network(**data, mode='tensor').pooled

    first = run(5)
    assert torch.equal(first, run(5, global_seed=1))
    assert not torch.equal(first, run(6))
    state = torch.get_rng_state()
    run(7)
    network.eval()
    assert not torch.equal(first, run(5))
    torch.manual_seed(0)
    assert torch.equal(torch.get_rng_state(), state), 'drop path has drawn from the global generator'


def test_a_copy_draws_on_its_own(make):
    network = make.model(('coco_pose',), drop_path=0.5)
    twin = copy.deepcopy(network)  # as averaged weights are kept
    data = network.data_preprocessor(make.unit('coco_pose'), True)
    network.set_unit(seed=5)
    first = network(**data, mode='tensor').pooled
    twin.set_unit(seed=6)
    network.set_unit(seed=5)
    twin(**data, mode='tensor')
    assert torch.equal(first, network(**data, mode='tensor').pooled)


def test_drop_path_rate_of_each_task(make):
    network = make.model(('coco_pose', 'pa100k'), drop_path=dict(pose=0.9))
    calls = {}
    network.backbone.register_forward_pre_hook(
        lambda module, args: calls.update({args[1]['task']: args[1]['drop_path']}))
    for source in ('coco_pose', 'pa100k'):
        make.losses(network, make.unit(source, 2))
    assert calls == {'pose': 0.9, 'attribute': 0.0}


def test_frozen_parts_stand_still(make):
    network = make.model(('coco_pose', 'pa100k'), projector=None, drop_path=0.9, vit=dict(depth=4))
    network.backbone.blocks[0].extra = nn.BatchNorm1d(4)  # a buffer inside a block that will be frozen
    backbone = network.backbone
    open_layers = (backbone.depth - 1, backbone.depth, backbone.depth + 1)
    frozen = [f'backbone.{n}' for n, _ in backbone.named_parameters() if backbone.layer_id(n) not in open_layers]
    frozen += [n for n, _ in network.named_parameters() if n.startswith('heads.pa100k')]
    network.freeze(frozen)
    network.train()
    assert not any(p.requires_grad for n, p in network.named_parameters() if n in frozen)
    assert not backbone.blocks[0].training and not backbone.blocks[0].extra.training and not backbone.blocks[1].training
    assert backbone.blocks[2].training and backbone.blocks[3].training and backbone.norm.training
    assert not network.heads['pa100k'].training and network.heads['coco_pose'].training

    before = copy.deepcopy(network.heads['pa100k'].state_dict())
    outputs = [], []
    for index, block in enumerate((backbone.blocks[1], backbone.blocks[3])):
        block.register_forward_hook(lambda module, args, out, i=index: outputs[i].append(out))
    for seed in (1, 2):
        network.set_unit(seed=seed)
        make.losses(network, make.unit('pa100k'))
    after = network.heads['pa100k'].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before), 'a frozen head has moved its statistics'
    assert torch.equal(*outputs[0]), 'a frozen block has dropped a path'
    assert not torch.equal(*outputs[1]), 'the control: a trainable block does drop paths'


def test_freezing_does_not_change_what_the_other_blocks_draw(make):
    network = make.model(('coco_pose',), drop_path=0.5)
    keeps = []
    network.backbone.blocks[2].register_forward_pre_hook(lambda module, args: keeps.append(args[1]))
    for names in ([], ['backbone.' + n for n, _ in network.backbone.named_parameters() if n.startswith('blocks.0')]):
        network.freeze(names)
        network.set_unit(seed=3)
        make.losses(network, make.unit('coco_pose'))
    assert torch.equal(*keeps)


def test_freezing_an_unknown_parameter(make):
    with pytest.raises(UserError, match='backbone.norm.weight'):
        make.model(('coco_pose',)).freeze(['backbone.norm.weigh'])


def test_runner_initialisation_keeps_loaded_weights(make):
    network = make.model(('coco_pose',))
    with torch.no_grad():
        network.backbone.pos_embed.fill_(3.0)
    network.init_weights()
    assert (network.backbone.pos_embed == 3).all()


def test_bfloat16_autocast(make, source):
    network = make.model((source,))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        outputs = make.losses(network, make.unit(source))
    assert all(value.dtype == torch.float32 for name, value in outputs.items() if 'loss' in name)
    exact = make.total(make.losses(make.model((source,)), make.unit(source)))
    torch.testing.assert_close(make.total(outputs), exact, rtol=0.05, atol=0.01)
    make.total(outputs).backward()
    assert all(torch.isfinite(g).all() for g in gradients(network).values())


def test_flip_test_averages_with_the_mirrored_image(make):
    network = make.model(('coco_pose',)).eval()
    head, data = network.heads['coco_pose'], network.data_preprocessor(make.unit('coco_pose', 2))
    flips = data['data_samples'][0].flip_indices
    with torch.no_grad():
        raw = [head(network(x, data['data_samples'], mode='tensor')) for x in (data['inputs'], data['inputs'].flip(-1))]
        expected = (raw[0] + raw[1].flip(-1)[:, flips]) / 2
        expected = head.decode(expected, copy.deepcopy(data['data_samples']))
        found = network(**copy.deepcopy(data), mode='predict')
        network.test_cfg['flip_test'] = False
        single = network(**data, mode='predict')
    for one, two, three in zip(expected, found, single):
        assert torch.equal(one.pred_instances.keypoints, two.pred_instances.keypoints)
        assert not torch.equal(one.pred_instances.keypoints, three.pred_instances.keypoints)


def test_a_head_with_a_window_predicts_in_windows(make):
    network = make.model(('lip',)).eval()
    network.heads['lip'].window = (32, 32)
    shapes = []
    network.backbone.register_forward_pre_hook(lambda module, args: shapes.append(tuple(args[0].shape[-2:])))
    data = network.data_preprocessor(make.unit('lip', 1, (64, 48)))
    sample, = network(**data, mode='predict')
    assert shapes == [(32, 32)] * 4
    assert sample.pred_sem_seg.data.shape == (1, 129, 144)


def test_heads_learn_eight_random_samples(make, source):
    network = make.model((source,), projector=None)
    if source == 'coco_pose':
        network.heads[source].loss_weight = 1000.0
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3, weight_decay=0)
    data = network.data_preprocessor(make.unit(source), True)
    history = []
    for _ in range(30):
        loss = make.total(network(**data, mode='loss'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        make.remember(network)
        history.append(loss.item())
    assert history[-1] < 0.6 * history[0], history
