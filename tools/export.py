"""Export the weights of a training run as one file, and as one file per module: what people share.

    mim run humanbench export work_dirs/path_debug path_debug.pth
    humanbench export work_dirs/path_debug/iter_600 path_600.pth --modules path_600
    humanbench export work_dirs/hap_debug hap.pth --layout hap           # the names that HAP's own code reads
    humanbench export work_dirs/solider_swin-t_debug solider.pth --layout solider  # those that SOLIDER's reads
    humanbench export work_dirs/hcmoco_debug hcmoco.pth --layout hcmoco  # those that HCMoCo's reads
"""
import argparse
import sys
from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('checkpoint', help='a checkpoint folder (iter_N), a .pth file, or a work folder (its newest)')
    p.add_argument('out', metavar='OUT.pth', help='file to write; loads with path:OUT.pth')
    p.add_argument('--modules', metavar='DIR',
                   help='also write DIR/backbone.pth, DIR/projectors/TASK.pth and DIR/heads/SOURCE.pth')
    p.add_argument('--layout', choices=('humanbench', 'hap', 'solider', 'hcmoco'), default='humanbench',
                   help="whose names: ours, or those of HAP's published file (encoder and decoder; loads with "
                        "hap:OUT.pth), of SOLIDER's (the teacher's backbone and head; solider:OUT.pth) or of HCMoCo's "
                        '(all encoders; hcmoco:OUT.pth)')
    p.add_argument('--source', help='with another layout than ours: whose head has the decoder, the teacher, or the '
                                    'encoder of depth, where several have one')
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    from humanbench.engine.command import user_errors
    from humanbench.errors import UserError
    from humanbench.weights import export_checkpoint, export_hap, export_hcmoco, export_solider
    with user_errors():
        if args.layout != 'humanbench':
            if args.modules:
                raise UserError(f'--modules writes one file per module under our names, which --layout {args.layout} '
                                'has not. Leave one of them out.')
            write = dict(hap=export_hap, solider=export_solider, hcmoco=export_hcmoco)[args.layout]
            print(write(args.checkpoint, args.out, args.source))
            return
        if args.source:
            raise UserError("--source says whose decoder --layout hap takes, whose teacher --layout solider and whose "
                            'encoders --layout hcmoco; it means nothing without.')
        for path in export_checkpoint(args.checkpoint, args.out, args.modules):
            print(path)


if __name__ == '__main__':
    sys.exit(main())
