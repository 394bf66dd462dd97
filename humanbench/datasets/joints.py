"""Joints for readers of person crops: what a joint store (:mod:`humanbench.joints`) knows of their images."""
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log

from .. import catalog
from ..errors import DataError, UserError
from ..joints import NUM_JOINTS, JointStore, in_image
from .transforms.loading import EncodedImage

SKELETON = 'coco_pose'  # whose card names the joints, and says which change places in a mirror image
NO_CROP = ('bbox', 'keypoints', 'instances', 'gt_points')  # what records of other pictures than crops have
LOOKED_AT = 32  # images, when a store is opened


class ReaderJoints:
    """Adds joints to the records of one reader.

    Args:
        store: that knows them; None where nothing is known of any crop.
        base: folder, with its last ``/``, below which an image's path is the name of the crop.
        min_score: joints with a lower score count as not known. With 0 every joint counts that lies in the image, as in
            HAP's release, however unsure the pose estimator was of it.
    """

    def __init__(self, store: JointStore | None, base: str = '', min_score: float = 0.0):
        self.store, self._base, self._min_score = store, base, min_score
        self._flip_indices = np.array(catalog.card(SKELETON).flip_indices)

    def of(self, path: str) -> dict[str, Any]:
        """``keypoints`` (1, 17, 2) float32 in pixels of the crop, ``keypoints_visible`` (1, 17), and ``flip_indices``.

        Visible is 0 for a joint that is not known, or lies outside the image.
        """
        points, visible = np.zeros((NUM_JOINTS, 2), np.float32), np.zeros(NUM_JOINTS, np.float32)
        found = None if self.store is None else self.store.find(path.removeprefix(self._base))
        if found is not None:
            counts = in_image(found.points, found.size)
            if self._min_score > 0:
                counts &= found.scores >= self._min_score
            visible = counts.astype(np.float32)
            points = np.where(np.isfinite(found.points), found.points, 0)
        return dict(keypoints=points[None], keypoints_visible=visible[None], flip_indices=self._flip_indices)


def open_joints(path: os.PathLike | str, bases: Sequence[str], paths: Sequence[str], min_score: float) -> ReaderJoints:
    """The joints of a reader's images.

    Args:
        path: of the store.
        bases: folders that the names of its crops may be relative to; the first counts in which one is found.
        paths: some of the reader's images, which are looked for.
        min_score: see :class:`ReaderJoints`.

    Raises:
        DataError: the store is damaged, or not of these images.
    """
    store = JointStore(path)
    found: list[str] = []
    for base in (os.path.join(x, '') for x in bases):
        found = [x for x in paths if x.startswith(base) and store.find(x.removeprefix(base)) is not None]
        if found:
            break
    if not found:
        names = ' or '.join(f"'{os.path.relpath(paths[0], x)}'" for x in bases)
        raise DataError(f"the joint store '{path}' ({len(store):,} crops, of '{store.images}') has none of "
                        f"{len(paths)} images that were looked up, the first as {names}. Fill one for these images "
                        'with `humanbench joints`; names are relative to the folder that it is given.')
    for image in found:
        _check_size(store, image, image.removeprefix(base))
    if len(found) < len(paths):
        print_log(f"joint store '{path}': it has {len(found)} of {len(paths)} images that were looked up; of the "
                  'others no joint is known', 'current')
    return ReaderJoints(store, base, min_score)


def _check_size(store: JointStore, image: str, name: str) -> None:
    """Raises where the joints were found in another picture than this: one cut out anew, or scaled."""
    try:
        size = EncodedImage(image).size
    except DataError:
        return  # of an image that cannot be read the loader says so, and training goes on without it
    if store.find(name).size != size:
        was = store.find(name).size
        raise DataError(f"'{image}' has {size[1]} x {size[0]} pixels, and its joints in '{store.path}' were found in a "
                        f'crop of {was[1]} x {was[0]}: joints are in pixels of their crop. Fill a joint store for the '
                        'images that are here.')


def check_crops(record: dict[str, Any], dataset: str) -> None:
    """Whether joints can be added to such a record.

    Raises:
        UserError: it is of no person crop, or has labels that change places in a mirror image otherwise than joints.
    """
    found = [x for x in NO_CROP if x in record]
    if found:
        raise UserError(f"joints= is for datasets of person crops; a record of '{dataset}' has {found[0]}.")
    if 'attributes' in record:
        raise UserError(f"joints= cannot be given to '{dataset}', whose attributes change places in a mirror image "
                        "otherwise than joints. To pretrain on its crops alone: dict(type=LUPerson, root=FOLDER, "
                        "img_dir='.', joints=STORE), which reads any folder of crops.")
