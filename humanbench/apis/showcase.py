"""A model's predictions beside the labels, as pictures."""
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from torch import nn
from torchvision.ops import box_iou

from ..datasets.transforms.loading import read_image
from ..engine.command import evaluate_all
from ..engine.launch import build_runner
from ..structures import HumanSample
from ..visualization import Ranking, picture_path, prediction_sheet, save_image, text_card
from ..weights import load_into

PARTS = ('backbone', 'projectors', 'heads')


def examples(config: Config, checkpoint: str, evaluation: str, num: int = 4) -> list:
    """Test images with predictions (and labels) of one evaluation, spread over its dataset.

    Args:
        config: of the model, in the grammar of ``humanbench.engine.launch``.
        checkpoint: the trained model.
        evaluation: one of the config's evaluations.
        num: of images, or all where there are fewer; for ReID, of queries or captions.

    Returns:
        (image, sample) pairs, or :class:`Ranking` for ReID.
    """
    config = config.copy()
    config.optim_wrapper, config.visualizer = None, None
    runner = build_runner(config, evaluation)
    load_into(runner.model, checkpoint, parts=PARTS)
    return runner_examples(runner, num)


@torch.no_grad()
def runner_examples(runner: Runner, num: int = 4) -> list:
    """What :func:`examples` gives, of the test dataset and the model of a runner as they are."""
    dataset = runner.test_dataloader.dataset
    if dataset.task == 'reid':
        return _rankings(runner, num)
    if dataset.task == 'text_reid':
        return _text_rankings(runner, num)
    if dataset.task == 'person_search' and (rankings := _search_rankings(runner, num)):
        return rankings
    indices = _spread(range(len(dataset)), num)
    return [(read_image(sample.img_path), sample) for sample in _predict(runner, indices)]


def _spread(indices: Sequence[int], num: int) -> list[int]:
    """``num`` of the indices, or all where there are fewer, evenly spaced."""
    chosen = np.linspace(0, len(indices) - 1, min(num, len(indices))).round()
    return [indices[int(i)] for i in chosen]


def _predict(runner: Runner, indices: Sequence[int]) -> list[HumanSample]:
    model, loader, samples = runner.model.eval(), runner.test_dataloader, []
    for start in range(0, len(indices), loader.batch_size):
        batch = [loader.dataset[i] for i in indices[start:start + loader.batch_size]]
        samples += model.test_step(pseudo_collate(batch))
    return samples


def _rankings(runner: Runner, num: int, shown: int = 8) -> list[Ranking]:
    """The nearest gallery images of some queries, those of the query's own camera left out."""
    samples = _predict(runner, range(len(runner.test_dataloader.dataset)))
    features = nn.functional.normalize(torch.stack([sample.pred_feature for sample in samples]), dim=1)
    queries = [i for i, sample in enumerate(samples) if sample.split == 'query']
    gallery = [i for i, sample in enumerate(samples) if sample.split == 'gallery']
    rankings = []
    for query in _spread(queries, num):
        mine = samples[query]
        others = [i for i in gallery if (samples[i].pid, samples[i].camid) != (mine.pid, mine.camid)]
        order = (features[others] @ features[query]).argsort(descending=True)[:shown].tolist()
        rankings.append(Ranking(
            read_image(mine.img_path), [read_image(samples[others[i]].img_path) for i in order],
            [samples[others[i]].pid == mine.pid for i in order]))
    return rankings


def _text_rankings(runner: Runner, num: int, shown: int = 8) -> list[Ranking]:
    """The images that are nearest to some captions, which are pictures of text here."""
    samples = _predict(runner, range(len(runner.test_dataloader.dataset)))
    images = nn.functional.normalize(torch.stack([sample.pred_feature for sample in samples]), dim=1)
    captions = [(sample, i) for sample in samples for i in range(len(sample.captions))]
    rankings = []
    for asked, i in _spread(captions, num):
        order = (images @ asked.pred_text_features[i]).argsort(descending=True)[:shown].tolist()
        rankings.append(Ranking(
            text_card(asked.captions[i], 11, 170, 300), [read_image(samples[j].img_path) for j in order],
            [samples[j].pid == asked.pid for j in order]))
    return rankings


def _search_rankings(runner: Runner, num: int, shown: int = 8) -> list[Ranking]:
    """The nearest people found in the galleries of some queries, of those where anybody was found."""
    samples = _predict(runner, range(len(runner.test_dataloader.dataset)))
    found = [(sample, i) for sample in samples for i in range(len(sample.pred_instances))]
    features = torch.cat([sample.pred_instances.features for sample in samples])
    frames = torch.tensor([sample.frame for sample, _ in found], dtype=torch.long)
    rankings = []
    for asked, number in _spread([(x, i) for x in samples for i in range(len(x.queries))], num):
        query, similar = asked.queries[number], features @ asked.pred_query_features[number]
        searched = frames != asked.frame
        if query['gallery'] is not None:
            searched &= torch.isin(frames, torch.as_tensor(query['gallery'], dtype=torch.long))
        order = similar.cpu().masked_fill(~searched, -torch.inf).argsort(descending=True)[:shown]
        best = [found[i] for i in order.tolist() if searched[i]]
        rankings.append(Ranking(
            _cut(asked, query['bbox']), [_cut(sample, sample.pred_instances.bboxes[i].tolist()) for sample, i in best],
            [_shows(sample, sample.pred_instances.bboxes[i], query['pid']) for sample, i in best]))
    return [x for x in rankings if x.gallery]


def _cut(sample: HumanSample, box: Sequence[float]) -> np.ndarray:
    """What a box of a frame shows; a pixel at least."""
    image = read_image(sample.img_path)
    x1, y1 = (min(max(int(v), 0), side - 1) for v, side in zip(box[:2], image.shape[1::-1]))
    return image[y1:max(round(box[3]), y1 + 1), x1:max(round(box[2]), x1 + 1)]


def _shows(sample: HumanSample, box: torch.Tensor, person: int) -> bool:
    """Whether a box of a frame overlaps with that of a person by half."""
    truth = np.array([x['bbox'] for x in sample.raw_ann_info if x['pid'] == person], float).reshape(-1, 4)
    truth[:, 2:] += truth[:, :2]
    return bool((box_iou(torch.from_numpy(truth), box.cpu().double()[None]) >= 0.5).any())


def write_sheet(found: Mapping[str, Sequence], path: str | Path) -> Path:
    """Put the examples of every task on one sheet: labels left, predictions right."""
    return save_image(prediction_sheet(found), path)


def evaluate_with_sheet(config: Config, checkpoint: str | None, name: str | None, json_file: str | None,
                        path: str | Path) -> Path:
    """``engine.command.evaluate_all`` with these arguments, and a sheet of examples of every evaluation that ran.

    The pictures come from the very model that was evaluated. For ReID its test images pass through it once more.

    Returns:
        The sheet's path.

    Raises:
        UserError: ``path`` is no name of a picture; said before the evaluation.
    """
    picture_path(path)
    found = {}

    def keep(evaluation: str, runner: Runner) -> None:
        found[f'{runner.test_dataloader.dataset.task} ({evaluation})'] = runner_examples(runner)

    evaluate_all(config, checkpoint, name, json_file, keep)
    return write_sheet(found, path)
