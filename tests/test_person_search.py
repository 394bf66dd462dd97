"""Person search from end to end at debug size: it finds people who were never seen, and with the features of other
queries nobody."""
from unittest import mock

import numpy as np
import pytest
import torch

from humanbench import evaluation
from humanbench.engine.command import evaluate_all
from humanbench.engine.launch import build_runner, load_config

RECIPE = 'downstream/person_search/{}.py'


@pytest.mark.slow
@pytest.mark.parametrize('dataset', ['cuhk_sysu', 'prw'])
def test_people_who_were_never_seen_are_found(dataset, tmp_path, edition):
    config = load_config(RECIPE.format(dataset), 'debug')
    config.work_dir = str(tmp_path)
    runner = build_runner(config)
    runner.train()
    seen = []
    scored = evaluation.PersonSearchMetric.compute_metrics

    def compute(self, results: list) -> dict[str, float]:
        seen.extend(results)
        return scored(self, results)

    with mock.patch.object(evaluation.PersonSearchMetric, 'compute_metrics', compute):
        found = evaluate_all(config, None, model=runner.model)[dataset]
    assert found['recall'] > 0.5
    chance = exchanged(seen)
    assert found['mAP'] > 2 * chance['mAP'] and found['top1'] > 2 * chance['top1']


def exchanged(results: list) -> dict[str, float]:
    """The negative control: every query asks with the feature of another one."""
    frames, queries = zip(*results)
    queries = sum(queries, [])
    others = np.random.default_rng(0).permutation(len(queries))
    return evaluation.person_search(frames, [
        dict(query, feature=queries[other]['feature']) for query, other in zip(queries, others)])


def test_what_is_remembered_is_saved_and_resumed(tmp_path, edition):
    """Table, queue and place are part of a run: stopped and resumed it ends as it would have, bit by bit."""
    states = []
    for stop in (None, 2):
        config = load_config(RECIPE.format('prw'), 'debug', options={
            'train_cfg.max_steps': 4, 'sources.prw.dataset.root': 'minihuman:tiny',
            'default_hooks.checkpoint.interval': 2, 'default_hooks.checkpoint.max_keep_ckpts': 2})
        config.work_dir = str(tmp_path / str(stop))
        build_runner(config).train()
        if stop is not None:
            config.resume, config.load_from = True, f'{config.work_dir}/iter_{stop}'
            resumed = build_runner(config)
            resumed.train()
            states.append(resumed.model.state_dict())
        else:
            runner = build_runner(config)
            runner.train()
            states.append(runner.model.state_dict())
    tables = [key for key in states[0] if '.memory.' in key]
    assert len(tables) == 3 and states[0]['heads.prw.memory.table'].any()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
