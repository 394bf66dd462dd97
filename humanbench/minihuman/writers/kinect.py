"""NTU RGB+D and NTURGBD-Parsing-4K: people before a Kinect, in colour, in depth, and as skeletons in both views."""
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ...catalog import card
from ..camera import Camera, look
from ..poses import random_pose
from ..scene import Render, render_staged
from .base import Job, Writer
from .files import write_image, write_lines
from .keypoints import keypoints, middles
from .label_maps import class_map

SIZE_HW = (212, 256)   # half of a Kinect's
FOCAL = 365 / 424      # of the depth camera, over the height of its picture
NEAREST, FARTHEST = 2000.0, 3200.0  # mm at which people stand
ASIDE = 500.0          # mm by which at most
NOISE = 2.0            # mm, of a depth
POSES = ('stand', 'walk', 'reach', 'bend')
COLOUR_FOCAL, COLOUR_CENTRE = 1081.0, (959.5, 539.5)  # of 1920 x 1080 pixels
COLOUR_ASIDE = 52.0    # mm from the depth camera to the colour camera
NOBODY_YET = 4 * FARTHEST  # mm aside: outside of any picture


class Clip(NamedTuple):
    """One clip: who is filmed by which camera of which set-up (from 1), and its number among those of its split."""
    setup: int
    camera: int
    performer: int
    number: int

    @property
    def tag(self) -> str:
        """Its name; numbers of actions are made up."""
        return f'S{self.setup:03d}C{self.camera:03d}P{self.performer:03d}R001A{1 + self.number % 60:03d}'


class Body(NamedTuple):
    """A body in a frame: (25, 3) mm in the frame of the depth camera, (25, 2) pixels of its picture, (25,) whether each
    joint is seen."""
    places: np.ndarray
    pixels: np.ndarray
    seen: np.ndarray


class KinectWriter(Writer):
    """What both datasets share: cameras, pictures, and skeleton files."""
    setups = 2

    def clip(self, split: str, number: int) -> Clip:
        """Clip ``number`` of a split; every set-up has three cameras."""
        take, camera = divmod(number, 3)
        performer, setup = divmod(take, self.setups)
        first = 1 + 400 * list(self.counts).index(split)
        return Clip(1 + setup, 1 + camera, first + performer, number)

    def film(self, job: Job, clip: Clip, frame: int, frames: int, away: bool = False) -> Render:
        """What the depth camera's place sees of the performer in frame ``frame`` of ``frames``, as the pose changes
        from one to another."""
        size = self.scaled(*SIZE_HW)
        rng = self.rng(job.split, 'action', clip.number)
        pose = POSES[rng.integers(len(POSES))]
        start, end = random_pose(rng, pose), random_pose(rng, pose)
        yaw, x, z = rng.uniform(-1.2, 1.2), rng.uniform(-ASIDE, ASIDE), -rng.uniform(NEAREST, FARTHEST)
        share = frame / max(frames - 1, 1)
        return render_staged(
            self.person(job.split, 'performer', clip.performer), self.rng(*job), size, self._camera(clip, size),
            7000 + 3 * clip.setup + clip.camera, pose, start + share * (end - start), yaw + 0.4 * share,
            (NOBODY_YET if away else x, z))

    def _camera(self, clip: Clip, size: tuple[int, int]) -> Camera:
        """It stands where it stood in every clip of this set-up."""
        rng = self.rng('set-up', clip.setup, clip.camera)
        eye, pitch = rng.uniform(900, 1600), rng.uniform(-0.02, 0.12)
        return look((0.0, eye, 0.0), pitch, FOCAL * size[0], (0.5 * (size[1] - 1), 0.5 * (size[0] - 1)))

    @staticmethod
    def body(render: Render) -> Body:
        """The joints that a Kinect finds."""
        kinect, person = card('ntu_rgbd'), render.people[0]
        points, visible = keypoints(kinect, person)
        return Body(middles(kinect, person.joints_3d), points, visible == 2)

    def depth(self, job: Job, render: Render) -> np.ndarray:
        """(H, W) uint16 mm: of people alone, as the authors cut it out."""
        noise = np.round(self.rng(*job, 'depth').normal(0, NOISE, render.depth_mm.shape))
        return np.where(render.person_map >= 0, np.maximum(render.depth_mm + noise, 1), 0).astype(np.uint16)

    def write_skeletons(self, clip: Clip, frames: Sequence[Sequence[Body]]) -> None:
        """The skeleton file of a clip: the bodies of each frame."""
        lines = [str(len(frames))]
        for bodies in frames:
            lines.append(str(len(bodies)))
            for number, body in enumerate(bodies):
                lines += [f'{72057594037930000 + number} 0 1 1 1 1 0 0.01 -0.2 2', str(len(body.places))]
                lines += self._joint_lines(clip, body)
        write_lines(self.root / f'nturgb+d_skeletons/{clip.tag}.skeleton', lines)

    def _joint_lines(self, clip: Clip, body: Body) -> list[str]:
        colour = self.colour_pixels(clip, body.places)
        metres = body.places * (1, -1, 1) / 1000  # upwards
        rows = np.column_stack([metres, body.pixels, colour])
        return [f'{" ".join(f"{x:.6f}" for x in row)} 0 0 0 1 {2 if seen else 1}'
                for row, seen in zip(rows.tolist(), body.seen)]

    def colour_pixels(self, clip: Clip, places: np.ndarray) -> np.ndarray:
        """(..., 2) pixels of the colour camera at which places (mm, in the frame of the depth camera) are seen; the one
        of every set-up is mounted a little differently."""
        rng = self.rng('mount', clip.setup, clip.camera)
        shift = np.array([COLOUR_ASIDE, 0, 0]) + rng.normal(0, 2, 3)
        centre = np.array(COLOUR_CENTRE) + rng.normal(0, 8, 2)
        seen = np.asarray(places, np.float64) + shift
        return seen[..., :2] / seen[..., 2:] * COLOUR_FOCAL + centre


class NTURGBD(KinectWriter):
    """Clips of a few frames. In some nobody is there at first; one in eight has no depth, and one in eight no bodies,
    which the authors' list says of it; a chair is taken for a body in others."""
    frames = 4

    def write(self, job: Job) -> list[Body]:
        number, frame = divmod(job.index, self.frames)
        clip, away = self.clip(job.split, number), number % 2 == 0 and frame == 0
        render = self.film(job, clip, frame, self.frames, away)
        write_image(self.root / f'nturgb+d_rgb_warped_correction/{clip.tag}/WRGB-{frame + 1:08d}.jpg', render.image)
        if number % 8 != 5:
            write_image(self.root / f'nturgb+d_depth_masked/{clip.tag}/MDepth-{frame + 1:08d}.png',
                        self.depth(job, render))
        if away or self.is_lost(number):
            return []
        body = self.body(render)
        chair = Body(body.places * 0.3 + (900, 400, 2000), body.pixels * 0.3 + 7, np.zeros(len(body.seen), bool))
        return [body, chair] if number % 4 == 1 else [body]

    @staticmethod
    def is_lost(number: int) -> bool:
        """Whether the Kinect has lost the body in a clip."""
        return number % 8 == 3

    def finish(self, records: Mapping[str, list[list[Body]]]) -> None:
        lost = []
        for split, frames in records.items():
            for start in range(0, len(frames), self.frames):
                number = start // self.frames
                clip = self.clip(split, number)
                self.write_skeletons(clip, frames[start:start + self.frames])
                lost += [clip.tag] if self.is_lost(number) else []
        write_lines(self.root / 'NTU_RGBD_samples_with_missing_skeletons.txt',
                    ['samples without a good skeleton, of the synthetic edition', '', *lost])


class NTURGBDParsing(KinectWriter):
    """A labelled frame of each clip, with its depth. Lists of both versions; skeletons for pretraining on these frames.
    """

    def write(self, job: Job) -> tuple[Clip, int, Body]:
        clip, frame = self.clip(job.split, job.index), 1 + job.index % 3
        render = self.film(job, clip, 0, 1)
        name = self.name(clip, frame)
        write_image(self.root / f'images/{name}.jpg', render.image)
        write_image(self.root / f'depth/MDepth-{name}.png', self.depth(job, render))
        write_image(self.root / f'png_annotation_v2/{name}.png', class_map(self.card, render))
        return clip, frame, self.body(render)

    @staticmethod
    def name(clip: Clip, frame: int) -> str:
        """Of the files of a frame, counted from 1."""
        return f'{clip.tag}F{frame:03d}'

    def finish(self, records: Mapping[str, list[tuple[Clip, int, Body]]]) -> None:
        for split, rows in records.items():
            names = [f'images/{self.name(clip, frame)}.jpg' for clip, frame, _ in rows]
            write_lines(self.root / f'{split}_list_v2.txt', names)
            write_lines(self.root / f'{split}_list_v3.txt', names[:-(-len(names) // 5)])
            for clip, frame, body in rows:
                self.write_skeletons(clip, [*([],) * (frame - 1), [body]])
