"""Convert weights of any family to our names: one file that loads with path:FILE.

    mim run humanbench convert_weights mae:mae_pretrain_vit_base.pth vit_b.pth
    humanbench convert_weights timm:vit_base_patch14_dinov2.lvd142m dinov2_b.pth
"""
import argparse
import sys
from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('spec', help='timm:NAME, FILE, or SCHEME:FILE (mae, clip, dino, path, hap, solider, hrnet, hcmoco)')
    p.add_argument('out', help='file to write')
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    from humanbench.engine.command import user_errors
    from humanbench.weights import convert_file
    with user_errors():
        print(convert_file(args.spec, args.out))


if __name__ == '__main__':
    sys.exit(main())
