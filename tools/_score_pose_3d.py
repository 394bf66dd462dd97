"""What ``score`` does for joints in space."""
import argparse
from pathlib import Path

import numpy as np
from _score_files import load_arrays, reader, suffix
from _score_record import Scored

from humanbench.errors import UserError
from humanbench.evaluation import pose_3d


def score_pose_3d(args: argparse.Namespace, gt: Path, pred: Path) -> Scored:
    if not gt.is_dir() or args.dataset is None:
        raise UserError(f'pose_3d ground truth: expected the folder of the dataset, with --dataset; got {gt}.')
    suffix(pred, 'pose_3d predictions', '.npy')
    found, data = load_arrays(pred, 'pose_3d predictions')['values'], reader(args.dataset, gt, args.split)
    truth = np.concatenate([data.record(i)['keypoints_3d'] for i in range(len(data))])
    return Scored(pose_3d(found, truth), ('pose_3d',), truth=[Path(data.metainfo['ann_file'])], predictions=[pred],
                  images=len(truth), split=data.split, split_hash=data.fingerprint())
