"""The findings as Markdown, for a page whose other words are written by people."""
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from humanbench.errors import UserError
from humanbench.files import write_text

from ..results import Record, Summary
from .dial import Distances, dial_table
from .findings import VERDICTS, Finding, chance_of_clear, findings, summaries
from .study import Claim, Study

BEGIN, END = '<!-- measured: from here to the end mark written by `humanbench fidelity` -->', '<!-- measured: end -->'


def measured(records: Mapping[str, Sequence[Record]], pretrained: Sequence[Mapping[str, Any]], command: str,
             study: Study, own: Mapping[str, Sequence[Record]] | None = None,
             dials: Mapping[int, Sequence[Distances]] | None = None) -> str:
    """Everything that was measured.

    Args:
        records: cells of finished seeds, by level of labels.
        pretrained: how their pretrainings were made: ``seconds`` and ``steps`` of each.
        command: that measured it.
        study: that they belong to.
        own: what the pretrainings say of themselves, by metric.
        dials: what the dial does to features, by seed.
    """
    found = findings(records, study.claims, own)
    everything = [x for some in records.values() for x in some]
    parts = [_conditions(everything, pretrained, command, study), _overview(found, everything, study.claims)]
    for number, claim in enumerate(study.claims, 1):
        parts.append(_claim(f'{number}. {claim.title}', claim, [x for x in found if x.claim is claim]))
    if dials:
        parts.append(f'### The dial\n\n{dial_table(dials)}')
    for level, some in records.items():
        parts.append(_values(summaries(some), f'All values{_of_level(level)}'))
    if own:
        parts.append(_own_values(own))
    return '\n\n'.join(parts)


def insert(text: str, page: Path) -> None:
    """Put what was measured between the marks of a page.

    Raises:
        UserError: the page is not there, or has not the two marks once each, in their order.
    """
    if not page.is_file():
        raise UserError(f"There is no page '{page}' to write into.")
    before, begin, rest = page.read_text(encoding='utf-8').partition(BEGIN)
    old, end, after = rest.partition(END)
    if not begin or not end or BEGIN in old + after or END in before + after:
        raise UserError(f"'{page}' has no place for what was measured: expected one line '{BEGIN}' and below it one "
                        f"'{END}'.")
    write_text(page, f'{before}{BEGIN}\n\n{text}\n\n{END}{after}')


def _conditions(records: Sequence[Record], pretrained: Sequence[Mapping[str, Any]], command: str, study: Study) -> str:
    """Under which the numbers were got: read from the records, but for what the study changes in every cell."""
    values = [x.values for x in records]
    seeds = sorted({x.seed for x in records})
    steps = {x.dataset: x.values['num_steps'] for x in records if x.protocol != 'direct'}
    lengths = ', '.join(f'{name} {n}' for name, n in steps.items())
    commits = ', '.join(sorted({f'{x["git_hash"][:10]}{" with changes" * x["git_dirty"]}' for x in values
                                if x['git_hash']})) or 'unknown'
    dates = sorted(x['date'][:10] for x in values)
    return '\n'.join([
        f'Command: `{command}`. Finished seeds: {", ".join(map(str, seeds))}. Commit: {commits}. '
        f'Dates: {" to ".join(dict.fromkeys((dates[0], dates[-1])))}.',
        f'Device: {_listed(x["device"] for x in values)}; PyTorch {_listed(x["torch"] for x in values)}. Hours of one '
        f'such process: {_hours(pretrained)} for {len(pretrained)} pretrainings of '
        f'{_listed(x["steps"] for x in pretrained)} steps, {_hours(values)} for {len(values)} cells.',
        f'Finetuning steps, the same under every protocol: {lengths}.',
        *(line for level, labels in study.labels.items()
          for line in _changes(f'Training records kept{_of_level(level)}', labels)),
        *_changes('Changed in all finetuning', study.finetuning)])


def _changes(what: str, values: Mapping[str, Any]) -> list[str]:
    return [f'{what}: ' + ', '.join(f'{name} {value}' for name, value in values.items()) + '.'] * bool(values)


def _of_level(level: str) -> str:
    return f', {level} of the labels' if level else ''


def _listed(values: Iterable) -> str:
    return ', '.join(sorted({str(x) for x in values}))


def _hours(records: Sequence[Mapping[str, Any]]) -> str:
    return f'{sum(x["seconds"] for x in records) / 3600:.1f}'


def _overview(found: Sequence[Finding], records: Sequence[Record], claims: Sequence[Claim]) -> str:
    """How often each claim holds."""
    seeds = len({x.seed for x in records})
    lines = ['| claim | comparisons | means as claimed | holds | unclear | against | open |', '|--|--|--|--|--|--|--|']
    for number, claim in enumerate(claims, 1):
        own = [x for x in found if x.claim is claim]
        verdicts = Counter(x.verdict for x in own)
        judged = [x for x in own if x.expected]
        counts = ' | '.join(str(verdicts[x]) for x in VERDICTS)
        lines.append(f'| {number}. {claim.text} | {len(own)} | {sum(x.direction > 0 for x in judged)} of {len(judged)} '
                     f'| {counts} |')
    lines += ['', 'A comparison *holds* or goes *against* the claim where the two means are further apart than the '
              'larger of the two ranges over the seeds (largest minus smallest value); else it is *unclear*. *Open*: '
              'clearly apart, but nobody has said which way it should be.',
              'In the tables below: how far the first side is ahead (positive: it is better, whichever way the metric '
              'counts), that range in brackets, the verdict; *paper*: the same difference there, at full scale.']
    if seeds > 1:
        rate = chance_of_clear(seeds)
        lines.append(f'Of two equal sides, {seeds} seeds each would pass for clearly apart in {100 * rate:.0f} of 100 '
                     f'comparisons: of all {len(found)} here about {rate * len(found):.0f} by chance, half of them '
                     'as claimed. Comparisons that share a pretraining are not independent.')
    return '\n'.join(lines)


def _claim(title: str, claim: Claim, found: Sequence[Finding]) -> str:
    """One claim: a line for each dataset, a column for each comparison."""
    there = {x.column for x in found}
    columns = [x.column for x in claim.pairs if x.column in there]
    lines = [f'### {title}', '', '| dataset | ' + ' | '.join(columns) + ' |', '|--' * (len(columns) + 1) + '|']
    for line in dict.fromkeys((x.dataset, x.level) for x in found):
        own = {x.column: x for x in found if (x.dataset, x.level) == line}
        lines.append(f'| {_heading(next(iter(own.values())).difference.first)}{_of_level(line[1])} | '
                     + ' | '.join(_cell(own[x]) if x in own else '' for x in columns) + ' |')
    return '\n'.join(lines)


def _heading(one: Summary) -> str:
    return f'{one.task} ({one.dataset}), {one.info.full_label}'


def _cell(finding: Finding) -> str:
    """The gain of the first side (positive: it is better, whichever way the metric counts), the range, the verdict."""
    one, gain, scatter = finding.difference.first, finding.difference.gain, finding.difference.scatter
    verdict = finding.verdict if finding.verdict == 'unclear' else f'**{finding.verdict}**'
    text = f'{_sign(gain)}{_number(one, abs(gain))} ({_number(one, scatter)}) {verdict}'
    if finding.published is None:
        return text
    paper = finding.published if one.higher_is_better else -finding.published
    return f'{text}; paper {_sign(paper)}{one.info.text(abs(paper))}'


def _sign(gain: float) -> str:
    return '+' if gain >= 0 else '\N{MINUS SIGN}'


def _number(one: Summary, value: float) -> str:
    """A value in the unit of a cell; with a second decimal where the cell's own is small."""
    shown = one.info.shown(value)
    return f'{shown:.1f}' if abs(one.info.shown(one.value)) >= 10 else f'{shown:.2f}'


def _values(found: Sequence[Summary], title: str) -> str:
    """All means with their ranges."""
    heads = {x.dataset: f'{_heading(x)} {x.info.arrow}' for x in found}
    lines = [f'### {title}', '', 'Mean over the seeds, smallest to largest value.', '',
             '| row | protocol | ' + ' | '.join(heads.values()) + ' |', '|--' * (len(heads) + 2) + '|']
    cells = {(x.weights, x.protocol, x.dataset): x for x in found}
    for row, protocol in dict.fromkeys((x.weights, x.protocol) for x in sorted(found, key=lambda x: x.weights)):
        texts = [_value(cells[row, protocol, x]) if (row, protocol, x) in cells else '' for x in heads]
        lines.append(f'| {row} | {protocol} | ' + ' | '.join(texts) + ' |')
    return '\n'.join(lines)


def _value(one: Summary) -> str:
    values = [x.value for x in one.records]
    return f'{_number(one, one.value)} ({_number(one, min(values))} to {_number(one, max(values))})'


def _own_values(own: Mapping[str, Sequence[Record]]) -> str:
    """All means and ranges of what pretrainings say of themselves."""
    columns = {metric: {x.weights: x for x in summaries(some)} for metric, some in own.items()}
    heads = [f'{one.info.full_label} {one.info.arrow}' for x in columns.values() for one in list(x.values())[:1]]
    lines = ["### The pretrainings' own tests", '', 'Mean over the seeds, smallest to largest value.', '',
             '| variant | ' + ' | '.join(heads) + ' |', '|--' * (len(heads) + 1) + '|']
    for name in dict.fromkeys(name for x in columns.values() for name in x):
        lines.append(f'| {name} | ' + ' | '.join(_value(x[name]) if name in x else '' for x in columns.values()) + ' |')
    return '\n'.join(lines)
