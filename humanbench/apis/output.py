"""Results as files: JSON, and pictures with everything drawn on them."""
import contextlib
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from ..errors import DataError, UserError
from ..files import replacing, write_text
from ..visualization import save_image
from .inputs import ImageArray, Media, Picture, Video, base_of
from .overlay import draw_result
from .results import ImageResult


class ResultWriter:
    """Writes each result below a folder, under the name of its picture.

    ``photo.json`` and ``photo.jpg`` of an image; of a video ``street.jsonl``, a line for each frame, and
    ``street.mp4``. Files appear whole or not at all; those of a video once its last frame is in them. A video that is
    cut off has those of the frames that could be read.

    Args:
        folder: to write to; it is made.
        inputs: what is looked at: the folder must be none of theirs.
        overlay: whether pictures are written beside the JSON.

    Raises:
        UserError: the folder lies in one that is looked at, or is a file.
    """

    def __init__(self, folder: str | PathLike, inputs: Any, overlay: bool = True):
        check_folder(folder, inputs)
        self.folder, self.overlay = Path(folder).expanduser(), overlay
        self._taken: set[str] = set()
        self._video: _VideoFiles | None = None

    def __enter__(self) -> 'ResultWriter':
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if kind is None or issubclass(kind, DataError):  # a video that is cut off: the frames so far
            self._finish_video()
        elif self._video is not None:
            self._video.close(error)

    def write(self, picture: Picture, result: ImageResult) -> None:
        """Write the result of a picture."""
        if self._video is not None and self._video.media is not picture.media:
            self._finish_video()
        if isinstance(picture.media, Video):
            if self._video is None:
                self._video = _VideoFiles(self._stem(picture.media), picture.media, self.overlay)
            self._video.add(picture, result)
            return
        stem = self._stem(picture.media)
        write_text(stem.with_name(f'{stem.name}.json'), result.to_json() + '\n')
        if self.overlay:
            save_image(draw_result(picture.image, result), stem.with_name(f'{stem.name}.jpg'))

    def _finish_video(self) -> None:
        if self._video is not None:
            self._video.close()
        self._video = None

    def _stem(self, media: Media) -> Path:
        """Where the files of a picture go, without their suffix; of two with one name the second gets a number.

        Raises:
            UserError: the picture itself lies there.
        """
        path = self.folder / media.name
        if not isinstance(media, ImageArray) and media.path.resolve().parent == path.resolve().parent:
            raise UserError(f"results of '{media.path}' cannot go to '{path.parent}', where it is itself: they would "
                            'replace it, or be mistaken for pictures. Name a folder outside.')
        stem, number = path.with_suffix(''), 2
        while str(stem) in self._taken:
            stem, number = path.with_name(f'{path.stem}_{number}'), number + 1
        self._taken.add(str(stem))
        return stem


def check_folder(folder: str | PathLike, inputs: Any) -> None:
    """Refuse to write among the pictures that are looked at: it would replace them, or look at its own next time.

    Raises:
        UserError: the folder lies in one that is looked at, or is a file.
    """
    folder = Path(folder).expanduser()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"'{folder}' is a file; expected a folder to write results to.")
    if isinstance(inputs, (str, Path)):
        inputs = [inputs]
    if not isinstance(inputs, (list, tuple)):
        return  # arrays, or a generator, of which nothing is taken ahead
    for item in inputs:
        if not isinstance(item, (str, Path)):
            continue
        own, path = base_of(item).resolve(), Path(item).expanduser()
        deep = path.is_dir() or own != path.parent.resolve()  # a folder with all below it, or a pattern of folders
        if folder.resolve() == own or deep and own in folder.resolve().parents:
            raise UserError(f"results cannot go to '{folder}': the pictures of '{item}' are there, and would be "
                            'replaced, or mistaken for results. Name a folder outside.')


class _VideoFiles:
    """The two files of one video, while it lasts."""

    def __init__(self, stem: Path, media: Video, overlay: bool):
        self.media, self.overlay = media, overlay
        self._files = contextlib.ExitStack()
        self._lines = open(self._replacing(stem, '.jsonl'), 'w', encoding='utf-8')  # noqa: SIM115  (closed in close)
        self._picture = self._replacing(stem, '.mp4') if overlay else None
        self._writer: cv2.VideoWriter | None = None

    def _replacing(self, stem: Path, suffix: str) -> Path:
        return self._files.enter_context(replacing(stem.with_name(stem.name + suffix), durable=False))

    def add(self, picture: Picture, result: ImageResult) -> None:
        """One more frame."""
        self._lines.write(result.to_json() + '\n')
        if not self.overlay:
            return
        frame = draw_result(picture.image, result, panel=False)
        if self._writer is None:
            self._writer = cv2.VideoWriter(
                str(self._picture), cv2.VideoWriter_fourcc(*'mp4v'), self.media.fps, frame.shape[1::-1])
            if not self._writer.isOpened():
                raise UserError(f"no video of {frame.shape[1]} x {frame.shape[0]} pixels can be written here (MPEG-4 "
                                'in MP4, by OpenCV). Leave the overlay out: --no-overlay, or overlay=False.')
        self._writer.write(np.ascontiguousarray(frame[..., ::-1]))

    def close(self, error: BaseException | None = None) -> None:
        """End both files; after an error nothing is left of them."""
        self._lines.close()
        if self._writer is not None:
            self._writer.release()
        self._files.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
