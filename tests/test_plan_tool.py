"""The command ``plan``: what it prints and writes, without data and with some, and what it refuses."""
import ast
import importlib.util
import json
import re

import pytest

from humanbench import resources
from humanbench.engine.launch import load_config

TOOL = resources.folder('tools') / 'plan.py'
DEBUG = 'path/path_debug.py'
STEPS = load_config(DEBUG).train_cfg.max_steps
CONFIGS = {str(path.relative_to(resources.folder('configs'))): ' '.join((ast.get_docstring(
    ast.parse(path.read_text())) or '').split()) for path in sorted(resources.folder('configs').rglob('*.py'))}
HOURS = re.compile(r'([\d.]+) ([VAH]\d+) hours')
PLANNED = [name for name, text in CONFIGS.items() if '`humanbench plan` computes' in text and HOURS.search(text)]


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('plan_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture()
def plan(tool, tmp_path, monkeypatch, capsys):
    """Runs the command on a machine without data; returns what it writes and what it prints."""
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path / 'data'))
    monkeypatch.setenv('COLUMNS', '80')

    def run(*arguments: str) -> tuple[dict, str]:
        tool.main([*arguments, '--json', str(tmp_path / 'plan.json')])
        return json.loads((tmp_path / 'plan.json').read_text()), capsys.readouterr().out
    return run


def test_a_plan_needs_no_data_and_no_gpu(plan, tmp_path):
    content, text = plan(DEBUG, '--world-size', '3', '--device', 'cpu')
    assert {source['samples_from'] for source in content['sources'].values()} == {'card'}
    assert content['sources']['lip']['samples'] == 30462
    assert content['sources']['lip']['epochs'] == pytest.approx(STEPS * 8 / 30462)
    assert content['sources']['lip']['images_per_step'] == 8
    assert not (tmp_path / 'data').exists()
    assert len(content['ranks']) == content['world_size'] == 3 and content['steps'] == STEPS
    units = [name for rank in content['ranks'] for name, count in rank['units'].items() for _ in range(count)]
    assert sorted(units) == sorted(content['sources']) and content['units'] == len(units)
    for name, source in content['sources'].items():
        assert source['ranks'] == [rank for rank, held in enumerate(content['ranks']) if name in held['units']]
    busy = [rank['compute_seconds'] for rank in content['ranks']]
    assert content['compute_utilisation'] == pytest.approx(sum(busy) / 3 / max(busy))
    assert content['end_to_end_utilisation'] == pytest.approx(sum(busy) / 3 / content['step_seconds'])
    assert content['hours'] == pytest.approx(STEPS * content['step_seconds'] / 3600)
    assert all(rank['memory_bytes'] > 0 and rank['sent_bytes'] > 0 for rank in content['ranks'])
    assert all(len(line) <= 80 for line in text.splitlines())
    assert f"Compute utilisation {content['compute_utilisation']:.1%}" in text
    assert '* size from the dataset card, not from the disk (7 of 7).' in text


def test_a_dataset_on_disk_counts_itself(plan, tmp_path):
    folder = tmp_path / 'data' / 'minihuman' / 'small' / 'Market-1501-v15.09.15' / 'bounding_box_train'
    folder.mkdir(parents=True)
    for person in range(1, 4):
        for camera in range(1, 3):
            (folder / f'{person:04d}_c{camera}s1_000001_00.jpg').touch()
    options = 'sources.market1501.dataset.root=' + str(folder.parent)
    content, text = plan(DEBUG, '--cfg-options', options)
    assert content['sources']['market1501']['samples'] == 6
    assert content['sources']['market1501']['samples_from'] == 'disk'
    assert '(6 of 7)' in text
    content, _ = plan(DEBUG, '--cfg-options', options, '--cards')
    assert content['sources']['market1501']['samples'] == 12936


def test_a_sweep_compares_world_sizes(plan):
    content, text = plan(DEBUG, '--sweep', '1', '2', '7', '1024')
    sweep = {row['world_size']: row for row in content['sweep']}
    assert list(sweep) == [1, 2, 7, 1024] and 'ranks' not in content
    assert sweep[1]['compute_utilisation'] == 1.0 and sweep[1]['original_utilisation'] is None
    assert sweep[7]['original_utilisation'] is not None
    assert sweep[1024]['compute_utilisation'] < 0.01 < sweep[7]['compute_utilisation']
    assert all(len(line) <= 80 for line in text.splitlines())
    content, _ = plan(DEBUG, '--world-size', '2', '--sweep', '14', '--grow-from', '7')
    assert content['sweep'][0]['batch_growth'] == 2 and content['sweep'][0]['units'] == 14
    assert content['compute_utilisation'] > 0.5


def test_measured_costs_replace_estimates(plan, tmp_path):
    from humanbench.engine.costs import CostTable
    from humanbench.weights.folder import FORMAT
    first, _ = plan(DEBUG, '--device', 'cpu')
    batches = {name: source['batch_size'] for name, source in first['sources'].items()}
    table = CostTable(batches, warmup=0)
    table.update('lip', 100.0)
    (tmp_path / 'costs.json').write_text(json.dumps(table.to_dict()))
    second, text = plan(DEBUG, '--device', 'cpu', '--costs', str(tmp_path / 'costs.json'))
    assert second['sources']['lip']['unit_seconds'] == 100.0 and second['sources']['lip']['measured']
    ratio = 100.0 / first['sources']['lip']['unit_seconds']
    assert second['step_seconds'] == pytest.approx(ratio * first['step_seconds'])
    assert 'measured for 1 of 7 sources' in text
    for folder, seconds in (('run/iter_9', 9.0), ('run/iter_10', 100.0)):  # as checkpoints keep it
        (tmp_path / folder).mkdir(parents=True)
        content = table.to_dict()
        content['sources']['lip']['seconds'] = seconds
        (tmp_path / folder / 'meta.json').write_text(json.dumps(dict(training=dict(format=FORMAT, costs=content))))
        (tmp_path / folder / '.metadata').write_text('')
    for folder, seconds in (('run', 100.0), ('run/iter_9', 9.0)):
        third, _ = plan(DEBUG, '--device', 'cpu', '--costs', str(tmp_path / folder))
        assert third['sources']['lip']['unit_seconds'] == seconds


def test_units_too_large_are_named_and_cutting_them_helps(plan):
    options = ['--cfg-options', 'sources.lip.batch_size=512', 'model.backbone.embed_dim=768']
    content, text = plan(DEBUG, '--world-size', '4', *options)
    advice = content['suggestion']
    assert content['compute_utilisation'] < 0.5 < advice['compute_utilisation'] and 'lip' in advice['sources']
    lip = advice['sources']['lip']
    assert lip['batch_size'] * lip['slots'] == 512
    assert f"sources.lip.batch_size={lip['batch_size']} sources.lip.slots={lip['slots']}" in text
    for arguments in (['--cut', *options], [*options, *(f'sources.{name}.{key}={value}' for name, cut in
                                                       advice['sources'].items() for key, value in cut.items())]):
        followed, _ = plan(DEBUG, '--world-size', '4', *arguments)
        assert followed['compute_utilisation'] == pytest.approx(advice['compute_utilisation'], abs=0.02)


def test_the_length_and_the_speeds_of_a_run(plan):
    content, _ = plan(DEBUG, '--epochs-of', 'lip=2')
    assert content['steps'] == round(2 * 30462 / 8)
    assert content['sources']['lip']['epochs'] == pytest.approx(2, rel=1e-3)
    content, _ = plan(DEBUG, '--steps', '5', '--speeds', '1', '0.25')
    assert content['steps'] == 5 and content['world_size'] == 2
    assert sum(content['ranks'][0]['units'].values()) > sum(content['ranks'][1]['units'].values())


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--device', 'h20'], "Unknown device 'h20'.*Known: a100, cpu, h100, h200, v100"),
    (['--world-size', '0'], '0 ranks: expected'), (['--sweep', '2', '-1'], '-1 ranks: expected'),
    (['--world-size', '2', '--speeds', '1'], 'Expected 2 speeds'), (['--steps', '-3'], 'run of -3 steps'),
    (['--epochs-of', 'lipp=2'], "'lipp'.*Did you mean 'lip'"), (['--epochs-of', 'lip'], 'expected SOURCE=N'),
    (['--epochs-of', 'lip=-1'], 'expected SOURCE=N'), (['--costs', 'none.json'], "'none.json' cannot be read"),
    (['--costs', 'tests'], "'tests' has no checkpoint folder"),
    (['--grow-from', '0'], '0 ranks: expected'), (['--flavor', 'x'], 'flavor'),
    (['--cfg-options', 'sources.lip.batch_size=0'], 'above zero')])
def test_mistakes_are_one_message(plan, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        plan(DEBUG, *arguments)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and 'Traceback' not in error
    assert re.search(message, error), error


@pytest.mark.slow
@pytest.mark.parametrize('size, busy', [(8, 0.94), (16, 0.91), (64, 0.85)])
def test_the_paper_size_recipe_keeps_gpus_busy(plan, size, busy):
    content, _ = plan('path/path_vit-b_37sets.py', '--world-size', str(size), '--device', 'h100', '--cards')
    assert content['compute_utilisation'] >= busy
    pose = content['sources']['coco_pose']
    # 56 images, three times the forward pass of a ViT-B at 256 x 192 (34.2 GFLOP), and a tenth for projector and head
    assert pose['unit_flops'] == pytest.approx(56 * 3 * 34.2e9, rel=0.15)
    assert pose['epochs'] == pytest.approx(239, abs=1)
    assert content['ranks'][0]['memory_bytes'] < 80e9


@pytest.mark.slow
@pytest.mark.parametrize('name', PLANNED)
def test_hours_that_a_config_says_the_plan_computes(plan, name):
    hours, device = HOURS.search(CONFIGS[name]).groups()
    said, one = re.search(r'--world-size (\d+)', CONFIGS[name]), '8' if 'on eight' in CONFIGS[name] else '1'
    written, _ = plan(name, '--world-size', said[1] if said else one, '--device', device.lower())
    assert float(hours) == pytest.approx(written['gpu_hours'], rel=0.05, abs=0.05)
