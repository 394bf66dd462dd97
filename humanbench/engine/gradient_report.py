"""How much each task pulls at the backbone, and whether two of them pull the same way.

The gradient of every task at the backbone is summed over its units on all ranks, as seen by hooks that read what
autograd is about to add up and change nothing. Of a backbone with more than ``size`` parameters only a random
projection on ``size`` numbers is kept for each task: element i of the gradient goes, with a random sign, to number
i modulo size. Scalar products of projections are unbiased estimates; cosines have a standard error of about
size ** -0.5 (0.2 %). Smaller backbones are exact. Memory: size numbers a task (1 MB in fp32).
"""
import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..errors import UserError
from ..seeds import keyed_seed

SIZE = 1 << 18


class GradientReport:
    """Norm shares and cosines of the tasks' gradients at the backbone, every so many steps.

    Args:
        backbone: whose trainable parameters are looked at.
        tasks: names, in one order on all ranks.
        interval: of the steps that are looked at: the last of every ``interval``.
        size: numbers kept of each task's gradient.
    """

    def __init__(self, backbone: nn.Module, tasks: Sequence[str], interval: int, size: int = SIZE):
        parameters = [(name, p) for name, p in backbone.named_parameters() if p.requires_grad]
        if not parameters or interval < 1:
            reason = 'no parameter of the backbone is trained' if not parameters else 'expected 1 or more steps'
            raise UserError(f'train_cfg.gradient_report = {interval}: {reason}.')
        self.tasks, self.interval, self._row = list(tasks), interval, None
        total, first = sum(p.numel() for _, p in parameters), parameters[0][1]
        self.exact = total <= size
        self.sketch = torch.zeros(len(self.tasks), min(size, total), device=first.device,
                                  dtype=torch.promote_types(first.dtype, torch.float32))
        offset = 0
        for name, parameter in parameters:
            parameter.register_hook(self._reader(name, offset))
            offset += parameter.numel()

    def due(self, step: int) -> bool:
        """Whether this step is looked at."""
        return (step + 1) % self.interval == 0

    @contextlib.contextmanager
    def unit(self, step: int, task: str) -> Iterator[None]:
        """The backward pass inside is that of a unit of ``task``."""
        self._row = self.sketch[self.tasks.index(task)] if self.due(step) else None
        try:
            yield
        finally:
            self._row = None

    def _reader(self, name: str, offset: int) -> Callable[[Tensor], None]:
        def read(gradient: Tensor) -> None:
            if self._row is not None:
                self._add(self._row, gradient.detach().reshape(-1).to(self.sketch.dtype), name, offset)
        return read

    def _add(self, row: Tensor, gradient: Tensor, name: str, offset: int) -> None:
        """Project a part of the gradient that lies at ``offset``."""
        if not self.exact:
            generator = torch.Generator(gradient.device).manual_seed(keyed_seed('gradient report', name))
            gradient = gradient * torch.randint(
                0, 2, gradient.shape, generator=generator, device=gradient.device, dtype=torch.int8).mul_(2).sub_(1)
        start = offset % len(row)
        head, rest = gradient[:len(row) - start], gradient[len(row) - start:]
        row[start:start + len(head)] += head
        whole = len(rest) // len(row) * len(row)
        row += rest[:whole].view(-1, len(row)).sum(0)
        row[:len(rest) - whole] += rest[whole:]

    def exchange(self) -> dict[str, float]:
        """Sum over all ranks, and begin anew; all of them call it together, at the end of a step that is due.

        Returns:
            ``gradient/share/TASK``: the norm of the task's gradient over the sum of the tasks' norms, and
            ``gradient/cosine/TASK~TASK``; nothing where a gradient is not finite.
        """
        if dist.is_initialized() and dist.get_world_size() > 1:
            dist.all_reduce(self.sketch)
        products = (self.sketch.double() @ self.sketch.double().T).tolist()
        self.sketch.zero_()
        norms = [products[i][i] ** 0.5 for i in range(len(self.tasks))]
        total = sum(norms)
        if not 0 < total < float('inf'):
            return {}
        cosines = {f'gradient/cosine/{a}~{b}': products[i][j] / (norms[i] * norms[j])
                   for (i, a), (j, b) in itertools.combinations(enumerate(self.tasks), 2) if norms[i] and norms[j]}
        return {f'gradient/share/{task}': norm / total for task, norm in zip(self.tasks, norms)} | cosines
