"""Optimiser parts that the recipes need and no library has together.

:class:`PathAdafactor` is Adafactor in the order of PATH's release, :class:`LayerDecayConstructor` makes its parameter
groups, :class:`HumanOptimWrapper` clips by group.
"""
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

import torch
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from ..errors import UserError, unknown_name
from ..registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from .average import WeightAverage

DECAY_RULES = ('standard', 'path')
CLIP_PARTS = ('all', 'each', 'backbone', 'tensor')
NO_DECAY_NAMES = ('pos_embed', 'cls_pos_embed', 'cls_token', 'gates', 'level_embed')
NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm)


@OPTIMIZERS.register_module()
class PathAdafactor(Optimizer):
    """Adafactor as PATH trains with it: the first moment is taken over the *lr-scaled*, RMS-clipped update.

    Differs from ``torch.optim.Adafactor`` in having a first moment, no relative step, and decay by lr
    (PATH pretraining, section 4.2 of its specification: beta1 .9, clip .5, eps 1e-30, decay exponent -.8).

    Args:
        params: parameters or groups.
        lr: step size of every update (no relative step).
        beta1: of the first moment; None for no first moment.
        decay_rate: exponent of the second moment's decay, beta2_t = 1 - t**decay_rate.
        max_beta2: upper bound of beta2_t.
        clip_threshold: the update's root mean square is brought down to this.
        eps: added to the squared gradient.
        weight_decay: decoupled, multiplied by lr.
    """

    def __init__(self, params: Iterable, lr: float = 1e-3, beta1: float | None = 0.9, decay_rate: float = -0.8,
                 max_beta2: float = 0.999, clip_threshold: float = 1.0, eps: float = 1e-30,
                 weight_decay: float = 0.0):
        super().__init__(params, dict(
            lr=lr, beta1=beta1, decay_rate=decay_rate, max_beta2=max_beta2, clip_threshold=clip_threshold, eps=eps,
            weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        """One step over all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group['params']:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: dict) -> None:
        gradient, state = parameter.grad.float(), self.state[parameter]
        if not state:
            self._initialise(parameter, state, group)
        state['step'] += 1
        update = gradient * self._inverse_root(gradient, state, group)
        update.div_((update.pow(2).mean().sqrt() / group['clip_threshold']).clamp_(min=1.0)).mul_(group['lr'])
        if group['beta1'] is not None:
            update = state['exp_avg'].mul_(group['beta1']).add_(update, alpha=1 - group['beta1'])
        if group['weight_decay']:
            parameter.mul_(1 - group['weight_decay'] * group['lr'])
        parameter.sub_(update)

    @staticmethod
    def _initialise(parameter: Tensor, state: dict, group: dict) -> None:
        state['step'] = 0
        if group['beta1'] is not None:
            state['exp_avg'] = torch.zeros_like(parameter, dtype=torch.float32)
        if parameter.ndim >= 2:
            shape = parameter.shape
            state['row'] = parameter.new_zeros(shape[:-1], dtype=torch.float32)
            state['column'] = parameter.new_zeros(shape[:-2] + shape[-1:], dtype=torch.float32)
        else:
            state['exp_avg_sq'] = torch.zeros_like(parameter, dtype=torch.float32)

    @staticmethod
    def _inverse_root(gradient: Tensor, state: dict, group: dict) -> Tensor:
        """1 / sqrt of the second moment, factored over the last two dimensions where there are two."""
        beta2 = min(1 - math.pow(state['step'], group['decay_rate']), group['max_beta2'])
        squared = gradient.pow(2).add_(group['eps'])
        if 'row' not in state:
            return state['exp_avg_sq'].mul_(beta2).add_(squared, alpha=1 - beta2).rsqrt()
        row = state['row'].mul_(beta2).add_(squared.mean(dim=-1), alpha=1 - beta2)
        column = state['column'].mul_(beta2).add_(squared.mean(dim=-2), alpha=1 - beta2)
        row_factor = (row / row.mean(dim=-1, keepdim=True)).rsqrt().unsqueeze(-1)
        return row_factor * column.rsqrt().unsqueeze(-2)


def layer_scale(layer: int, depth: int, decay: float, rule: str, position: bool = False) -> float:
    """Learning-rate multiplier of a backbone layer.

    Args:
        layer: 0 for the embedding, i + 1 for block i, depth + 1 for the final norm.
        depth: number of blocks.
        decay: factor from one block to the one before.
        rule: ``'standard'`` (BEiT, MAE, ViTPose: block i gets decay**(depth - i)) or ``'path'`` (the release is two
            powers higher: block i gets decay**(depth - 2 - i); final norm, position table and class token get 1).
        position: whether the parameter is a position table or class token.
    """
    if rule == 'standard':
        return decay**(depth + 1 - min(layer, depth + 1))
    if rule == 'path':
        return 1.0 if position or layer == depth + 1 else decay**(depth - 1 - layer)
    raise unknown_name('layer decay rule', rule, DECAY_RULES)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayConstructor:
    """Optimiser with layer-wise learning rates for the backbone and no decay where decay does harm.

    Biases, norms, position tables, class tokens, gates and embeddings are not decayed. Frozen parameters are left out.

    Args:
        optim_wrapper_cfg: wrapper config with an ``optimizer``.
        paramwise_cfg: ``layer_decay`` (1: none), ``layer_decay_rule``, ``backbone_multiplier`` (1) of the backbone's
            learning rate, ``head_weight_decay`` (None: as the rest).
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None):
        self.config = dict(optim_wrapper_cfg)
        options = dict(layer_decay=1.0, layer_decay_rule='standard', backbone_multiplier=1.0, head_weight_decay=None)
        for name in paramwise_cfg or {}:
            if name not in options:
                raise unknown_name('paramwise_cfg option', name, options)
        self.options = options | dict(paramwise_cfg or {})

    def __call__(self, model: nn.Module) -> OptimWrapper:
        optimizer = dict(self.config.pop('optimizer'))
        optimizer['params'] = self.groups(model, optimizer['lr'], optimizer.get('weight_decay', 0.0))
        kind = optimizer['type']
        if (OPTIMIZERS.get(kind) if isinstance(kind, str) else kind) is torch.optim.AdamW:
            optimizer.setdefault('fused', True)  # one pass over all tensors; torch's default is a loop or several
        self.config.setdefault('type', HumanOptimWrapper)
        return OPTIM_WRAPPERS.build(dict(self.config, optimizer=OPTIMIZERS.build(optimizer)))

    def groups(self, model: nn.Module, lr: float, weight_decay: float) -> list[dict]:
        """Parameter groups, one for each combination of part, learning rate and decay."""
        groups: dict[tuple, dict] = {}
        undecayed = self._undecayed(model)
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            part = name.split('.', 1)[0]
            scale = self._backbone_scale(model, name) if part == 'backbone' else 1.0
            decay = weight_decay
            if part == 'heads' and self.options['head_weight_decay'] is not None:
                decay = self.options['head_weight_decay']
            if name in undecayed:
                decay = 0.0
            key = (part, scale, decay)
            group = groups.setdefault(key, dict(params=[], lr=lr * scale, weight_decay=decay, part=part))
            group['params'].append(parameter)
        MMLogger.get_current_instance().info(
            'Optimiser: %s', '; '.join(f"{g['part']} {len(g['params'])} tensors lr {g['lr']:.3g} decay "
                                       f"{g['weight_decay']:.3g}" for g in groups.values()))
        return list(groups.values())

    def _backbone_scale(self, model: nn.Module, name: str) -> float:
        inner = name.split('.', 1)[1]
        position = inner.split('.')[-1] in ('pos_embed', 'cls_pos_embed', 'cls_token', 'dist_token', 'reg_token')
        scale = layer_scale(model.backbone.layer_id(inner), model.backbone.depth, self.options['layer_decay'],
                            self.options['layer_decay_rule'], position)
        return scale * self.options['backbone_multiplier']

    @staticmethod
    def _undecayed(model: nn.Module) -> set[str]:
        names = {f'backbone.{name}' for name in getattr(model.backbone, 'no_weight_decay', set)()}
        for prefix, module in model.named_modules():
            # one-dimensional weights are norms, ours included, whatever their class
            for name, parameter in module.named_parameters(recurse=False):
                if (parameter.ndim <= 1 or name in NO_DECAY_NAMES or isinstance(module, (*NORMS, nn.Embedding))):
                    names.add(f'{prefix}.{name}' if prefix else name)
        return names


@OPTIM_WRAPPERS.register_module()
class HumanOptimWrapper(OptimWrapper):
    """Optimiser wrapper that clips the gradient norm: of all parameters together, of each part, or of the backbone.

    Args:
        clip_norm: largest gradient norm; None for no clipping.
        clip_part: ``'all'``, ``'each'`` (backbone, projectors and heads on their own), ``'backbone'`` (alone) or
            ``'tensor'`` (every parameter on its own, as DINO does).
        average_decay: of the moving average of the weights (:class:`.average.WeightAverage`), which then is what a run
            leaves and is tested by; None for the weights of the last step.
    """

    def __init__(self, optimizer: Optimizer, clip_norm: float | None = None, clip_part: str = 'all',
                 average_decay: float | None = None):
        super().__init__(optimizer=optimizer)
        if average_decay is not None and not 0 <= average_decay < 1:
            raise UserError(f'optim_wrapper.average_decay = {average_decay}: expected a number from 0 to below 1, such '
                            'as 0.9998, or None.')
        self.average_decay, self.average = average_decay, None
        if clip_part not in CLIP_PARTS:
            raise unknown_name('clip_part', clip_part, CLIP_PARTS)
        self.clip_norm, self.clip_part = clip_norm, clip_part

    def step(self, squared_norms: Mapping[str, float] | None = None, **kwargs) -> None:
        """Clip and step.

        Args:
            squared_norms: squared gradient norm by part, over all ranks; None computes them from the parameters here.
        """
        if self.average is None:
            self.begin_average()
        if self.clip_norm is not None and self.clip_part == 'tensor':
            self._clip_tensors()
        elif self.clip_norm is not None:
            for parameters, norm in self._clipped(squared_norms):
                torch.nn.utils.clip_grads_with_norm_(parameters, self.clip_norm, norm)
        self.optimizer.step(**kwargs)
        if self.average is not None:
            self.average.update()

    def begin_average(self) -> None:
        """Begin to average with the weights as they are, where the recipe says so."""
        if self.average_decay is not None:
            parameters = (x for group in self.optimizer.param_groups for x in group['params'])
            self.average = WeightAverage(parameters, self.average_decay)

    def _clip_tensors(self) -> None:
        parameters = [p for group in self.param_groups for p in group['params'] if p.grad is not None]
        gradients = [p.grad for p in parameters if not isinstance(p.grad, DTensor)]
        if gradients:
            norms = torch.stack(torch._foreach_norm(gradients))
            torch._foreach_mul_(gradients, (self.clip_norm / (norms + 1e-6)).clamp(max=1).unbind())
        for parameter in parameters:
            if isinstance(parameter.grad, DTensor):  # PyTorch takes the whole norm
                torch.nn.utils.clip_grad_norm_([parameter], self.clip_norm)

    def _clipped(self, squared_norms: Mapping[str, float] | None) -> list[tuple[list[Tensor], Tensor]]:
        """Parameters by part, each with the norm that is bounded: its own, or that of all parts."""
        parts: dict[str, list[Tensor]] = defaultdict(list)
        for group in self.param_groups:
            parts[group.get('part', 'all')] += [p for p in group['params'] if p.grad is not None]
        parts = {part: parameters for part, parameters in parts.items() if parameters}
        if squared_norms is None:
            squared_norms = {part: torch.nn.utils.get_total_norm([p.grad for p in parameters]) ** 2
                             for part, parameters in parts.items()}
        if self.clip_part == 'all':
            squared_norms = dict.fromkeys(parts, sum(squared_norms.values()))
        elif self.clip_part == 'backbone':
            parts = {part: parameters for part, parameters in parts.items() if part == 'backbone'}
        return [(parameters, torch.as_tensor(squared_norms[part]) ** 0.5) for part, parameters in parts.items()]
