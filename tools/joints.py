"""Body joints of person crops, in one file: fill a joint store from a model or from results, and show one.

    humanbench joints fill data/LUP/images --checkpoint work_dirs/pose/iter_1000.pth --out data/LUP/joints.safetensors
    humanbench joints fill-mmpose data/LUP/images --config FILE --checkpoint FILE --out data/LUP/joints.safetensors
    humanbench joints import-coco data/LUP/images --results FILE --annotation FILE --out data/LUP/joints.safetensors
    humanbench joints import-npy data/LUP/images --files FOLDER --out data/LUP/joints.safetensors   # HAP's own files
    humanbench joints show data/LUP/joints.safetensors [IMAGE]

The same by `mim run humanbench joints ...`. A run that was stopped goes on where it was; several work side by side with
--share 1/8, 2/8 and so on. More: docs/joints.md. Exit status: 0; 1 where crops were left out; 2 for a mistake in the
command.
"""
import argparse
import os
import sys
from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The command line. Nothing heavy is imported for it, so that -h answers at once."""
    p = argparse.ArgumentParser(prog='joints', description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = p.add_subparsers(dest='verb', required=True, metavar='VERB')

    filling = argparse.ArgumentParser(add_help=False)
    filling.add_argument('images', metavar='IMAGES', help='folder of the crops; their names are relative to it')
    filling.add_argument('--out', required=True, metavar='STORE', help='file to write, which ends in .safetensors')
    filling.add_argument('--names', metavar='FILE', help='ranking list: only the crops that it names')
    filling.add_argument('--keep', type=_keep, metavar='N', help='of the list the first N, or a share such as 0.5')
    filling.add_argument('--batch-size', type=int, default=64, metavar='N', help='crops in one pass; default: 64')
    filling.add_argument('--workers', type=int, metavar='N', help='processes that read crops; default: one per core')
    filling.add_argument('--share', type=_share, default=(1, 1), metavar='I/N',
                         help='this is the I-th of N runs that work side by side')
    device = argparse.ArgumentParser(add_help=False)
    device.add_argument('--device', default='auto', help='auto, cpu, cuda, cuda:1 ...; default: auto')

    one = verbs.add_parser('fill', parents=[filling, device], help='by a model with a pose head, trained here')
    one.add_argument('--checkpoint', required=True, metavar='FILE', help='the trained model')
    one.add_argument('--config', metavar='FILE', help='that it was trained by, where the checkpoint does not say')
    one.add_argument('--head', metavar='SOURCE', help='which pose head, where there are several; default: coco_pose')

    one = verbs.add_parser('fill-mmpose', parents=[filling, device], help='by a top-down model of MMPose')
    one.add_argument('--config', required=True, metavar='FILE', help="of MMPose's configs")
    one.add_argument('--checkpoint', required=True, metavar='FILE', help='its weights')

    one = verbs.add_parser('import-coco', parents=[filling], help='of keypoint results in the form of COCO')
    one.add_argument('--results', required=True, metavar='FILE', help='JSON list of image_id, keypoints, score')
    one.add_argument('--annotation', required=True, metavar='FILE', help='JSON whose images have id and file_name')

    one = verbs.add_parser('import-npy', parents=[filling], help="of HAP's files: a .npy beside each image")
    one.add_argument('--files', required=True, metavar='FOLDER', help='of the .npy files, named as the images are')

    one = verbs.add_parser('show', help='what is in a joint store, or the joints of one image')
    one.add_argument('store', metavar='STORE')
    one.add_argument('image', nargs='?', metavar='IMAGE', help='name of a crop, relative to their folder')
    return p


def _keep(text: str) -> float:
    return float(text) if '.' in text else int(text)


def _share(text: str) -> tuple[int, int]:
    part, _, runs = text.partition('/')
    return int(part), int(runs)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb. Gives its exit status: 0, 1 where crops were left out, 2 for a mistake of the user."""
    args = parser().parse_args(argv)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # not there when another program calls main
    from humanbench.engine.command import user_errors
    with user_errors():
        from _joints import VERBS
        return VERBS[args.verb](args)


if __name__ == '__main__':
    sys.exit(main())
