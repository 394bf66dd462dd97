"""The check before launch: a valid config passes, and every mistake of a bad one is reported in one go."""
import copy
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from mmengine.config import Config
from torch import nn

from humanbench.errors import UserError
from humanbench.registry import DATASETS, HOOKS, METRICS, MODELS
from humanbench.schema import check_config, mistakes_in
from humanbench.signatures import arguments_of, fits


@MODELS.register_module()
class SchemaHead(nn.Module):
    """A head as small as it can be."""
    task = 'attribute'

    def __init__(self, in_channels: int, num_classes: int, dropout: float = 0.0, loss: dict | None = None):
        super().__init__()


@MODELS.register_module()
class SchemaProjector(nn.Module):
    def __init__(self, in_channels: int, depth: int, reduction: int = 8):
        super().__init__()


@DATASETS.register_module()
class SchemaReader:
    def __init__(
        self, root: str | None = None, split: str = 'train', pipeline: list | tuple = (), dataset: str = 'pa100k'
    ):
        pass


@METRICS.register_module()
class SchemaMetric:
    def __init__(self, threshold: float = 0.5):
        pass


@HOOKS.register_module()
class SchemaHook:
    def __init__(self, interval: int):
        pass


def valid() -> dict:
    source = dict(task='attribute', head=dict(type='SchemaHead', num_classes=26), batch_size=8, weight=0.1,
                  dataset=dict(type='SchemaReader', root='data/pa100k'))
    return dict(
        base_lr=1e-3,  # any helper name may stand at the top
        model=dict(
            type='HumanModel',
            projector=dict(type='SchemaProjector', reduction=4),
            drop_path=dict(pose=0.3),
            backbone=dict(type='HumanViT', img_size=(64, 32), embed_dim=32, depth=2, num_heads=2),
        ),
        sources=dict(pa100k=source, second=copy.deepcopy(source) | dict(sampler='uniform', slots=2)),
        evaluations=dict(
            test=dict(
                source='pa100k', dataset=dict(type='SchemaReader', split='test'), evaluator=[dict(type='SchemaMetric')]
            )
        ),
        loader=dict(num_workers=2, persistent_workers=True),
        optim_wrapper=dict(
            optimizer=dict(type='AdamW', lr=1, betas=[0.9, 0.99]), clip_norm=1.0, paramwise_cfg=dict(layer_decay=0.75)
        ),
        param_scheduler=[dict(type='LinearLR', start_factor=1e-3, end=10, by_epoch=False)],
        train_cfg=dict(max_steps=100, precision='bf16'),
        default_hooks=dict(checkpoint=dict(interval=3), timer=None),
        custom_hooks=[dict(type='SchemaHook', interval=3)],
        protocols=dict(full=dict(), head=dict(optim_wrapper=dict(optimizer=dict(lr=1e-2)))),
        flavors=dict(debug=dict(train_cfg=dict(max_steps=5), sources=dict(pa100k=dict(batch_size=4)))),
        schedule=dict(policy='cosine', warmup=0.1),
        weights='path:work/last.pth',
        weights_parts=('backbone', 'heads.pa100k'),
        seed=1,
    )


def errors_of(config: dict) -> list[str]:
    """The numbered lines of the error, without their numbers."""
    with pytest.raises(UserError) as caught:
        check_config(Config(config))
    return [re.sub(r'^\s*\d+\. ', '', line) for line in str(caught.value).splitlines()[1:]]


def put(config: dict, path: str, value) -> dict:
    *parents, last = path.split('.')
    for name in parents:
        config = config[int(name)] if name.isdigit() else config[name]
    config[last] = value
    return config


def test_a_valid_config_passes_and_is_not_changed():
    config = Config(valid())
    before = config.to_dict()
    check_config(config)
    assert config.to_dict() == before


ONE_MISTAKE = [
    ('model.type', 'HumanModle', "model.type = 'HumanModle': no model has this name. Did you mean 'HumanModel'?"),
    (
        'model.backbone.embed_dimm',
        8,
        "model.backbone.embed_dimm = 8: HumanViT has no such argument. Did you mean 'embed_dim'?",
    ),
    ('model.backbone.depth', '12', "model.backbone.depth = '12': expected a whole number."),
    ('model.backbone.depth', 2.5, 'model.backbone.depth = 2.5: expected a whole number.'),
    ('model.backbone.depth', True, 'model.backbone.depth = True: expected a whole number.'),
    ('model.projector.reductoin', 4, "SchemaProjector has no such argument. Did you mean 'reduction'?"),
    ('sources.pa100k.sampler', 'identiy', "expected a sampler: identity, uniform. Did you mean 'identity'?"),
    ('sources.pa100k.task', 'atribute', "Did you mean 'attribute'?"),
    (
        'sources.pa100k.task',
        'pose',
        "sources.pa100k.head.type = SchemaHead: serves attribute, but the source's task is pose.",
    ),
    ('sources.pa100k.batchsize', 4, 'sources.pa100k.batchsize = 4: no such key here; known: task, head'),
    ('sources.pa100k.batch_size', 0, 'sources.pa100k.batch_size = 0: expected a whole number above zero.'),
    ('sources.pa100k.weight', 'high', "sources.pa100k.weight = 'high': expected a number."),
    (
        'sources.pa100k.dataset.spilt',
        'train',
        "sources.pa100k.dataset.spilt = 'train': SchemaReader has no such argument. Did you mean 'split'?",
    ),
    (
        'sources.pa100k.dataset.pipeline',
        [dict(type='PackHumanInput')],
        "sources.pa100k.dataset.pipeline[0].type = 'PackHumanInput'",
    ),
    ('sources.pa100k.dataset.pipeline', [dict(size=3)], 'sources.pa100k.dataset.pipeline[0].type is missing'),
    ('sources.pa100k.head.loss', dict(type='NoSuchLoss'), "sources.pa100k.head.loss.type = 'NoSuchLoss'"),
    (
        'evaluations.test.source',
        'pa10k',
        "evaluations.test.source = 'pa10k': expected a source: pa100k, second. Did you mean 'pa100k'?",
    ),
    ('evaluations.test.evaluator', [dict(type='SchemaMetirc')], "evaluations.test.evaluator[0].type = 'SchemaMetirc'"),
    ('evaluations.test.evaluator', [dict(type='SchemaMetric', threshold='0.5')], 'expected a number.'),
    ('loader.num_worker', 2, "Did you mean 'num_workers'?"),
    ('optim_wrapper.clipnorm', 1.0, "HumanOptimWrapper has no such argument. Did you mean 'clip_norm'?"),
    (
        'optim_wrapper.optimizer.type',
        'AdmW',
        "optim_wrapper.optimizer.type = 'AdmW': no optimizer has this name. Did you mean 'AdamW'?",
    ),
    ('optim_wrapper.optimizer.weight_deacy', 0.1, "AdamW has no such argument. Did you mean 'weight_decay'?"),
    ('param_scheduler.0.type', 'LinearLr', "Did you mean 'LinearLR'?"),
    ('train_cfg.max_step', 5, "MixtureLoop has no such argument. Did you mean 'max_steps'?"),
    (
        'custom_hooks',
        [dict(type='SchemaHook')],
        'custom_hooks[0].interval is missing: expected a whole number for SchemaHook',
    ),
    ('protocol', 'heads', "protocol = 'heads': expected a protocol: direct, full, head, partial. Did you mean 'head'?"),
    ('protocols', dict(partail=dict()), "protocols = 'partail': expected the name of a protocol"),
    ('protocols', dict(head=dict(train_cfg=dict(max_stps=3))), 'protocols.head: train_cfg.max_stps = 3: MixtureLoop'),
    ('flavors.debug.model', dict(backbone=dict(dept=2)), 'flavors.debug: model.backbone.dept = 2: HumanViT'),
    ('flavors.debug.protocols', dict(hed=dict()), "flavors.debug.protocols = 'hed': expected the name of a protocol"),
    (
        'flavors.debug.protocols',
        dict(head=dict(train_cfg=dict(max_stps=3))),
        'protocols.head + flavors.debug: train_cfg.max_stps = 3: MixtureLoop',
    ),
    (
        'flavors.debug.sources',
        dict(pa10k=dict(batch_size=4)),
        "flavors.debug: sources.pa10k = {'batch_size': 4}: no such source. Did you mean 'pa100k'?",
    ),
    ('schedule', dict(policy='cosine', warmpu=0.1), "param_schedulers has no such argument. Did you mean 'warmup'?"),
    ('schedule', dict(warmup='0.1'), "schedule.warmup = '0.1': expected a number."),
    ('optim_wrapper.paramwise_cfg', dict(layer_dcay=0.7), "Did you mean 'layer_decay'?"),
    ('default_hooks', dict(check=dict(interval=3)), 'default_hooks.check.type is missing'),
    ('default_hooks', dict(logger=dict(intervall=3)), "LoggerHook has no such argument. Did you mean 'interval'?"),
    ('default_hooks', dict(checkpoint=dict(interval='3')), "default_hooks.checkpoint.interval = '3': expected a whole"),
    ('weights', 'tim:vit_base_patch16_224', "Did you mean 'timm'?"),
    ('weights_parts', ('backbones',), "Did you mean 'backbone'?"),
    ('optim_wraper', dict(), "optim_wraper = {}: means nothing. Did you mean 'optim_wrapper'?"),
    ('seed', 'one', "seed = 'one': expected a whole number"),
]


@pytest.mark.parametrize(('path', 'value', 'words'), ONE_MISTAKE, ids=lambda x: str(x)[:40])
def test_each_mistake_is_named(path, value, words):
    config = valid()
    if path == 'optim_wraper':
        config.pop('optim_wrapper')
    put(config, path, value)
    lines = errors_of(config)
    assert any(words in line for line in lines), lines


def test_all_mistakes_at_once_and_none_twice():
    config = valid()
    put(config, 'model.backbone.embed_dimm', 8)
    put(config, 'model.backbone.depth', '12')
    put(config, 'sources.second.sampler', 'identiy')
    del config['sources']['second']['batch_size']
    put(config, 'optim_wrapper.optimizer.type', 'AdmW')
    put(config, 'protocols.head.train_cfg', dict(max_stps=3))
    lines = errors_of(config)
    assert len(lines) == len(set(lines)) == 6
    assert 'sources.second.batch_size is missing: expected a whole number' in lines


def test_a_flavour_that_fails_only_on_top_of_a_protocol():
    config = valid()
    config['protocols']['head']['sources'] = dict(second=None)
    config['flavors']['debug']['sources'] = dict(second=dict(batch_size=4))
    assert any(line.startswith('protocols.head + flavors.debug: ') for line in errors_of(config))


def test_missing_sections():
    assert errors_of(dict(optim_wrapper=dict(optimizer=dict(type='AdamW')))) == [
        'sources is missing: expected a dict of sources by name',
        'model is missing: expected a dict with type and backbone',
        'train_cfg is missing: expected a dict with max_steps',
    ]


def test_heads_and_sources_must_agree():
    config = valid()
    heads = {name: source.pop('head') for name, source in config['sources'].items()}
    config['model']['heads'] = heads
    check_config(Config(config))
    heads['pa10k'] = heads.pop('pa100k')
    lines = errors_of(config)
    assert any("model.heads.pa10k = 'pa10k': expected the name of a source" in x and "'pa100k'" in x for x in lines)
    assert any("model.heads.pa100k is missing: expected a head for source 'pa100k'" in x for x in lines)


def test_projectors_must_be_of_known_tasks_and_complete():
    config = valid()
    projector = config['model'].pop('projector')
    config['model']['projectors'] = dict(attribute=projector)
    check_config(Config(config))
    config['model']['projectors'] = dict(atribute=projector)
    lines = errors_of(config)
    assert any("model.projectors.atribute = 'atribute': expected the name of a task" in x for x in lines)
    assert any("model.projectors.attribute is missing: expected a projector for source 'pa100k'" in x for x in lines)
    config['model']['projectors'] = dict(clothes=projector)
    for source in config['sources'].values():
        source['head']['projector'] = 'clothes'  # a head may name its projector
    check_config(Config(config))


def test_dataset_ids_of_our_readers():
    config = valid()
    config['sources']['pa100k']['dataset'] = dict(type=_Packaged, dataset='shanghaitech_c')
    assert any("expected the id of a dataset" in x and "Did you mean 'shanghaitech_" in x for x in errors_of(config))


class _Packaged:
    """A reader that says it lives in the package."""
    __module__ = 'humanbench.datasets.counting'

    def __init__(self, dataset: str):
        pass


LAZY = '''
from humanbench.models import HumanModel
from humanbench.models.backbones import {backbone}
from torch.optim import AdamW

model = dict(type=HumanModel, backbone=dict(type={backbone}, depth=2))
sources = dict(a=dict(task='attribute', head=dict(type='SchemaHead', num_classes=3), batch_size=2,
                      dataset=dict(type='SchemaReader')))
optim_wrapper = dict(optimizer=dict(type=AdamW, lr=1e-3))
train_cfg = dict(max_steps=3)
'''


def test_pure_python_configs_and_their_failed_imports(tmp_path):
    good, bad = tmp_path / 'good.py', tmp_path / 'bad.py'
    good.write_text(LAZY.format(backbone='HumanViT'))
    bad.write_text(LAZY.format(backbone='HumanSwim'))
    check_config(Config.fromfile(good))
    with pytest.raises(
        UserError, match=r'One mistake in .*bad.py:\n +1. model.backbone.type cannot be imported: .*HumanSwim'
    ):
        check_config(Config.fromfile(bad))


@pytest.mark.parametrize(
    ('value', 'annotation', 'expected'),
    [
        (3, int, True),
        (3, float, True),
        (3.0, int, False),
        ('3', int | None, False),
        (None, int | None, True),
        (None, int, False),
        (True, int, False),
        (1, bool, False), (nn.Module, str, True),
        ([1, 2], tuple[int, int], True),
        ([1, '2'], tuple[int, int], False),
        (1, nn.Module, True),
        (224, int | tuple[int, int], True),
        (range(4, 100, 5), int | Sequence[int] | None, True),
        (range(3), str, False),
        ('a', list, False),
        (dict(a=1), dict[str, int], True),
    ],
)
def test_literals_and_annotations(value, annotation, expected):
    assert fits(value, annotation) == expected


def test_keyword_arguments_of_others_are_open_and_ours_follow_the_bases():
    class Base:
        __module__ = 'humanbench.datasets.base'

        def __init__(self, root: str, split: str = 'train'):
            pass

    class Ours(Base):
        __module__ = 'humanbench.datasets.reid'

        def __init__(self, dataset: str = 'market1501', **kwargs):
            pass

    class Theirs:
        def __init__(self, size: int, **kwargs):
            pass

    ours, theirs = arguments_of(Ours), arguments_of(Theirs)
    assert set(ours.known) == {'dataset', 'root', 'split'} and ours.required == ('root',) and not ours.open
    assert set(theirs.known) == {'size'} and theirs.open


ROOT = Path(__file__).parents[1] / 'configs'
CONFIGS = sorted(x for folder in ('path', 'benchmark') for x in (ROOT / folder).rglob('*.py'))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda x: f'{x.parent.name}/{x.stem}')
def test_our_own_configs_pass(path):
    config = Config.fromfile(path)
    assert mistakes_in(config) == []
    source = next(iter(config.sources))
    config.sources[source].dataset.rot = 'elsewhere'
    wrong, = mistakes_in(config)[:1]
    assert wrong.startswith(f"sources.{source}.dataset.rot = 'elsewhere'") and "Did you mean 'root'?" in wrong
