"""DeepFashion2 and ModaNet: outlines of pieces of clothing, some lying on others."""
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..labels import GARMENT
from ..scene import Render, render_person
from ..traits import Traits
from .base import Job, Writer
from .coco_pose import mask_box, polygons
from .files import write_image, write_json

SMALLEST = 12  # pixels of a piece that is outlined
# What of each garment DeepFashion2 calls it, by the sleeves and the cut. It has no word for a jumpsuit.
DEEPFASHION2: dict[str, Callable[[Traits], str]] = {
    'upper': lambda t: {'long': 'long sleeve top', 'short': 'short sleeve top'}.get(
        t.sleeve, 'vest' if t.upper == 'vest' else 'sling'),
    'coat': lambda t: 'long sleeve outwear' if t.coat or t.sleeve == 'long' else 'short sleeve outwear',
    'trousers': lambda t: 'shorts' if t.lower == 'shorts' else 'trousers',
    'jumpsuit': lambda t: 'trousers',
    'skirt': lambda t: 'skirt',
    'dress': lambda t: {'long': 'long sleeve dress', 'short': 'short sleeve dress'}.get(
        t.sleeve, 'sling dress' if t.v_neck else 'vest dress'),
}
MODANET: dict[str, Callable[[Traits], str]] = {
    'bag': lambda t: 'bag', 'belt': lambda t: 'belt', 'shoes': lambda t: 'boots' if t.shoes == 'boots' else 'footwear',
    'coat': lambda t: 'outer', 'jumpsuit': lambda t: 'outer', 'dress': lambda t: 'dress',
    'glasses': lambda t: 'sunglasses', 'trousers': lambda t: 'shorts' if t.lower == 'shorts' else 'pants',
    'upper': lambda t: 'top', 'skirt': lambda t: 'skirt', 'hat': lambda t: 'headwear', 'scarf': lambda t: 'scarf & tie',
}
LANDMARKS = (25, 33, 31, 39, 15, 15, 10, 14, 8, 29, 37, 19, 19)  # of each category of DeepFashion2


class ClothesWriter(Writer):
    """Crops of one person; what is seen of each piece of clothing, in the order of the garments, which is no order in
    which they could be drawn."""
    names: Mapping[str, Callable[[Traits], str]]

    def picture(self, job: Job) -> Render:
        """The crop of one job."""
        rng = self.rng(*job)
        height = int(rng.integers(*self.scaled(176, 224)))
        return render_person(self.person(*job), rng, size=(height, round(height * rng.uniform(0.55, 0.75))),
                             camera_style=int(rng.integers(16)), occluded=bool(rng.random() < 0.1))

    def pieces(self, render: Render) -> list[tuple[int, np.ndarray]]:
        """(category, (H, W) bool where it is seen) of what the first person wears."""
        person, found = render.people[0].person, []
        for garment, name in self.names.items():
            mask = (render.garment == GARMENT[garment]) & (render.person_map == 0)
            if mask.sum() >= SMALLEST:
                found.append((self.card.classes.index(name(person.traits)), mask))
        return found


class DeepFashion2(ClothesWriter):
    """``train`` and ``validation``, each with ``image`` and ``annos``, a JSON file an image. Coordinates are floats."""
    names = DEEPFASHION2
    folders = {'train': 'train', 'val': 'validation'}

    def write(self, job: Job) -> None:
        render = self.picture(job)
        folder, name = self.root / self.folders[job.split], f'{job.index + 1:06d}'
        write_image(folder / f'image/{name}.jpg', render.image)
        record: dict[str, Any] = {'source': 'shop' if job.index % 2 else 'user', 'pair_id': job.index // 2 + 1}
        for i, (category, mask) in enumerate(self.pieces(render), 1):
            x, y, w, h = mask_box(mask)
            record[f'item{i}'] = {
                'segmentation': [[float(v) for v in outline] for outline in polygons(mask)], 'scale': 2,
                'viewpoint': 3 if render.people[0].view == 'back' else 2, 'zoom_in': 1,
                'landmarks': [0] * 3 * LANDMARKS[category - 1], 'style': 0, 'bounding_box': [x, y, x + w, y + h],
                'category_id': category, 'occlusion': 1, 'category_name': self.card.classes[category]}
        write_json(folder / f'annos/{name}.json', record)

    def finish(self, records: Mapping[str, list[None]]) -> None:
        """Nothing but the files of the images."""


class ModaNet(ClothesWriter):
    """``images`` and ``modanet2018_instances_*.json``, COCO style; val lists its images and no outline."""
    names = MODANET

    def write(self, job: Job) -> dict[str, Any]:
        render = self.picture(job)
        number = 1000 + 7 * job.index + (0 if job.split == 'train' else 3)
        write_image(self.root / f'images/{number:07d}.jpg', render.image)
        height, width = render.image.shape[:2]
        rows = [{'segmentation': polygons(mask), 'area': int(mask.sum()), 'iscrowd': 0, 'bbox': mask_box(mask),
                 'category_id': category, 'image_id': number} for category, mask in self.pieces(render)]
        return {'image': {'file_name': f'{number:07d}.jpg', 'id': number, 'width': width, 'height': height,
                          'license': 3}, 'annotations': rows if job.split == 'train' else []}

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        categories = [{'supercategory': 'fashion', 'id': i, 'name': x} for i, x in enumerate(self.card.classes) if i]
        for split, images in records.items():
            rows = [row for x in images for row in x['annotations']]
            write_json(self.root / f'modanet2018_instances_{split}.json', {
                'info': {'description': 'MiniHuman in the format of ModaNet'}, 'licenses': [], 'year': '2018',
                'type': 'instances', 'categories': categories, 'images': [x['image'] for x in images],
                'annotations': [{**row, 'id': i} for i, row in enumerate(rows, 1)]})
