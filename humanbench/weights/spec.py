"""The string that names weights everywhere: configs, command lines, leaderboard rows."""
import re
from dataclasses import dataclass
from pathlib import Path

from humanbench.errors import CheckpointError, unknown_name

SCHEMES = ('scratch', 'timm', 'mae', 'clip', 'dino', 'path', 'hap')
"""What may stand before the colon; ``scratch`` stands alone, and a plain file name needs none."""


@dataclass(frozen=True)
class WeightSpec:
    """One parsed weight string.

    Attributes:
        scheme: one of :data:`SCHEMES`, or ``file`` for a file whose family its keys tell.
        name: timm model name or file name; empty for ``scratch``.
    """
    scheme: str
    name: str

    def __str__(self) -> str:
        if self.scheme == 'scratch':
            return 'scratch'
        return self.name if self.scheme == 'file' else f'{self.scheme}:{self.name}'


def parse(spec: str) -> WeightSpec:
    """Split a weight string into scheme and name.

    Args:
        spec: ``scratch``, ``SCHEME:NAME`` or a file name.

    Raises:
        UserError: the scheme does not exist.
        CheckpointError: the string is empty, or the part after the colon is.
    """
    if not spec or not spec.strip():
        raise CheckpointError(
            'The name of the weights is empty. Give scratch, timm:NAME, mae:FILE, clip:FILE, dino:FILE, '
            'path:FILE, hap:FILE or a file.'
        )
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
