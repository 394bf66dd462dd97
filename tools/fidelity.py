"""Do a method's claims hold in direction? Variants of its debug pretraining on MiniHuman, measured by the benchmark.

    humanbench fidelity path                         # half an hour a seed on two cores, at most
    humanbench fidelity path --report --page docs/fidelity.md
    humanbench fidelity hap                          # masked autoencoding of people, part by part
    humanbench fidelity solider                      # self-distillation with body parts, and its dial
    humanbench fidelity hcmoco --report --curves docs/sheets/hcmoco_curves.svg   # pictures, depth and joints
    humanbench fidelity path --out work_dirs/trial --steps 2 --finetune-steps 2 --size tiny --seeds 0     # a trial

Everything that is finished is kept: killed at any point, the same command goes on where it stopped.
"""
import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('study', nargs='?', default='path', help='what is tested: path (default), hap, solider or hcmoco')
    p.add_argument('--out', help='where everything goes (default: work_dirs/fidelity_STUDY)')
    p.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], metavar='N',
                   help='repetitions, each with pretrainings of its own (default: 0 1 2)')
    p.add_argument('--workers', type=int, default=len(os.sched_getaffinity(0)), help='processes (default: cores)')
    p.add_argument('--steps', type=int, metavar='N', help="of every pretraining (default: the study's)")
    p.add_argument('--finetune-steps', type=int, metavar='N',
                   help="of every cell (default: the study's, else the longest its dataset has under any protocol)")
    p.add_argument('--size', default='small', help='of MiniHuman (default: small)')
    p.add_argument('--report', action='store_true', help='only say what the finished seeds show')
    p.add_argument('--curves', type=Path, metavar='FILE.svg', help='draw results over numbers of labels')
    p.add_argument('--page', type=Path, metavar='FILE', help='write into this page, as docs/fidelity.md')
    return p


def command(args: argparse.Namespace) -> str:
    """What measured the numbers, without what only changes where and how fast."""
    own = dict(parser().parse_args([]).__dict__)
    text = f'humanbench fidelity {args.study} --seeds ' + ' '.join(map(str, args.seeds))
    for name in ('steps', 'finetune_steps', 'size'):
        if getattr(args, name) != own[name]:
            text += f' --{name.replace("_", "-")} {getattr(args, name)}'
    return text


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    from humanbench.benchmark.commands import outcome_text
    from humanbench.benchmark.fidelity.curves import draw_curves
    from humanbench.benchmark.fidelity.document import insert, measured
    from humanbench.benchmark.fidelity.experiment import Experiment
    from humanbench.benchmark.fidelity.studies import STUDIES
    from humanbench.benchmark.recipe import recipe
    from humanbench.engine.command import user_errors
    from humanbench.errors import UserError, unknown_name
    from humanbench.files import write_text
    sys.path.insert(0, str(Path(__file__).parent))
    from demo import make_data
    out, status = Path(args.out or f'work_dirs/fidelity_{args.study}'), 0
    with user_errors():
        if args.study not in STUDIES:
            raise unknown_name('study', args.study, STUDIES)
        study = STUDIES[args.study]()
        experiment = Experiment(out, study, args.steps, args.size, args.finetune_steps)
        if not args.report:
            make_data(study.config, [recipe(x).dataset for x in study.datasets], args.size)
            outcome = experiment.run(args.seeds, args.workers)
            print(outcome_text(outcome))
            status = 0 if outcome.ok else 1
        seeds = experiment.finished(args.seeds)
        if not seeds:
            raise UserError(f"No seed is finished in '{out}': the same command without --report goes on there.")
        records = experiment.records(seeds)
        text = measured(records, experiment.pretrained(seeds), command(args), study, experiment.own_records(seeds),
                        experiment.dials(seeds))
        write_text(out / 'fidelity.md', f'# Fidelity on MiniHuman: {args.study}\n\n{text}\n')
        if args.curves:
            draw_curves(records, study, args.curves)
        if args.page:
            insert(text, args.page)
        print(f'{text}\n\n{out / "fidelity.md"}')
    return status


if __name__ == '__main__':
    sys.exit(main())
