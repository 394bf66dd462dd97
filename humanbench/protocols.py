"""What trains in a benchmark run: ``full``, ``partial``, ``head`` or ``direct``, as data, for any HumanModel."""
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from torch import nn

from .errors import UserError, unknown_name

VERSION = '1'


@dataclass(frozen=True)
class Protocol:
    """A finetuning protocol.

    Attributes:
        name: by which configs and command lines know it.
        backbone_blocks: how many of the last blocks train (with the final norm); None for the whole backbone.
        train_projectors: whether the projectors train.
        train_heads: whether the heads train.
        meaning: in one line.
    """
    name: str
    backbone_blocks: int | None
    train_projectors: bool
    train_heads: bool
    meaning: str


PROTOCOLS = {protocol.name: protocol for protocol in (
    Protocol('full', None, True, True, 'everything trains'),
    Protocol('partial', 2, True, True, 'the last two blocks, the final norm and the head train'),
    Protocol('head', 0, False, True, 'the head trains on a frozen backbone'),
    Protocol('direct', 0, False, False, 'nothing trains: the pretrained head is evaluated as it is'),
)}


def get(name: str) -> Protocol:
    """The protocol of that name; an unknown one raises with the nearest."""
    if name not in PROTOCOLS:
        raise unknown_name('protocol', name, PROTOCOLS)
    return PROTOCOLS[name]


def overlays(config: Mapping, protocol: str | None = None, flavor: str | None = None) -> list[Mapping]:
    """What is laid over a config, in order: the protocol's overrides, the flavour's, the flavour's for the protocol.

    The last are ``flavors.<flavor>.protocols.<protocol>``: what only this protocol does differently at that size.
    """
    layers = [] if protocol is None else [config.get('protocols', {}).get(protocol, {})]
    if flavor is not None:
        chosen = config['flavors'][flavor]
        layers.append({key: value for key, value in chosen.items() if key != 'protocols'})
        if protocol is not None:
            layers.append(chosen.get('protocols', {}).get(protocol, {}))
    return layers


def is_trainable(protocol: Protocol, model: nn.Module, name: str) -> bool:
    """Whether a parameter trains, decided by its module path alone."""
    part, _, inner = name.partition('.')
    if part == 'heads':
        return protocol.train_heads
    if part == 'projectors':
        return protocol.train_projectors
    if part != 'backbone':
        raise UserError(f"Parameter '{name}' belongs to no part of a HumanModel (backbone, projectors, heads).")
    if protocol.backbone_blocks is None:
        return True
    # layer depth + 1 is the final norm; it opens together with the first block
    last_frozen = model.backbone.depth - protocol.backbone_blocks
    return protocol.backbone_blocks > 0 and model.backbone.layer_id(inner) > last_frozen


@dataclass(frozen=True)
class Trainable:
    """How much of a model a protocol trains."""
    protocol: str
    parts: dict[str, tuple[int, int]]  # part -> (trainable, all) numbers of weights

    @property
    def trained(self) -> int:
        return sum(trained for trained, _ in self.parts.values())

    @property
    def total(self) -> int:
        return sum(total for _, total in self.parts.values())

    def __str__(self) -> str:
        rows = [*self.parts.items(), ('all', (self.trained, self.total))]
        lines = [f"protocol '{self.protocol}': {PROTOCOLS[self.protocol].meaning}",
                 f"{'part':<24}{'trains':>14}{'of':>14}"]
        lines += [f'{part:<24}{trained:>14,}{total:>14,}' for part, (trained, total) in rows]
        return '\n'.join(lines)


def apply(model: nn.Module, name: str, partial_blocks: int | None = None, frozen: Collection[str] = (),
          train_frozen: bool = False) -> Trainable:
    """Freeze what the protocol freezes; frozen parts stay in eval mode.

    Args:
        model: a HumanModel.
        name: of the protocol.
        partial_blocks: how many blocks ``partial`` opens, where a dataset's recipe says another number than two.
        frozen: parameters, or modules with all of theirs, that a recipe freezes besides.
        train_frozen: frozen parts stay in training mode: they drop paths, and their batch statistics move.

    Returns:
        The counts, for printing.

    Raises:
        UserError: the model has nothing of a name in ``frozen``.
    """
    protocol = get(name)
    if name == 'partial' and partial_blocks is not None:
        protocol = replace(protocol, backbone_blocks=partial_blocks)
    names = [n for n, _ in model.named_parameters()]
    by_protocol = [n for n in names if not is_trainable(protocol, model, n)]
    if protocol.train_heads:
        heads = [n for n in names if n.startswith('heads.')]
        assert heads and not set(heads) & set(by_protocol), 'every finetuning protocol trains the head'
    model.freeze([*by_protocol, *_named(names, frozen)], eval_mode=not train_frozen)
    return count(model, name)


def apply_recipe(model: nn.Module, recipe: Mapping) -> Trainable | None:
    """The same as a recipe says it: ``protocol``, ``partial_blocks``, ``frozen``, ``train_frozen``.

    Returns:
        The counts; None for a recipe that has no protocol.
    """
    if not recipe.get('protocol'):
        return None
    return apply(model, recipe['protocol'], recipe.get('partial_blocks'), recipe.get('frozen', ()),
                 recipe.get('train_frozen', False))


def _named(names: Collection[str], wanted: Collection[str]) -> list[str]:
    """The parameters of these names, or in modules of these names."""
    for name in wanted:
        if not any(x == name or x.startswith(f'{name}.') for x in names):
            raise UserError(f"frozen: the model has no parameter or module '{name}'. Its parameters are named like "
                            f"{', '.join(list(names)[:2])}, {list(names)[-1]}.")
    return [x for x in names if any(x == name or x.startswith(f'{name}.') for name in wanted)]


def count(model: nn.Module, name: str) -> Trainable:
    """Trainable and all weights of every part of a model."""
    parts: dict[str, tuple[int, int]] = {}
    for parameter_name, parameter in model.named_parameters():
        part = _part(parameter_name.split('.'))
        trained, total = parts.get(part, (0, 0))
        parts[part] = (trained + parameter.numel() * parameter.requires_grad, total + parameter.numel())
    return Trainable(name, parts)


def _part(path: Iterable[str]) -> str:
    first, second, *_ = path
    return first if first == 'backbone' else f'{first}.{second}'
