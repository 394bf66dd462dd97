"""Score a prediction file against ground truth in a dataset's native format: no model, no GPU, no images.

    humanbench score pose --gt person_keypoints_val2017.json --pred results.json
    humanbench score detection --dataset caltech --gt test.json --pred results.json --subset heavy reasonable
    humanbench score parsing --dataset lip --gt val_segmentations/ --pred my_label_maps/ --json scores.json

--dataset ID takes from the dataset's card what a file does not say: sigmas, classes, label ids, the metric.

task       --gt                                                    --pred
---------  ------------------------------------------------------  ---------------------------------------------------
reid       .npz: query_ids, query_cams, gallery_ids, gallery_cams  .npz: query_features, gallery_features (n, C) in the
           (and query_names, gallery_names); .csv with the         order of the ground truth, or in any order with
           columns split (query, gallery), name, id, camera;       query_names, gallery_names
           or the dataset's folder, with --dataset
attribute  the native .mat, with --dataset; .npy (n, A) of 1, 0,   .npy (n, A) probabilities in the order of the ground
           -1; .csv with the columns name and one for each         truth; .csv, .json likewise, in any order
           attribute; .json {name: [labels]}
pose       COCO keypoint .json; AIC's native .json, with           COCO results .json: image_id, category_id,
           --dataset aic                                           keypoints, score
           mpii_gt_val.mat (gives PCKh)                            .npy or .json (n, 16, 2), pixels from 0; .mat with
                                                                   preds, pixels from 1, as HRNet's script writes it
           Human3.6M's COCO .json with --dataset h36m_pose         COCO results .json, one person an image
           (gives the end-point error)
parsing    folder of native label maps (.png)                      folder of the same names, with the same label ids
detection  CrowdHuman .odgt                                        .odgt: ID, width, height, dtboxes of box [x, y, w, h]
                                                                   and score
           CityPersons val_gt.json, or Caltech's COCO-style        COCO results .json: image_id, category_id, bbox,
           .json, with --dataset citypersons or caltech            score
           any other COCO .json (gives box AP)                     the same
counting   folder of ShanghaiTech's GT_*.mat; .csv name,count;     .csv name,count; .json {name: count}
           .json {name: count or list of points}
"""
import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def make_parser() -> argparse.ArgumentParser:
    """The command line. Nothing heavy is imported for it, so that -h answers at once."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('task', metavar='TASK', help='reid, attribute, pose, parsing, detection, counting')
    p.add_argument('--gt', required=True, metavar='FILE', help='ground truth, a file or a folder')
    p.add_argument('--pred', required=True, metavar='FILE', help='predictions, a file or a folder')
    p.add_argument('--dataset', metavar='ID', help='id of the dataset (or citypersons)')
    p.add_argument('--split', default='test', help='attribute, reid: of the native file or folder; default: test')
    p.add_argument('--json', metavar='FILE', help='write the scores, and what they are of, to this file')
    p.add_argument('--distance', default='cosine', help='reid: cosine or euclidean')
    p.add_argument('--rerank', action='store_true', help='reid: k-reciprocal re-ranking')
    p.add_argument('--threshold', type=float, default=0.5,
                   help='attribute: probability; PCKh: in head sizes; default: 0.5')
    p.add_argument('--num-classes', type=int, metavar='N', help='parsing, without --dataset')
    p.add_argument('--ignore-index', type=int, default=255, metavar='N', help='parsing: label that does not count')
    p.add_argument('--subset', nargs='+', metavar='NAME', default=['reasonable'],
                   help='miss rate: reasonable, reasonable_small, heavy, all; the first is MR')
    p.add_argument('--box-area', action='store_true', help='pose: OKS with 0.53 of the box area, as for AIC')
    return p


def write_json(path: str, args: argparse.Namespace, scores: dict[str, float]) -> None:
    """Scores (null where a part of the body is never labelled) and what they are of, whole or not at all."""
    from humanbench.evaluation import VERSIONS
    from humanbench.files import write_text
    values = {key: value if math.isfinite(value) else None for key, value in scores.items()}
    content = dict(task=args.task, dataset=args.dataset, gt=args.gt, pred=args.pred, scores=values, versions=VERSIONS)
    write_text(Path(path), json.dumps(content, indent=1))


def main(argv: Sequence[str] | None = None) -> None:
    """Print the scores; a user's mistake is one message and exit status 2."""
    args = make_parser().parse_args(argv)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # not there when another program calls main
    from _scorers import score

    from humanbench.errors import UserError
    try:
        scores = score(args)
    except UserError as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        raise SystemExit(2) from error
    width = max(map(len, scores))
    print('\n'.join(f'{key:<{width}}  {value:.6f}' for key, value in scores.items()))
    if args.json:
        write_json(args.json, args, scores)


if __name__ == '__main__':
    sys.exit(main())
