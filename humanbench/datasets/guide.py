"""A dataset card in words: on a terminal, and as the page "bring a dataset"."""
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import catalog
from ..catalog import DatasetCard
from ..files import write_text
from . import places

PAGE = 'bring_a_dataset.md'
ROLES = {'pretrain': 'pretraining', 'in_dataset': 'benchmark (pretraining sees its training images)',
         'out_of_dataset': 'benchmark (pretraining sees its task, not its images)',
         'unseen_task': 'benchmark (pretraining sees neither its images nor its task)',
         'self_supervised': 'self-supervised pretraining',
         'downstream': 'what self-supervised systems are judged by beside the benchmark'}
_IN_SHORT = {'pretrain': 'pretraining', 'self_supervised': 'self-supervision', 'downstream': 'downstream'}
UNKNOWN_TERMS = 'Not known: ask the owner before you use it.'

Section = tuple[str, list[str]]


def description(card: DatasetCard, root: str | None = None) -> list[Section]:
    """All that a card says, in sections of lines.

    Args:
        card: of the dataset.
        root: the folder of all datasets; None for the data folder.
    """
    reader = places.readers().get(card.id)
    about = [f'tasks: {", ".join(card.tasks)}', f'used for: {", ".join(ROLES[x] for x in card.role) or "nothing here"}',
             f'reader: {reader.__name__}, splits {", ".join(reader.splits)}' if reader else 'reader: none']
    about += [f'cameras: {card.cameras}'] if card.cameras else []
    about += [f'metric: {", ".join(card.metric)}'] if card.metric else []
    sections = [(f'{card.id}: {card.name}' + (f' ({card.year})' if card.year else ''), about),
                ('Get it', [f'homepage: {card.homepage or "not known"}', *terms(card)])]
    if card.layout is not None:
        sections.append((f'Unpack into {places.expected(card.id, root)}', _pairs(card.layout.files)))
    sections += [('Splits', [split_line(*x) for x in card.splits.items()]), *_labels(card),
                 ('Traps', [f'- {x}' for x in card.traps]),
                 ('Cite', [card.citation] if card.citation else []),
                 ('Then', [f'humanbench datasets check {card.id}', f'humanbench datasets browse {card.id}']
                  if reader else [])]
    return [(title, lines) for title, lines in sections if lines]


def terms(card: DatasetCard) -> list[str]:
    """Terms of use, as far as they are known."""
    lines = [f'terms: {card.licence.text or UNKNOWN_TERMS}']
    short = '; '.join(catalog.LICENCE_FLAGS[x] for x in card.licence.flags)
    return [*lines, f'in short: {short}'] if short else lines


def split_line(name: str, counts: Mapping[str, Any]) -> str:
    """Counts of a split and their source."""
    numbers = ', '.join(f'{value:,} {word}' for word, value in counts.items() if isinstance(value, int))
    source = counts.get('source')
    return f'{name}: {numbers or "no verified count"}' + (f' ({source})' if source else '')


def _pairs(files: Mapping[str, str]) -> list[str]:
    return [f'{key}: {value}' for key, value in files.items()]


def _labels(card: DatasetCard) -> list[Section]:
    found = [('Classes', card.classes), ('Keypoints', card.keypoints), ('Attributes', card.attributes)]
    return [(f'{title} ({len(names)})', [', '.join(f'{i} {x}' for i, x in enumerate(names))])
            for title, names in found if names]


# ------------------------------------------------------------------------------------------------------- the page
_HEAD = """# Bring a dataset

HumanBench reads every dataset as its owner ships it: unpack it, check it, train on it. Nothing is converted, and
nothing is downloaded for you: the owners' terms are theirs to give.

This page is made of the cards in `datasets_meta/` by `humanbench datasets docs`; a fact that was not verified is not in
it. For a dataset that is not here, see [add your own dataset](add_a_dataset.md).

1. Get the archives from the homepage, under the terms that stand there.
2. Unpack them into the folder named below, inside `data/` or the folder that `$HUMANBENCH_DATA` names. Links
   to folders will do.
3. `humanbench datasets check ID` says what is missing, truncated or wrong, and what to do about it.
4. `humanbench datasets browse ID` draws the labels on some images. Look at them.

Before you publish a number: `humanbench datasets audit --out audit.json` looks for test images (copies, other encodings
and sizes, mirror images; whole images, not crops of them) and for people known by the same name in pretraining data,
and `humanbench benchmark ... --audit audit.json` writes what it found into every cell.

`humanbench datasets list` shows what is here. Without any dataset, `--root minihuman:tiny` does all of this on
synthetic ones.
"""


def page(ids: Sequence[str] | None = None) -> str:
    """The page "bring a dataset" in Markdown.

    Args:
        ids: of the datasets; None for all.
    """
    everything = [*catalog.ids(), *catalog.ids(withdrawn=True)]
    cards = [catalog.card(x) for x in (everything if ids is None else ids)]
    readers = places.readers()
    parts = [_HEAD, _overview([x for x in cards if x.id in readers])]
    for task in catalog.ALL_TASKS:
        own = [x for x in cards if x.tasks[0] == task and x.id in readers]
        parts += [f'## {task}\n'] if own else []
        parts += [_entry(x) for x in own]
    others = [x for x in cards if x.id not in readers]
    parts += ['## Not read\n'] if others else []
    parts += [f'- **{x.name}**: {x.licence.text or "no reader"}\n' for x in others]
    return '\n'.join(parts)


def _overview(cards: Sequence[DatasetCard]) -> str:
    lines = ['| id | dataset | task | used for | terms |', '|--|--|--|--|--|']
    for card in cards:
        role = ', '.join(dict.fromkeys(_IN_SHORT.get(x, 'benchmark') for x in card.role))
        flags = '; '.join(catalog.LICENCE_FLAGS[x] for x in card.licence.flags) or 'no terms were found'
        lines.append(f'| [`{card.id}`](#{card.id}) | {_cell(card.name)} | {", ".join(card.tasks)} | {role} | {flags} |')
    return '\n'.join(lines) + '\n'


def _entry(card: DatasetCard) -> str:
    link = f'<{card.homepage}>' if (card.homepage or '').startswith('http') else card.homepage
    lines = [f'### {card.id}\n', f'**{card.name}**' + (f', {card.year}' if card.year else '') + '\n',
             f'- Get it: {link or "no homepage known"}', *(f'- {x[0].upper()}{x[1:]}' for x in terms(card)),
             f'- Unpack into `data/{card.layout.root}`:', *(f'  - {_plain(x)}' for x in _pairs(card.layout.files)),
             *(f'- Split {_plain(split_line(name, counts))}' for name, counts in card.splits.items()),
             *(f'- Trap: {_plain(x)}' for x in card.traps), *([f'- Cite: {card.citation}'] if card.citation else []),
             f'- Check: `humanbench datasets check {card.id}`\n']
    return '\n'.join(lines)


def _plain(text: str) -> str:
    """Text in which Markdown sees nothing of its own."""
    return re.sub(r'([*<])', r'\\\1', text)


def _cell(text: str) -> str:
    return text.replace('|', '\\|')


def write_page(docs: Path) -> Path:
    """Write the page into the folder ``docs`` of a checkout."""
    write_text(docs / PAGE, page())
    return docs / PAGE
