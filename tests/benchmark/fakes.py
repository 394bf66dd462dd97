"""Benchmark configs, records and cell functions that stand in for training, which has tests of its own."""
import math
import os
import time
from pathlib import Path

import numpy as np

from humanbench import catalog
from humanbench.benchmark import plan as planning
from humanbench.benchmark import recipe as recipes
from humanbench.benchmark.files import write_json
from humanbench.benchmark.plan import Cell, PlannedCell, Weights
from humanbench.benchmark.run import make_record
from humanbench.benchmark.workers import Answer
from humanbench.errors import UserError

DATASETS = ('market1501', 'msmt17', 'pa100k', 'peta', 'coco_pose', 'aic', 'h36m_pose', 'lip', 'cihp', 'atr', 'crowdhuman',
            'shanghaitech_a', 'shanghaitech_b')
CONFIG = '''"""A benchmark config of the test suite."""
train_dataloader = dict(dataset=dict(type='Reader', root=None))
test_evaluator = dict(type='fakes.Metric')
optimizer = dict(lr={lr})
protocols = dict(full=dict(steps=100), partial=dict(steps=50), head=dict(steps=40), direct=dict())
flavors = dict(debug=dict(train_dataloader=dict(dataset=dict(root='minihuman:small')), steps=4))
'''


class Metric:
    """Has what planning asks of an evaluator."""
    version = '1'


def write_configs(folder: Path, datasets=DATASETS, lr: float = 1e-3) -> Path:
    """One config per dataset, in the layout of ``configs/benchmark``."""
    for dataset in datasets:
        path = folder / catalog.card(dataset).tasks[0] / f'{dataset}.py'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CONFIG.format(lr=lr))
    return folder


def use_configs(monkeypatch, folder: Path) -> None:
    """Let the benchmark read its configs from ``folder``, and its metrics' versions from :class:`Metric`."""
    monkeypatch.setattr(recipes, 'configs_folder', lambda: folder)
    monkeypatch.setattr(recipes, '_metric_version', lambda config, path: Metric.version)
    recipes.read_recipe.cache_clear()


def result(metrics: dict[str, float], **changes) -> dict:
    """What a cell function returns."""
    return dict(metrics=metrics, trainable_parameters=1_200_000, total_parameters=5_700_000, weights_hash='w' * 16,
                input_size=[256, 192], dataset_version='1', split_hash='s' * 16, num_steps=120, train_seconds=30.0,
                test_seconds=2.0, config_hash='c' * 16) | changes


def write_record(out: Path, cell: Cell, value: float, seconds: float = 32.0, **changes) -> Path:
    """The record of a cell that gave ``value``."""
    planned, = planning.plan([cell.dataset], [cell.protocol], [cell.weights], [cell.seed], cell.flavor)
    metrics = {planned.recipe.metric: value}
    record = make_record(planned, Answer(result(metrics, **changes), seconds=seconds), dict(git_hash='a' * 40, git_dirty=False))
    path = out / 'cells' / f'{cell.slug}.json'
    write_json(path, record)
    return path


def metric_key(config_path: str) -> str:
    return catalog.card(Path(config_path).stem).metric[0]


def quick_cell(config_path, protocol, weights, seed, flavor, work_dir, overrides) -> dict:
    """A cell that takes no time; its value tells which cell it was."""
    print(f'training {Path(config_path).stem} from {weights}')
    return result({metric_key(config_path): 0.5 + seed / 100, 'process': float(os.getpid())})


def slow_cell(config_path, protocol, weights, seed, flavor, work_dir, overrides) -> dict:
    """A cell that takes a while, leaving word that it started."""
    Path(work_dir, 'started').touch()
    time.sleep(0.4)
    return result({metric_key(config_path): 0.5})


def troubled_cell(config_path, protocol, weights, seed, flavor, work_dir, overrides) -> dict:
    """Every way in which a cell can go wrong, chosen by the dataset; counts how often it was tried."""
    with open(Path(work_dir) / 'tries', 'a') as file:
        file.write('x')
    dataset = Path(config_path).stem
    if dataset == 'market1501':
        raise UserError('there is no such folder; put the data there')
    if dataset == 'pa100k':
        raise RuntimeError('out of ideas')
    if dataset == 'coco_pose':
        os._exit(9)
    if dataset == 'lip':
        return result({metric_key(config_path): math.nan})
    if dataset == 'cihp':
        return result({'accuracy': 1.0})
    return result({metric_key(config_path): 0.5})


def plausible_values(rows: dict[str, float], datasets=DATASETS, protocols=('full', 'partial', 'head'), seeds=(0, 1, 2)):
    """(dataset, protocol, row, seed, value): values near published ones, better for rows of larger skill in [0, 1]."""
    typical = dict(mAP=0.8, mA=0.83, AP=0.72, EPE=7.0, mIoU=0.6, pixel_accuracy=0.96, MAE=62.0, RMSE=100.0, mean=0.9, MR=0.3)
    random = np.random.default_rng(3)
    for dataset in datasets:
        metric = catalog.card(dataset).metric[0]
        lower = metric in ('EPE', 'MAE', 'RMSE', 'MR')
        for index, protocol in enumerate(protocols):
            for row, skill in rows.items():
                level = typical[metric] * (1 + (0.55 if lower else -0.22) * (1 - skill) + (0.08 if lower else -0.05) * index)
                for seed in seeds:
                    yield dataset, protocol, row, seed, float(level * (1 + random.normal(0, 0.012)))


def write_board(out: Path, rows: dict[str, float], flavor: str | None = None, skip=lambda *cell: False, **kwargs) -> None:
    """Records of a whole leaderboard, without those that mean nothing and those that ``skip`` names."""
    for dataset, protocol, row, seed, value in plausible_values(rows, **kwargs):
        cell = Cell(dataset, protocol, Weights(row, 'scratch'), seed, flavor)
        if not skip(dataset, protocol, row, seed) and not planning.not_applicable(recipes.recipe(dataset), protocol, 'scratch'):
            write_record(out, cell, value)


def planned_cell(dataset: str = 'lip', **changes) -> PlannedCell:
    planned, = planning.plan([dataset], ['head'], [Weights('scratch', 'scratch')], [0], 'debug')
    return PlannedCell(**{**planned.__dict__, **changes})
