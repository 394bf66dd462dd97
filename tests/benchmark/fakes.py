"""Benchmark configs and records that stand in for training, which has tests of its own."""
from pathlib import Path

import numpy as np
import torch

from humanbench import catalog
from humanbench.benchmark import plan as planning
from humanbench.benchmark import recipe as recipes
from humanbench.benchmark.files import write_json
from humanbench.benchmark.plan import Cell, Weights
from humanbench.benchmark.recording import make_record
from humanbench.benchmark.workers import Answer
from humanbench.models import HumanViT
from humanbench.weights import export

from .cell_functions import result

DATASETS = ('market1501', 'msmt17', 'pa100k', 'peta', 'coco_pose', 'aic', 'h36m_pose', 'lip', 'cihp', 'atr',
            'crowdhuman', 'shanghaitech_a', 'shanghaitech_b')
CONFIG = '''"""A benchmark config of the test suite."""
from mmengine.config import read_base

from humanbench.evaluation import ParsingMetric

with read_base():
    from .defaults import *

sources = dict(lip=dict(dataset=dict(root={root!r})))
evaluations = dict(lip=dict(source='lip', evaluator=dict(type=ParsingMetric)))
optim_wrapper = dict(lr={lr})
protocols = dict(full=dict(steps={full}), head=dict(steps=40))
flavors = dict(debug=dict(evaluations=dict(lip=dict(dataset=dict(root='minihuman:small')))))
'''


def use_config(monkeypatch, folder: Path, lr: float = 1e-3, full: int = 100, root: str | None = None) -> None:
    """Have the benchmark know one dataset, LIP, with this config."""
    path = folder / 'parsing' / 'lip.py'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CONFIG.format(lr=lr, full=full, root=root))
    (path.parent / 'defaults.py').write_text('log_level = "INFO"\nscaffold = 1\n')
    monkeypatch.setattr(recipes, 'configs_folder', lambda: folder)
    recipes.read_recipe.cache_clear()


def write_weights(path: Path, value: float) -> None:
    """A file of HumanBench with a backbone of one block; other values, other weights."""
    torch.manual_seed(0)
    backbone = HumanViT(img_size=32, embed_dim=32, depth=1, num_heads=1)
    with torch.no_grad():
        backbone.pos_embed.fill_(value)
    export(backbone, path)


def write_record(out: Path, cell: Cell, value: float, seconds: float = 32.0, **changes) -> Path:
    """The record of a cell that gave ``value``."""
    planned, = planning.plan([cell.dataset], [cell.protocol], [cell.weights], [cell.seed], cell.flavor)
    metrics = {planned.recipe.metric: value}
    record = make_record(planned, Answer(result(metrics, **changes), seconds=seconds),
                         dict(git_hash='a' * 40, git_dirty=False))
    path = out / 'cells' / f'{planned.cell.slug}.json'
    write_json(path, record)
    return path


def plausible_values(rows: dict[str, float], datasets=DATASETS, protocols=('full', 'partial', 'head'), seeds=(0, 1, 2)):
    """(dataset, protocol, row, seed, value): values near published ones, better for rows of larger skill in [0, 1]."""
    typical = dict(mAP=0.8,
                   rank1=0.45,
                   mA=0.83,
                   AP=0.72,
                   EPE=7.0,
                   mIoU=0.6,
                   pixel_accuracy=0.96,
                   MAE=62.0,
                   RMSE=100.0,
                   mean=0.9,
                   MR=0.3)
    random = np.random.default_rng(3)
    for dataset in datasets:
        metric = catalog.card(dataset).metric[0]
        lower = metric in ('EPE', 'MAE', 'RMSE', 'MR')
        for index, protocol in enumerate(protocols):
            for row, skill in rows.items():
                level = typical[metric] * (1 + (0.55 if lower else -0.22) * (1 - skill) +
                                           (0.08 if lower else -0.05) * index)
                for seed in seeds:
                    yield dataset, protocol, row, seed, float(level * (1 + random.normal(0, 0.012)))


def write_board(out: Path,
                rows: dict[str, float],
                flavor: str | None = None,
                skip=lambda *cell: False,
                **kwargs) -> None:
    """Records of a whole leaderboard, without those that mean nothing and those that ``skip`` names."""
    for dataset, protocol, row, seed, value in plausible_values(rows, **kwargs):
        cell = Cell(dataset, protocol, Weights(row, 'scratch'), seed, flavor)
        if not skip(dataset, protocol, row, seed) and not planning.not_applicable(recipes.recipe(dataset), protocol,
                                                                                  'scratch'):
            write_record(out, cell, value)
