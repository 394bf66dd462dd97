"""What the README promises of an installation: a wheel works without the checkout, ``mim`` from an editable install."""
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from humanbench import cli
from humanbench.engine.launch import load_config

ROOT = Path(__file__).resolve().parents[1]
RECIPE = 'path/path_debug.py'
MIM = shutil.which('mim', path=str(Path(sys.executable).parent))


def two_steps() -> list[str]:
    """Options that bring the debug recipe down to two steps on the smallest edition."""
    config = load_config(RECIPE)
    values = {'train_cfg.max_steps': 2}
    for name in config.sources:
        values |= {f'sources.{name}.dataset.root': 'minihuman:tiny', f'sources.{name}.batch_size': 4}
    values |= {f'evaluations.{name}.dataset.root': 'minihuman:tiny' for name in config.evaluations}
    return ['--cfg-options', *(f'{key}={value}' for key, value in values.items())]


@pytest.fixture
def own_config(tmp_path) -> Path:
    """A config of a user's own, far from the checkout, that begins with a shipped one."""
    path = tmp_path / 'mine.py'
    path.write_text('\n'.join((
        '"""The debug recipe without MSMT17, three steps."""', 'from mmengine.config import read_base', '',
        'with read_base():', '    from humanbench.configs.path.path_debug import *', '',
        "del sources['msmt17']", 'train_cfg.update(max_steps=3)', '')))
    return path


def inherited(plan: str) -> bool:
    """Whether what ``plan`` prints is of that config: sources of ours, but one, and its own number of steps."""
    ours = all(name in plan for name in ('lip', 'coco_pose', 'market1501')) and 'msmt17' not in plan
    return ours and '3 steps' in plan


def run(*command: object, cwd: Path | str, status: int = 0, **environment: str) -> subprocess.CompletedProcess:
    """A command in a process of its own, in the folder ``cwd``; it must end with ``status``."""
    done = subprocess.run([str(x) for x in command], cwd=cwd, env=os.environ | environment, capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == status, f'{done.stdout[-3000:]}\n{done.stderr[-3000:]}'
    return done


# ------------------------------------------------------------------------------------------------------------- wheel
@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> Path:
    """A folder that holds what ``pip`` installs from a wheel of the files that git does not ignore."""
    missing = [name for name in ('pip', 'setuptools') if importlib.util.find_spec(name) is None]
    if missing or not (ROOT / '.git').exists():
        pytest.skip(f'a wheel is built of what git lists, with pip and setuptools; missing: {missing or "git"}')
    base = tmp_path_factory.mktemp('wheel')
    listed = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split('\0')):
        if (ROOT / name).is_file():
            (base / 'source' / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, base / 'source' / name)
    pip, offline = [sys.executable, '-m', 'pip', '--disable-pip-version-check', '--quiet'], ['--no-index', '--no-deps']
    run(*pip, 'wheel', *offline, '--no-build-isolation', '--wheel-dir', base, base / 'source', cwd=base)
    built, = base.glob('*.whl')
    run(*pip, 'install', *offline, '--target', base / 'installed', built, cwd=base)
    shutil.rmtree(base / 'source')
    return base / 'installed'


@pytest.fixture
def from_wheel(wheel, tmp_path):
    """``from_wheel('train', ...)`` is ``humanbench train ...`` typed in an empty folder, without the checkout."""
    def command(*arguments: object, status: int = 0) -> subprocess.CompletedProcess:
        return run(sys.executable, '-m', 'humanbench.cli', *arguments, cwd=tmp_path, status=status,
                   PYTHONPATH=str(wheel))
    return command


def test_a_wheel_holds_the_tools_and_none_of_the_checkout(wheel, from_wheel, tmp_path):
    code = 'import humanbench, humanbench.resources as r; print(humanbench.__file__, r.folder("tools"), sep="\\n")'
    found = run(sys.executable, '-c', code, cwd=tmp_path, PYTHONPATH=str(wheel)).stdout.splitlines()
    assert found == [str(wheel / 'humanbench' / '__init__.py'), str(wheel / 'humanbench' / '.mim' / 'tools')]
    helped = from_wheel('--help').stdout
    assert {line.split()[0] for line in helped.splitlines() if line.startswith('  ')} == set(cli.tools())


@pytest.mark.slow
def test_a_wheel_trains_and_tests(from_wheel, tmp_path, edition):
    trained = from_wheel('train', RECIPE, '--work-dir', tmp_path / 'work', '--test', *two_steps()).stdout
    assert all(f' {name} ' in trained.partition('Evaluation')[2] for name in load_config(RECIPE).evaluations)
    assert (tmp_path / 'work' / 'iter_2.pth').is_file()  # the newest of the work folder
    from_wheel('test', RECIPE, '--checkpoint', tmp_path / 'work', '--json', tmp_path / 'scores.json', *two_steps())
    scores = json.loads((tmp_path / 'scores.json').read_text())
    assert set(scores) == set(load_config(RECIPE).evaluations)
    assert 0 < scores['market1501']['mAP'] < 1 and 0 < scores['pa100k']['mA'] < 1


@pytest.mark.slow
def test_a_wheel_refuses_a_config_that_it_lacks(from_wheel):
    message = from_wheel('train', 'path/path_debugg.py', status=2).stderr
    assert "UserError: Unknown config" in message and "'path/path_debug.py'" in message and 'Traceback' not in message


@pytest.mark.slow
def test_a_config_of_ones_own_inherits_from_a_wheel(from_wheel, own_config):
    assert inherited(from_wheel('plan', own_config.name, '--world-size', 1).stdout)
    assert not inherited(from_wheel('plan', RECIPE, '--world-size', 1).stdout)
    own_config.write_text(own_config.read_text().replace('path_debug', 'path_debugg'))
    refused = from_wheel('plan', own_config.name, status=2).stderr
    assert 'path_debugg.py not found' in refused and 'Traceback' not in refused


# --------------------------------------------------------------------------------------------------------------- mim
@pytest.fixture
def mim():
    """``mim('run', 'score', ...)`` is ``mim run humanbench score ...`` typed in ``/``."""
    if MIM is None:
        pytest.skip('mim is not installed: pip install "humanbench[mim]"')
    origins = [json.loads(found.read_text('direct_url.json') or '{}')
               for found in importlib.metadata.distributions(name='humanbench')]  # a checkout's egg-info is one, too
    if not any(origin.get('dir_info', {}).get('editable') for origin in origins):
        pytest.skip('humanbench is not installed editable: pip install -e .')

    def command(verb: str, *arguments: object, status: int = 0) -> subprocess.CompletedProcess:
        return run(MIM, verb, 'humanbench', *arguments, cwd='/', status=status)
    return command


@pytest.mark.slow
def test_mim_trains_and_tests(mim, tmp_path, edition):
    work = tmp_path / 'work'
    mim('train', RECIPE, '--work-dir', work, *two_steps())
    assert not list(work.rglob(Path(RECIPE).name)), 'mim finds configs by file name: a copy hides the config itself'
    mim('test', RECIPE, '--checkpoint', work / 'iter_2.pth', '--evaluation', 'pa100k', '--work-dir', work, '--json',
        tmp_path / 'scores.json', *two_steps())
    scores = json.loads((tmp_path / 'scores.json').read_text())
    assert list(scores) == ['pa100k'] and 0 < scores['pa100k']['mA'] < 1


@pytest.mark.slow
def test_a_config_of_ones_own_inherits_from_an_editable_install(mim, own_config):
    assert inherited(mim('run', 'plan', own_config, '--world-size', 1).stdout)


@pytest.mark.slow
def test_mim_runs_tools(mim, tmp_path):
    mim('run', 'minihuman', '--root', tmp_path, '--size', 'tiny', '--datasets', 'shanghaitech_a', '--workers', 1)
    labels, = (path for path in tmp_path.rglob('ground_truth') if path.parent.name == 'test_data')
    counts = {path.stem.removeprefix('GT_'): len(scipy.io.loadmat(path)['image_info'][0, 0]['location'][0, 0])
              for path in labels.glob('GT_*.mat')}
    assert len(set(counts.values())) > 1
    predictions = tmp_path / 'predictions.json'
    predictions.write_text(json.dumps(dict.fromkeys(counts, 1.0)))
    arguments = ('run', 'score', 'counting', '--pred', predictions, '--json', tmp_path / 'scores.json')
    mim(*arguments, '--gt', labels)
    scores = json.loads((tmp_path / 'scores.json').read_text())['scores']
    assert scores['MAE'] == pytest.approx(np.mean([abs(count - 1) for count in counts.values()]))
    assert 'does not exist' in mim(*arguments, '--gt', tmp_path / 'none', status=1).stderr
