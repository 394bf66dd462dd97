"""A training step: several sources against each alone, two processes against one, ways to sum gradients; on a GPU, MFU.

    humanbench speed/step                          all of it that this machine can do
    humanbench speed/step overhead processes       some of it

overhead    a step of all sources of the debug recipe against the sum of its units, each run alone (goal: below 1.05)
processes   the same step in two processes of one thread each against one process of one thread
reduction   backward and sum of a ViT-S with seven heads on two ranks: our groups (overlapped), one blocking all-reduce
            for each tensor after the backward pass (as PATH's release), and DDP over everything with unused parameters
gpu         ViT-B and ViT-L units of the recipe in bf16 with compiled blocks and fused attention against fp32 with
            attention written out: tokens per second, share of the peak of matrix products, memory
"""
import argparse
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from rich.console import Console
from rich.table import Table
from torch import nn

import humanbench.datasets  # noqa: F401  (registers)
import humanbench.models  # noqa: F401
from humanbench.engine.agreement import StopRequest
from humanbench.engine.gradient_groups import GradientGroups, part_ranks
from humanbench.engine.launch import build_runner, load_config
from humanbench.models import HumanViT

RECIPE = 'path/path_debug.py'


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median time of a call, after one that does not count."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def make_loop(folder: str):
    """The training loop of the debug recipe, ready to step; nothing is written but logs."""
    config = load_config(RECIPE, options={'default_hooks.checkpoint': None, 'log_level': 'ERROR'})
    config.work_dir, config.launcher = folder, 'pytorch' if dist.is_initialized() else 'none'
    runner = build_runner(config)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner._train_loop = loop = runner.build_train_loop(runner._train_loop)
    loop.prepare()
    runner.model.train()
    return loop


def overhead(repeats: int) -> list[tuple[str, str]]:
    """One step of all sources against its units alone, data at hand in both."""
    with tempfile.TemporaryDirectory() as folder:
        loop = make_loop(folder)
        batches = iter(loop.dataloader)
        units = [next(batches) for _ in loop.assignment]

        def alone(unit: dict) -> None:
            loop.groups.zero()
            loop.running.begin({part: loop.groups.extra(part) for part in loop.running.buffers})
            loop.run_unit(dict(unit), 1.0, last=True)

        request = StopRequest()
        update = loop.runner.optim_wrapper.step
        works = [lambda: loop.run_step(iter([dict(unit) for unit in units]), request), update,
                 *(lambda unit=unit: alone(unit) for unit in units)]
        # in turns, so that a machine that is slower for a while is slower for all of them
        rounds = np.array([[seconds(work, 1) for work in works] for _ in range(repeats)])
        whole, update, parts = np.median(np.column_stack([rounds[:, :2], rounds[:, 2:].sum(1)]), axis=0)
    return [('step of seven sources', f'{whole * 1e3:.0f} ms'), ('its units alone, summed', f'{parts * 1e3:.0f} ms'),
            ('optimiser step', f'{update * 1e3:.0f} ms'),
            ('step / (units + optimiser)', f'{whole / (parts + update):.3f}')]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


def _join(rank: int, world: int, port: int) -> None:
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(rank), MASTER_ADDR='127.0.0.1',
                      MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group('gloo')


def _step_time(rank: int, world: int, port: int, folder: str, repeats: int) -> None:
    _join(rank, world, port)
    loop, request = make_loop(folder), StopRequest()
    batches = iter(loop.dataloader)
    value = seconds(lambda: loop.run_step(batches, request), repeats)
    if rank == 0:
        np.save(f'{folder}/{world}.npy', value)
    dist.destroy_process_group()


def processes(repeats: int) -> list[tuple[str, str]]:
    """Steps with loading in one and two processes."""
    with tempfile.TemporaryDirectory() as folder:
        for world in (1, 2):
            mp.spawn(_step_time, (world, _free_port(), folder, repeats), world)
        one, two = (float(np.load(f'{folder}/{world}.npy')) for world in (1, 2))
    return [('one process', f'{one * 1e3:.0f} ms a step'), ('two processes', f'{two * 1e3:.0f} ms a step'),
            ('speed-up', f'{one / two:.2f}x')]


class _Heads(nn.Module):
    """A ViT-S and the seven classifiers of a mixture; every rank's unit uses one of them."""

    def __init__(self, owned: Sequence[int]):
        super().__init__()
        self.backbone = HumanViT(img_size=64, patch_size=16, embed_dim=384, depth=12, num_heads=6, class_token_tasks=())
        self.heads = nn.ModuleDict({str(i): nn.Linear(384, 4000) for i in owned})

    def forward(self, images: torch.Tensor, head: int) -> torch.Tensor:
        return self.heads[str(head)](self.backbone(images).pooled).square().mean()


def _reduction_time(rank: int, world: int, port: int, folder: str, repeats: int) -> None:
    _join(rank, world, port)
    images, heads, placement = torch.randn(2, 3, 64, 64), 7, [[(f'{i}', 0) for i in range(r, 7, 2)] for r in range(2)]
    mine = [int(source) for source, _ in placement[rank]]
    ours = _Heads(mine)
    parts = {'backbone': list(ours.backbone.parameters())} | {
        f'heads.{i}': list(ours.heads[str(i)].parameters()) for i in mine}
    ranks = {name: held for name, held in part_ranks(
        placement, {str(i): 'all' for i in range(heads)}).items() if not name.startswith('projectors')}
    groups = GradientGroups(parts, ranks, torch.device('cpu'), rank)

    def grouped() -> None:
        groups.zero()
        with groups.last_backward():
            ours(images, mine[0]).backward()
        groups.reduce()

    def per_tensor() -> None:
        ours.zero_grad(set_to_none=False)
        ours(images, mine[0]).backward()
        for parameter in ours.backbone.parameters():
            dist.all_reduce(parameter.grad)

    everything = nn.parallel.DistributedDataParallel(_Heads(range(heads)), find_unused_parameters=True)

    def plain_ddp() -> None:
        everything.zero_grad(set_to_none=False)
        everything(images, mine[0]).backward()

    values = [seconds(work, repeats) for work in (grouped, per_tensor, plain_ddp)]
    if rank == 0:
        np.save(f'{folder}/reduction.npy', values)
    dist.destroy_process_group()


def reduction(repeats: int) -> list[tuple[str, str]]:
    """Three ways to sum gradients over two ranks."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_reduction_time, (2, _free_port(), folder, repeats), 2)
        grouped, per_tensor, plain = np.load(f'{folder}/reduction.npy')
    return [('gradient groups, overlapped', f'{grouped * 1e3:.0f} ms'),
            ('one all-reduce a tensor, afterwards', f'{per_tensor * 1e3:.0f} ms, {per_tensor / grouped:.2f}x'),
            ('DDP over everything, unused parameters', f'{plain * 1e3:.0f} ms, {plain / grouped:.2f}x')]


def gpu(repeats: int) -> list[tuple[str, str]]:
    """Forward and backward of a backbone on the recipe's image sizes, two ways."""
    if not torch.cuda.is_available():
        return [('no GPU here', 'left out')]
    rows = []
    for name, width, depth, heads in (('ViT-B', 768, 12, 12), ('ViT-L', 1024, 24, 16)):
        for what, batch, size in (('pose', 128, (256, 192)), ('reid', 112, (256, 128)), ('parsing', 26, (480, 480)),
                                  ('detection', 2, (800, 1344))):
            network = HumanViT(img_size=224, patch_size=16, embed_dim=width, depth=depth, num_heads=heads,
                               class_token_tasks=()).cuda().train()
            images = torch.randn(batch, 3, *size, device='cuda')
            tokens = batch * size[0] * size[1] // 256
            flops = 6 * tokens * (12 * width ** 2 * depth + 2 * depth * width * tokens // batch)

            def step(half: bool, network=network, images=images) -> None:
                with torch.autocast('cuda', torch.bfloat16, enabled=half):
                    loss = network(images).pooled.float().square().mean()
                loss.backward()
                network.zero_grad()
                torch.cuda.synchronize()

            for block in network.blocks:
                block.attn.fused_attn = False
            slow = seconds(lambda: step(False), repeats)
            for block in network.blocks:
                block.attn.fused_attn = True
                block.compile()
            torch.cuda.reset_peak_memory_stats()
            fast = seconds(lambda: step(True), repeats)
            rows.append((f'{name} {what} {batch} x {size[0]}x{size[1]}',
                         f'{tokens / fast:,.0f} tokens/s, {slow / fast:.1f}x fp32, {flops / fast / 1e12:.0f} TFLOP/s, '
                         f'{torch.cuda.max_memory_allocated() / 2 ** 30:.1f} GiB'))
    return rows


PARTS = dict(overhead=overhead, processes=processes, reduction=reduction, gpu=gpu)


def main(argv: Sequence[str] | None = None) -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('parts', nargs='*', choices=[*PARTS, []], default=[], help='which (default: all)')
    p.add_argument('--repeats', type=int, default=7)
    args = p.parse_args(argv)
    for part in args.parts or PARTS:
        view = Table('what', 'figure', title=f'{part}, {torch.get_num_threads()} thread(s)')
        for row in PARTS[part](args.repeats):
            view.add_row(*row)
        Console().print(view)


if __name__ == '__main__':
    sys.exit(main())
