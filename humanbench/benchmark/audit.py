"""The result of a leak audit in the records of finished cells: was what they are tested on in the pretraining data?"""
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from humanbench.datasets.audit import read_audit

from .files import read_json, write_json
from .plan import PlannedCell
from .results import Record, record_digest


def record_audit(out: str | Path, planned: Sequence[PlannedCell], report: str | Path) -> int:
    """Write into each finished cell what a report of ``datasets audit`` says of its dataset.

    Args:
        out: folder of the benchmark.
        planned: the cells that the audit is about; those that have not finished are left out.
        report: file that ``datasets audit`` wrote, of the data that the weights were pretrained on.

    Returns:
        How many records were written.

    Raises:
        UserError: the file is no such report.
    """
    found, name = read_audit(report)
    written = 0
    for cell in planned:
        path = Path(out) / 'cells' / f'{cell.cell.slug}.json'
        if not path.is_file():
            continue
        values = read_json(path)
        if values['key'] == dict(cell.key):
            values['audit'] = _result(found['datasets'].get(cell.cell.dataset), name)
            write_json(path, values | dict(digest=record_digest(values)))
            written += 1
    return written


def _result(found: dict[str, Any] | None, name: str) -> dict[str, Any]:
    counts = {x: None if found is None else found[x] for x in ('test_images', 'leaked')}
    return dict(report=name, **counts)


def audit_text(record: Record) -> str:
    """What the audit says of a record's dataset, in a few words; empty where it was not audited."""
    found = record.values.get('audit')
    if not found:
        return ''
    if found['leaked'] is None:
        return f'not in audit {found["report"]}'
    return f'{found["leaked"]:,} of {found["test_images"]:,} test images in pretraining data, audit {found["report"]}'


def audit_notes(records: Sequence[Record]) -> Iterator[str]:
    """What a reader must know of leaks: every dataset that has some, and which were not looked at."""
    audited = [x for x in records if x.values.get('audit')]
    leaking = {(x.weights, x.dataset): audit_text(x) for x in audited if x.values['audit']['leaked']}
    for (weights, dataset), text in leaking.items():
        yield f'{weights} on {dataset}: {text}.'
    rest = sorted({x.dataset for x in records if not (x.values.get('audit') or {}).get('test_images')})
    if audited and rest:
        yield f'Not audited for leaks: {", ".join(rest)}.'
