"""Score a prediction file against ground truth in a dataset's native format: no model, no GPU.

    humanbench score market1501 --gt data/Market-1501-v15.09.15 --pred features.npz
    humanbench score lip --gt data/LIP --pred my_label_maps/ --json scores.json
    humanbench score caltech --gt test.json --pred results.json --variants
    humanbench score pose --gt person_keypoints_val2017.json --pred results.json --against earlier.json

WHAT is a dataset's id, or a task: then --dataset says what the files do not (sigmas, classes, label ids, the metric).
For each dataset of the benchmark --gt takes its folder as it was unpacked, too, of which the tested split is scored.
A file of labels needs no images beside it.

task       --gt, beside the dataset's folder                       --pred
---------  ------------------------------------------------------  ---------------------------------------------------
reid       .npz: query_ids, query_cams, gallery_ids, gallery_cams  .npz: query_features, gallery_features (n, C) in the
           (and query_names, gallery_names); .csv with the         order of the ground truth, or in any order with
           columns split (query, gallery), name, id, camera        query_names, gallery_names (names of the images)
text_reid  the native .json list, with --dataset; .npz:            .npz: text_features, in the order of the captions,
           image_ids, text_ids (and image_names)                   image_features likewise, or with image_names
person_    only the dataset's folder                               .npz: of each detection frames (names of images),
search                                                             boxes (n, 4) x y w h, scores, features (n, C);
                                                                   query_features (q, C) in the order of the dataset
attribute  the native .mat; .npy (n, A) of 1, 0, -1; .csv with     .npy (n, A) probabilities in the order of the ground
           the columns name and one for each attribute;            truth; .csv, .json likewise, in any order
           .json {name: [labels]}
pose       COCO keypoint .json; AI Challenger's native .json       COCO results .json: image_id, category_id,
                                                                   keypoints, score; for AI Challenger also its own
           mpii_gt_val.mat (gives PCKh)                            .npy or .json (n, 16, 2), pixels from 0; .mat with
                                                                   preds, pixels from 1, as HRNet's script writes it
           Human3.6M's COCO .json (gives the end-point error)      COCO results .json, one person an image
parsing    folder of native label maps (.png)                      folder of the same names, with the same label ids
detection  CrowdHuman .odgt                                        .odgt: ID, width, height, dtboxes of box [x, y, w, h]
                                                                   and score
           CityPersons' val_gt.json or anno_val.mat, Caltech's     COCO results .json: image_id, category_id, bbox,
           COCO-style .json                                        score
           any other COCO .json (gives box AP)                     the same
counting   folder of ShanghaiTech's GT_*.mat; .csv name,count;     .csv name,count; .json {name: count}
           .json {name: count or list of points}

docs/metrics.md has the definitions, the variants, and who checked them.
"""
import argparse
import os
import sys
from collections.abc import Sequence


def make_parser() -> argparse.ArgumentParser:
    """The command line. Nothing heavy is imported for it, so that -h answers at once."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('what', metavar='WHAT',
                   help='id of a dataset, or a task: reid, text_reid, person_search, attribute, pose, pose_3d, '
                        'parsing, detection, counting')
    p.add_argument('--gt', required=True, metavar='PATH', help='ground truth, a file or a folder')
    p.add_argument('--pred', required=True, metavar='PATH', help='predictions, a file or a folder')
    p.add_argument('--dataset', metavar='ID', help='where WHAT is a task')
    p.add_argument('--split', help='of the native files; default: the one that the benchmark tests on')
    p.add_argument('--variants', action='store_true', help='also what papers and releases print where it differs from '
                                                           'the literature, each under a name of its own')
    p.add_argument('--json', metavar='FILE', help='write the scores, the versions of the metrics and the hashes of the '
                                                  'files to this file')
    p.add_argument('--against', metavar='FILE', help='show the change from the scores in such a file; refused where '
                                                     'they are not comparable')
    p.add_argument('--distance', default='cosine', help='reid: cosine or euclidean')
    p.add_argument('--rerank', action='store_true', help='reid: k-reciprocal re-ranking')
    p.add_argument('--threshold', type=float, default=0.5,
                   help='attribute: probability; PCKh: in head sizes; default: 0.5')
    p.add_argument('--num-classes', type=int, metavar='N', help='parsing, without a dataset')
    p.add_argument('--ignore-index', type=int, default=255, metavar='N', help='parsing: label that does not count')
    p.add_argument('--subset', nargs='+', metavar='NAME', help='miss rate: reasonable, reasonable_small, heavy, all; '
                   'the first is MR; default: caltech heavy reasonable all, citypersons all four')
    p.add_argument('--box-area', action='store_true', help='pose: OKS with 0.53 of the box area, as AI Challenger has '
                                                           'it anyway')
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Print the scores; a user's mistake is one message and exit status 2."""
    parser = make_parser()
    args = parser.parse_args(argv)
    args.defaults = {key: parser.get_default(key) for key in vars(args)}
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # not there when another program calls main
    from _score_record import publish
    from _scorers import score

    from humanbench.errors import UserError
    try:
        publish(args, score(args))
    except UserError as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == '__main__':
    sys.exit(main())
