"""LUPerson: people cut out of street videos, without labels, a ranking list, and the joints of everybody."""
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...joints import write_store
from .base import Job
from .files import write_image, write_pickle
from .keypoints import keypoints
from .reid import ReIDWriter

PLACES = ('brazil/santos', 'chile/arica', 'egypt/luxor', 'france/lyon', 'japan/kobe', 'peru/cusco')
CAMERAS = 3  # in a place: videos that are filmed there
HEIGHTS = (96, 176)
FORMS = (0.36, 0.52)  # width / height
LOST_EVERY = 25  # so often the list names an image of a video that has vanished since


class Crop(NamedTuple):
    """What is known of one image.

    Attributes:
        name: below the image folder.
        joints: (17, 3) x, y in pixels and score: 1 seen, 0.5 hidden, 0 outside the image.
        size: height and width.
    """
    name: str
    joints: np.ndarray
    size: tuple[int, int]


class LUPerson(ReIDWriter):
    """A few frames of every person, whom nothing names. The joints are true: no estimator is that good."""
    cameras = CAMERAS * len(PLACES)
    per_id = 4
    style = 200

    def write(self, job: Job) -> Crop:
        identity, number = divmod(job.index, self.per_id)
        video = int(self.rng('video', identity).integers(self.cameras))
        rng = self.rng(*job, 'size')
        height = int(rng.integers(*HEIGHTS))
        size = height, round(height * rng.uniform(*FORMS))
        render = self.render(job, self.sighting(job)._replace(camera=video), size)
        name = f'{PLACES[video % len(PLACES)]}/{30 * identity + 7 * number + 1:08d}_{identity % 9:04d}.jpg'
        write_image(self.root / 'images' / name, render.image)
        points, visible = keypoints(self.card, render.people[0])
        return Crop(name, np.column_stack([points, visible / 2]).astype(np.float32), size)

    def finish(self, records: Mapping[str, list[Crop]]) -> None:
        crops = records['train']
        lost = [f'{PLACES[0]}/{90_000_000 + i:08d}_0000.jpg' for i in range(-(-len(crops) // LOST_EVERY))]
        names = [*(x.name for x in crops), *lost]
        write_pickle(self.root / 'CFS_list.pkl', [names[i] for i in self.rng('ranking').permutation(len(names))])
        write_store(self.root / 'joints.safetensors', [x.name for x in crops], np.stack([x.joints for x in crops]),
                    np.array([x.size for x in crops]), dict(program='MiniHuman', joints='of the scene, true'), 'images',
                    durable=False)
