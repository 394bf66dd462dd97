"""The string that names weights everywhere: configs, command lines, leaderboard rows."""
import re
from dataclasses import dataclass, replace
from pathlib import Path

from humanbench.errors import CheckpointError, UserError, unknown_name

SCHEMES = ('scratch', 'timm', 'mae', 'clip', 'dino', 'path', 'hap', 'solider', 'hrnet', 'hcmoco')
"""What may stand before the colon; ``scratch`` stands alone, and a plain file name needs none."""


MODALITIES = ('rgb', 'depth')
"""What the encoders in a file of HCMoCo look at that a backbone here takes."""


@dataclass(frozen=True)
class WeightSpec:
    """One parsed weight string.

    Attributes:
        scheme: one of :data:`SCHEMES`, or ``file`` for a file whose family its keys tell.
        name: timm model name or file name; empty for ``scratch``.
        semantic: lambda of a SemanticSwin for every task, where the string says one.
        modality: which encoder of an HCMoCo file, where the string says one.
    """
    scheme: str
    name: str
    semantic: float | None = None
    modality: str | None = None

    def __str__(self) -> str:
        if self.scheme == 'scratch':
            return 'scratch'
        option = '' if self.semantic is None else f'@semantic={self.semantic:g}'
        option += '' if self.modality is None else f'@modality={self.modality}'
        return (self.name if self.scheme == 'file' else f'{self.scheme}:{self.name}') + option


def parse(spec: str) -> WeightSpec:
    """Split a weight string into scheme and name.

    Args:
        spec: ``scratch``, ``SCHEME:NAME`` or a file name; after a file of SOLIDER's network also ``@semantic=LAMBDA``,
            after one of HCMoCo ``@modality=rgb`` or ``@modality=depth``.

    Raises:
        UserError: the scheme does not exist, lambda is no number from 0 to 1, or there is no such modality.
        CheckpointError: the string is empty, or the part after the colon is.
    """
    if not spec or not spec.strip():
        raise CheckpointError(
            'The name of the weights is empty. Give scratch, timm:NAME, mae:FILE, clip:FILE, dino:FILE, '
            'path:FILE, hap:FILE, solider:FILE, hrnet:FILE, hcmoco:FILE or a file.'
        )
    option = None if Path(spec).exists() else re.fullmatch(r'(.+)@(semantic|modality)=(.*)', spec)
    if option is None:
        return _split(spec)
    plain, name, value = _split(option[1]), option[2], option[3]
    if name == 'semantic':
        return replace(plain, semantic=_semantic(value, spec))
    if plain.scheme not in ('hcmoco', 'file') or value not in MODALITIES:
        raise UserError(f"'{spec}': expected hcmoco:FILE@modality=MODALITY, where it is {' or '.join(MODALITIES)}.")
    return replace(plain, scheme='hcmoco', modality=value)


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
