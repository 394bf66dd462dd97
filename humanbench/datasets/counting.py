"""Crowd counting: one point on every head."""
from pathlib import Path

import numpy as np

from ..registry import DATASETS
from . import storage
from .base import HumanDataset, read_mat, reading

LABEL_FOLDERS = ('ground_truth', 'ground-truth')  # the two releases


@DATASETS.register_module()
class ShanghaiTech(HumanDataset):
    """ShanghaiTech part A or B: ``images/IMG_n.jpg`` and ``ground_truth/GT_IMG_n.mat``.

    Points are used as they are stored, as the literature does; whether the annotation tool counted pixels from 0 or
    from 1 is not documented.

    Args:
        ann_file: folder of the .mat files in place of the native one.
    """
    datasets = ('shanghaitech_a', 'shanghaitech_b')
    splits = ('train', 'test')

    def load_records(self) -> list[dict]:
        images = self.image_folder(f'{self.split}_data/images')
        labels = self._label_folder()
        return [dict(img_path=f'{images.path}/{name}', gt_points=self._points(labels / f'GT_{Path(name).stem}.mat'))
                for name in self.list_images(images)]

    def _label_folder(self) -> Path:
        names = [f'{self.split}_data/{x}' for x in LABEL_FOLDERS] if self._ann_file is None else [self._ann_file]
        present = [x for x in names if self.has(x)]
        return Path(self.folder((present or names)[0]).path)

    def _points(self, path: Path) -> np.ndarray:
        """(n, 2) float32 x, y of the heads."""
        if not storage.is_file(path):
            raise self.missing(path, 'the points of an image')
        expected = 'the variable image_info with the field location (n x 2)'
        mat = read_mat(self.inside(path), expected)
        with reading(path, expected):
            location = np.array(mat['image_info'][0, 0]['location'][0, 0], dtype=np.float32)
            if location.size and location.shape[1] != 2:
                raise ValueError(f'location has shape {location.shape}')
            if not np.isfinite(location).all():
                raise ValueError('a head is at no pixel')
            return location.reshape(-1, 2)
