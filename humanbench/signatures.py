"""What a constructor takes, and whether a literal fits the type that is written there."""
import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_SEQUENCES = (
    list,
    tuple,
    set,
    frozenset,
    collections.abc.Sequence,
    collections.abc.Collection,
    collections.abc.Iterable,
)
_MAPPINGS = (dict, collections.abc.Mapping)


@dataclass(frozen=True)
class Arguments:
    """What a constructor takes by name.

    Attributes:
        known: name -> annotation (``inspect.Parameter.empty`` where there is none).
        required: those without a default.
        open: whether any other name is taken too.
    """
    known: Mapping[str, Any]
    required: tuple[str, ...]
    open: bool


def arguments_of(constructor: Callable) -> Arguments | None:
    """The arguments of a class or function, or None where they cannot be told (compiled code).

    A class of this package that passes ``**kwargs`` on takes what its bases take; elsewhere ``**kwargs`` takes
    anything.
    """
    known: dict[str, Any] = {}
    required: list[str] = []
    layers = [constructor]
    if inspect.isclass(constructor):
        layers = [base for base in constructor.__mro__ if '__init__' in vars(base) and base is not object]
    for depth, layer in enumerate(layers or [constructor]):
        parameters = _parameters(layer)
        if parameters is None:
            return None
        for name, parameter in parameters.items():
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and name not in known:
                known[name] = parameter.annotation
                if parameter.default is parameter.empty:
                    required.append(name)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            return Arguments(known, tuple(required), open=False)
        if not layer.__module__.startswith('humanbench.') or depth + 1 == len(layers):
            break
    return Arguments(known, tuple(required), open=True)


def _parameters(layer: Callable) -> dict[str, inspect.Parameter] | None:
    function = layer.__init__ if inspect.isclass(layer) else layer
    try:
        try:
            signature = inspect.signature(function, eval_str=True)
        except NameError:  # an annotation that is only imported for type checkers
            signature = inspect.signature(function)
    except (ValueError, TypeError):
        return None
    parameters = dict(signature.parameters)
    if inspect.isclass(layer):
        parameters.pop(next(iter(parameters)), None)  # self
    return parameters


def fits(value: Any, annotation: Any) -> bool:
    """Whether a literal suits an annotation; True wherever that cannot be told.

    Whole numbers are numbers, and a list is as good as a tuple; but ``True`` is no number, and text is neither.
    """
    if annotation is inspect.Parameter.empty or annotation is Any or isinstance(annotation, (str, typing.TypeVar)):
        return True
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, option) for option in typing.get_args(annotation))
    if origin is typing.Literal:
        return value in typing.get_args(annotation)
    kind = origin or annotation
    if kind in (None, type(None)):
        return value is None
    if kind is bool:
        return isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is str:
        return isinstance(value, str) or callable(value)  # where a registry takes a name it takes the class
    if kind in _SEQUENCES:
        return (
            isinstance(value, (list, tuple, set, frozenset, range))
            and _members_fit(value, annotation)
            or _is_other(value, kind)
        )
    if kind in _MAPPINGS:
        return isinstance(value, Mapping)
    return True


def _is_other(value: Any, kind: Any) -> bool:
    """Text and dicts are collections too, where any will do."""
    return kind in _SEQUENCES[5:] and isinstance(value, (str, Mapping))


def _members_fit(value: Any, annotation: Any) -> bool:
    members = [x for x in typing.get_args(annotation) if x is not Ellipsis]
    if len(members) == 1:
        return all(fits(item, members[0]) for item in value)
    return len(members) != len(value) or all(fits(item, member) for item, member in zip(value, members))


def spoken(annotation: Any) -> str:
    """An annotation in words for a message."""
    if annotation in (None, type(None)):
        return 'None'
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return ' or '.join(spoken(x) for x in typing.get_args(annotation))
    names = {int: 'a whole number', float: 'a number', bool: 'True or False', str: 'text'}
    return names.get(annotation) or (
        annotation.__name__
        if inspect.isclass(annotation) and not typing.get_args(annotation)
        else str(annotation).replace('collections.abc.', '').replace('typing.', '')
    )
