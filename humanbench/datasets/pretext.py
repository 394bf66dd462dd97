"""Person crops without labels, for self-supervised pretraining."""
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from ..errors import DataError, UserError, unknown_name
from ..files import name_key
from ..joints import NUM_JOINTS
from ..registry import DATASETS
from .base import HumanDataset, flip_facts, read_lines, reading
from .roots import Folder
from .safe_pickle import read_pickle

ORDERS = ('ranked', 'random')
MOST_NAMES = 20_000_000  # that a ranking list may hold; LUPerson's has 4,180,243
_LISTS = ('CFS_list.pkl', 'cfs_list.pkl', 'CFS_list.txt', 'cfs_list.txt')


def read_names(path: str | os.PathLike) -> list[str]:
    """Names of images, the best first: a pickled list, or a text file with one in each line.

    Raises:
        DataError: it cannot be read, or holds something else.
    """
    if Path(path).suffix != '.pkl':
        return read_lines(Path(path))
    names = read_pickle(path, 'a list of relative paths', most=MOST_NAMES)
    if not isinstance(names, list) or not all(type(x) is str for x in names):
        raise DataError(f"'{path}' holds a {type(names).__name__} where a list of texts is expected: paths of images "
                        'below the image folder, best first. Is it the ranking list?')
    return names


def kept(keep: float | None, total: int) -> int:
    """How many of ``total`` images ``keep`` means: a count, a share that is rounded down, or None for all."""
    if keep is None:
        return total
    return int(keep * total) if isinstance(keep, float) else min(keep, total)


def check_keep(keep: float | None) -> None:
    """Raises a UserError for a ``keep`` that is neither a count nor a share."""
    share = isinstance(keep, float) and 0 < keep <= 1
    count = isinstance(keep, int) and not isinstance(keep, bool) and keep > 0
    if keep is not None and not share and not count:
        raise UserError(f'keep = {keep!r}: expected a share of the images such as 0.5, a count such as 2090122, or '
                        'None for all.')


@DATASETS.register_module()
class LUPerson(HumanDataset):
    """LUPerson, or any other folder of person crops: all images below the image folder, however deep.

    Records have ``keypoints`` and ``keypoints_visible``, of the joint store ``joints.safetensors`` in the root where
    there is one; otherwise none is visible.

    A ranking list names images, best first. Videos vanish, so whoever cuts the crops out again has not all of them: the
    list is matched by path. ``metainfo`` says of how many images that were ``asked`` how many were ``found``.

    Args:
        keep: how many of the images: a share (a float; HAP: 0.5, which is 2,090,121 of the list's 4,180,243), a count
            (an int; TransReID-SSL: 2_090_122), or None for all images of the folder, without any list.
        order: ``ranked``: the first ones of the ranking list, whose share counts before it is seen what is there;
            ``random``: of those that are in the folder.
        seed: of the random ones.
        least_found: share of the images asked for that must be there.

    Raises:
        DataError: too few of the images on the list are there.
        UserError: ``keep`` or ``order`` means nothing.
    """
    datasets = ('luperson',)
    splits = ('train',)
    joints_file = 'joints.safetensors'

    def __init__(self, *args: Any, keep: float | None = None, order: str = 'ranked', seed: int = 0,
                 least_found: float = 0.5, **kwargs: Any):
        check_keep(keep)
        if order not in ORDERS:
            raise unknown_name('order of LUPerson', order, ORDERS)
        self.keep, self.order, self.seed, self.least_found = keep, order, seed, least_found
        super().__init__(*args, **kwargs)

    def card_facts(self) -> dict[str, Any]:
        return dict(keypoints=self.card.keypoints, num_keypoints=NUM_JOINTS)

    def record_facts(self) -> dict[str, Any]:
        return flip_facts(self.card)

    def load_records(self) -> Iterator[dict]:
        folder = self.image_folder('images')
        names = self._images_below(folder)
        if self.keep is not None:
            names = self._ranked(folder, names) if self.order == 'ranked' else self._drawn(names)
        for name in names:
            yield dict(img_path=folder.join(name))

    def _images_below(self, folder: Folder, place: str = '') -> Iterator[str]:
        """Names of all images, in order."""
        for name in self.list_images(folder, place):
            yield f'{place}/{name}' if place else name
        for name in self.subfolders(folder, place):
            inside = f'{place}/{name}' if place else name
            if os.path.islink(path := os.path.join(folder.path, inside)):
                self._check_link(folder, path)
            yield from self._images_below(folder, inside)

    @staticmethod
    def _check_link(folder: Folder, path: str) -> None:
        """Raises where a linked folder leads out, or to one in which it lies itself."""
        above = os.path.join(os.path.realpath(os.path.dirname(path)), '')
        if not folder.contains(path) or above.startswith(os.path.join(os.path.realpath(path), '')):
            raise DataError(f"'{path}' is a link that leads out of '{folder.path}', or in a circle. Expected a folder "
                            'of images; give img_dir= the place where they really are.')

    def _drawn(self, names: Iterator[str]) -> list[str]:
        everything = list(names)
        rows = np.random.default_rng(self.seed).permutation(len(everything))[:kept(self.keep, len(everything))]
        return [everything[i] for i in np.sort(rows)]

    def _ranked(self, folder: Folder, names: Iterator[str]) -> list[str]:
        """The first names of the list that are in the folder, in the order of the list, each once.

        Listing folders takes a fraction of the time of asking for each file, and keys a fraction of the memory of a
        second set of names.
        """
        path = self.annotation(*_LISTS)
        listed = read_names(path)
        asked = listed[:kept(self.keep, len(listed))]
        with reading(path, 'paths of images below the image folder'):
            keys = np.fromiter(map(name_key, asked), np.int64, len(asked))
        keys, first = np.unique(keys, return_index=True)
        is_there, an_image = np.zeros(len(asked), bool), None
        for an_image in names:
            row = int(np.searchsorted(keys, key := name_key(an_image)))
            if row < len(keys) and keys[row] == key:
                is_there[first[row]] = True
        rows = np.flatnonzero(is_there)
        self._report(path, folder, asked, len(keys), len(rows), an_image)
        return [asked[i] for i in rows]

    def _report(self, path: Path, folder: Folder, asked: Sequence[str], num: int, found: int,
                an_image: str | None) -> None:
        """Says how many of the images on the list are there; too few are an error."""
        self._metainfo.update(asked=num, found=found)
        text = f"{found:,} of {num:,} images that '{path}' asks for are in '{folder.path}'"
        if not found or found < self.least_found * num:
            example = f" The list names '{asked[0]}'" if asked else ' The list is empty'
            example += f"; in the folder is '{an_image}'." if an_image else '; there is no image in the folder.'
            raise DataError(f'{text}, expected {self.least_found:.0%} at least.{example} Names on the list are '
                            'relative to the image folder: give img_dir= where they begin, unpack the rest, or accept '
                            'what is there with least_found=0.')
        print_log(f'{self.card.name}: {text} ({found / num:.1%})', 'current')
