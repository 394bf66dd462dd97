"""Where the joints of person crops can come from: a model of ours, one of MMPose, results in COCO's form, HAP's files.

A source prepares one crop at a time, which other processes do, and then gives the joints of several at once.
"""
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from ..catalog import card
from ..datasets.joints import SKELETON
from ..datasets.safe_pickle import read_object_array
from ..datasets.transforms.loading import EncodedImage, read_image
from ..errors import CheckpointError, DataError, UserError
from ..joints import NUM_JOINTS
from ..weights.files import read_file
from .inferencer import HumanInferencer, find_device
from .inputs import ImageFile, Picture
from .passes import answers, prepared, record

Size = tuple[int, int]  # height, width


class JointSource(Protocol):
    """What joints can be had from.

    Attributes:
        made_by: what it is, words by name.
    """
    made_by: dict[str, str]

    def prepare(self, path: str, name: str) -> tuple[Size, Any]:
        """Size of a crop, and what :meth:`joints` needs of it.

        Args:
            path: of the image.
            name: below the folder of the crops.

        Raises:
            DataError: it cannot be read, or nothing is known of it.
        """

    def joints(self, items: Sequence[Any]) -> np.ndarray:
        """(n, 17, 3) x, y in pixels of the crop, and score, of n prepared crops."""


def check_skeleton(names: Sequence[str], where: str) -> None:
    """Raises a UserError where keypoints are not the 17 of COCO, in its order."""
    expected = card(SKELETON).keypoints
    if tuple(names) != expected:
        raise UserError(f'{where} finds {len(names)} keypoints: {", ".join(names) or "without names"}. Expected the '
                        f'{NUM_JOINTS} of COCO in its order: {", ".join(expected)}.')


class TrainedPose:
    """A pose head of a model that HumanBench has trained. The crop is the person's box, as a whole.

    Args:
        checkpoint: of the model.
        config: that it was trained by, where the checkpoint does not say.
        head: source whose head answers; by default as ``humanbench predict`` chooses it.
        device: as for HumanInferencer.

    Raises:
        UserError: there is no such head, or it finds other keypoints than COCO's.
    """

    def __init__(self, checkpoint: str, config: str | None = None, head: str | None = None, device: str = 'auto'):
        inferencer = HumanInferencer(config or checkpoint, checkpoint if config else None, device=device,
                                     tasks=['pose'], heads=None if head is None else {'pose': head})
        self._model, self._head = inferencer.model, inferencer.heads['pose']
        check_skeleton(self._head.names, f"head '{self._head.source}' of '{checkpoint}'")
        self.made_by = dict(checkpoint=os.path.abspath(checkpoint), head=self._head.source)

    def prepare(self, path: str, name: str) -> tuple[Size, Any]:
        image = read_image(path)
        height, width = size = image.shape[:2]
        picture = Picture(image, name, ImageFile(Path(path), name))
        return size, prepared(self._head, record(self._head, picture, np.array([0, 0, width, height])))

    def joints(self, items: Sequence[Any]) -> np.ndarray:
        return _stacked(answers(self._model, items))


class MMPoseModel:
    """A top-down pose estimator of MMPose. The crop is the person's box, as a whole.

    Args:
        config: of MMPose.
        checkpoint: its weights.
        device: as for HumanInferencer.

    Raises:
        UserError: no such file, or it finds other keypoints than COCO's.
        CheckpointError: the weights are not those of the config.
    """

    def __init__(self, config: str, checkpoint: str, device: str = 'auto'):
        from mmengine.dataset import Compose
        from mmengine.registry import DefaultScope
        from mmpose.apis import init_model
        if not Path(config).is_file():
            raise UserError(f"there is no MMPose config '{config}'. Expected a .py file of MMPose's `configs` folder.")
        with DefaultScope.overwrite_default_scope('mmpose'):
            self._model = init_model(config, device=str(find_device(device)))
            self._pipeline = Compose(self._model.cfg.test_dataloader.dataset.pipeline)
        self._facts = dict(self._model.dataset_meta)
        names = self._facts.get('keypoint_id2name', {})
        check_skeleton([names[i] for i in sorted(names)], f"'{config}'")
        self._load(config, checkpoint)
        self.made_by = dict(config=os.path.abspath(config), checkpoint=os.path.abspath(checkpoint))

    def _load(self, config: str, checkpoint: str) -> None:
        """Weights, read without running what is in the file."""
        try:
            missing, _ = self._model.load_state_dict(read_file(checkpoint).state, strict=False)
        except RuntimeError as error:
            raise CheckpointError(f"'{checkpoint}' does not fit '{config}': {error}") from error
        if missing:
            raise CheckpointError(f"'{checkpoint}' lacks {len(missing)} tensors of the model of '{config}', "
                                  f"'{missing[0]}' first. Give the config that it was trained by.")

    def prepare(self, path: str, name: str) -> tuple[Size, Any]:
        image = read_image(path)
        height, width = size = image.shape[:2]
        box = np.array([[0, 0, width, height]], np.float32)
        blue_first = np.ascontiguousarray(image[..., ::-1])  # as MMPose's pipelines read images
        return size, self._pipeline(dict(img=blue_first, bbox=box, bbox_score=np.ones(1, np.float32), **self._facts))

    @torch.no_grad()
    def joints(self, items: Sequence[Any]) -> np.ndarray:
        from mmengine.dataset import pseudo_collate
        return _stacked(self._model.test_step(pseudo_collate(items)))


def _stacked(samples: Sequence[Any]) -> np.ndarray:
    """(n, 17, 3) of samples with one person each."""
    found = [x.pred_instances for x in samples]
    return np.stack([np.column_stack([np.asarray(x.keypoints[0]), np.asarray(x.keypoint_scores[0])]) for x in found])


class HAPFiles:
    """Joints as HAP keeps them: one ``.npy`` file for each image, of the same name, in a second tree of folders. Of
    several people the first one counts.

    Args:
        folder: of these files.
    """

    def __init__(self, folder: str):
        if not Path(folder).is_dir():
            raise UserError(f"there is no folder '{folder}'. Expected one with a .npy file for each crop, in the same "
                            'subfolders and with the same names as the images.')
        self._folder = Path(folder)
        self.made_by = dict(files=os.path.abspath(folder))

    def prepare(self, path: str, name: str) -> tuple[Size, np.ndarray]:
        file = (self._folder / name).with_suffix('.npy')
        expected = "an array of objects whose element [0][0] has 'keypoints', 17 x 3"
        found = read_object_array(file, expected)
        try:
            points = np.asarray(found[0][0]['keypoints'], np.float32)
        except (LookupError, TypeError, ValueError) as error:
            raise DataError(f"'{file}' holds something else than {expected}: {error!r}.") from error
        return EncodedImage(path).size, _checked(points, file)

    def joints(self, items: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(items)


def _checked(points: np.ndarray, where: object) -> np.ndarray:
    if points.shape != (NUM_JOINTS, 3):
        raise DataError(f"'{where}' holds keypoints of shape {points.shape}; expected ({NUM_JOINTS}, 3): x, y, score.")
    return points


class COCOResults:
    """Keypoint results in COCO's form: a list of ``image_id``, ``keypoints`` (51 numbers) and ``score``. Of several
    people in an image the one with the best score counts.

    Args:
        results: JSON file with the list.
        images: JSON file whose ``images`` have ``id`` and ``file_name``, which is the name of the crop.

    Raises:
        DataError: one of them is something else.
    """

    def __init__(self, results: str, images: str):
        names = {_of(x, 'id', images): str(_of(x, 'file_name', images)) for x in
                 _of(_read_json(images), 'images', images)}
        self._results, self._found, best = results, {}, {}
        rows = _read_json(results)
        if not isinstance(rows, list):
            raise DataError(f"'{results}' holds a {type(rows).__name__}; expected a list of results.")
        for row in rows:
            id = _of(row, 'image_id', results)
            if id not in names:
                raise DataError(f"a result of '{results}' is of image {id}, which '{images}' does not list.")
            score, points = _numbers(row, results)
            if score > best.get(id, -np.inf):
                best[id], self._found[names[id]] = score, points
        if not self._found:
            raise DataError(f"'{results}' holds no result.")
        self.made_by = dict(results=os.path.abspath(results), images=os.path.abspath(images))

    def prepare(self, path: str, name: str) -> tuple[Size, np.ndarray]:
        if name not in self._found:
            raise DataError(f"'{self._results}' has no result of '{name}'; it has one of '{next(iter(self._found))}'.")
        return EncodedImage(path).size, self._found[name]

    def joints(self, items: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(items)


def _numbers(row: dict[str, Any], path: str) -> tuple[float, np.ndarray]:
    """Score and (17, 3) keypoints of a result."""
    try:
        score, points = float(row.get('score', 1)), np.asarray(_of(row, 'keypoints', path), np.float32)
    except (TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"'{path}' holds {row!r:.80}, whose keypoints or score are no numbers.") from error
    return score, _checked(points.reshape(-1, 3) if points.size % 3 == 0 else points, path)


def _read_json(path: str) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot read '{path}': {error}. Expected a JSON file.") from error


def _of(row: Any, key: str, path: str) -> Any:
    if not isinstance(row, dict) or key not in row:
        raise DataError(f"'{path}' holds {row!r:.80} where an object with '{key}' is expected.")
    return row[key]
