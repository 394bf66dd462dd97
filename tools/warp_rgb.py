"""Colour frames of NTU RGB+D in the view of the depth camera, by one homography for each camera of each set-up.

    humanbench warp_rgb data/ntu_rgbd                       # one frame of each clip, the ones that the reader draws
    humanbench warp_rgb data/ntu_rgbd --frames-per-clip 4
    humanbench warp_rgb data/ntu_rgbd --all-frames          # four million
    humanbench warp_rgb data/ntu_rgbd --only-homographies

The folder has nturgb+d_skeletons/ and the videos nturgb+d_rgb/S001C001P001R001A001_rgb.avi (or folders of extracted
frames). Homographies are fitted to the joints of all clips and kept in homographies.json; frames come to
nturgb+d_rgb_warped_correction/. A run that was stopped goes on where it was. The same by `mim run humanbench warp_rgb`.
Exit status: 0; 1 where frames are missing; 2 for a mistake in the command.
"""
import argparse
import os
import sys
from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The command line. Nothing heavy is imported for it, so that -h answers at once."""
    p = argparse.ArgumentParser(prog='warp_rgb', description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('root', metavar='FOLDER', help='of NTU RGB+D')
    many = p.add_mutually_exclusive_group()
    many.add_argument('--frames-per-clip', type=int, default=1, metavar='N', help='default: 1')
    many.add_argument('--all-frames', action='store_true', help='in which somebody stands')
    many.add_argument('--only-homographies', action='store_true', help='write no frames')
    p.add_argument('--seed', type=int, default=0, metavar='N', help="the reader's; also of the fit. Default: 0")
    p.add_argument('--workers', type=int, metavar='N', help='processes; default: one per core')
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run it. Gives the exit status: 0, 1 where frames are missing, 2 for a mistake of the user."""
    args = parser().parse_args(argv)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # not there when another program calls main
    from humanbench.engine.command import user_errors
    with user_errors():
        from _warp_rgb import run
        return run(args)


if __name__ == '__main__':
    sys.exit(main())
