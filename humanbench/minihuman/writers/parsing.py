"""LIP, CIHP, ATR, VIP and Paper Doll: a label map beside every image and a list of image names per split."""
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..scene import Render, render_person, render_scene
from .base import Job, Writer
from .files import write_image, write_lines
from .label_maps import class_map, person_masks
from .scenes import SceneWriter

OCCLUDED = 0.1  # share of crops with something in front of the person


class OnePersonParsing(Writer):
    """A crop of one person per image; somebody in front of the person is background. In the names of folders and lists
    ``{}`` is the split.
    """
    images: str
    maps: str
    lists = '{}_id.txt'
    heights: tuple[int, int]
    aspect: tuple[float, float]  # width over height
    camera_styles: tuple[int, int]

    def name(self, job: Job) -> str:
        """Of the image and of its label map, without suffix."""
        raise NotImplementedError

    def write(self, job: Job) -> str:
        render, name = self._picture(job), self.name(job)
        labels = np.where(render.person_map == 0, class_map(self.card, render), 0).astype(np.uint8)
        write_image(self.root / self.images.format(job.split) / f'{name}.jpg', render.image)
        write_image(self.root / self.maps.format(job.split) / f'{name}.png', labels)
        return name

    def finish(self, records: Mapping[str, list[str]]) -> None:
        for split, names in records.items():
            write_lines(self.root / self.lists.format(split), names)

    def _picture(self, job: Job) -> Render:
        rng = self.rng(*job)
        height = int(rng.integers(*self.scaled(*self.heights)))
        width = round(height * rng.uniform(*self.aspect))
        style = int(rng.integers(*self.camera_styles))
        return render_person(self.person(*job), rng, size=(height, width), camera_style=style,
                             occluded=bool(rng.random() < OCCLUDED))


class LIP(OnePersonParsing):
    """Crops of photographs, each split in folders of its own."""
    images, maps = 'data/{}_images', 'TrainVal_parsing_annotations/{}_segmentations'
    lists = 'data/{}_id.txt'
    heights = (144, 224)
    aspect = (0.4, 0.75)
    camera_styles = (0, 12)

    def name(self, job: Job) -> str:
        return f'{1000 + job.index}_{(1 if job.split == "train" else 2) * 100000 + job.index}'


class ATR(OnePersonParsing):
    """Photographs of the whole body, both splits in one folder."""
    images, maps = 'JPEGImages', 'SegmentationClassAug'
    heights = (160, 224)
    aspect = (0.55, 0.7)
    camera_styles = (12, 18)

    def name(self, job: Job) -> str:
        return f'{2500 if job.split == "train" else 997}_{job.index}'


class PaperDoll(OnePersonParsing):
    """Photographs of the whole body, and label maps as a user brings them."""
    images, maps = 'images', 'TrainVal_parsing_annotations'
    heights = (176, 224)
    aspect = (0.6, 0.7)
    camera_styles = (20, 32)

    def name(self, job: Job) -> str:
        return f'{job.index:07d}'


class CIHP(SceneWriter):
    """Several people per image: ``Category_ids`` (classes), ``Human_ids`` (people), ``Instance_ids`` (one number for
    each class of each person, listed as 'class person' in the text file beside it)."""
    folders = {'train': 'Training', 'val': 'Validation'}
    sizes_hw = ((192, 256), (224, 224), (256, 208))
    people_of_a_scene = (1, 5)
    heights = (0.5, 0.95)
    empty = 0.0

    def write(self, job: Job) -> str:
        render = self.scene(job).render
        name = f'{job.index + (1 if job.split == "train" else 5000001):07d}'
        self.write_files(self.root / self.folders[job.split], name, render)
        return name

    def write_files(self, folder: Path, name: str, render: Render) -> None:
        """The image and its three label maps; ``name`` may have a folder before it."""
        categories = class_map(self.card, render)
        humans = np.zeros_like(categories)
        for i, mask in enumerate(person_masks(render), 1):
            humans[mask & (categories > 0)] = i
        instances, pairs = _instances(categories, humans)
        write_image(folder / f'Images/{name}.jpg', render.image)
        for kind, labels in {'Category_ids': categories, 'Human_ids': humans, 'Instance_ids': instances}.items():
            write_image(folder / kind / f'{name}.png', labels)
        write_lines(folder / f'Instance_ids/{name}.txt', [f'{c} {h}' for c, h in pairs])

    def finish(self, records: Mapping[str, list[str]]) -> None:
        for split, names in records.items():
            write_lines(self.root / self.folders[split] / f'{split}_id.txt', names)


class VIP(CIHP):
    """Frames of videos, each video a folder: the labels of CIHP, ``lists/*_id.txt`` of 'videos1/000000000001'."""
    frames = 3  # labelled ones of a video

    def write(self, job: Job) -> str:
        video, frame = divmod(job.index, self.frames)
        rng = self.rng(job.split, 'video', video)  # all frames of a video show the same people
        height, width = self.scaled(*self.sizes_hw[rng.integers(len(self.sizes_hw))])
        n = int(rng.integers(*self.people_of_a_scene))
        render = render_scene(self.rng(*job), size=(height, width), num_people=n,
                              people=[self.person(job.split, video, i) for i in range(n)], camera_style=video,
                              min_height=self.heights[0], max_height=self.heights[1])
        name = f'videos{video + (1 if job.split == "train" else 305)}/{25 * frame + 1:012d}'
        self.write_files(self.root, name, render)
        return name

    def finish(self, records: Mapping[str, list[str]]) -> None:
        for split, names in records.items():
            write_lines(self.root / f'lists/{split}_id.txt', names)
        write_lines(self.root / 'lists/trainval_id.txt', [x for names in records.values() for x in names])


def _instances(categories: np.ndarray, humans: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Numbers from 1 for every (class, person) that occurs: the map of them, and the pairs in that order."""
    codes = humans.astype(np.int32) * 256 + categories
    found, inverse = np.unique(np.where(humans > 0, codes, 0), return_inverse=True)
    first = int(found[0] != 0)  # without background the first pair is number 1 all the same
    pairs = [(int(x % 256), int(x // 256)) for x in found if x]
    return (inverse.reshape(codes.shape) + first).astype(np.uint8), pairs
