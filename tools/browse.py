"""Look at a dataset: a contact sheet of some of its samples with their labels drawn.

    mim run humanbench browse coco_pose --root minihuman:small --num 12
    humanbench browse market1501 --split query --out market.png
"""
import argparse
import sys
from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('dataset', help='id of a dataset, e.g. coco_pose')
    p.add_argument('--root', help="folder of the dataset, or 'minihuman:SIZE'; default: its place in $HUMANBENCH_DATA")
    p.add_argument('--split', help='default: the first one of the dataset')
    p.add_argument('--num', type=int, default=24, help='how many samples; default: 24')
    p.add_argument('--columns', type=int, default=6, help='pictures in a row; default: 6')
    p.add_argument('--seed', type=int, help='draw samples at random; by default they are evenly spaced')
    p.add_argument('--out', metavar='FILE', help='picture to write; default: DATASET_SPLIT.png')
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    from humanbench.engine.command import user_errors
    from humanbench.visualization import save_image
    from humanbench.visualization.browse import dataset_sheet
    with user_errors():
        sheet, split = dataset_sheet(args.dataset, args.root, args.split, args.num, args.columns, args.seed)
        print(save_image(sheet, args.out or f'{args.dataset}_{split}.png'))


if __name__ == '__main__':
    sys.exit(main())
