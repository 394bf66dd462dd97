"""Samples of a dataset, read by its own reader, with their labels drawn: on one sheet, or as a page."""
import base64
import io
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image

from humanbench import catalog
from humanbench.catalog import DatasetCard
from humanbench.datasets import places
from humanbench.datasets.base import HumanDataset
from humanbench.datasets.transforms import (
    CropBox,
    LoadBoxes,
    LoadDepthImage,
    LoadImage,
    LoadLabelMap,
    PackHumanInputs,
)
from humanbench.errors import UserError
from humanbench.files import write_text
from humanbench.structures import HumanSample, InstanceData

from .draw import depth_picture, parsing_legend
from .sample import draw_sample, names_of, person_region
from .sheet import contact_sheet
from .training import training_pipeline

_LOADERS = {'parsing': [dict(type=LoadLabelMap)], 'detection': [dict(type=LoadBoxes)],
            'person_search': [dict(type=LoadBoxes)],
            'attribute': [dict(type=CropBox)]}
_LONG_SIDES = {'reid': 256, 'attribute': 256, 'text_reid': 256}
_OF_IDENTITIES = ('reid', 'text_reid')
_MOST_LINES = 12  # of captions below a picture
_PAGE_ROW = 4  # pictures of one person that follow each other on a page


@dataclass(frozen=True)
class Samples:
    """Some samples of one split.

    Attributes:
        total: how many the split has.
        indices: of those that are shown.
        images: RGB uint8, as on disk, or as training sees them.
        labels: one for each image.
        transformed: whether they went through training transforms.
    """
    card: DatasetCard
    split: str
    total: int
    indices: list[int]
    images: list[np.ndarray]
    labels: list[HumanSample]
    transformed: bool

    @property
    def title(self) -> str:
        """What this is, in a line."""
        how = ' after the training transforms' if self.transformed else ''
        return f'{self.card.name}: {self.split}, {len(self.indices)} of {self.total} samples{how}'

    def pictures(self) -> list[np.ndarray]:
        """The images with their labels drawn."""
        side = _LONG_SIDES.get(self.card.tasks[0], 420)
        return [draw_sample(image, sample, 'gt', side, None if self.transformed else person_region(image, sample))
                for image, sample in zip(self.images, self.labels)]


def read_samples(dataset: str, root: str | None = None, split: str | None = None, num: int = 24, row: int = 6,
                 seed: int | None = None, transforms: bool = False) -> Samples:
    """Samples of a dataset.

    Args:
        dataset: its id.
        root: see :func:`humanbench.datasets.roots.dataset_root`.
        split: the reader's first one by default.
        num: how many samples.
        row: for re-identification, how many of one identity follow each other.
        seed: draw the samples at random; by default they are evenly spaced. Also of the transforms.
        transforms: let them go through the training transforms of the shipped config.

    Raises:
        UserError: unknown dataset or split, nothing to show, or no shipped config trains on it.
    """
    if num < 1 or row < 1:
        raise UserError(f'Asked for {num} samples in {row} columns; give numbers above zero.')
    card, kind = catalog.card(dataset), places.reader_of(dataset)
    split, task = split or kind.splits[0], card.tasks[0]
    load = LoadDepthImage if task == 'pose_3d' else LoadImage
    plain = [dict(type=load), *_LOADERS.get(task, []), dict(type=PackHumanInputs)]
    pipeline = training_pipeline(dataset) if transforms else plain
    reader = kind(root=root, split=split, pipeline=pipeline, dataset=dataset)
    chosen = (_rows_of_identities(reader, num, row, seed) if task in _OF_IDENTITIES else
              _spread(range(len(reader)), num, seed))
    random.seed(seed or 0)
    np.random.seed(seed or 0)
    examples = [_example(reader, index, transforms) for index in chosen]
    return Samples(card, split, len(reader), chosen, *map(list, zip(*examples)), transforms)


def dataset_sheet(dataset: str, root: str | None = None, split: str | None = None, num: int = 24, columns: int = 6,
                  seed: int | None = None, transforms: bool = False) -> tuple[np.ndarray, str]:
    """Samples of a dataset on one picture; arguments as for :func:`read_samples`.

    Returns:
        The sheet (H, W, 3), ``columns`` pictures in a row, and the split.
    """
    found = read_samples(dataset, root, split, num, columns, seed, transforms)
    captions = ['\n'.join([Path(x.img_path).name, *(f'"{y}"' for y in sentences(x))]) for x in found.labels]
    sheet = contact_sheet(found.pictures(), captions, columns, title=found.title, lines=_MOST_LINES)
    if found.card.tasks[0] == 'parsing':
        sheet = np.concatenate([sheet, parsing_legend(found.card.classes, sheet.shape[1])])
    return sheet, found.split


def dataset_page(dataset: str, root: str | None, split: str | None, num: int, seed: int | None, transforms: bool,
                 path: Path) -> Path:
    """Samples of a dataset as one HTML file that needs nothing beside it; arguments as for :func:`read_samples`."""
    found = read_samples(dataset, root, split, num, _PAGE_ROW, seed, transforms)
    shown = [dict(picture=_embedded(picture), name=Path(sample.img_path).name, index=index, facts=facts(sample),
                  width=picture.shape[1], height=picture.shape[0])
             for picture, sample, index in zip(found.pictures(), found.labels, found.indices)]
    legend = parsing_legend(found.card.classes, 900) if found.card.tasks[0] == 'parsing' else None
    environment = jinja2.Environment(loader=jinja2.PackageLoader('humanbench.visualization'), autoescape=True,
                                     trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    write_text(path, environment.get_template('browse.html.j2').render(
        card=found.card, title=found.title, samples=shown, classes=', '.join(found.card.classes),
        legend=None if legend is None else _embedded(legend)))
    return path


def _embedded(picture: np.ndarray) -> str:
    """A picture inside the page."""
    data = io.BytesIO()
    Image.fromarray(picture).save(data, 'JPEG', quality=88)
    return 'data:image/jpeg;base64,' + base64.b64encode(data.getvalue()).decode()


def sentences(sample: HumanSample) -> list[str]:
    """The captions of a sample: all of its image, or the one that it is trained on with it."""
    return list(sample.get('captions') or ([sample.caption] if 'caption' in sample else []))


def facts(sample: HumanSample) -> list[str]:
    """The labels of a sample in words."""
    lines = []
    if 'pid' in sample:
        lines.append(f'identity {sample.pid}' + (f', camera {sample.camid}' if 'camid' in sample else ''))
    lines += sentences(sample)
    if 'gt_attributes' in sample:
        values = np.asarray(sample.gt_attributes)
        names = np.array(names_of(sample, 'attribute_names', len(values)))
        lines.append(', '.join(names[values == 1]) or 'no attribute')
        lines += [f'unknown: {", ".join(names[values == -1])}'] if (values == -1).any() else []
    instances = sample.get('gt_instances', {})
    if 'points' in instances:
        lines.append(f'{len(instances.points)} people')
    elif 'keypoints' in instances:
        visible = np.asarray(instances.keypoints_visible)
        lines.append(f'{int((visible > 0).sum())} of {visible.size} keypoints labelled')
    elif 'bboxes' in instances:
        ignored = sample.get('ignored_instances', ())
        lines.append(f'{len(instances.bboxes)} boxes' + (f', {len(ignored)} ignored' if len(ignored) else ''))
        named = [str(int(x)) for x in instances.get('pids', ()) if x > 0]
        lines += [f"people {', '.join(named)}"] if named else []
    if 'gt_sem_seg' in sample:
        present = [x for x in np.unique(np.asarray(sample.gt_sem_seg.data)).tolist() if x < 255]
        names = names_of(sample, 'classes', max(present, default=0) + 1)
        lines.append(', '.join(names[x] for x in present))
    return lines


def _spread(indices: Sequence[int], num: int, seed: int | None) -> list[int]:
    """``num`` of the indices, evenly spaced or at random, in their order."""
    num = min(num, len(indices))
    if seed is None:
        return [indices[i] for i in np.linspace(0, len(indices) - 1, num).round().astype(int)]
    return [indices[i] for i in sorted(np.random.default_rng(seed).choice(len(indices), num, replace=False))]


def _rows_of_identities(reader: HumanDataset, num: int, columns: int, seed: int | None) -> list[int]:
    """Indices row by row, one identity in each, as many rows as ``num`` fills; from every camera in turn."""
    by_identity: dict[int, list[int]] = defaultdict(list)
    for index, pid in enumerate(reader.column('pid').tolist()):
        by_identity[pid].append(index)
    full = [pid for pid, found in by_identity.items() if pid > 0 and len(found) >= columns]
    chosen = _spread(full or list(by_identity), max(1, num // columns), seed)
    return [index for pid in chosen for index in _spread(by_identity[pid], columns, seed)]


def _example(reader: HumanDataset, index: int, transformed: bool) -> tuple[np.ndarray, HumanSample]:
    """An image and its labels in its own pixels."""
    packed, record = reader[index], reader.get_data_info(index)
    sample = packed['data_samples']
    if transformed:
        sample.pop('raw_ann_info', None)  # native labels, which transforms leave as they are
    elif 'keypoints' in record:  # they are packed only where a transform has moved them
        sample.gt_instances = InstanceData(keypoints=record['keypoints'], keypoints_visible=record['keypoints_visible'])
    image = packed['inputs'].permute(1, 2, 0).numpy()
    return depth_picture(image[..., 0]) if image.dtype == np.float32 else image, sample
