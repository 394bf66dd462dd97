"""Writing a model's weights for others: one file, and one per module beside it."""
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from humanbench import __version__
from humanbench.errors import UserError

from .vit_layout import shape_of

_PLAIN = (str, int, float, bool, type(None))


def export(model: nn.Module, path: str | Path, metadata: Mapping[str, Any] | None = None) -> Path:
    """Write backbone, projectors and heads of a model.

    ``OUT.pth`` holds everything; the folder ``OUT/`` beside it holds ``backbone.pth``, ``projectors/TASK.pth`` and
    ``heads/SOURCE.pth``. All have the same layout, ``{'model': tensors, 'meta': plain values}``, keep the full names,
    and load with ``path:FILE``. Each file appears whole or not at all.

    Args:
        model: a HumanModel, or a bare backbone.
        path: file to write; ``.pth`` is added where it has no suffix.
        metadata: plain values (numbers, strings, lists, dicts) to keep beside what is known of the model itself.

    Returns:
        The file that holds everything.

    Raises:
        UserError: ``metadata`` holds something that is not a plain value.
    """
    path = Path(path)
    path = path if path.suffix else path.with_suffix('.pth')
    meta = {**_about(model), **_plain(metadata or {}, 'metadata')}
    modules = _named_modules(model)
    state = {f'{name}.{key}': value for name, module in modules.items() for key, value in _tensors(module).items()}
    write_weights(state, path, meta)
    if len(modules) > 1:
        for name in modules:
            part = {key: value for key, value in state.items() if key.startswith(f'{name}.')}
            if part:
                write_weights(part, path.with_suffix('') / f'{name.replace(".", "/")}.pth', meta)
    return path


def _named_modules(model: nn.Module) -> dict[str, nn.Module]:
    if not hasattr(model, 'backbone'):
        return {'backbone': model}
    modules = {'backbone': model.backbone}
    for kind in ('projectors', 'heads'):
        modules |= {f'{kind}.{name}': module for name, module in dict(getattr(model, kind, None) or {}).items()}
    return modules


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().cpu().clone() for key, value in module.state_dict().items()}


def _about(model: nn.Module) -> dict[str, Any]:
    """What the model says about itself: enough to build it again and to refuse a mistaken use."""
    backbone = getattr(model, 'backbone', model)
    shape = shape_of(backbone.state_dict())
    about: dict[str, Any] = {'humanbench_version': __version__, 'backbone': type(backbone).__name__}
    if shape:
        about |= {'width': shape[0], 'depth': shape[1]}
        heads = getattr(getattr(backbone.blocks[0], 'attn', None), 'num_heads', None)
        about |= {'num_heads': heads, 'patch_size': backbone.patch_embed.proj.weight.shape[-1],
                  'grid': list(backbone.patch_embed.grid_size)}
    for kind in ('projectors', 'heads'):
        about[kind] = {name: type(module).__name__ for name, module in dict(getattr(model, kind, None) or {}).items()}
    return about


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f'{where}.{key}') for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f'{where}[{index}]') for index, item in enumerate(value)]
    raise UserError(
        f'{where} is a {type(value).__name__}; a weight file keeps plain values only: numbers, strings, lists, dicts.'
    )


def write_weights(state: Mapping[str, Tensor], path: Path, meta: Mapping[str, Any]) -> None:
    """Write ``{'model': state, 'meta': meta}``, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        torch.save({'model': dict(state), 'meta': dict(meta)}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
