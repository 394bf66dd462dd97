"""What a run says about itself: shares, epochs, gradients of the tasks, times of ranks; on the console, in files."""
import json
import logging
import sys
import time
import types
from itertools import combinations

import pytest
import torch
from mmengine.visualization import WandbVisBackend
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

import humanbench.engine  # noqa: F401
import humanbench.models  # noqa: F401
from humanbench.engine.gradient_report import GradientReport
from humanbench.engine.hooks import progress
from humanbench.engine.launch import build_runner
from humanbench.engine.telemetry import SlowRanks, UnitClock, reason, spread
from humanbench.errors import UserError
from tests.models import conftest as small

from .ranks import UNITS, Job, placements, run, train
from .toy import toy_config

TASKS = list(dict.fromkeys(small.TASKS[source] for source, _ in UNITS))
REPORT = {'train_cfg.gradient_report': 2}


@pytest.fixture(scope='module')
def alone(tmp_path_factory) -> dict:
    """One rank: with a report of the gradients, without, and the units of each task on their own."""
    folder = tmp_path_factory.mktemp('alone')
    jobs = [Job('with', steps=2, dtype='float32', overrides=REPORT), Job('without', steps=2, dtype='float32'),
            Job('exact', steps=2, overrides={'train_cfg.gradient_report': 1})]
    for task in TASKS:
        units = [unit for unit in UNITS if small.TASKS[unit[0]] == task]
        jobs.append(Job(task, [units], overrides={'model.owned': sorted({source for source, _ in units})}))
    return {job.name: train(job, folder) for job in jobs}


def direct(alone: dict) -> dict[str, float]:
    """Shares and cosines from each task's own gradient."""
    gradients = {task: torch.cat([g.reshape(-1) for name, g in sorted(alone[task]['gradients'][0].items())
                                  if name.startswith('backbone.')]) for task in TASKS}
    norms = {task: gradient.norm().item() for task, gradient in gradients.items()}
    found = {f'gradient/share/{task}': norm / sum(norms.values()) for task, norm in norms.items()}
    return found | {f'gradient/cosine/{a}~{b}': (gradients[a] @ gradients[b]).item() / (norms[a] * norms[b])
                    for a, b in combinations(TASKS, 2)}


def reported(logs: dict) -> dict[str, float]:
    return {key: value for key, value in logs.items() if key.startswith('gradient/')}


def test_the_report_holds_every_tasks_own_gradient(alone):
    found, expected = reported(alone['exact']['logs'][0]), direct(alone)
    assert set(found) == set(expected) and len(found) == 7 + 21
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert reported(alone['exact']['logs'][1]) != pytest.approx(expected, rel=1e-3)  # nothing is left over


def test_two_ranks_report_the_same(alone, tmp_path):
    seen = run(2, [Job('exact', placements(2)['random'], overrides={'train_cfg.gradient_report': 1})], tmp_path)
    for rank in seen:
        assert reported(rank['exact']['logs'][0]) == pytest.approx(direct(alone), rel=1e-9, abs=1e-12)


def test_the_report_comes_every_so_many_steps_and_changes_nothing(alone):
    assert [bool(reported(logs)) for logs in alone['with']['logs']] == [False, True]
    for name, value in alone['without']['parameters'][-1].items():
        assert torch.equal(alone['with']['parameters'][-1][name], value)


def test_a_projection_keeps_shares_and_cosines(monkeypatch):
    network = nn.Sequential(nn.Linear(300, 200), nn.Linear(200, 100, bias=False))
    report = GradientReport(network, ['a', 'b', 'c'], 1, size=4099)
    assert not report.exact and report.sketch.shape == (3, 4099)
    batches = torch.randn(3, 8, 300, generator=torch.Generator().manual_seed(0))
    batches[1] += batches[0]  # two that agree in part
    exact = GradientReport(network, ['a', 'b', 'c'], 1)
    for task, batch in zip('abc', batches):
        with report.unit(0, task), exact.unit(0, task):
            network(batch).pow(2).sum().backward()
    projected, true = report.exchange(), exact.exchange()
    assert exact.exact and true['gradient/cosine/a~b'] > true['gradient/cosine/a~c'] + 0.1
    assert projected == pytest.approx(true, abs=4 * 4099 ** -0.5)
    assert projected != true


def test_the_report_needs_a_backbone_that_is_trained():
    with pytest.raises(UserError, match='no parameter of the backbone is trained'):
        GradientReport(nn.Linear(2, 2).requires_grad_(False), ['a'], 1)
    with pytest.raises(UserError, match='gradient_report = 0'):
        GradientReport(nn.Linear(2, 2), ['a'], 0)


def test_the_report_refuses_a_backbone_that_is_spread_over_ranks(tmp_path):
    loop = build_runner(toy_config(tmp_path, **{'train_cfg.gradient_report': 1})).train_loop
    loop.sharded = object()
    with pytest.raises(UserError, match='gradient_report looks at the whole backbone.*shard_backbone'):
        loop._gradient_report()


# ---------------------------------------------------------------------------------------------------- console and files
def toy(tmp_path, names, steps=2, **overrides):
    """A toy run of so many sources; its runner and the lines of its console."""
    config = toy_config(tmp_path, steps=steps, **overrides)
    one = config.sources.red
    config.sources = dict.fromkeys(names, one)
    runner = build_runner(config)
    lines, record = [], logging.Handler()
    record.emit = lambda entry: lines.extend(runner.logger.handlers[0].format(entry).splitlines())
    runner.logger.addHandler(record)
    runner.train()
    return runner, lines


def scalars(tmp_path):
    file, = tmp_path.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in file.read_text().splitlines()]


MANY = ('market1501', 'msmt17', 'cuhk03', 'coco_pose', 'aic', 'h36m_pose', 'h36m_parsing', 'lip', 'cihp', 'pa100k',
        'rapv2', 'crowdhuman')


@pytest.mark.parametrize('names', [MANY[:1], MANY[:2], MANY])
def test_the_console_stays_within_its_columns(tmp_path, names):
    _, lines = toy(tmp_path, names)
    steps = [line for line in lines if ' step ' in line or line.startswith('    ')]
    assert all(len(line) <= 120 for line in steps)
    first, *others = steps[:len(steps) // 2]
    assert 'step 1/2  eta ' in first and '  loss ' in first and ' s (data ' in first
    assert len(others) == {1: 0, 2: 1, 12: 3}[len(names)]
    assert all(name in ' '.join(others) for name in names if len(names) > 1)


def test_shares_epochs_and_times_are_in_the_files(tmp_path):
    runner, _ = toy(tmp_path, MANY[:3], steps=3)
    lines = scalars(tmp_path)
    assert [line['step'] for line in lines] == [1, 2, 3]
    for line in lines:
        assert sum(line[f'share/{name}'] for name in MANY[:3]) == pytest.approx(1)
        assert line['epochs/msmt17'] == pytest.approx(line['step'] * 8 / 30)
        assert line['left_out/units'] == line['left_out/samples'] == 0
    assert 'compute_time/max' not in lines[0]  # there was no step before
    assert lines[2]['compute_time/max'] > 0 and lines[2]['data_time/slowest'] == 0
    events, = tmp_path.glob('*/vis_data/events*')
    board = EventAccumulator(str(events))
    board.Reload()
    assert {'share/msmt17', 'epochs/msmt17', 'compute_time/mean', 'loss/msmt17'} <= set(board.Tags()['scalars'])
    assert runner.train_loop.costs.as_mapping() == {}  # its first units warm up


def test_a_report_is_logged_once_and_not_until_the_next(tmp_path):
    toy(tmp_path, MANY[:2], steps=5, **{'train_cfg.gradient_report': 2})
    assert ['gradient/share/reid' in line for line in scalars(tmp_path)] == [False, True, False, True, False]


def test_weights_and_biases_gets_the_scalars_where_it_is_installed(tmp_path, monkeypatch):
    logged = []
    wandb = types.ModuleType('wandb')
    wandb.run = types.SimpleNamespace(log_code=lambda **_: None)
    wandb.config = types.SimpleNamespace(update=lambda *_, **__: None)
    wandb.init, wandb.log = lambda **options: None, lambda content, **_: logged.append(dict(content))
    wandb.define_metric = wandb.finish = wandb.join = lambda *_, **__: None
    monkeypatch.setitem(sys.modules, 'wandb', wandb)
    toy(tmp_path, MANY[:2], visualizer=dict(type='Visualizer', vis_backends=[dict(type=WandbVisBackend)]))
    assert [content for content in logged if 'share/msmt17' in content and 'epochs/msmt17' in content]


# ---------------------------------------------------------------------------------------------------------------- ranks
def test_times_of_ranks_are_spread_out_where_they_are_few():
    few = spread('data', torch.tensor([1.0, 3.0, 2.0]))
    assert few == {'data_time/min': 1, 'data_time/mean': 2, 'data_time/max': 3, 'data_time/slowest': 1,
                   'data_time/rank_0': 1, 'data_time/rank_1': 3, 'data_time/rank_2': 2}
    assert len(spread('data', torch.rand(17))) == 4


def test_a_rank_is_slow_after_a_while_and_said_once():
    slow, seen = SlowRanks(1.5, 3), []
    fast, held_up = torch.tensor([1.0, 1.1, 1.0, 0.9]), torch.tensor([1.0, 1.1, 1.0, 2.0])
    for seconds in (held_up, fast, held_up, held_up, held_up, held_up, fast, held_up, held_up, held_up):
        seen.append(slow.update(seconds))
    assert [bool(x) for x in seen] == [i in (4, 9) for i in range(10)]
    assert seen[4] == {3: pytest.approx(2.0)}
    assert not any(SlowRanks(1.5, 1).update(torch.tensor(x)) for x in ([1.0], [0.0, 0.0, 1.0, 1.1], [1.0, 1.4]))


@pytest.mark.parametrize('placement, units, said', [
    ([[('a', 0)], [('b', 0)]], dict(a=1.0, b=3.0), 'no other rank runs its sources (b)'),
    ([[('a', 0)], [('a', 1)]], dict(a=2.0), '1.5 times the mean of all ranks: a slow machine'),
    ([[('a', 0)], [('a', 1), ('a', 2), ('a', 3)]], dict(a=1.0), 'the placement gives it too many')])
def test_the_reason_of_a_slow_rank(placement, units, said):
    assert said in reason(1, torch.tensor([1.0, 3.0]), placement, units)


def test_a_clock_adds_up_units(monkeypatch):
    clock, times = UnitClock(torch.device('cpu')), iter([1.0, 3.0, 10.0, 14.0, 20.0, 21.5])
    monkeypatch.setattr(time, 'perf_counter', lambda: next(times))
    for source in 'aab':
        with clock.unit(source):
            pass
    assert clock.read() == dict(a=6.0, b=1.5) and clock.read() == {}


def test_a_long_run_keeps_a_short_history(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, 'KEPT', 3)
    runner = build_runner(toy_config(tmp_path, steps=6, **{'log_processor': dict(
        type='MixtureLogProcessor', by_epoch=False, window_size=2), 'default_hooks.logger.interval': 1}))
    runner.train()
    assert {len(history.data[0]) for name, history in runner.message_hub.log_scalars.items()
            if name.startswith('train/loss')} == {3}


def test_a_run_that_fails_gives_the_terminal_back(tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr(progress.ProgressHook, 'close', lambda self: closed.append(self))
    runner = build_runner(toy_config(tmp_path, custom_hooks=[dict(type='StopAfter', step=1)]))
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert closed
