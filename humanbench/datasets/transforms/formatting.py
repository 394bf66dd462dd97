"""The last step of every pipeline: a record becomes an input tensor and a :class:`HumanSample`."""
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torch import Tensor

from ...errors import UserError
from ...registry import TRANSFORMS
from ...structures import HumanSample, InstanceData, PixelData, element
from .loading import pixels

META_KEYS = ('task', 'source', 'dataset', 'img_path', 'img_id', 'sample_idx', 'ori_shape', 'img_shape', 'scale_factor',
             'flip', 'split', 'pid', 'camid', 'identity', 'caption', 'captions', 'id', 'category_id', 'area',
             'bbox_score', 'center', 'scale', 'head_size', 'input_center', 'input_scale', 'input_size', 'flip_indices',
             'raw_ann_info', 'seg_map_path', 'label_map', 'frame', 'queries', 'index', 'has_depth', 'has_rgb',
             'frame_index', 'warp', 'camera')


def _image_tensor(image: np.ndarray) -> Tensor:
    """(3, H, W) view of an (H, W, 3) image: the device reorders the channels, a worker need not copy them; (1, H, W) of
    depth."""
    if image.ndim == 2:
        return _float_tensor(image)[None]
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)


def _float_tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def _instances(results: dict) -> InstanceData | None:
    if 'transformed_keypoints' in results:
        places = dict(keypoints_3d=_float_tensor(results['keypoints_3d'])) if results.get('task') == 'pose_3d' else {}
        places |= {name: _float_tensor(results[name]) for name in ('skeleton', 'skeleton_visible') if name in results}
        return element(InstanceData, keypoints=_float_tensor(results['transformed_keypoints']),
                       keypoints_visible=_float_tensor(results['keypoints_visible']), **places)
    if 'gt_points' in results:
        return element(InstanceData, points=torch.from_numpy(results['gt_points']))
    return None


def _boxes(results: dict) -> tuple[InstanceData, InstanceData]:
    """Boxes to find, and regions to ignore. Boxes that a crop has cut away are left out."""
    boxes, labels = results['gt_bboxes'].tensor.numpy(), results['gt_bboxes_labels']  # PyTorch takes longer
    ignored = results['gt_ignore_flags'].astype(bool)
    present = (boxes[:, 2:] > boxes[:, :2]).all(1)
    find, ignore = present & ~ignored, present & ignored
    people = {name: torch.from_numpy(results[f'gt_{name}'][find]) for name in ('pids', 'identities')
              if f'gt_{name}' in results}
    return (element(InstanceData, bboxes=torch.from_numpy(boxes[find]), labels=torch.from_numpy(labels[find]),
                    **people),
            element(InstanceData, bboxes=torch.from_numpy(boxes[ignore])))


def _depth(results: dict) -> Tensor:
    """(1, H, W) metres beside the image, all 0 where there are none; then ``has_depth`` is False, whatever it was: a
    crop may show nothing of it."""
    size = results['img_shape']
    depth = results.get('gt_depth', np.zeros(size, np.float32))
    if depth.shape != size:
        raise UserError(f"the pipeline gives an image of {size} and its depth of {depth.shape} pixels for "
                        f"'{results['img_path']}': a transform moves one and not the other. Expected RandomJointCrop, "
                        'JointCrop, RandomScaleCrop, Resize and RandomFlip, which know depth.')
    results['has_depth'] = bool(depth.any())
    results.setdefault('index', results['sample_idx'])
    return _float_tensor(depth)[None]


@TRANSFORMS.register_module()
class PackHumanInputs(BaseTransform):
    """Gives ``inputs``, a uint8 RGB tensor (3, H, W) or float32 depth (1, H, W) in metres, and ``data_samples``, a
    :class:`HumanSample` with the labels.

    A record that went through :class:`LoadDepth` gives ``gt_depth`` and, as meta information, ``has_depth`` and
    ``index``: the number of the record, which several datasets joined into one set themselves.

    Args:
        meta_keys: keys of the record that become meta information where present.
    """

    def __init__(self, meta_keys: tuple[str, ...] = META_KEYS):
        self.meta_keys = meta_keys

    def transform(self, results: dict) -> dict:
        results['img_shape'] = pixels(results).shape[:2]
        labels = {}
        instances = _instances(results)
        if instances is not None:
            labels['gt_instances'] = instances
        if 'gt_bboxes' in results:
            labels['gt_instances'], labels['ignored_instances'] = _boxes(results)
        if 'gt_seg_map' in results:
            labels['gt_sem_seg'] = element(
                PixelData, data=torch.from_numpy(np.ascontiguousarray(results['gt_seg_map'])[None]))
        if 'attributes' in results:
            labels['gt_attributes'] = torch.from_numpy(results['attributes'])
        if 'identity' in results:
            labels['gt_identity'] = torch.tensor(results['identity'])
        if 'has_depth' in results:
            labels['gt_depth'] = _depth(results)
        meta = {key: results[key] for key in self.meta_keys if key in results}
        return dict(inputs=_image_tensor(results['img']), data_samples=element(HumanSample, meta, **labels))
