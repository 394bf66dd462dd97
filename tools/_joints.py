"""What ``joints`` does for each of its verbs."""
import os
from argparse import Namespace
from collections.abc import Callable

import numpy as np
from _progress import progress
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from humanbench.apis.joint_filling import check_out, crop_names, fill
from humanbench.apis.joint_sources import COCOResults, HAPFiles, JointSource, MMPoseModel, TrainedPose
from humanbench.catalog import card
from humanbench.datasets.joints import SKELETON
from humanbench.errors import DataError, UserError
from humanbench.joints import NUM_JOINTS, JointStore, in_image
from humanbench.pool import default_workers

SAID = 10     # crops that are left out, of which the reason is printed


def trained(args: Namespace) -> TrainedPose:
    """The source of ``fill``."""
    return TrainedPose(args.checkpoint, args.config, args.head, args.device)


def of_mmpose(args: Namespace) -> MMPoseModel:
    """The source of ``fill-mmpose``."""
    return MMPoseModel(args.config, args.checkpoint, args.device)


def of_coco(args: Namespace) -> COCOResults:
    """The source of ``import-coco``."""
    return COCOResults(args.results, args.annotation)


def of_files(args: Namespace) -> HAPFiles:
    """The source of ``import-npy``."""
    return HAPFiles(args.files)


def fill_command(make: Callable[[Namespace], JointSource], args: Namespace) -> int:
    """Fill a store; 1 where crops were left out."""
    if args.batch_size < 1 or (args.workers or 0) < 0:
        raise UserError(f'--batch-size {args.batch_size}, --workers {args.workers}: expected 1 or more, and 0 or more.')
    check_out(args.out)  # before a model is read
    names, err = crop_names(args.images, args.names, args.keep), Console(stderr=True, highlight=False)
    err.print(escape(f'{len(names):,} crops in {args.images}'))
    reasons: list[str] = []

    def left_out(name: str, error: DataError) -> None:
        if len(reasons) < SAID:
            reasons.append(f'{name}: {error}')

    workers = default_workers() if args.workers is None else args.workers
    with progress(err, 'joints', len(names), 'crops') as watch:
        done = fill(make(args), args.images, names, args.out, args.batch_size, workers, args.share, watch, left_out)
    for reason in reasons:
        err.print(escape(f'left out: {reason}'), style='red')
    if done.left_out:
        err.print(f'{done.left_out:,} crops were left out; no joint is known of them.')
    where = done.store or f'this share is done; the last run to end writes {args.out}'
    print(f'{where}: {done.crops:,} crops')
    return int(bool(done.left_out))


# ------------------------------------------------------------------------------------------------------------- show
def show_command(args: Namespace) -> int:
    """Print what a store is, or the joints of a crop."""
    store, out = JointStore(args.store), Console()
    if args.image is None:
        for what, value in described(store):
            out.print(escape(f'{what}: {value}'), highlight=False, soft_wrap=True)
        return 0
    found = store.find(args.image)
    if found is None:
        raise UserError(f"'{args.store}' has no crop '{args.image}'. Expected a name relative to the folder of the "
                        f"crops, which was '{store.images}' when it was made.")
    out.print(escape(f'{args.image}: {found.size[1]} x {found.size[0]} pixels'), highlight=False, soft_wrap=True)
    table = Table('joint', 'x', 'y', 'score', 'note')
    inside = in_image(found.points, found.size)
    for name, (x, y), score, counts in zip(card(SKELETON).keypoints, found.points, found.scores, inside):
        unknown = not np.isfinite([x, y]).all()
        table.add_row(name, f'{x:.2f}', f'{y:.2f}', f'{score:.3f}',
                      'not known' if unknown else '' if counts else 'outside the image')
    out.print(table)
    return 0


def described(store: JointStore) -> list[tuple[str, str]]:
    """What a store is, as pairs of words; reads all of it."""
    known = np.isfinite(store.joints[..., 0]).sum(1)
    facts = [('crops', f'{len(store):,}'), ('folder of the crops', store.images)]
    facts += [(f'made by, {key}', value) for key, value in store.made_by.items()]
    facts.append(('joints', f'all {NUM_JOINTS} known of {int((known == NUM_JOINTS).sum()):,} crops, none of '
                  f'{int((known == 0).sum()):,}'))
    scores = store.joints[..., 2][np.isfinite(store.joints[..., 2])].astype(np.float32)
    if len(scores):
        facts.append(('scores', '{:.3f} / {:.3f} / {:.3f} (5 %, median, 95 %)'.format(
            *np.quantile(scores, (0.05, 0.5, 0.95)))))
    if len(store):
        (low, narrow), (high, wide) = store.sizes.min(0), store.sizes.max(0)
        facts.append(('sizes', f'height {low} to {high}, width {narrow} to {wide} pixels'))
    whole = 'whole' if store.is_whole() else 'DAMAGED: this is not what was written; fill it again'
    return [*facts, ('file', f'{os.path.getsize(store.path):,} bytes, {whole}')]


VERBS: dict[str, Callable[[Namespace], int]] = {
    'fill': lambda args: fill_command(trained, args), 'fill-mmpose': lambda args: fill_command(of_mmpose, args),
    'import-coco': lambda args: fill_command(of_coco, args), 'import-npy': lambda args: fill_command(of_files, args),
    'show': show_command}
