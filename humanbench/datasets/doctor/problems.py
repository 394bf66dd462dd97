"""What can be wrong with a dataset on disk, in words a program can sort and a person can act on."""
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# kind -> what to do next. What only a dataset's owner could change is a note: it is said, and nothing fails.
WRONG = {
    'layout': 'Unpack what is missing; `datasets show {dataset}` prints the layout.',
    'annotation': 'Get the annotation again ({homepage}); this file is truncated or of another release.',
    'missing': 'Unpack the image archives again: the annotation names files that are not there.',
    'unreadable': 'Unpack or download these files again, then run the same check: only they are read again.',
    'counts': 'Compare with the release at {homepage}: part of the dataset is missing, or it is another version.',
    'labels': 'Correct these labels or get the annotation again; they would train or be scored as something else.',
    'boxes': 'Correct or delete these boxes, or get the annotation again.',
    'points': 'Get the annotation again, and look at these images with `datasets browse {dataset}`.',
    'size': 'Get image and annotation of one release: they do not belong together.',
    'duplicate': 'Delete the second record: it would be drawn twice as often, or scored twice.',
    'wrong split': 'Move the file to its split, or unpack both splits again: what is tested has been trained on.',
}
NOTES = {
    'unlisted': 'Nothing to do, unless an annotation file is older than the images.',
    'same picture': 'Nothing to do: so it was published, or a file was copied.',
    'same box': 'Nothing to do: so it was published.',
}
KINDS = (*WRONG, *NOTES)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or worth knowing.

    Attributes:
        dataset: its id.
        split: where it was met; several are joined by a comma.
        kind: one of :data:`KINDS`.
        file: the file it is about, relative to the dataset's root where it lies below it.
        what: what is wrong there, in a few words, with the record's number where there is one.
        count: how many like this there are, for kinds that are counted and not listed one by one.
    """
    dataset: str
    split: str
    kind: str
    file: str
    what: str
    count: int = 1

    @property
    def is_wrong(self) -> bool:
        """Whether something should be done about it."""
        return self.kind in WRONG


@dataclass(frozen=True)
class Case:
    """All problems of one kind in one dataset: a line of the final table."""
    dataset: str
    kind: str
    count: int
    first: Problem
    next_step: str


def cases(problems: Sequence[Problem], homepages: dict[str, str | None]) -> list[Case]:
    """Problems by dataset and kind, in the order in which they were found, what is wrong before what is a note."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.dataset, problem.kind), []).append(problem)
    order = sorted(groups, key=lambda x: KINDS.index(x[1]))
    ids = dict.fromkeys(x.dataset for x in problems)
    return [Case(dataset, kind, sum(x.count for x in groups[dataset, kind]), groups[dataset, kind][0],
                 (WRONG | NOTES)[kind].format(dataset=dataset, homepage=homepages.get(dataset) or 'its homepage'))
            for one in ids for dataset, kind in order if dataset == one]


def without(problems: Iterable[Problem], ignored: Sequence[str]) -> list[Problem]:
    """The problems whose kind is not ignored."""
    return [x for x in problems if x.kind not in ignored]


class Notebook:
    """Problems of one dataset as they are met: so many of a kind one by one, the rest counted."""
    LISTED = 200

    def __init__(self, dataset: str):
        self.dataset = dataset
        self._met: dict[tuple[str, str], int] = {}
        self._problems: list[Problem] = []

    def add(self, kind: str, split: str, file: str, what: str, count: int = 1) -> None:
        """Note one problem, or ``count`` alike."""
        met = self._met[kind, split] = self._met.get((kind, split), 0) + 1
        if met <= self.LISTED:
            self._problems.append(Problem(self.dataset, split, kind, file, what, count))

    def problems(self) -> list[Problem]:
        """All of them."""
        rest = [Problem(self.dataset, split, kind, '', 'further ones like these', met - self.LISTED)
                for (kind, split), met in self._met.items() if met > self.LISTED]
        return [*self._problems, *rest]
