"""A recipe on the datasets that are there: what is kept, what fits it, and what is said."""
import os
from pathlib import Path

import pytest
import torch.distributed as dist

from humanbench import catalog
from humanbench.datasets.places import card_of
from humanbench.engine.available import check_same_everywhere, leave_out_missing
from humanbench.engine.launch import build_runner, complete, load_config
from humanbench.errors import UserError
from humanbench.minihuman import ensure

from .spawn import spawn

RECIPE = 'path/path_vit-b_available.py'


@pytest.fixture
def have(edition, monkeypatch):
    """Lets only these datasets lie in the data folder, as their owners ship them."""
    def only(*ids: str) -> None:
        ensure(edition / 'minihuman/tiny', 'tiny', datasets=ids)
        folder = edition / 'minihuman' / 'some' / '-'.join(ids)
        for id in ids:
            place = folder / catalog.card(id).layout.root
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.symlink_to(edition / 'minihuman/tiny' / catalog.card(id).layout.root)
        monkeypatch.setenv('HUMANBENCH_DATA', str(folder))
    return only


def test_what_is_missing_is_left_out_and_said(have):
    have('aic', 'lip', 'cuhk03', 'pa100k', 'crowdhuman')
    config, table = leave_out_missing(load_config(RECIPE))
    assert set(config.sources) == {'aic', 'lip', 'reid_3sets', 'attr_rapv2_pa100k', 'crowdhuman'}
    assert set(config.evaluations) == {'aic', 'lip', 'cuhk03', 'pa100k', 'crowdhuman'}
    assert [card_of(x).id for x in config.sources.reid_3sets.dataset.datasets] == ['cuhk03']
    assert config.sources.reid_3sets.head.num_identities == 4  # of the tiny edition
    assert config.sources.attr_rapv2_pa100k.head.num_attributes == 54 + 26  # columns stay
    lines = {line.split()[0]: line for line in table.splitlines()}
    assert 'Of 25 sources 5 are there' in table and set(load_config(RECIPE).sources) < set(lines)
    assert lines['reid_3sets'].endswith('market1501, msmt17') and lines['coco_pose'].split()[2] == '-'
    shares = [float(lines[name].split()[2].rstrip('%')) for name in config.sources]
    assert sum(shares) == pytest.approx(100, abs=0.1)


def test_everything_there_changes_nothing():
    config = load_config('path/path_debug_37sets.py')  # MiniHuman is never missing
    same, table = leave_out_missing(config)
    assert same.to_dict() == config.to_dict() and 'Of 25 sources 25' in table


def test_nothing_there_is_an_error_that_says_where_was_looked(monkeypatch, tmp_path):
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path))
    with pytest.raises(UserError, match=f'None of the .* is there. Looked for {tmp_path}.*HUMANBENCH_DATA'):
        leave_out_missing(load_config(RECIPE))


def test_a_recipe_of_one_dataset_says_where_that_was_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path))
    config = load_config(RECIPE)
    config.sources = dict(aic=config.sources.aic)
    with pytest.raises(UserError, match=f'None of the 1 datasets .* is there. Looked for {tmp_path}/aic. Let'):
        leave_out_missing(config)


def test_a_recipe_that_does_not_ask_for_it_fails_by_the_missing_dataset(have, tmp_path):
    have('aic')
    config = load_config('path/path_vit-b_37sets.py')
    config.work_dir = str(tmp_path)
    with pytest.raises(ValueError, match='is missing'):
        build_runner(config).train()


def test_the_rest_trains(have, tmp_path):
    have('cuhk03', 'pa100k')
    small = load_config('path/path_debug_37sets.py')
    config = load_config(RECIPE)
    config.model, config.optim_wrapper, config.schedule = small.model, small.optim_wrapper, small.schedule
    for name in config.sources:
        source, debug = config.sources[name], small.sources[name]
        source.dataset.pipeline, source.head, source.batch_size, source.slots = (
            debug.dataset.pipeline, debug.head, debug.batch_size, 1)
    config.merge_from_dict({'train_cfg.max_steps': 1, 'train_cfg.precision': 'fp32', 'loader.num_workers': 0,
                            'loader.prefetch_factor': None, 'loader.persistent_workers': False})
    config.work_dir, config.evaluations = str(tmp_path), {}
    runner = build_runner(config)
    runner.train()
    assert set(runner.model.heads) == {'reid_3sets', 'attr_rapv2_pa100k'} and (tmp_path / 'iter_1.pth').exists()
    assert complete(leave_out_missing(config)[0]).model.heads.reid_3sets.num_identities == 4


def look(rank: int, world: int, port: int, folder: Path) -> None:
    """One of two machines, each with a data folder of its own; both say what they are told."""
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    dist.init_process_group('gloo')
    found = []
    for both_have_it in (True, False):
        os.environ['HUMANBENCH_DATA'] = str(folder / ('0' if both_have_it else str(rank)))
        try:
            check_same_everywhere(leave_out_missing(load_config(RECIPE))[0])
            found.append('the same')
        except UserError as error:
            found.append(str(error))
    (folder / f'{rank}.txt').write_text('\n'.join(found))
    dist.destroy_process_group()


def test_machines_with_different_datasets_are_refused(tmp_path):
    for rank, ids in enumerate((('pa100k', 'crowdhuman'), ('crowdhuman',))):
        for id in ids:
            (tmp_path / str(rank) / catalog.card(id).layout.root).mkdir(parents=True)
    assert spawn(look, 2, (tmp_path,), 120) == [0, 0]
    for rank in range(2):
        same, different = (tmp_path / f'{rank}.txt').read_text().splitlines()
        assert same == 'the same'
        assert 'rank 1 (on ' in different and 'does not find pa100k' in different and 'rank 0' not in different
