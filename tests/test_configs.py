"""Every shipped config says what it must and passes the check before launch; its debug size trains and tests."""
import ast
import json
import math
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from humanbench import catalog, protocols
from humanbench.benchmark.published import published_results
from humanbench.engine.command import evaluate_all
from humanbench.engine.finetune import run_cell
from humanbench.engine.launch import build_runner, complete, load_config
from humanbench.errors import UserError
from humanbench.resources import folder
from humanbench.schema import mistakes_in

CONFIGS = sorted(path for path in folder('configs').rglob('*.py') if '_base_' not in path.parts)
BENCHMARKS = [path for path in CONFIGS if 'benchmark' in path.parts]
DOWNSTREAM = [path for path in CONFIGS if 'downstream' in path.parts]


def name(path):
    return str(path.relative_to(folder('configs')))


@pytest.mark.parametrize('path', CONFIGS, ids=name)
def test_a_config_states_command_hardware_time_and_what_to_expect(path):
    text = ast.get_docstring(ast.parse(path.read_text()))
    for word in ('humanbench', 'Hardware:', 'Time:', 'Expected'):
        assert word in text, f'{name(path)} does not say {word}'
    assert path.stem in text


@pytest.mark.parametrize('path', CONFIGS, ids=name)
def test_a_config_passes_the_check_before_launch(path):
    plain = load_config(str(path))
    sizes = [(flavor, protocol) for flavor in plain.get('flavors', {}) for protocol in plain.get('protocols', [None])]
    for config in (plain, *(load_config(str(path), *size) for size in sizes)):
        assert mistakes_in(config) == []
        config.model.backbone.chekpointing = True  # an argument that every backbone has
        assert any("Did you mean 'checkpointing'" in line for line in mistakes_in(config))


@pytest.mark.parametrize('path', BENCHMARKS, ids=name)
def test_a_benchmark_config_has_its_protocols_and_a_debug_size(path):
    config, card = load_config(str(path)), catalog.card(path.stem)
    assert path.parent.name in card.tasks and list(config.sources) == list(config.evaluations) == [path.stem]
    assert set(config.protocols) <= set(protocols.PROTOCOLS) and {'full', 'partial'} <= set(config.protocols)
    assert 'debug' in config.flavors


@pytest.mark.parametrize('path', BENCHMARKS, ids=name)
def test_the_debug_size_is_the_same_under_every_protocol(path):
    settings = [load_config(str(path), 'debug', protocol) for protocol in load_config(str(path)).protocols]
    for config in settings:
        own = config.flavors.debug.get('protocols', {}).get(config.protocol, {})
        assert set(own) <= {'train_cfg'} and set(own.get('train_cfg', {})) <= {'max_steps'}  # longer at most
        assert config.optim_wrapper == settings[0].optim_wrapper and config.schedule == settings[0].schedule
        steps = own.get('train_cfg', {}).get('max_steps', config.flavors.debug.train_cfg.max_steps)
        assert config.train_cfg == dict(config.flavors.debug.train_cfg, max_steps=steps)


@pytest.mark.parametrize('path', CONFIGS, ids=name)
def test_a_completed_config_can_be_written_and_read_back(path, tmp_path):
    config = complete(load_config(str(path)))
    file = tmp_path / 'dump.py'
    file.write_text(config.pretty_text)
    again = Config.fromfile(file)
    assert again.train_cfg == config.train_cfg and set(again.model.heads) == set(config.model.heads)


def tiny(path, steps: int) -> dict:
    """Options that bring a debug config down to a few steps on the smallest edition."""
    options = {'train_cfg.max_steps': steps}
    for source in load_config(str(path)).sources:
        options[f'sources.{source}.dataset.root'] = 'minihuman:tiny'
    for evaluation in load_config(str(path)).evaluations:
        options[f'evaluations.{evaluation}.dataset.root'] = 'minihuman:tiny'
    return options


@pytest.mark.parametrize('path', BENCHMARKS, ids=name)
def test_a_benchmark_cell_runs_from_native_files_to_its_ranked_metric(path, tmp_path, edition):
    result = run_cell(str(path), 'partial', 'scratch', 0, 'debug', str(tmp_path), tiny(path, steps=2))
    assert catalog.card(path.stem).metric[0] in result['metrics']
    assert 0 < result['trainable_parameters'] < result['total_parameters']
    assert result['num_steps'] == 2 and len(result['split_hash']['test']) == 16


def check_what_it_leaves(runner, config) -> None:
    """The file at the end of a run is tested like the model itself, as ``train --test`` does, by the ranked metrics."""
    results = evaluate_all(config, str(Path(config.work_dir) / f'iter_{runner.iter}.pth'))
    at_once = evaluate_all(config, None, model=runner.model)
    assert set(results) == set(at_once) == set(config.evaluations)
    for name, metrics in results.items():
        assert catalog.card(name).metric[0] in metrics and at_once[name] == pytest.approx(metrics, nan_ok=True)


@pytest.mark.parametrize('path', DOWNSTREAM, ids=name)
def test_a_downstream_config_trains_and_what_it_leaves_is_what_is_tested(path, tmp_path, edition):
    config = load_config(str(path), 'debug', options=tiny(path, steps=2))
    config.work_dir = str(tmp_path)
    runner = build_runner(config)
    runner.train()
    check_what_it_leaves(runner, config)


def test_path_debug_trains_resumes_and_tests_its_own_heads(tmp_path, edition):
    path = folder('configs') / 'path' / 'path_debug.py'
    options = tiny(path, steps=2) | {
        'default_hooks.checkpoint.interval': 1, 'default_hooks.checkpoint.max_keep_ckpts': 2}
    config = load_config(str(path), options=options)
    config.work_dir = str(tmp_path)
    build_runner(config).train()
    config.resume, config.load_from = True, str(tmp_path / 'iter_1')
    runner = build_runner(config)
    runner.train()
    check_what_it_leaves(runner, config)


def test_a_metric_that_is_not_a_number_is_null_in_json(tmp_path, edition):
    config = load_config('path/path_debug.py')
    config.work_dir = str(tmp_path)
    config.evaluations.pa100k.dataset.update(root='minihuman:tiny', indices=1)  # no attribute is labelled both ways
    result = evaluate_all(config, 'scratch', 'pa100k', tmp_path / 'scores.json')['pa100k']
    written = json.loads((tmp_path / 'scores.json').read_text(), parse_constant=pytest.fail)['pa100k']
    assert math.isnan(result['mA_present']) and written == result | {'mA_present': None}


@pytest.mark.parametrize(
    'path', [path for path in BENCHMARKS if 'direct' in load_config(str(path)).protocols], ids=name)
def test_direct_evaluation_takes_projector_and_head_from_pretraining(path):
    config = complete(load_config(str(path), 'debug', 'direct'))
    heads = [] if path.parent.name == 'reid' else ['heads']  # its tested feature lies before the head
    assert config.train_cfg is None and config.weights_parts == ['backbone', 'projectors', *heads]
    assert list(config.model.projectors) == [path.parent.name]


def test_coco_is_scored_on_detected_boxes_against_the_whole_annotation_file(tmp_path, edition):
    path = folder('configs') / 'benchmark' / 'pose' / 'coco_pose.py'
    boxes = load_config(str(path)).evaluations.coco_pose.dataset.bbox_file
    options = tiny(path, steps=1) | {'evaluations.coco_pose.dataset.bbox_file': boxes}
    detected = run_cell(str(path), 'head', 'scratch', 0, 'debug', str(tmp_path / 'a'), options)
    annotated = run_cell(str(path), 'head', 'scratch', 0, 'debug', str(tmp_path / 'b'), tiny(path, steps=1))
    assert detected['split_hash']['test'] != annotated['split_hash']['test']
    assert detected['split_hash']['train/coco_pose'] == annotated['split_hash']['train/coco_pose']
    assert 0 <= detected['metrics']['AP'] <= 1


@pytest.mark.parametrize('path', BENCHMARKS, ids=name)
def test_the_values_expected_of_vit_l_are_those_published(path):
    text = ast.get_docstring(ast.parse(path.read_text()))
    line = next(line for line in text.splitlines() if line.startswith('ViT-L'))
    published = {x.protocol: x.value * (100 if x.info.unit == '%' else 1) for x in published_results()
                 if (x.method, x.backbone, x.dataset) == ('PATH', 'ViT-L', path.stem)}
    stated = {protocol: float(value) for protocol, value in re.findall(r'(partial|direct) ([\d.]+\d)', line)}
    assert stated == pytest.approx(published) and ('not printed' in line) == (not published)


RELEASED = [path for path in BENCHMARKS if 'released' in load_config(str(path)).flavors]


def test_the_release_is_a_flavor_where_it_differs():
    assert {path.stem for path in RELEASED} == {
        'market1501', 'msmt17', 'cuhk03', 'sensereid', 'h36m_parsing', 'pa100k', 'rapv2', 'peta', 'crowdhuman',
        'caltech'}


@pytest.mark.parametrize('path', RELEASED, ids=name)
def test_the_released_flavor_changes_what_it_says_and_nothing_else(path):
    for protocol in load_config(str(path)).protocols:
        own, released = (load_config(str(path), flavor, protocol).to_dict() for flavor in (None, 'released'))
        changed = {key for key in own.keys() | released.keys() if own.get(key) != released.get(key)}
        partial = protocol == 'partial'
        wanted = {
            'reid': {'sources'}, 'parsing': {'evaluations'}, 'attribute': {'train_frozen', *(['frozen'] * partial)},
            'detection': {'train_frozen', 'frozen', *(['partial_blocks'] * (partial and path.stem == 'crowdhuman'))}}
        assert changed == {'flavor'} | wanted[path.parent.name]


def test_the_classifier_of_a_released_attribute_cell_stays_as_it_was_drawn(tmp_path, edition):
    path = folder('configs') / 'benchmark' / 'attribute' / 'pa100k.py'
    states = []
    for extra in ({}, {'frozen': ['heads'], 'train_frozen': True}):  # the debug size with what the release differs in
        config = load_config(str(path), 'debug', 'partial', tiny(path, steps=2) | extra)
        config.work_dir = str(tmp_path / str(len(states)))
        runner = build_runner(config)
        before = {key: value.clone() for key, value in runner.model.state_dict().items()}
        runner.train()
        after = runner.model.state_dict()
        states.append({key for key in after if not torch.equal(after[key], before[key])})
    own, released = states
    assert {'heads.pa100k.linear.weight', 'heads.pa100k.norm.weight', 'heads.pa100k.norm.running_mean'} <= own
    assert 'heads.pa100k.norm.running_mean' in released and 'backbone.norm.weight' in released
    assert not {key for key in released if key.startswith('heads.')} & set(dict(runner.model.named_parameters()))


@pytest.mark.parametrize('options, message', [
    ({'frozen': ['heads.nowhere']}, "no parameter or module 'heads.nowhere'"),
])
def test_a_frozen_name_that_does_not_exist(options, message, tmp_path, edition):
    path = folder('configs') / 'benchmark' / 'attribute' / 'pa100k.py'
    config = load_config(str(path), 'debug', 'partial', tiny(path, steps=1) | options)
    config.work_dir = str(tmp_path)
    with pytest.raises(UserError, match=message):
        build_runner(config)
