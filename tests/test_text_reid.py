"""Text-to-image ReID from end to end at debug size: it learns from captions, and nothing from those of other people."""
import json

import pytest

from humanbench.datasets import CUHKPEDES
from humanbench.engine.command import evaluate_all
from humanbench.engine.launch import build_runner, load_config

RECIPE = 'downstream/text_reid/cuhk_pedes.py'


def scores(tmp_path, **options) -> dict[str, float]:
    """Of the debug flavour, trained and tested on held-out people."""
    config = load_config(RECIPE, 'debug', options=options)
    config.work_dir = str(tmp_path / 'run')
    runner = build_runner(config)
    runner.train()
    return evaluate_all(config, None, model=runner.model)['cuhk_pedes']


def chance() -> float:
    """Rank-1 of a ranking that knows nothing: every test person has equally many images."""
    return 1 / CUHKPEDES('minihuman:small', 'test').metainfo['num_ids']


@pytest.mark.slow
def test_captions_find_people_who_were_never_seen(tmp_path, edition):
    found = scores(tmp_path)
    assert found['rank1'] > 5 * chance() and found['rank10'] > 0.6


@pytest.mark.slow
def test_captions_of_other_people_find_nobody(tmp_path, edition):
    """The negative control: every training person has the captions of another one, and those who are asked for their
    own."""
    rows = json.loads((CUHKPEDES('minihuman:small').root / 'reid_raw.json').read_text())
    people: dict[int, list] = {}
    for row in rows:
        if row['split'] == 'train':
            people.setdefault(row['id'], []).append(row['captions'])
    order, count = list(people), {}
    others = dict(zip(order, order[len(order) // 2:] + order[:len(order) // 2]))
    for row in rows:
        if row['split'] == 'train':
            number = count[row['id']] = count.get(row['id'], -1) + 1
            told = people[others[row['id']]]
            row['captions'] = told[number % len(told)]
    (tmp_path / 'exchanged.json').write_text(json.dumps(rows))
    found = scores(tmp_path, **{'sources.cuhk_pedes.dataset.ann_file': str(tmp_path / 'exchanged.json')})
    assert found['rank1'] < 3 * chance() and found['rank10'] < 0.45


def test_training_leaves_a_frozen_text_network_as_it_was(tmp_path, edition):
    """By the optimiser, the loop and the protocol, not only in the head; the rest of the text encoder trains."""
    config = load_config(RECIPE, 'debug', 'full', {
        'train_cfg.max_steps': 2, 'sources.cuhk_pedes.dataset.root': 'minihuman:tiny', 'frozen': [
            'heads.cuhk_pedes.text.network']})
    config.work_dir = str(tmp_path)
    runner = build_runner(config)
    before = {name: value.clone() for name, value in runner.model.state_dict().items()}
    assert not runner.model.heads['cuhk_pedes'].text.network.training
    runner.train()
    changed = {name for name, value in runner.model.state_dict().items() if not (value == before[name]).all()}
    assert not any('.text.network.' in name for name in changed)
    assert {'backbone.patch_embed.proj.weight', 'heads.cuhk_pedes.projection.weight',
            'heads.cuhk_pedes.text.recurrent.weight_ih_l0'} <= changed
