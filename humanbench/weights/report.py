"""What loading did."""
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class LoadReport:
    """Which entries of a weight file went where; ``str()`` gives a short table.

    Attributes:
        spec: the weight string.
        family: what the file was read as.
        sha256: of the file's bytes (of the tensors for ``timm:``).
        matched: parameters and buffers of the model that got their values, ``resized`` ones included.
        missing: those that kept their own values.
        resized: name -> 'old -> new' size.
        ignored: entries of the file that no wanted part of the model takes.
        notes: what else one should know.
    """
    spec: str
    family: str
    sha256: str
    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    resized: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f'weights  {self.spec}  ({self.family}, sha256 {self.sha256[:12]})',
                 f'  matched {len(self.matched):5d}']
        if self.resized:
            changes = ', '.join(f'{name} {change}' for name, change in self.resized.items())
            lines.append(f'  resized {len(self.resized):5d}  {changes}')
        lines += [f'  {kind} {len(names):5d}  {_grouped(names)}'
                  for kind, names in (('missing', self.missing), ('ignored', self.ignored)) if names]
        return '\n'.join(lines + [f'  note: {note}' for note in self.notes])


def _grouped(names: list[str], most: int = 6) -> str:
    """Names cut to their first two components, with counts: ``heads.coco (12), decoder_pos_embed``."""
    groups = Counter('.'.join(name.split('.')[:2]) if '.' in name else name for name in names)
    shown = [group if count == 1 else f'{group} ({count})' for group, count in groups.items()]
    return ', '.join(shown[:most]) + (f', and {len(shown) - most} more groups' if len(shown) > most else '')
