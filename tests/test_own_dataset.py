"""The page "add your own dataset", typed by somebody who has a folder of files and nothing else."""
import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.config.utils import ConfigParsingError

from humanbench import catalog
from humanbench.datasets import PA100K
from humanbench.errors import UserError
from humanbench.resources import folder

PAGE = Path(__file__).parents[1] / 'docs' / 'add_a_dataset.md'
FILES = dict(re.findall(r'^`([\w.]+)`:\n\n```\w+\n(.*?)^```', PAGE.read_text(), re.MULTILINE | re.DOTALL))
COMMANDS = [line for block in re.findall(r'^```sh\n(.*?)^```', PAGE.read_text(), re.MULTILINE | re.DOTALL)
            for line in block.splitlines() if not line.startswith('export')]


@pytest.fixture
def own(tmp_path, edition) -> Path:
    """The folder of the page: its files, and the dataset that it speaks of."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    images = tmp_path / 'data/uniforms/images'
    images.mkdir(parents=True)
    columns = [catalog.card('pa100k').attributes.index(x) for x in ('Female', 'Hat', 'Glasses', 'Backpack')]
    for split in ('train', 'test'):
        reader = PA100K('minihuman:tiny', split)
        with open(tmp_path / f'data/uniforms/labels_{split}.csv', 'w', newline='') as file:
            for record in map(reader.record, range(len(reader))):
                shutil.copy(record['img_path'], images)
                labels = ['01?'[record['attributes'][x]] for x in columns]
                csv.writer(file).writerow([Path(record['img_path']).name, *labels])
    return tmp_path


def run(command: str, place: Path, **environment: str) -> subprocess.CompletedProcess:
    """A command of the page, in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k != 'HUMANBENCH_DATA'} | environment
    return subprocess.run([sys.executable, '-m', 'humanbench.cli', *command.split()[1:]], cwd=place, env=environment,
                          capture_output=True, text=True, timeout=300)


def test_the_page_has_all_files_and_commands():
    assert list(FILES) == ['uniforms.yaml', 'uniforms.py', 'uniforms_config.py', 'mixture.py']
    assert len(COMMANDS) == 7 and all(x.startswith('humanbench ') for x in COMMANDS)


@pytest.mark.slow
def test_every_command_of_the_page(own):
    results = {x: run(x, own, HUMANBENCH_IMPORT='uniforms.py') for x in COMMANDS}
    assert {x: y.stdout[-2000:] + y.stderr[-2000:] for x, y in results.items() if y.returncode} == {}
    said = {' '.join(command.split()[1:3]): result.stdout for command, result in results.items()}
    assert 'Staff uniforms' in said['datasets show'] and 'sound' in said['datasets check']
    assert (own / 'uniforms.png').stat().st_size > 10_000
    assert 'mA' in said['train uniforms_config.py'] and 'uniforms' in said['plan mixture.py']
    assert '1 cells done' in said['benchmark --datasets'] and (own / 'work_dirs/benchmark/leaderboard.html').is_file()


@pytest.mark.slow
def test_without_the_import_the_message_says_what_is_missing(own):
    unknown = run('humanbench datasets check uniforms', own)
    assert unknown.returncode == 2 and "Unknown dataset 'uniforms'" in unknown.stderr
    wrong = run('humanbench datasets check uniforms', own, HUMANBENCH_IMPORT='uniform.py')
    assert wrong.returncode == 2 and "$HUMANBENCH_IMPORT names 'uniform'" in wrong.stderr
    assert 'Traceback' not in unknown.stderr + wrong.stderr


@pytest.mark.slow
def test_a_broken_table_is_named(own):
    path = own / 'data/uniforms/labels_test.csv'
    path.write_text(path.read_text().replace(',1', ',yes', 1))
    found = run('humanbench datasets check uniforms --workers 1', own, HUMANBENCH_IMPORT='uniforms.py')
    assert found.returncode == 1 and 'labels_test.csv' in found.stdout and 'annotation' in found.stdout


def test_shipped_bases_are_found_and_others_are_not(tmp_path):
    path = tmp_path / 'config.py'
    text = 'from mmengine.config import read_base\nwith read_base():\n    from humanbench.configs._base_.{} import *\n'
    path.write_text(text.format('pipelines.reid'))
    assert 'reid_train_pipeline' in Config.fromfile(path)
    path.write_text(text.format('pipelines.dance'))
    with pytest.raises(ConfigParsingError, match='dance.py not found'):
        Config.fromfile(path)


@pytest.fixture
def forget():
    """Cards that a test adds are gone after it."""
    yield
    catalog._added.clear()
    catalog._known.cache_clear()
    catalog.card.cache_clear()


def test_cards_are_added_once_and_under_their_own_name(tmp_path, forget):
    path = tmp_path / 'uniforms.yaml'
    path.write_text(FILES['uniforms.yaml'])
    assert catalog.add_card(path) == catalog.add_card(path) == catalog.card('uniforms')
    assert 'uniforms' in catalog.ids('attribute')
    for name, text, words in (
            ('lip.yaml', FILES['uniforms.yaml'], "there is a dataset 'lip' already"),
            ('other.yaml', FILES['uniforms.yaml'], "expected 'other', the name of the file"),
            ('other.yaml', 'id: other', 'cannot be read'), ('other.yaml', '- a', 'cannot be read'),
            ('other.yaml', 'a: [', 'cannot be read'), ('deep/uniforms.yaml', FILES['uniforms.yaml'], 'already')):
        (tmp_path / 'deep').mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=words):
            catalog.add_card(tmp_path / name)
    with pytest.raises(UserError, match='cannot be read'):
        catalog.add_card(tmp_path / 'none.yaml')
    assert 'other' not in catalog.ids()


def test_shipped_cards_are_unchanged(forget):
    assert 'uniforms' not in catalog.ids() and not (folder('datasets_meta') / 'uniforms.yaml').exists()
