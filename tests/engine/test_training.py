"""Training end to end on a toy mixture: logs, resume, data that cannot be read, losses that blow up."""
import numpy as np
import pytest
import torch

import humanbench.engine  # noqa: F401
import humanbench.models  # noqa: F401
from humanbench.engine import assign
from humanbench.engine.launch import build_runner, complete, load_config
from humanbench.errors import CheckpointError, DataError, UserError
from humanbench.schema import check_config
from humanbench.weights.folder import read_meta

from .runs import equal, scalars, stop_after, trained, weights_of, whole_and_resumed
from .toy import toy_config


def test_the_mixture_is_learnt_and_every_source_is_logged(tmp_path):
    runner = trained(toy_config(tmp_path, steps=80))
    lines = scalars(tmp_path)
    assert [line['step'] for line in lines] == list(range(1, 81))
    assert {'loss', 'loss/red', 'loss/blue', 'red/loss_id', 'red/accuracy', 'lr'} <= set(lines[0])
    assert lines[0]['loss'] == pytest.approx(0.25 * lines[0]['loss/red'] + 0.75 * lines[0]['loss/blue'], rel=1e-5)
    assert np.mean([line['loss/red'] for line in lines[-5:]]) < 0.6 * lines[0]['loss/red']
    assert (tmp_path / 'iter_80.pth').exists() and runner.iter == 80
    assert list(tmp_path.glob('*/vis_data/events.out.tfevents*'))


def test_a_resumed_run_is_bitwise_the_uninterrupted_one(tmp_path):
    whole, resumed = whole_and_resumed(toy_config, tmp_path, step=4)
    assert equal(whole, resumed)
    assert not equal(whole, weights_of(trained(toy_config(tmp_path / 'other', seed=4))))


def said(work_dir):
    """What the logs of all runs in a folder say."""
    return '\n'.join(file.read_text() for file in work_dir.glob('*/*.log'))


def test_a_resumed_run_goes_on_counting_its_seconds(tmp_path):
    config = toy_config(tmp_path)
    stop_after(config, 4)
    kept = read_meta(tmp_path / 'iter_3')['training']['seconds']
    config.resume = True
    loop = trained(config).train_loop
    assert 0 < kept == loop.earlier_seconds < loop.seconds


def test_the_config_that_a_run_leaves_is_that_run(tmp_path):
    first = build_runner(toy_config(tmp_path / 'first'))
    first.train()
    kept = tmp_path / 'first' / 'config.py'
    text, config = kept.read_text(), load_config(str(kept))
    check_config(config)
    config.work_dir = str(tmp_path / 'second')
    second = build_runner(config)
    second.train()
    assert equal(second.model.state_dict(), first.model.state_dict())
    tested = toy_config(tmp_path / 'first', protocol='direct')
    with pytest.raises(UserError, match='direct: there is nothing to train'):
        build_runner(tested).train()
    assert kept.read_text() == text  # not that of a test in the same folder
    build_runner(toy_config(tmp_path / 'third', protocol='direct'))
    assert "'direct'" in (tmp_path / 'third' / 'config.py').read_text()


def test_to_resume_where_there_is_nothing_is_a_new_run_and_is_said(tmp_path):
    config = toy_config(tmp_path / 'empty', steps=2)
    config.resume = True
    new, whole = weights_of(trained(config)), weights_of(trained(toy_config(tmp_path / 'new', steps=2)))
    assert equal(new, whole)
    nothing = f"Nothing to resume: there is no checkpoint in {tmp_path / 'empty'}. Training starts at step 0."
    assert said(tmp_path / 'empty').count(nothing) == 1
    again = weights_of(trained(config))  # now there is something
    assert said(tmp_path / 'empty').count('Nothing to resume') == 1
    end = f"This run is finished: all 2 steps are done. The model is that of {tmp_path / 'empty' / 'iter_2.pth'}."
    assert end in said(tmp_path / 'empty') and equal(again, new)


def test_workers_change_nothing(tmp_path):
    alone = weights_of(trained(toy_config(tmp_path / 'a', steps=3)))
    two = weights_of(trained(toy_config(tmp_path / 'b', steps=3, loader=dict(num_workers=2))))
    assert equal(two, alone)


@pytest.mark.parametrize('change, named', [
    ({'sources.red.weight': 2.0}, 'sources.red.weight: 1.0 -> 2.0'), ({'train_cfg.max_steps': 9}, 'max_steps: 6 -> 9'),
    ({'model.backbone.embed_dim': 24, 'model.backbone.num_heads': 3}, 'model.backbone'),
    ({'seed': 5}, 'seed: 3 -> 5'), ({'optim_wrapper.optimizer.lr': 0.02}, r'optimizer.lr: 0.01 -> 0.02'),
    ({'model.drop_path': 0.1}, r'model.drop_path: 0.2 -> 0.1')])
def test_resuming_with_another_recipe_is_refused(tmp_path, change, named):
    trained(toy_config(tmp_path))
    config = toy_config(tmp_path, **change)
    config.resume = True
    with pytest.raises(CheckpointError, match=named):
        trained(config)


def test_runs_that_start_in_the_same_second_keep_their_logs_apart(tmp_path, monkeypatch):
    monkeypatch.setattr('time.strftime', lambda *_: '20200101_000000')
    for name in ('a', 'b'):
        trained(toy_config(tmp_path / name, steps=2))
    assert len(scalars(tmp_path / 'a')) == len(scalars(tmp_path / 'b')) == 2


def test_unreadable_samples_are_replaced_alike_and_reported(tmp_path, caplog):
    first = trained(toy_config(tmp_path / 'a', steps=4, broken=(1, 7)))
    second = trained(toy_config(tmp_path / 'b', steps=4, broken=(1, 7)))
    assert first.train_loop.incidents.replaced['red'] > 0
    assert first.train_loop.incidents.replaced == second.train_loop.incidents.replaced
    one, two = weights_of(first), weights_of(second)
    assert equal(two, one)


def test_a_resumed_run_goes_on_counting_what_it_left_out(tmp_path):
    whole = trained(toy_config(tmp_path / 'whole', broken=(1, 7)))
    stop_after(toy_config(tmp_path / 'run', broken=(1, 7)), 4)
    resumed = trained(toy_config(tmp_path / 'run', broken=(1, 7), resume=True))
    alone = trained(toy_config(tmp_path / 'half', steps=3, broken=(1, 7)))
    assert resumed.train_loop.incidents.state() == whole.train_loop.incidents.state()
    assert alone.train_loop.incidents.replaced.total() < whole.train_loop.incidents.replaced.total()


def test_too_many_unreadable_samples_stop_the_run(tmp_path):
    with pytest.raises(DataError, match=r"samples of source 'red' cannot be read.*broken.*bad_sample_quota"):
        trained(toy_config(tmp_path, steps=40, broken=(0, 1, 2, 5, 6, 7, 10, 11, 12)))
    with pytest.raises(DataError, match='10 samples in a row'):
        trained(toy_config(tmp_path, broken=tuple(range(30))))


def test_units_are_placed_anew_where_that_is_asked_for(tmp_path, monkeypatch):
    config = complete(toy_config(tmp_path))
    together = [[('red', 0), ('blue', 0)], []]
    monkeypatch.setattr(assign, '_resumed', lambda config: dict(placement=together))
    assert assign.place_units(config, 2) == together
    config.train_cfg.place_anew = True
    assert sorted(assign.place_units(config, 2)) == [[('blue', 0)], [('red', 0)]]


def test_losses_that_stay_not_finite_stop_the_run_and_name_the_source(tmp_path):
    config = toy_config(tmp_path, train_cfg=dict(bad_step_limit=4))
    runner = build_runner(config)
    with torch.no_grad():
        runner.model.heads['blue'].classifier.weight.fill_(float('nan'))
    with pytest.raises(FloatingPointError, match=r'Step 3: 4 steps in a row.*\(loss of: blue\)'):
        runner.train()


def test_bf16_trains_close_to_fp32(tmp_path):
    trained(toy_config(tmp_path / 'a', steps=60))
    trained(toy_config(tmp_path / 'b', steps=60, train_cfg=dict(precision='bf16')))
    full, half = scalars(tmp_path / 'a'), scalars(tmp_path / 'b')
    assert half[0]['loss'] == pytest.approx(full[0]['loss'], rel=0.02)
    assert half[0]['loss'] != full[0]['loss']
    assert half[-1]['loss'] < 0.7 * half[0]['loss']


@pytest.mark.parametrize('change, message', [
    ({'sources.red.sampler': 'identities'}, "sampler of source 'red'.*'identity'"),
    ({'sources.red.batch_size': 6}, 'multiple of 4'), ({'train_cfg.precision': 'bfloat16'}, "precision 'bfloat16'")])
def test_mistakes_in_a_recipe_are_explained(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        trained(toy_config(tmp_path, **change))
