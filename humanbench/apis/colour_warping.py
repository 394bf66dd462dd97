"""Colour frames of NTU RGB+D in the view of the depth camera.

Nothing says how the two cameras of a Kinect stand, but a skeleton file has every joint in the pixels of both. One
homography for each camera of each set-up, fitted to the joints of all its clips, brings colour to depth: right near the
plane in which people stand, and some pixels off before and behind it. HCMoCo prepares its frames so.
"""
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ..datasets.base import read_lines
from ..datasets.multimodal import (
    COLOUR,
    DEPTH,
    FRAME_LIST,
    LEFT_OUT,
    SKELETONS,
    TAG,
    clips_left_out,
    drawn_frames,
    listed_frames,
)
from ..datasets.skeletons import SkeletonFile
from ..datasets.transforms.loading import read_millimetres
from ..errors import DataError, UserError
from ..files import replacing, write_text
from ..pool import process_pool

VIDEOS = 'nturgb+d_rgb'
TABLE = 'homographies.json'
FRAMES_OF_A_CLIP = 8     # evenly spaced, whose joints count: neighbours say the same
MOST_PAIRS = 100_000     # of a camera that are fitted; drawn where there are more
LEAST_PAIRS = 50  # of two bodies
WITHIN = 3.0             # pixels of the depth image
DEPTH_SIZE = (424, 512)  # of a Kinect, where no depth image says otherwise
FINER = 3
JPEG_QUALITY = 95
VERSION = 1

Watch = Callable[[int], None]


class Homography(NamedTuple):
    """From colour to depth.

    Attributes:
        matrix: (3, 3), row by row.
        pairs: of joints, that were fitted.
        inside: share of them within :data:`WITHIN` pixels.
        error: median distance, in pixels of the depth image.
    """
    matrix: list[list[float]]
    pairs: int
    inside: float
    error: float


class Warped(NamedTuple):
    """What became of one clip: frames that were written now, frames that were there, and why some are missing."""
    tag: str
    written: int
    there: int
    problem: str = ''


def camera_of(tag: str) -> str:
    """Set-up and camera of a clip."""
    return tag[:8]


def clips(root: Path) -> list[str]:
    """Names of the clips with a skeleton file that the authors do not leave out, in order.

    Raises:
        DataError: there is none.
    """
    left_out = {tag for x in LEFT_OUT if (root / x).is_file() for tag in clips_left_out(read_lines(root / x))}
    found = sorted(x.stem for x in (root / SKELETONS).glob('*.skeleton') if TAG.fullmatch(x.stem))
    kept = [x for x in found if x not in left_out]
    if not kept:
        raise DataError(f"'{root / SKELETONS}' has no skeleton file to use, such as S001C001P001R001A001.skeleton. "
                        'Unpack the skeletons of NTU RGB+D there.')
    return kept


def pairs_of(path: Path, frames: int = FRAMES_OF_A_CLIP) -> np.ndarray:
    """(n, 4) float32: colour x, y and depth x, y of the known joints in some frames of a clip."""
    skeletons = SkeletonFile(path)
    there = [x for x in range(len(skeletons)) if skeletons.has_body(x)]
    chosen = sorted({there[i] for i in np.linspace(0, len(there) - 1, frames).round().astype(int)}) if there else []
    bodies = [skeletons.body(x) for x in chosen]
    return np.concatenate([np.empty((0, 4), np.float32), *(
        np.hstack([x.colour, x.depth])[x.known] for x in bodies)])


def fit(pairs: np.ndarray, seed: int = 0) -> Homography | None:
    """The homography of joints (:func:`pairs_of`), by RANSAC; None where they are too few, or in one place."""
    if len(pairs) > MOST_PAIRS:
        pairs = pairs[np.random.default_rng(seed).permutation(len(pairs))[:MOST_PAIRS]]
    if len(pairs) < LEAST_PAIRS:
        return None
    cv2.setRNGSeed(seed)
    matrix, _ = cv2.findHomography(pairs[:, :2], pairs[:, 2:], cv2.RANSAC, WITHIN)
    if matrix is None or not np.isfinite(matrix).all():
        return None
    moved = cv2.perspectiveTransform(pairs[None, :, :2].astype(np.float64), matrix)[0]
    distances = np.linalg.norm(moved - pairs[:, 2:], axis=1)
    return Homography(matrix.tolist(), len(pairs), float((distances <= WITHIN).mean()), float(np.median(distances)))


def homographies(root: Path, tags: Sequence[str], seed: int = 0, workers: int = 1,
                 watch: Watch = lambda more: None) -> dict[str, Homography]:
    """The homography of every camera that has one; those of an earlier run over the same clips are used again.

    Args:
        root: of the dataset, in which they are kept as ``homographies.json``.
        tags: clips.
        seed: of the draw of pairs, and of RANSAC.
        workers: processes.
        watch: told how many more clips are read.
    """
    about = dict(version=VERSION, seed=seed, clips=len(tags), first=tags[0], last=tags[-1])
    known = _kept(root / TABLE, about)
    if known is not None:
        watch(len(tags))
        return known
    pairs: dict[str, list[np.ndarray]] = {}
    paths = [root / SKELETONS / f'{tag}.skeleton' for tag in tags]
    for tag, found in zip(tags, _mapped(pairs_of, paths, workers)):
        pairs.setdefault(camera_of(tag), []).append(found)
        watch(1)
    fitted = {camera: fit(np.concatenate(found), seed) for camera, found in sorted(pairs.items())}
    known = {camera: x for camera, x in fitted.items() if x is not None}
    write_text(root / TABLE, json.dumps(dict(about, cameras={k: x._asdict() for k, x in known.items()}), indent=1))
    return known


def _kept(path: Path, about: Mapping) -> dict[str, Homography] | None:
    """The table of an earlier run over the same clips."""
    if not path.is_file():
        return None
    try:
        table = json.loads(path.read_text(encoding='utf-8'))
        cameras = {camera: Homography(**x) for camera, x in table['cameras'].items()}
        right = all(np.asarray(x.matrix, float).shape == (3, 3) for x in cameras.values())
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"'{path}' is no table of homographies ({error}). Delete it; it is made again.") from error
    return cameras if right and {key: table.get(key) for key in about} == dict(about) else None


def _mapped(function: Callable, items: Sequence, workers: int) -> Iterator:
    """``function`` of every item, in order."""
    if workers <= 1:
        yield from map(function, items)
        return
    with process_pool(workers) as pool:
        yield from pool.map(function, items, chunksize=8)


def warp(root: Path, tags: Sequence[str], known: Mapping[str, Homography], frames_per_clip: int | None = 1,
         seed: int = 0, workers: int = 1) -> Iterator[Warped]:
    """Write colour frames as the depth camera would see them; those that are there stay.

    Args:
        root: of the dataset, with videos ``nturgb+d_rgb/S..._rgb.avi``, or folders ``nturgb+d_rgb/S...`` of extracted
            frames, whose names end in their numbers, from 1.
        tags: clips.
        known: homographies by camera.
        frames_per_clip: as of the reader; None for all. A list of frames in the root goes first.
        seed: as of the reader.
        workers: processes.
    """
    path = root / FRAME_LIST
    listed = listed_frames(read_lines(path), str(path)) if path.is_file() else None
    jobs = [(tag, known.get(camera_of(tag)), None if listed is None else listed.get(tag, [])) for tag in tags]
    yield from _mapped(partial(_warp_clip, root=root, frames_per_clip=frames_per_clip, seed=seed,
                               size=_depth_size(root / DEPTH, tags)), jobs, workers)


def _warp_clip(job: tuple[str, Homography | None, list[int] | None], root: Path, frames_per_clip: int | None,
               seed: int, size: tuple[int, int]) -> Warped:
    tag, homography, frames = job
    if homography is None:
        return Warped(tag, 0, 0, f'{camera_of(tag)} has too few joints for a homography')
    written, there = 0, 0
    try:
        if frames is None:
            skeletons = SkeletonFile(root / SKELETONS / f'{tag}.skeleton')
            count = len(skeletons) if frames_per_clip is None else frames_per_clip
            frames = drawn_frames(tag, skeletons, count, seed)
        paths = {x: root / COLOUR / tag / f'WRGB-{x:08d}.jpg' for x in frames}
        missing = [x for x, path in paths.items() if not path.exists()]
        there = len(paths) - len(missing)
        for number, image in colour_frames(root / VIDEOS, tag, missing):
            _write(paths[number], warped(image, np.array(homography.matrix), size))
            written += 1
    except DataError as error:
        return Warped(tag, written, there, str(error))
    lost = len(missing) - written
    return Warped(tag, written, there, f'its colour ends before {lost} of {len(paths)} frames' if lost else '')


def warped(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image after a homography, averaged over :data:`FINER` times finer pixels: colour shrinks to a third, and a
    warp alone would pick single pixels of it.

    Args:
        image: (H, W, 3).
        matrix: (3, 3), between whole-numbered middles of pixels.
        size: (height, width) that comes out.
    """
    finer = np.array([[FINER, 0, (FINER - 1) / 2], [0, FINER, (FINER - 1) / 2], [0, 0, 1]])
    large = cv2.warpPerspective(image, finer @ matrix, (FINER * size[1], FINER * size[0]))
    return cv2.resize(large, size[::-1], interpolation=cv2.INTER_AREA)


def _depth_size(folder: Path, tags: Iterable[str]) -> tuple[int, int]:
    """Height and width of the depth images; some clips have none."""
    for tag in tags:
        first = next((folder / tag).glob('*.png'), None) if (folder / tag).is_dir() else None
        if first is not None:
            return read_millimetres(str(first)).shape
    return DEPTH_SIZE


def _write(path: Path, image: np.ndarray) -> None:
    ok, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert ok, f'cannot encode {image.shape} {image.dtype}'
    with replacing(path) as beside:
        beside.write_bytes(data.tobytes())


def colour_frames(folder: Path, tag: str, wanted: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
    """(number from 1, (H, W, 3) uint8 BGR) of the frames of a clip that are wanted and there, in order.

    Args:
        folder: of videos ``TAG_rgb.avi``, or of folders ``TAG`` of extracted frames.
        tag: the clip.
        wanted: numbers of frames.

    Raises:
        DataError: neither is there, or it cannot be read.
    """
    wanted = sorted(wanted)
    if not wanted:
        return
    video, extracted = folder / f'{tag}_rgb.avi', folder / tag
    if extracted.is_dir():
        names = {int(x[1]): path for path in sorted(extracted.iterdir())
                 if (x := re.search(r'(\d{1,9})\.(?:jpg|jpeg|png)$', path.name.lower()))}
        for number in wanted:
            if number in names:
                yield number, _picture(names[number])
        return
    if not video.is_file():
        raise DataError(f"there is neither the video '{video}' nor the folder '{extracted}' of its frames.")
    capture = cv2.VideoCapture(str(video))
    try:
        if not capture.isOpened():
            raise DataError(f"'{video}' is no video that can be read. Unpack it again.")
        number = 0
        while number < wanted[-1] and capture.grab():
            number += 1
            if number in wanted:
                ok, image = capture.retrieve()
                if ok:
                    yield number, image
    finally:
        capture.release()


def _picture(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise DataError(f"'{path}' is no image that can be read. Extract the frames of the video again.")
    return image


def check_root(root: Path) -> None:
    """Raises a UserError where the folder of the dataset is not there."""
    if not root.is_dir():
        raise UserError(f"there is no folder '{root}'; expected that of NTU RGB+D, with {SKELETONS}/ and {VIDEOS}/.")
