"""A model's predictions beside the labels, as pictures."""
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import nn

from ..datasets.transforms.loading import read_image
from ..engine.launch import build_runner
from ..structures import HumanSample
from ..visualization import Ranking, prediction_sheet, save_image
from ..weights import load_into

PARTS = ('backbone', 'projectors', 'heads')


@torch.no_grad()
def examples(config: Config, checkpoint: str, evaluation: str, num: int = 4) -> list:
    """Test images with predictions (and labels) of one evaluation, spread over its dataset.

    Args:
        config: of the model, in the grammar of ``humanbench.engine.launch``.
        checkpoint: the trained model.
        evaluation: one of the config's evaluations.
        num: of images; for ReID, of queries.

    Returns:
        (image, sample) pairs, or :class:`Ranking` for ReID.
    """
    config = config.copy()
    config.optim_wrapper, config.visualizer = None, None
    runner = build_runner(config, evaluation)
    load_into(runner.model, checkpoint, parts=PARTS)
    model, dataset = runner.model.eval(), runner.test_dataloader.dataset
    if dataset.task == 'reid':
        return _rankings(model, dataset, num)
    indices = np.linspace(0, len(dataset) - 1, num).round().astype(int)
    return [(read_image(sample.img_path), sample) for sample in _predict(model, dataset, indices)]


def _predict(model: nn.Module, dataset, indices: Sequence[int], batch: int = 16) -> list[HumanSample]:
    samples = []
    for start in range(0, len(indices), 1 if dataset.task == 'counting' else batch):
        step = 1 if dataset.task == 'counting' else batch
        samples += model.test_step(pseudo_collate([dataset[int(i)] for i in indices[start:start + step]]))
    return samples


def _rankings(model: nn.Module, dataset, num: int, shown: int = 8) -> list[Ranking]:
    """The nearest gallery images of some queries, those of the query's own camera left out."""
    samples = _predict(model, dataset, range(len(dataset)))
    features = nn.functional.normalize(torch.stack([sample.pred_feature for sample in samples]), dim=1)
    queries = [i for i, sample in enumerate(samples) if sample.split == 'query']
    gallery = [i for i, sample in enumerate(samples) if sample.split == 'gallery']
    rankings = []
    for query in (queries[int(i)] for i in np.linspace(0, len(queries) - 1, num).round()):
        mine = samples[query]
        others = [i for i in gallery if (samples[i].pid, samples[i].camid) != (mine.pid, mine.camid)]
        order = (features[others] @ features[query]).argsort(descending=True)[:shown].tolist()
        rankings.append(Ranking(
            read_image(mine.img_path), [read_image(samples[others[i]].img_path) for i in order],
            [samples[others[i]].pid == mine.pid for i in order]))
    return rankings


def write_sheet(found: Mapping[str, Sequence], path: str | Path) -> Path:
    """Put the examples of every task on one sheet: labels left, predictions right."""
    return save_image(prediction_sheet(found), path)
