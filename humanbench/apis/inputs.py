"""Where pictures come from: files, folders, globs, arrays and videos, one after the other, read when they are needed.

Images are RGB uint8 (H, W, 3), turned upright where a camera has noted how it was held.
"""
import glob
import itertools
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.logging import print_log
from PIL import Image

from ..datasets.base import IMAGE_SUFFIXES
from ..datasets.transforms.loading import read_image
from ..errors import DataError, UserError

IMAGES = (*IMAGE_SUFFIXES, '.webp', '.tif', '.tiff')
VIDEOS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg')
MAX_PIXELS = 400_000_000  # of a picture that somebody asks for by name: four times what a dataset may have
COUNTS_ALL = ('.mp4', '.mov', '.m4v')  # whose headers count frames that an edit list hides, too, after trimming
CUT_OFF = 2  # frames that may be missing at the end of a video: what its header announces is often an estimate
_ORIENTATION = 0x0112  # tag of EXIF


@dataclass(frozen=True)
class Picture:
    """One picture to look at.

    Attributes:
        image: RGB uint8 (H, W, 3).
        name: what it is called in results: the file's name below the folder that was asked for, ``VIDEO#FRAME``, or the
            number of an array.
        media: what it is from.
        frame: its number in a video, from 0.
        time: of the frame, in seconds.
    """
    image: np.ndarray
    name: str
    media: 'ImageFile | ImageArray | Video'
    frame: int | None = None
    time: float | None = None


@dataclass(frozen=True)
class ImageFile:
    """An image on disk."""
    path: Path
    name: str

    def __len__(self) -> int:
        return 1

    def pictures(self) -> Iterator[Picture]:
        """The image.

        Raises:
            DataError: it cannot be read.
        """
        yield Picture(_upright(read_image(str(self.path), MAX_PIXELS), self.path), self.name, self)


@dataclass(frozen=True)
class ImageArray:
    """An image in memory."""
    array: np.ndarray
    name: str

    def __len__(self) -> int:
        return 1

    def pictures(self) -> Iterator[Picture]:
        """The image.

        Raises:
            UserError: it is none.
        """
        x = self.array
        if x.dtype != np.uint8 or x.ndim != 3 or x.shape[2] != 3 or not x.size:
            raise UserError(f'array {self.name} has type {x.dtype} and shape {x.shape}; expected an RGB image: uint8, '
                            '(height, width, 3).')
        yield Picture(x, self.name, self)


class Video:
    """A video file, read frame by frame. Nothing is opened before it is needed."""

    def __init__(self, path: Path, name: str):
        self.path, self.name = path, name

    @cached_property
    def header(self) -> tuple[int, float]:
        """How many frames the file announces (0 where it does not), and how many of them are a second (25 where it does
        not say)."""
        capture = cv2.VideoCapture(str(self.path))
        frames, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
        capture.release()
        return max(int(frames), 0), fps if fps > 0 else 25.0

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.header[1]

    def __len__(self) -> int:
        return self.header[0]

    def pictures(self) -> Iterator[Picture]:
        """Frame after frame; one at a time is in memory.

        Raises:
            DataError: it cannot be opened, or it ends before its header says so; after the frames that there are.
        """
        capture, count, time = cv2.VideoCapture(str(self.path)), 0, 0.0
        try:
            if not capture.isOpened():
                raise DataError(f"the video '{self.path}' cannot be read: it is truncated, or in a format that this "
                                'build of OpenCV does not know. Play it, or convert it (ffmpeg -i IN OUT.mp4).')
            while True:
                found, frame = capture.read()
                if not found:
                    break
                stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                time = stamp if stamp > time or not count else max(time, count / self.fps)  # some files have no stamps
                yield Picture(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), f'{self.name}#{count}', self, count, time)
                count += 1
        finally:
            capture.release()
        if count and count < len(self) - CUT_OFF and self.path.suffix.lower() in COUNTS_ALL:
            print_log(f"the video '{self.path}' ends after {count} of {len(self)} frames: it was trimmed without being "
                      'encoded anew, and this is all of it, or it is truncated.', 'current', logging.WARNING)
        elif count < max(1, len(self) - CUT_OFF):
            raise DataError(f"the video '{self.path}' ends after {count} of {len(self)} frames: it is truncated or "
                            'damaged. Copy or download it again.')


Media = ImageFile | ImageArray | Video


def media_of(inputs: Any) -> Iterator[Media]:
    """What is to be looked at, in order. Of a generator, one item after the other is taken. Where several items of a
    list have files of one name below them, these are called by the items' names besides (``cam1/0001.jpg``).

    Args:
        inputs: a path of an image, a video or a folder (with all below it), a pattern with ``*``, ``?`` or ``[``, an
            RGB array, or any iterable of these.

    Raises:
        UserError: there is no such file, nothing in a folder, or something else was given.
    """
    if isinstance(inputs, (str, Path, np.ndarray)):
        inputs = [inputs]
    if not isinstance(inputs, Iterable):
        raise UserError(f'inputs: got {type(inputs).__name__}; expected a path, an RGB array, or several of these.')
    if isinstance(inputs, (list, tuple)):
        yield from _told_apart([(item, list(_media(number, item))) for number, item in enumerate(inputs)])
        return
    for number, item in enumerate(inputs):
        yield from _media(number, item)


def _media(number: int, item: Any) -> Iterator[Media]:
    """The media of one item."""
    if isinstance(item, np.ndarray):
        yield ImageArray(item, str(number))
    elif isinstance(item, (str, Path)):
        yield from _files(item)
    else:
        raise UserError(f'input {number} is a {type(item).__name__}; expected a path or an RGB array.')


def _told_apart(found: list[tuple[Any, list[Media]]]) -> Iterator[Media]:
    """The media of all items; where two items give one name, it begins with that of the item's folder."""
    names = Counter(name for _, media in found for name in {x.name for x in media})
    for item, media in found:
        for x in media:
            if names[x.name] > 1 and not isinstance(x, ImageArray):
                name = f'{base_of(item).resolve().name}/{x.name}'
                x = Video(x.path, name) if isinstance(x, Video) else replace(x, name=name)
            yield x


def base_of(item: str | Path) -> Path:
    """The folder that names of one path or pattern are relative to."""
    path = Path(item).expanduser()
    if path.is_dir():
        return path
    if path.exists() or not glob.has_magic(str(path)):
        return path.parent
    return Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts[:-1]))


def _files(item: str | Path) -> Iterator[Media]:
    """The media of one path or pattern."""
    path = Path(item).expanduser()
    if path.is_dir():
        found = sorted(x for x in path.rglob('*') if _is_media(x))
    elif path.exists():
        found = [path]
    elif glob.has_magic(str(path)):
        found = sorted(Path(x) for x in glob.glob(str(path), recursive=True) if _is_media(Path(x)))
    else:
        raise UserError(f"there is no '{path}'. Expected an image, a video, a folder of them, or a pattern such as "
                        "'photos/*.jpg'.")
    if not found:
        raise UserError(f"'{path}' has nothing to look at. Expected files that end in {', '.join((*IMAGES, *VIDEOS))}.")
    base = base_of(path)
    for file in found:
        kind = Video if file.suffix.lower() in VIDEOS else ImageFile
        yield kind(file, file.relative_to(base).as_posix())


def _is_media(path: Path) -> bool:
    return path.suffix.lower() in (*IMAGES, *VIDEOS) and path.is_file()


def _upright(image: np.ndarray, path: Path) -> np.ndarray:
    """The image as the camera was held: datasets count stored pixels, a person looks at turned ones."""
    with Image.open(path) as file:
        orientation = file.getexif().get(_ORIENTATION, 1)
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def read_boxes(path: str | Path) -> dict[str, np.ndarray]:
    """People's boxes from a JSON file: ``{"photo.jpg": [[x1, y1, x2, y2], ...], "street.mp4#0": ...}``.

    Raises:
        UserError: it is no such file.
    """
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise UserError(f"the boxes '{path}' cannot be read: {error}. Expected JSON such as "
                        '{"photo.jpg": [[x1, y1, x2, y2]]}.') from error
    if not isinstance(content, Mapping):
        raise UserError(f"the boxes '{path}' hold a {type(content).__name__}; expected an object: picture's name to a "
                        'list of boxes.')
    return {name: box_array(boxes, f"'{path}', picture '{name}'") for name, boxes in content.items()}


def box_array(boxes: Any, where: str) -> np.ndarray:
    """(n, 4) float32 corners x1, y1, x2, y2.

    Raises:
        UserError: they are none.
    """
    try:
        found = np.asarray(boxes, np.float32).reshape(-1, 4) if len(boxes) else np.zeros((0, 4), np.float32)
        sound = bool(np.isfinite(found).all()) and bool((found[:, 2:] > found[:, :2]).all())
        sound = sound and all(len(box) == 4 for box in boxes)
    except (TypeError, ValueError):
        sound = False
    if not sound:
        raise UserError(f'{where}: {str(boxes)[:100]} are no boxes. Expected a list of [x1, y1, x2, y2] in pixels, '
                        'x1 < x2 and y1 < y2; an empty one where there is nobody.')
    return found
