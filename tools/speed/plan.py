"""Utilisation of PATH's 64-slot recipe on 1 to 1,024 ranks against the released scheme, and what planning itself costs.

    python tools/speed/plan.py

Costs are counted FLOPs (not measured) on H100-class ranks: 400 TFLOP a second, 337 GB/s within a node of eight, 45 GB/s
between nodes. *released*: one slot a GPU, so a multiple of 64 of them; the batch grows with the world size. *whole*:
ours with the released units. *cut*: ours with units cut for that world size (ReID and attribute units stay whole), on
the released batch. *grown*: the same where the batch grows above 64 ranks, as the released one does.
"""
import argparse
import time
import tracemalloc
from collections.abc import Sequence

WORLD_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--flops', type=float, default=400e12, help='FLOP a second of a rank; default 400e12')
    args = parser.parse_args(argv)
    from _path_recipe import path_plan
    tracemalloc.start()
    plan = path_plan(shuffled=True)
    start, before = time.perf_counter(), tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    for unit in plan.units(0):
        plan.indices(unit)
    labels = sum(source.identities.nbytes for source in plan.sources.values() if source.identities is not None)
    peak = tracemalloc.get_traced_memory()[1] - before + labels
    tracemalloc.stop()
    samples = sum(source.size for source in plan.sources.values())
    print(f'The order of {samples / 1e6:.1f} million samples, all sources on one rank: '
          f'{time.perf_counter() - start:.2f} s and {peak / 1e6:.0f} MB at most, labels of ReID included\n')
    utilisation_table(args.flops)


def utilisation_table(flops: float) -> None:
    """Print compute and, behind the stroke, end-to-end utilisation of each world size."""
    from _path_recipe import BATCH_STATISTICS, path_plan, path_traffic, recorded_costs

    from humanbench.engine.simulate import apply_cut, cut, cut_costs, forecast, grown, one_source_per_rank
    traffic, costs, released = path_traffic(45e9, 337e9), recorded_costs(flops), path_plan()
    print(f'{"ranks":>6} {"released":>9} {"whole":>15} {"cut":>15} {"units":>6} {"grown":>15} {"units":>6} {"s":>6}')
    for world_size in WORLD_SIZES:
        start = time.perf_counter()
        cells = [shares(forecast(released, world_size, costs, traffic))]
        for growth in (1, max(1, world_size // 64)):
            plan = grown(released, growth)
            parts = cut(plan, world_size, costs, BATCH_STATISTICS, floor=3e-3)
            finer = apply_cut(plan, parts)
            cells.append(shares(forecast(finer, world_size, cut_costs(costs, parts), traffic)))
            cells.append(f'{len(finer.units(0)):>6}')
        original = one_source_per_rank(released, world_size, costs)
        shown = 'cannot' if original is None else f'{original:.1%}'
        print(f'{world_size:>6} {shown:>9} {" ".join(cells)} {time.perf_counter() - start:>6.2f}', flush=True)


def shares(found) -> str:
    """Both utilisations of a forecast."""
    return f'{found.compute_utilisation:>7.1%}/{found.end_to_end_utilisation:>6.1%} '


if __name__ == '__main__':
    main()
