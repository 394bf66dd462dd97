"""What units are estimated to cost, against arithmetic and against a real forward pass."""
import math

import pytest
import torch
from mmengine.config import Config

import humanbench.engine  # noqa: F401
from humanbench.engine.costs import DEVICES, Device
from humanbench.engine.estimate import Estimate, estimate, this_device
from humanbench.engine.input_size import canvases, input_sizes
from humanbench.engine.launch import complete, load_config
from humanbench.errors import UserError
from humanbench.registry import MODELS
from humanbench.structures import HumanSample

WIDTH, DEPTH, PATCH = 32, 3, 8
SIZES = dict(reid=(64, 32), pose=(32, 24), parsing=(40, 40), detection=(48, 64), attribute=(32, 24), counting=(32, 32))
HEADS = dict(
    reid=dict(type='ReIDHead', num_identities=70), pose=dict(type='PoseHead', num_keypoints=5, channels=16),
    parsing=dict(type='ParsingHead', num_classes=6, channels=16),
    attribute=dict(type='AttributeHead', num_attributes=9),
    detection=dict(type='DetectionHead', num_points=6, num_patterns=2, embed_dims=16, num_layers=2, num_heads=2,
                   feedforward_channels=24),
    counting=dict(type='CountingHead', channels=16, in_stride=8, stride=4))
SLOW = Device('test', dict(fp32=1e9, bf16=2e9), 0.5, 1e-6, 1e9, 1e9, 1e9)


def recipe(tasks=tuple(HEADS), projector: bool = False, precision: str = 'fp32', **backbone) -> Config:
    sources = {task: dict(task=task, head=HEADS[task], batch_size=8, dataset=dict(
        type='Made-up', pipeline=[dict(type='Resize', size=SIZES[task])])) for task in tasks}
    model = dict(type='HumanModel', backbone=dict(
        type='HumanViT', img_size=SIZES[tasks[0]], patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=2,
        class_token_tasks=('reid',), **backbone))
    if projector:
        model['projector'] = dict(type='LadderProjector', reduction=4)
    return complete(Config(dict(
        model=model, sources=sources, train_cfg=dict(max_steps=10, precision=precision),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)))))


def vit_flops(height: int, width: int, class_token: bool) -> int:
    """Forward pass of one image, by hand."""
    patches = height * width // PATCH**2
    tokens = patches + class_token
    return DEPTH * (24 * tokens * WIDTH**2 + 4 * tokens**2 * WIDTH) + 2 * patches * WIDTH * 3 * PATCH**2


def test_flops_are_those_of_the_layers():
    for task, size, classes in (('reid', (64, 32), 70), ('attribute', (32, 24), 9)):
        unit = estimate(recipe((task,)), SLOW).units[task]
        assert unit.flops == pytest.approx(8 * 3 * (vit_flops(*size, task == 'reid') + 2 * WIDTH * classes), rel=1e-9)
        assert unit.seconds == pytest.approx(unit.flops / 0.5e9)


def test_a_pretext_is_counted_by_what_its_views_show():
    """MAE sees a quarter of the patches; HAP half of them, twice."""
    height, width, inner = 64, 32, 16
    patches = height * width // PATCH**2

    def blocks(tokens: int, channels: int, depth: int) -> int:
        return depth * (24 * tokens * channels**2 + 4 * tokens**2 * channels)

    def decoder(seen: int) -> int:
        linear = 2 * (seen + 1) * WIDTH * inner + 2 * (patches + 1) * inner * 3 * PATCH**2
        return blocks(patches + 1, inner, 2) + linear

    embedding = 2 * patches * WIDTH * 3 * PATCH**2
    expected = {}
    for kind, seen, views in (('MAEPretext', patches // 4, 1), ('HAPPretext', patches // 2, 2)):
        expected[kind] = 3 * views * (embedding + blocks(seen + 1, WIDTH, DEPTH) + decoder(seen))
    expected['HAPPretext'] += 2 * patches * 6 * 10  # the rectangles of its six body parts, sums of up to ten each
    head = dict(img_size=(height, width), patch_size=PATCH, decoder_dim=inner, decoder_depth=2, decoder_heads=2)
    for kind, flops in expected.items():
        config = complete(Config(dict(
            model=dict(type='HumanModel', projector=dict(type='LadderProjector'), backbone=dict(
                type='HumanViT', img_size=(height, width), patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH,
                num_heads=2)),
            sources=dict(crops=dict(task='pretext', batch_size=8, head=dict(type=kind, **head), dataset=dict(
                type='Made-up', pipeline=[dict(type='Resize', size=(height, width))]))),
            train_cfg=dict(max_steps=10), optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)))))
        assert estimate(config, SLOW).units['crops'].flops == pytest.approx(8 * flops, rel=1e-9)


def test_recomputed_activations_cost_time_and_save_memory():
    kept, recomputed = (estimate(recipe(('pose', 'reid'), checkpointing=x), SLOW).units for x in (False, ('pose',)))
    assert recomputed['pose'].flops - kept['pose'].flops == pytest.approx(8 * vit_flops(32, 24, False), rel=1e-9)
    assert recomputed['pose'].activations < 0.7 * kept['pose'].activations
    assert recomputed['reid'] == kept['reid']


def test_a_projector_and_half_precision_count():
    plain, ladder = (estimate(recipe(('pose',), projector=x), SLOW).units['pose'] for x in (False, True))
    half = estimate(recipe(('pose',), precision='bf16'), SLOW).units['pose']
    assert ladder.flops > plain.flops and ladder.activations > plain.activations
    assert half.flops == plain.flops and half.seconds == pytest.approx(plain.seconds / 2)
    assert half.activations < plain.activations


@pytest.mark.parametrize('task', HEADS)
def test_saved_bytes_are_those_of_a_real_forward_pass(task):
    """Against what PyTorch keeps on a CPU, where attention is fused as well."""
    config = recipe((task,), projector=True)
    expected = estimate(config, SLOW).units[task].activations
    model, size = MODELS.build(config.model).train(), SIZES[task]
    samples = [HumanSample(metainfo=dict(img_shape=size, batch_input_shape=size, task=task, source=task))] * 8
    kept = {}

    def keep(tensor):
        if not isinstance(tensor, torch.nn.Parameter) and not isinstance(tensor._base, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        features = model(torch.zeros(8, 3, *size), samples, mode='tensor')
        head = model.heads[task]
        if task == 'reid':
            head.classifier(head.neck(head.feature(features)))
        elif task == 'detection':
            head(features, samples)
        else:
            head(features)
    real = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    assert expected == pytest.approx(real, rel=0.1)


def test_traffic_and_memory_are_those_of_the_parts():
    found = estimate(recipe(projector=True), SLOW)
    model = MODELS.build(recipe(projector=True).model)

    def trained(module) -> int:
        return 4 * sum(x.numel() for x in module.parameters() if x.requires_grad)

    assert found.traffic.backbone == trained(model.backbone)
    assert any(not x.requires_grad for x in model.heads.parameters())  # the bias of ReID's neck
    for task in HEADS:
        assert found.traffic.heads[task] == trained(model.heads[task])
        assert found.traffic.projectors[task] == trained(model.projectors[task])
    assert found.batch_statistics == {'reid', 'attribute'}
    idle, one, two = (found.memory(sources) for sources in ((), ('pose',), ('pose', 'reid')))
    assert one - idle == pytest.approx(
        1.1 * found.units['pose'].activations + found.held['pose']
        + found.state_bytes * (found.traffic.heads['pose'] + found.traffic.projectors['pose']))
    assert idle < one < two < one + found.memory(('reid',))
    halved = found.cut(dict(pose=2))
    assert halved.memory(('pose',)) < one and halved.costs['pose'] == pytest.approx(found.costs['pose'] / 2)


def estimated(*arguments: str) -> Estimate:
    """Of a recipe that is shipped."""
    return estimate(complete(load_config(*arguments)), SLOW)


def test_a_teacher_tables_frozen_weights_and_an_average_take_room():
    solider = estimated('solider/solider_swin-t_debug.py')
    assert max(solider.held.values()) > solider.traffic.backbone  # a teacher looks with a copy of the backbone
    tables, none = (sum(estimated('hcmoco/hcmoco_debug.py', flavor).held.values()) for flavor in ('banks', None))
    assert tables > none
    frozen, full = (estimated('benchmark/pose/mpii.py', 'debug', protocol) for protocol in ('head', 'full'))
    assert frozen.traffic.backbone == 0
    assert frozen.held_by_all == full.held_by_all + full.traffic.backbone + sum(full.traffic.projectors.values())
    assert frozen.units['mpii'].activations < full.units['mpii'].activations
    config = recipe(('pose',))
    plain = estimate(config, SLOW)
    config.optim_wrapper = dict(average_decay=0.9)
    assert (plain.state_bytes, estimate(config, SLOW).state_bytes) == (4, 5)  # weight, gradient, two of Adam


def test_a_backbone_that_is_spread_takes_less_of_each_rank():
    whole, spread = recipe(), recipe()
    spread.train_cfg = dict(shard_backbone=True)
    whole, spread = estimate(whole, SLOW), estimate(spread, SLOW)
    kept = 2 * spread.traffic.backbone  # gathered weights, and sums of gradients
    for world in (1, 2, 8):
        saved = whole.memory(('pose',), world) - spread.memory(('pose',), world)
        expected = spread.state_bytes * spread.traffic.backbone * (1 - 1 / world) - kept if world > 1 else 0
        assert saved == pytest.approx(expected)


@pytest.mark.parametrize(('protocol', 'blocks', 'reached'), [
    ('full', None, 1), ('partial', None, 2 / DEPTH), ('partial', 1, 1 / DEPTH), ('head', None, 0)])
def test_a_backward_pass_counts_by_the_blocks_that_it_reaches(protocol, blocks, reached):
    config, forward = recipe(('pose',)), recipe(('pose',))
    config.update(protocol=protocol, partial_blocks=blocks)
    forward.update(protocol='head')
    train_all, found = estimate(recipe(('pose',)), SLOW), estimate(config, SLOW)
    backbone = (train_all.units['pose'].flops - estimate(forward, SLOW).units['pose'].flops) / 2
    assert found.units['pose'].flops == pytest.approx(train_all.units['pose'].flops - 2 * (1 - reached) * backbone)


def test_no_unit_is_faster_than_its_launches():
    config = recipe(('pose',))
    assert estimate(config, 'h100').costs == {'pose': DEVICES['h100'].floor}
    with pytest.raises(UserError, match="Unknown device 'tpu'"):
        estimate(config, 'tpu')


@pytest.mark.parametrize(('name', 'device'), [
    ('NVIDIA H200', 'h200'), ('NVIDIA H100 80GB HBM3', 'h100'), ('Tesla V100-SXM2-32GB', 'v100'), ('Other', 'a100'),
    (None, 'cpu')])
def test_this_device_is_known_by_its_name(name, device, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: name is not None)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda: name)
    assert this_device() is DEVICES[device]


@pytest.mark.parametrize(('pipeline', 'sizes'), [
    ([dict(type='Resize', size=(256, 128)), dict(type='RandomFlip', prob=0.5)], [(256, 128)]),
    ([dict(type='TopdownAffine', input_size=(192, 256))], [(256, 192)]),
    ([dict(type='RandomCountingCrop', size=128)], [(128, 128)]),
    ([dict(type='Resize', scale=(256, 192), keep_ratio=True)], [(171, 256)]),
    ([dict(type='Resize', scale=(1333, 800), keep_ratio=True)], [(800, 1200)]),
    ([dict(type='Resize', scale=(640, 480))], [(480, 640)]),
    ([dict(type='A', size=(8, 8)), dict(type='RandomChoice', transforms=[
        [dict(type='R', scales=[(90, 60), (60, 40)], keep_ratio=True)],
        [dict(type='C', size=(1, 1)), dict(type='R', scales=[(30, 20)], keep_ratio=True)]])],
     [(60, 90), (40, 60), (20, 30)]),
    ([dict(type='Compose', transforms=[dict(type='Resize', size=(4, 2))])], [(4, 2)]), ([dict(type='LoadImage')], [])])
def test_input_sizes_are_read_from_pipelines(pipeline, sizes):
    assert input_sizes(pipeline) == sizes


def test_a_batch_is_as_large_as_its_largest_image():
    pipeline = [dict(type='R', scales=[(30, 20), (60, 40)], keep_ratio=True)]
    assert canvases('a', pipeline, 2, 16) == {(32, 32): 0.25, (48, 64): 0.75}
    assert canvases('a', pipeline, 1, 1) == {(20, 30): 0.5, (40, 60): 0.5}
    assert math.isclose(sum(canvases('a', pipeline, 5, 16).values()), 1)
    with pytest.raises(UserError, match="pipeline of source 'a' does not say how large"):
        canvases('a', [], 2, 16)
