"""Speed and memory of the metrics beside public evaluators: both sides in turn in one run, best of N.

    humanbench speed/metrics                               reduced sizes, a minute or two
    humanbench speed/metrics --size full msmt17 crowd      the sizes of the real test sets
    humanbench speed/metrics --clock cpu                   processor time, where other programs run meanwhile

The public side is an installed package; a public repository, where a copy lies at $HUMANBENCH_JUDGES (``_judges.py``
says which); and the published algorithm in plain NumPy. "product" is the bare matrix product, which no exact method can
do without. A baseline that runs on a share of the input only is scaled up and marked. Memory is the peak of a fresh
process that runs our side, its inputs included.
"""
import argparse
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

KEYPOINT_KEYS = ('AP', 'AP50', 'AP75', 'APm', 'APl', 'AR', 'AR50', 'AR75', 'ARm', 'ARl')
BOX_KEYS = ('AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'AR1', 'AR10', 'AR100', 'ARs', 'ARm', 'ARl')


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes:
        inputs: name in ``_metric_inputs``.
        sizes: its argument by size.
        ours: function of the inputs.
        public: what the table calls it -> function of the inputs.
        part: at full size, the argument and the share of the whole that the public side is run on, where it would take
            many minutes; its time is linear in what is left out.
    """
    inputs: str
    sizes: dict[str, Any]
    ours: Callable[..., dict]
    public: dict[str, Callable[..., dict]]
    part: tuple[Any, float] | None = None


def _ours(name: str, *args: Any, **kwargs: Any) -> dict:
    import humanbench.evaluation
    return getattr(humanbench.evaluation, name)(*args, **kwargs)


def _ours_parsing(pairs: Sequence) -> dict:
    from humanbench.evaluation import confusion_matrix, parsing
    return parsing(sum(confusion_matrix(labels, predictions, 20) for labels, predictions in pairs))


def cases() -> dict[str, Case]:
    import _judges
    import _metric_baselines as public

    def fetched(judge: str, function: Callable[..., dict]) -> dict[str, Callable[..., dict]]:
        return {judge: function} if _judges.home(_judges.JUDGES[judge]).is_dir() else {}

    fast_reid = _judges.JUDGES['fast-reid']
    coco_box = partial(public.pycocotools, kind='bbox', keys=BOX_KEYS)
    coco_keypoints = partial(public.pycocotools, kind='keypoints', keys=KEYPOINT_KEYS)
    reid = {'product': public.product_alone, 'sorting': public.plain_reid, **fetched('fast-reid', fast_reid)}
    return {
        'market': Case('reid', {'small': (600, 4000, 200), 'full': (3368, 15913, 750)}, partial(_ours, 'reid'), reid,
                       ((300, 15913, 750), 300 / 3368)),
        'msmt17': Case('reid', {'small': (1000, 8000, 300), 'full': (11659, 82161, 3060)}, partial(_ours, 'reid'), reid,
                       ((300, 82161, 3060), 300 / 11659)),
        'rerank': Case('reid', {'small': (300, 1500, 100), 'full': (3368, 15913, 750)},
                       partial(_ours, 'reid', rerank=True),
                       {'dense': public.plain_rerank, **fetched('fast-reid', partial(fast_reid, rerank=True))}),
        'crowd': Case('crowdhuman', {'small': 60, 'full': 4370}, partial(_ours, 'crowdhuman'),
                      {'networkx': public.plain_crowdhuman, **fetched('CrowdDet', public.crowddet)},
                      (100, 100 / 4370)),
        'keypoints': Case('coco', {'small': 500, 'full': 5000}, partial(_ours, 'keypoint_ap'),
                          {'pycocotools': coco_keypoints}),
        'boxes': Case('coco', {'small': 500, 'full': 5000}, partial(_ours, 'box_ap'), {'pycocotools': coco_box}),
        'parsing': Case('parsing', {'small': 20, 'full': 1000}, _ours_parsing,
                        {'mmseg': public.mmseg_parsing, 'bincount': public.bincount_parsing,
                         **fetched('SCHP', public.schp_parsing)}, (100, 0.1)),
    }


def make(case: Case, argument: Any) -> tuple:
    import _metric_inputs
    made = getattr(_metric_inputs, case.inputs)(argument)
    return made if isinstance(made, tuple) else (made,)


CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}


def timed(function: Callable[..., dict], args: tuple, clock: str) -> tuple[float, dict]:
    start = CLOCKS[clock]()
    answer = function(*args)
    return CLOCKS[clock]() - start, answer


def compare(name: str, size: str, repeats: int, clock: str) -> list[dict]:
    """Rows of the table: ours, and each public side with its ratio and the largest difference of an answer."""
    case = cases()[name]
    case.ours(*make(case, case.sizes['small']))  # compiles
    inputs, part, share = make(case, case.sizes[size]), None, 1.0
    if size == 'full' and case.part is not None:
        argument, share = case.part
        part = make(case, argument)
    best: dict[str, float] = {}
    answers: dict[str, dict] = {}
    for _ in range(repeats):
        for side, function in {'ours': case.ours, **case.public}.items():
            whole = part is None or side in ('ours', 'product')
            seconds, answers[side] = timed(function, inputs if whole else part, clock)
            best[side] = min(best.get(side, float('inf')), seconds if whole else seconds / share)
    expected = answers['ours'] if part is None else case.ours(*part)
    return [dict(metric=name, size=size, clock=clock, against=side, ours_s=best['ours'], public_s=best[side],
                 ratio=best[side] / best['ours'], measured_share=1 if side == 'product' else share,
                 difference=max((float(abs(value - expected[key])) for key, value in answers[side].items()),
                                default=None))
            for side in case.public]


def peak_memory(name: str, size: str) -> float:
    """GB that a process which makes the inputs and runs our side reaches."""
    case = cases()[name]
    case.ours(*make(case, case.sizes[size]))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** 20


def table(rows: list[dict]) -> str:
    head = f'{"metric":<12}{"against":<14}{"ours s":>10}{"public s":>11}{"ratio":>8}{"difference":>12}{"ours GB":>9}'
    lines = [head, '-' * len(head)]
    for row in rows:
        scaled = '' if row['measured_share'] == 1 else f'  (public side: {row["measured_share"]:.0%} measured)'
        difference = '-' if row['difference'] is None else f'{row["difference"]:.0e}'
        lines.append(f'{row["metric"]:<12}{row["against"]:<14}{row["ours_s"]:>10.3f}{row["public_s"]:>11.3f}'
                     f'{row["ratio"]:>7.2f}x{difference:>12}{row["memory_gb"]:>9.2f}{scaled}')
    return '\n'.join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('metrics', nargs='*', help='some of: market msmt17 rerank crowd keypoints boxes parsing '
                                                   '(default: all)')
    parser.add_argument('--size', choices=['small', 'full'], default='small')
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--clock', choices=CLOCKS, default='wall')
    parser.add_argument('--json', metavar='FILE', help='write the rows to this file')
    args = parser.parse_args(argv)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # not there when another program calls main
    known = cases()
    unknown = [name for name in args.metrics if name not in known]
    if unknown:
        from humanbench.errors import unknown_name
        parser.error(str(unknown_name('metric', unknown[0], known)))
    memory = {}
    for name in args.metrics or known:  # all of them first: a new process begins with the peak of the one that made it
        with multiprocessing.get_context('spawn').Pool(1) as pool:
            memory[name] = pool.apply(peak_memory, (name, args.size))
    rows = []
    for name in memory:
        rows += [dict(row, memory_gb=memory[name]) for row in compare(name, args.size, args.repeats, args.clock)]
        print(f'{name} done', file=sys.stderr, flush=True)
    print(f'{args.size} size, {args.clock} seconds, best of {args.repeats}')
    print(table(rows))
    if args.json:
        with open(args.json, 'w', encoding='utf-8') as file:
            json.dump(rows, file, indent=1)


if __name__ == '__main__':
    main()
