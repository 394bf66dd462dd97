"""What units cost before anything ran: FLOPs, seconds and memory of a recipe, counted on tensors without data.

Every source runs once through its own backbone, projector and head on PyTorch's meta device, which computes shapes
alone. FLOPs are those of matrix products, convolutions and attention (2 per multiply-add); a backward pass counts
twice the forward pass, of a partly frozen backbone by the blocks that it reaches, and recomputed activations once more.
The loss itself and data loading are not counted.
"""
import contextlib
import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from .. import protocols
from ..models import BasePretext
from ..registry import MODELS
from ..structures import Features, HumanSample
from .costs import DEVICES, Device, find_device
from .input_size import canvases, pipeline_of
from .placement import Traffic

IMAGES = 2  # of a counted unit: batch norm wants more than one
PARAMETER_BYTES = 4  # weights and gradients are float32 in every precision
OPTIMIZER_BYTES = {'AdamW': 8, 'Adam': 8, 'SGD': 4, 'PathAdafactor': 4}  # a parameter; matrices' second moments aside
# Saved activations of a ViT block in bf16 autocast over those in fp32: 36 of 66 bytes per channel and token, because
# what the norms read and write stays in fp32.
SAVED_SHARE = {'fp32': 1.0, 'bf16': 0.55}
WEIGHT_COPY_BYTES = {'fp32': 0, 'bf16': 2}  # autocast keeps a copy of each weight during a unit
RESERVED = {'cpu': 0.5e9}  # bytes that a process needs before it has a model; on a GPU a gigabyte
FRAGMENTATION = 1.1


@dataclass(frozen=True)
class UnitCost:
    """One unit of a source.

    Attributes:
        seconds: of its forward and backward pass.
        flops: of both, recomputation included.
        activations: bytes kept between them, of the largest images.
    """
    seconds: float
    flops: float
    activations: float


@dataclass(frozen=True)
class Estimate:
    """A recipe on a device.

    Attributes:
        device: it is for.
        units: cost of one unit of each source.
        traffic: of the gradients, in bytes.
        state_bytes: memory of weight, gradient, optimiser and average for each byte of gradient.
        held: bytes without gradient that the head of each source holds: a teacher, tables of what it has seen.
        held_by_all: the same of the backbone and the projectors: frozen weights, constants.
        batch_statistics: sources whose heads normalise over the images of a unit, which a cut unit would change.
        sharded: whether the backbone is spread over the ranks (``train_cfg.shard_backbone``).
    """
    device: Device
    units: Mapping[str, UnitCost]
    traffic: Traffic
    state_bytes: float
    held: Mapping[str, float]
    held_by_all: float
    batch_statistics: frozenset[str]
    sharded: bool = False

    @property
    def costs(self) -> dict[str, float]:
        """Seconds of one unit of each source."""
        return {name: unit.seconds for name, unit in self.units.items()}

    def cut(self, parts: Mapping[str, int]) -> 'Estimate':
        """The same of a recipe whose units are cut into ``parts`` (1 for sources that are not named)."""
        def share(name: str, unit: UnitCost) -> UnitCost:
            n = parts.get(name, 1)
            return UnitCost(max(unit.seconds / n, self.device.floor), unit.flops / n, unit.activations / n)
        return replace(self, units={name: share(name, unit) for name, unit in self.units.items()})

    def with_seconds(self, seconds: Mapping[str, float]) -> 'Estimate':
        """The same with other seconds of the units, such as measured ones."""
        return replace(self, units={name: replace(unit, seconds=seconds[name]) for name, unit in self.units.items()})

    def memory(self, sources: Sequence[str], world: int = 1) -> float:
        """Bytes that a rank which runs these sources needs, in a run of ``world`` ranks."""
        routes = {self.traffic.routes[name] for name in sources}
        gradients = sum(self.traffic.heads[name] for name in sources) + sum(
            self.traffic.projectors[route] for route in routes)
        backbone = self.state_bytes * self.traffic.backbone
        if self.sharded and world > 1:  # gathered weights, and the sums of gradients until the last unit, are whole
            backbone = backbone / world + 2 * self.traffic.backbone
        largest = max((self.units[name].activations for name in sources), default=0.0)
        held = self.held_by_all + sum(self.held[name] for name in sources)
        return (RESERVED.get(self.device.name, 1e9) + held + backbone + self.state_bytes * gradients
                + FRAGMENTATION * largest)


def this_device() -> Device:
    """The device of this process; a GPU that is not known is taken for an A100.

    Ranks that plan together need to agree: they plan with the device of the first of them.
    """
    if not torch.cuda.is_available():
        return DEVICES['cpu']
    full_name = torch.cuda.get_device_name().lower()
    return next((device for name, device in DEVICES.items() if name in full_name), DEVICES['a100'])


def estimate(config: Config, device: str | Device) -> Estimate:
    """Costs, traffic and memory of a training config.

    Args:
        config: of a training run, as :func:`humanbench.engine.launch.complete` completes it.
        device: a name of :data:`humanbench.engine.costs.DEVICES`, or a device.

    Raises:
        UserError: unknown device, or a source whose input size its pipeline does not say.
    """
    device = find_device(device) if isinstance(device, str) else device
    precision = (config.get('train_cfg') or {}).get('precision', 'fp32')
    with torch.device('meta'):
        model = MODELS.build({key: value for key, value in config.model.items() if key != 'owned'})
    protocols.apply_recipe(model, config)
    counter = _Counter(model)
    units = {name: _unit_cost(counter, name, source, device, precision) for name, source in config.sources.items()}
    state = 2 * PARAMETER_BYTES + optimizer_bytes(config) + WEIGHT_COPY_BYTES[precision]
    traffic = Traffic(
        device.network, _bytes(model.backbone), {name: _bytes(part) for name, part in model.projectors.items()},
        {name: _bytes(part) for name, part in model.heads.items()}, dict(model.routes), device.link, device.node)
    statistics = frozenset(name for name, head in model.heads.items()
                           if any(isinstance(module, _BatchNorm) for module in head.modules()))
    held = {name: _held(head) for name, head in model.heads.items()}
    return Estimate(device, units, traffic, state / PARAMETER_BYTES, held,
                    _held(model.backbone) + _held(model.projectors), statistics,
                    bool((config.get('train_cfg') or {}).get('shard_backbone')))


def optimizer_bytes(config: Config) -> int:
    """Bytes that a recipe's optimiser, and the average of its weights, keep for each weight that trains."""
    wrapper = config.get('optim_wrapper') or {}
    kind = wrapper.get('optimizer', {}).get('type', 'AdamW')
    moments = OPTIMIZER_BYTES.get(kind.__name__ if inspect.isclass(kind) else str(kind).rpartition('.')[2], 8)
    return moments + (0 if wrapper.get('average_decay') is None else PARAMETER_BYTES)


def _bytes(module: nn.Module) -> float:
    """Of the parameters that have gradients."""
    return float(PARAMETER_BYTES * sum(x.numel() for x in module.parameters() if x.requires_grad))


def _held(module: nn.Module) -> float:
    """Bytes of the parameters without gradient, and of the buffers."""
    frozen = (x for x in module.parameters() if not x.requires_grad)
    return float(sum(x.numel() * x.element_size() for x in (*frozen, *module.buffers())))


def _unit_cost(counter: '_Counter', name: str, source: Mapping, device: Device, precision: str) -> UnitCost:
    batch, patch = source['batch_size'], counter.model.backbone.patch_size
    sizes = canvases(name, pipeline_of(source['dataset']), batch, patch)
    ordered = sorted(sizes, key=math.prod)
    counted = dict.fromkeys((ordered[0], ordered[len(ordered) // 2], ordered[-1]))
    flops, saved = np.array([counter.training(name, size) for size in counted]).T
    # nothing grows faster than the square of the pixels: three sizes say it all
    curve = np.polynomial.Polynomial.fit([math.prod(size) for size in counted], flops, len(counted) - 1)
    total = batch * sum(share * float(curve(math.prod(size))) for size, share in sizes.items())
    return UnitCost(max(total / device.flops(precision), device.floor), total,
                    batch * float(saved.max()) * SAVED_SHARE[precision])


def _reached(backbone: nn.Module) -> float:
    """Share of the blocks of a backbone that a gradient reaches: those from the first with a weight that trains."""
    layers = [backbone.layer_id(name) for name, x in backbone.named_parameters() if x.requires_grad]
    return (backbone.depth + 1 - max(min(layers), 1)) / backbone.depth if layers else 0.0


def forward_operations(network: nn.Module, size: tuple[int, int]) -> float:
    """FLOPs of a network on the meta device for one image of a size (height, width), forward."""
    attention = _FusedAttention()
    with torch.no_grad(), _countable(attention), FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, *size, device='meta'))
    return float(counter.get_total_flops() + attention.flops)


class _Counter:
    """Counts FLOPs and saved bytes of a model on the meta device."""

    def __init__(self, model: nn.Module):
        self.model = model
        backbone = model.backbone
        self.recomputed = getattr(backbone, 'checkpointing', False)
        if self.recomputed:
            backbone.checkpointing = False  # counted as if everything were kept, and corrected
        self.reached = _reached(backbone)
        self.shared = cache(self._shared)
        self.training = cache(self._training)

    def _training(self, name: str, size: tuple[int, int]) -> tuple[float, float]:
        """FLOPs of forward and backward, and saved bytes, of one image of a source."""
        head, route = self.model.heads[name], self.model.routes[name]
        if isinstance(head, BasePretext):
            return self._pretext(head, name, size)
        features, flops, saved = self.shared(head.task, route, size)
        samples = [HumanSample(metainfo=dict(img_shape=size, batch_input_shape=size))] * IMAGES
        _, head_flops, head_saved = self._count(_head_forward, head, features, samples)
        again = head_flops if getattr(head, 'checkpointing', False) else 0
        return (flops + 3 * head_flops + again) / IMAGES, (saved + head_saved) / IMAGES

    def _pretext(self, head: BasePretext, name: str, size: tuple[int, int]) -> tuple[float, float]:
        """The same of a head that says itself what the backbone sees."""
        samples = [HumanSample(metainfo=dict(img_shape=size))] * IMAGES
        images = torch.empty(IMAGES, 3, *size, device='meta')
        views, view_flops, _ = self._count(head.views, images, samples, torch.Generator(device='cpu'))
        _, target_flops, _ = self._count(head.targets, views, IMAGES)
        features, flops, saved = self._count(self.model.see, views, name)
        _, head_flops, head_saved = self._count(head, features, views)
        again = flops * self._recomputes(head.task)
        once = view_flops + target_flops  # without gradient
        return (3 * (flops + head_flops) + again + once) / IMAGES, (saved + head_saved) / IMAGES

    def _shared(self, task: str, route: str, size: tuple[int, int]) -> tuple[Features, float, float]:
        """Features of a projector, FLOPs of forward and backward and saved bytes up to there."""
        backbone = self.model.backbone
        images = torch.empty(IMAGES, 3, *size, device='meta')
        condition = dict(task=task, drop_path=0.1, generator=torch.Generator())
        features, flops, saved = self._count(backbone, images, condition)
        recomputed = self._recomputes(task)
        if recomputed and self.reached:  # kept are the inputs of the blocks, and all of the one being recomputed
            inputs = sum(level.numel() * level.element_size() for level in features.tokens)
            saved = self.reached * inputs + saved / (self.reached * backbone.depth)
        projector = self.model.projectors[route]
        features, projector_flops, projector_saved = self._count(projector, features)
        passes = 1 + self.reached * (3 if recomputed else 2)
        trains = self.reached or any(x.requires_grad for x in projector.parameters())
        return features, passes * flops + (3 if trains else 1) * projector_flops, saved + projector_saved

    def _recomputes(self, task: str) -> bool:
        return self.recomputed if isinstance(self.recomputed, bool) else task in self.recomputed

    def _count(self, function, *arguments) -> tuple[Features | Tensor, float, float]:
        """What a forward pass gives, its FLOPs, and the bytes that it saves for the backward pass."""
        storages = {}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if tensor.is_meta and not isinstance(tensor, nn.Parameter) and not self._is_weight(tensor):
                storages[storage._cdata] = storage  # held, so that no other storage takes its place
            return tensor

        attention = _FusedAttention()
        with _countable(attention), FlopCounterMode(display=False) as counter, \
                torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            output = function(*arguments)
        return output, float(counter.get_total_flops() + attention.flops), float(
            sum(storage.nbytes() for storage in storages.values()))

    def _is_weight(self, tensor: Tensor) -> bool:
        return tensor._is_view() and isinstance(tensor._base, nn.Parameter)


def _head_forward(head: nn.Module, features: Features, samples: list[HumanSample]) -> Tensor:
    """What a head computes from features before its loss."""
    takes = inspect.signature(head.forward).parameters
    return head(features, samples) if len(takes) > 1 else head(features)


class _FusedAttention:
    """Attention as fused kernels do it: nothing of queries x keys is kept. Counts its FLOPs."""

    def __init__(self):
        self.flops = 0

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, *args, **kwargs) -> Tensor:
        self.flops += 2 * query[..., 0].numel() * key.shape[-2] * (query.shape[-1] + value.shape[-1])
        return _KeepsInputs.apply(query, key, value)


class _KeepsInputs(torch.autograd.Function):
    """The shape of attention's output; keeps what fused kernels keep."""

    @staticmethod
    def forward(ctx, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        output = query.new_empty(*query.shape[:-1], value.shape[-1])
        ctx.save_for_backward(query, key, value, output)
        return output

    @staticmethod
    def backward(ctx, gradient: Tensor):
        raise AssertionError('nothing is trained on the meta device')


@contextlib.contextmanager
def _countable(attention: _FusedAttention) -> Iterator[None]:
    """What a meta device cannot do as a GPU does: autocast would refuse it (precision does not change shapes), and
    attention would be computed without fused kernels."""
    with mock.patch.object(torch, 'autocast', lambda *args, **kwargs: contextlib.nullcontext()), \
            mock.patch.object(F, 'scaled_dot_product_attention', attention):
        yield
