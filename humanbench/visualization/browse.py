"""A contact sheet of a dataset, read by its own reader: the quickest look at whether labels lie where they should."""
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmdet.datasets.transforms import LoadAnnotations

from humanbench import catalog, datasets
from humanbench.datasets.base import HumanDataset
from humanbench.datasets.transforms import CropBox, LoadImage, LoadLabelMap, PackHumanInputs
from humanbench.errors import UserError
from humanbench.structures import HumanSample, InstanceData

from .draw import parsing_legend
from .sample import draw_sample, person_region
from .sheet import contact_sheet

_LOADERS = {'parsing': [dict(type=LoadLabelMap)], 'detection': [dict(type=LoadAnnotations, with_bbox=True)],
            'attribute': [dict(type=CropBox)]}
_LONG_SIDES = {'reid': 256, 'attribute': 256}


def dataset_sheet(dataset: str, root: str | None = None, split: str | None = None, num: int = 24, columns: int = 6,
                  seed: int | None = None) -> tuple[np.ndarray, str]:
    """Samples of a dataset with their labels drawn.

    Args:
        dataset: its id.
        root: see :func:`humanbench.datasets.roots.dataset_root`.
        split: the reader's first one by default.
        num: how many samples.
        columns: pictures in a row; for re-identification each row shows one identity.
        seed: draw the samples at random; by default they are evenly spaced.

    Returns:
        The sheet (H, W, 3) and the split.

    Raises:
        UserError: unknown dataset or split, or nothing to show.
    """
    if num < 1 or columns < 1:
        raise UserError(f'Asked for {num} samples in {columns} columns; give numbers above zero.')
    card = catalog.card(dataset)
    classes = [reader for reader in datasets.READERS if dataset in reader.datasets]
    if not classes:
        raise UserError(f"'{dataset}' has a card but no reader: it cannot be shown.")
    split, task = split or classes[0].splits[0], card.tasks[0]
    pipeline = [dict(type=LoadImage), *_LOADERS.get(task, []), dict(type=PackHumanInputs)]
    reader = classes[0](root=root, split=split, pipeline=pipeline, dataset=dataset)
    chosen = (_rows_of_identities(reader, num, columns, seed) if task == 'reid' else
              _spread(range(len(reader)), num, seed))
    examples = [_example(reader, index, task) for index in chosen]
    pictures = [draw_sample(image, sample, 'gt', _LONG_SIDES.get(task, 420), person_region(image, sample))
                for image, sample in examples]
    captions = [Path(sample.img_path).name for _, sample in examples]
    title = f'{card.name}: {split}, {len(chosen)} of {len(reader)} samples'
    sheet = contact_sheet(pictures, captions, columns, title=title)
    if task == 'parsing':
        sheet = np.concatenate([sheet, parsing_legend(card.classes, sheet.shape[1])])
    return sheet, split


def _spread(indices: Sequence[int], num: int, seed: int | None) -> list[int]:
    """``num`` of the indices, evenly spaced or at random, in their order."""
    num = min(num, len(indices))
    if seed is None:
        return [indices[i] for i in np.linspace(0, len(indices) - 1, num).round().astype(int)]
    return [indices[i] for i in sorted(np.random.default_rng(seed).choice(len(indices), num, replace=False))]


def _rows_of_identities(reader: HumanDataset, num: int, columns: int, seed: int | None) -> list[int]:
    """Indices row by row, one identity in each, as many rows as ``num`` fills; from every camera in turn."""
    by_identity: dict[int, list[int]] = defaultdict(list)
    for index in range(len(reader)):
        by_identity[reader.get_data_info(index)['pid']].append(index)
    full = [pid for pid, found in by_identity.items() if pid > 0 and len(found) >= columns]
    chosen = _spread(full or list(by_identity), max(1, num // columns), seed)
    return [index for pid in chosen for index in _spread(by_identity[pid], columns, seed)]


def _example(reader: HumanDataset, index: int, task: str) -> tuple[np.ndarray, HumanSample]:
    """The image as it lies on disk and its labels in its own pixels."""
    packed = reader[index]
    sample = packed['data_samples']
    if task == 'pose':  # keypoints are packed only where a person has been cut out
        record = reader.get_data_info(index)
        sample.gt_instances = InstanceData(keypoints=record['keypoints'], keypoints_visible=record['keypoints_visible'])
    return packed['inputs'].permute(1, 2, 0).numpy(), sample
