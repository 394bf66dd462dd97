"""Colour, depth and joints of the same people: NTU RGB+D, and the frames of it whose body parts were labelled."""
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from mmengine.logging import print_log

from ..errors import DataError, UserError, unknown_name
from ..registry import DATASETS
from .base import HumanDataset, flip_facts, read_lines
from .parsing import ParsingDataset
from .roots import Folder
from .skeletons import SkeletonFile

COLOUR, DEPTH, SKELETONS = 'nturgb+d_rgb_warped_correction', 'nturgb+d_depth_masked', 'nturgb+d_skeletons'
FRAME_LIST = 'nturgbd_flist_clear.txt'
LEFT_OUT = ('NTU_RGBD_samples_with_missing_skeletons.txt', f'{SKELETONS}/NTU_RGBD_samples_with_missing_skeletons.txt')
TAG = re.compile(r'S\d{3}C\d{3}P\d{3}R\d{3}A\d{3}')
_NAME = re.compile(r'(WRGB|RGB|MDepth|Depth|Skeleton)-(\d{1,8})\.\w+')
_EVERY = 10_000  # clips after which a line says how far reading is


def joints_of(skeletons: SkeletonFile, frame: int) -> dict[str, Any]:
    """What a record says of the body in a frame of the depth, counted from 1.

    ``keypoints`` (1, 25, 2) float32 in pixels of the depth image, ``keypoints_visible`` (1, 25): 0 where not known,
    ``keypoints_3d`` (1, 25, 3) float32 in metres. All zeros where there is nobody.
    """
    if not skeletons.has_body(frame - 1):
        return dict(keypoints=np.zeros((1, 25, 2), np.float32), keypoints_visible=np.zeros((1, 25), np.float32),
                    keypoints_3d=np.zeros((1, 25, 3), np.float32))
    body = skeletons.body(frame - 1)
    return dict(keypoints=body.depth[None], keypoints_visible=body.known[None].astype(np.float32),
                keypoints_3d=body.places[None])


def drawn_frames(tag: str, skeletons: SkeletonFile, count: int, seed: int) -> list[int]:
    """Some frames of a clip, from 1, in which somebody stands: a function of the seed, the clip's name and its bodies.
    """
    there = [x + 1 for x in range(len(skeletons)) if skeletons.has_body(x)]
    rng = np.random.default_rng([seed, zlib.crc32(tag.encode())])
    return sorted(rng.permutation(there)[:count].tolist())


def clips_left_out(lines: Iterable[str]) -> set[str]:
    """Names of clips among the lines of the authors' list, which begins with a text."""
    return {x.strip() for x in lines if TAG.fullmatch(x.strip())}


@DATASETS.register_module()
class NTURGBD(HumanDataset):
    """NTU RGB+D: frames of clips with depth and the joints of one body; colour is in the view of the depth camera.

    Records have what :func:`joints_of` says, and ``depth_path``, which is None where a frame has no depth. A frame has
    the name of its clip and its number, from 1.

    Which frames: those of the list ``nturgbd_flist_clear.txt`` (``ann_file``) where there is one. Otherwise of every
    clip with a body ``frames_per_clip`` are drawn (:func:`drawn_frames`), which `humanbench warp_rgb` makes likewise.
    Clips that the authors say to have no good skeleton are left out either way.

    Args:
        frames_per_clip: how many, where there is no list.
        seed: of the draw.

    Raises:
        UserError: ``frames_per_clip`` is not above 0.
    """
    datasets = ('ntu_rgbd',)
    splits = ('train',)

    def __init__(self, *args: Any, frames_per_clip: int = 1, seed: int = 0, **kwargs: Any):
        if frames_per_clip < 1:
            raise UserError(f'frames_per_clip = {frames_per_clip}: expected 1 or more frames of each clip.')
        self.frames_per_clip, self.seed = frames_per_clip, seed
        super().__init__(*args, **kwargs)

    def card_facts(self) -> dict[str, Any]:
        return dict(keypoints=self.card.keypoints, num_keypoints=len(self.card.keypoints))

    def record_facts(self) -> dict[str, Any]:
        return flip_facts(self.card)

    def load_records(self) -> Iterator[dict[str, Any]]:
        colour, depth = self.image_folder(COLOUR), self.folder(DEPTH)
        self.folder(SKELETONS)
        with_depth = set(self.subfolders(depth))
        for number, (tag, frames) in enumerate(self._clips(colour)):
            if number and number % _EVERY == 0:
                print_log(f'{self.card.name}: {number:,} clips read', 'current')
            skeletons = SkeletonFile(self.file(f'{SKELETONS}/{tag}.skeleton', 'the skeletons of a clip'))
            depths = self.list_files(depth, ('.png',), tag) if tag in with_depth else []
            drawn = drawn_frames(tag, skeletons, self.frames_per_clip, self.seed) if frames is None else frames
            for frame in drawn:
                name = f'{tag}/MDepth-{frame:08d}.png'
                yield dict(img_path=colour.join(f'{tag}/WRGB-{frame:08d}.jpg'), img_id=f'{tag}/{frame}',
                           depth_path=depth.join(name) if name.rpartition('/')[2] in depths else None,
                           **joints_of(skeletons, frame))

    def _clips(self, colour: Folder) -> Iterator[tuple[str, Sequence[int] | None]]:
        """Clips with the frames that are listed of them; None where there is no list."""
        left_out = {tag for x in LEFT_OUT if self.has(x) for tag in clips_left_out(read_lines(self.file(x, 'a list')))}
        if self._ann_file is None and not self.has(FRAME_LIST):
            for tag in self.subfolders(colour):
                if TAG.fullmatch(tag) and tag not in left_out:
                    yield tag, None
            return
        path = self.annotation(FRAME_LIST)
        for tag, frames in listed_frames(read_lines(path), str(path)).items():
            if tag not in left_out:
                yield tag, frames


def listed_frames(lines: Iterable[str], path: str) -> dict[str, list[int]]:
    """Frames, from 1, of each clip in a list of frames; the path is for messages."""
    listed: dict[str, list[int]] = {}
    for line in lines:
        tag, frame = _listed_frame(line, path)
        listed.setdefault(tag, []).append(frame)
    return listed


def _listed_frame(line: str, path: str) -> tuple[str, int]:
    """The clip and the frame, from 1, that a line of a list of frames means."""
    parts = PurePosixPath(line.strip()).parts
    name = _NAME.fullmatch(parts[-1]) if len(parts) > 1 else None
    if name is None or not TAG.fullmatch(parts[-2]):
        raise DataError(f"'{path}' has the line '{line[:200]}'; expected a path such as "
                        "'S001C001P001R001A001/MDepth-00000001.png': the name of the clip, then that of a frame.")
    return parts[-2], int(name[2]) + (name[1] == 'Skeleton')  # those alone count from 0


@DATASETS.register_module()
class NTURGBDParsing(ParsingDataset):
    """NTURGBD-Parsing-4K: frames of NTU RGB+D with labels of 25 body parts.

    A record's image is the colour frame, or the depth. A colour frame has ``depth_path``, where there is such a folder,
    and what :func:`joints_of` says, where the skeleton files of NTU RGB+D lie in the root.

    Args:
        modality: ``rgb`` or ``depth``: which the image is.
        version: of the lists: ``v2``, or ``v3``, a fifth of it.
    """
    datasets = ('nturgbd_parsing',)
    splits = ('train', 'val')
    MODALITIES = ('rgb', 'depth')
    VERSIONS = ('v2', 'v3')

    def __init__(self, *args: Any, modality: str = 'rgb', version: str = 'v2', **kwargs: Any):
        if modality not in self.MODALITIES:
            raise unknown_name('modality of NTURGBDParsing', modality, self.MODALITIES)
        if version not in self.VERSIONS:
            raise unknown_name('version of NTURGBDParsing', version, self.VERSIONS)
        self.modality, self.version = modality, version
        super().__init__(*args, **kwargs)

    def card_facts(self) -> dict[str, Any]:
        return dict(super().card_facts(), class_weights=self.card.class_weights)

    def load_records(self) -> Iterator[dict[str, Any]]:
        path = self.annotation(f'{self.split}_list_{self.version}.txt')
        labels = self.folder('png_annotation_v2' if self._seg_dir is None else self._seg_dir)
        colour = self.image_folder('images') if self.modality == 'rgb' else None
        depth = self.folder('depth') if colour is None or self.has('depth') else None
        for line in read_lines(path):
            tag = PurePosixPath(line.strip()).stem
            of_depth = None if depth is None else depth.join(f'MDepth-{tag}.png')
            record = dict(img_path=of_depth if colour is None else colour.join(f'{tag}.jpg'), img_id=tag,
                          seg_map_path=labels.join(f'{tag}.png'))
            yield record if colour is None else dict(record, depth_path=of_depth, **self._skeleton(tag, str(path)))

    def _skeleton(self, tag: str, path: str) -> dict[str, Any]:
        if not self.has(SKELETONS):
            return {}
        found = re.fullmatch(rf'({TAG.pattern})F(\d{{1,8}})', tag)
        if found is None:
            raise DataError(f"'{path}' names '{tag[:200]}'; expected a clip and its frame, S001C001P001R001A001F060.")
        skeletons = SkeletonFile(self.file(f'{SKELETONS}/{found[1]}.skeleton', 'the skeletons of a clip'))
        return joints_of(skeletons, int(found[2]))
