"""COCO 2017 objects: ``annotations/instances_*.json`` with people, crowds and the bags they carry."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..labels import GARMENT
from .base import Job
from .coco_pose import mask_box, polygons, run_lengths
from .files import write_image, write_json
from .label_maps import person_masks
from .scenes import SceneWriter

CATEGORIES = {1: 'person', 31: 'handbag'}
CROWD_EVERY = 6  # in every so many images the people beyond the first two are one crowd


class COCOPersonDet(SceneWriter):
    """Images with and without people; some show bags, which are of another category."""
    sizes_hw = ((192, 256), (256, 192), (224, 224))
    heights = (0.3, 0.95)
    empty = 0.2

    def write(self, job: Job) -> dict[str, Any]:
        render = self.scene(job).render
        number = 5 * job.index + (25 if job.split == 'train' else 136)  # not the row number, as in COCO
        name = f'{number:012d}.jpg'
        write_image(self.root / f'{job.split}2017' / name, render.image)
        height, width = render.image.shape[:2]
        masks = [x for x in person_masks(render) if x.any()]
        crowd = masks[2:] if job.index % CROWD_EVERY == 1 else []
        rows = [_row(1, x) for x in masks[:len(masks) - len(crowd)]]
        if crowd:
            together = np.any(crowd, axis=0)
            rows.append({**_row(1, together), 'segmentation': run_lengths(together), 'iscrowd': 1})
        bags = render.garment == GARMENT['bag']
        if bags.sum() > 20:
            rows.append(_row(31, bags))
        return {'image': {'license': 1, 'file_name': name, 'height': height, 'width': width, 'id': number},
                'annotations': rows}

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        for split, images in records.items():
            rows = [{**row, 'image_id': x['image']['id']} for x in images for row in x['annotations']]
            write_json(self.root / f'annotations/instances_{split}2017.json', {
                'info': {'description': 'MiniHuman in the format of COCO 2017', 'version': '1', 'year': 2024},
                'licenses': [{'url': '', 'id': 1, 'name': 'synthetic'}],
                'categories': [{'supercategory': '', 'id': i, 'name': x} for i, x in CATEGORIES.items()],
                'images': [x['image'] for x in images],
                'annotations': [{**x, 'id': i} for i, x in enumerate(rows, 900100)]})


def _row(category: int, mask: np.ndarray) -> dict[str, Any]:
    return {'segmentation': polygons(mask), 'area': int(mask.sum()), 'iscrowd': 0, 'bbox': mask_box(mask),
            'category_id': category}
