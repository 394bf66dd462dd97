"""The string that names weights everywhere: configs, command lines, leaderboard rows."""
import re
from dataclasses import dataclass, replace
from pathlib import Path

from humanbench.errors import CheckpointError, UserError, unknown_name

SCHEMES = ('scratch', 'timm', 'mae', 'clip', 'dino', 'path', 'hap', 'solider')
"""What may stand before the colon; ``scratch`` stands alone, and a plain file name needs none."""


@dataclass(frozen=True)
class WeightSpec:
    """One parsed weight string.

    Attributes:
        scheme: one of :data:`SCHEMES`, or ``file`` for a file whose family its keys tell.
        name: timm model name or file name; empty for ``scratch``.
        semantic: lambda of a SemanticSwin for every task, where the string says one.
    """
    scheme: str
    name: str
    semantic: float | None = None

    def __str__(self) -> str:
        if self.scheme == 'scratch':
            return 'scratch'
        turned = '' if self.semantic is None else f'@semantic={self.semantic:g}'
        return (self.name if self.scheme == 'file' else f'{self.scheme}:{self.name}') + turned


def parse(spec: str) -> WeightSpec:
    """Split a weight string into scheme and name.

    Args:
        spec: ``scratch``, ``SCHEME:NAME`` or a file name; after a file of SOLIDER's network also ``@semantic=LAMBDA``.

    Raises:
        UserError: the scheme does not exist, or lambda is no number from 0 to 1.
        CheckpointError: the string is empty, or the part after the colon is.
    """
    if not spec or not spec.strip():
        raise CheckpointError(
            'The name of the weights is empty. Give scratch, timm:NAME, mae:FILE, clip:FILE, dino:FILE, '
            'path:FILE, hap:FILE, solider:FILE or a file.'
        )
    turned = None if Path(spec).exists() else re.fullmatch(r'(.+)@semantic=(.*)', spec)
    if turned:
        return replace(_split(turned[1]), semantic=_semantic(turned[2], spec))
    return _split(spec)


def _split(spec: str) -> WeightSpec:
    if spec == 'scratch':
        return WeightSpec('scratch', '')
    scheme, colon, name = spec.partition(':')
    if not colon or not re.fullmatch(r'[A-Za-z][A-Za-z0-9_+-]+', scheme) or Path(spec).exists():
        return WeightSpec('file', spec)
    if scheme not in SCHEMES or scheme == 'scratch':
        raise unknown_name('weights scheme', scheme, SCHEMES)
    if not name:
        wanted = 'a timm model' if scheme == 'timm' else 'a file'
        raise CheckpointError(f"'{spec}' names no weights: {wanted} must follow the colon.")
    return WeightSpec(scheme, name)


def _semantic(text: str, spec: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UserError(f"'{spec}': semantic is '{text}'; expected a number from 0 (appearance) to 1 (semantics), as "
                        'in solider:FILE@semantic=0.2.')
    return value
