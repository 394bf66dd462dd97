"""Passes through the network: a picture, or a person in it, becomes what the tests of a head would read, in batches."""
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from mmengine.model import BaseModel

from ..structures import HumanSample
from .inputs import Picture
from .recipe import TaskHead
from .results import Window

Key = TypeVar('Key')
# What a reader says of a picture that nobody has labelled.
_UNLABELLED: dict[str, Callable[[TaskHead], dict[str, Any]]] = dict(
    detection=lambda head: dict(instances=[]),
    counting=lambda head: dict(gt_points=np.zeros((0, 2), np.float32)),
    parsing=lambda head: dict(seg_polygons=[], seg_fields=[]),
    attribute=lambda head: dict(attributes=np.full(len(head.names), -1, np.int8)),
    reid=lambda head: dict(),
    pose=lambda head: dict(keypoints=np.zeros((1, len(head.names), 2), np.float32), bbox_score=np.ones(1, np.float32),
                           keypoints_visible=np.zeros((1, len(head.names)), np.float32)))


def record(head: TaskHead, picture: Picture, box: np.ndarray | None = None,
           window: Window | None = None) -> dict[str, Any]:
    """The record of a picture, or of one person in it, as the head's dataset would have it.

    Args:
        head: to be asked.
        picture: to look at.
        box: (4,) of the person. Pose gets it with the whole picture, from which its pipeline cuts.
        window: of the person. All others get these pixels, as if they were an image of a dataset of person crops.
    """
    found = dict(head.facts, img=picture.image, img_path=picture.name, img_id=picture.name, sample_idx=0,
                 dataset=head.dataset, **_UNLABELLED[head.task](head))
    if head.task == 'pose':
        found['bbox'] = np.asarray(box, np.float32)[None]
    elif window is not None:
        top, left, bottom, right = window
        found['img'] = picture.image[top:bottom, left:right]
    return found


def ask(model: BaseModel, head: TaskHead, records: Iterable[tuple[Key, dict[str, Any]]],
        batch_size: int) -> Iterator[tuple[Key, HumanSample]]:
    """The samples of records with the head's predictions.

    Only inputs of one size share a batch. Different ones would be padded to the largest, which the network sees: what
    is found in a picture would depend on what else is in its batch.

    Args:
        model: that has the head.
        head: to be asked.
        records: with keys to tell them apart by; taken as they are needed.
        batch_size: most inputs in a pass.
    """
    waiting: dict[torch.Size, list[tuple[Key, dict]]] = {}
    for key, entry in records:
        item = prepared(head, entry)
        size = item['inputs'].shape
        batch = waiting.setdefault(size, [])
        batch.append((key, item))
        if len(batch) == batch_size:
            yield from _pass(model, waiting.pop(size))
    for batch in waiting.values():
        yield from _pass(model, batch)


def _pass(model: BaseModel, batch: list[tuple[Key, dict]]) -> Iterator[tuple[Key, HumanSample]]:
    return zip([key for key, _ in batch], answers(model, [item for _, item in batch]), strict=True)


def prepared(head: TaskHead, entry: dict[str, Any]) -> dict[str, Any]:
    """A record as the network takes it, for one head; another process may do this."""
    item = head.pipeline(entry)
    item['data_samples'].set_metainfo(dict(source=head.source, task=head.task))
    return item


@torch.no_grad()
def answers(model: BaseModel, items: Sequence[dict[str, Any]]) -> list[HumanSample]:
    """The samples of prepared records of one size, with the predictions of their head."""
    inputs, samples = ([item[name] for item in items] for name in ('inputs', 'data_samples'))
    return model.test_step(dict(inputs=inputs, data_samples=samples))
