"""What a study is made of: variants of a pretraining recipe, the cells that measure them, and the claims."""
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OWN = 'own'
"""Stands for a protocol where a pretraining's own test is compared."""


@dataclass(frozen=True)
class Pair:
    """Two cells of a dataset, each a row and a protocol; the claim is that the first leads."""
    column: str
    first: tuple[str, str]
    second: tuple[str, str]


@dataclass(frozen=True)
class Claim:
    """What is claimed, and the comparisons that test it on each dataset.

    Attributes:
        metric: of the recipe's own test, where the claim is about what the pretrainings do by themselves: the protocol
            of its pairs is :data:`OWN`. Empty where it is about finetuning.
        groups: of the leaderboard (``in``, ``out``, ``unseen``) whose datasets it is about.
        datasets: that it is about, where not all of these groups.
        as_published: the side that leads is not the first but the one that led in the paper (PATH, ViT-B).
    """
    title: str
    text: str
    pairs: tuple[Pair, ...]
    metric: str = ''
    groups: tuple[str, ...] = ('in', 'out', 'unseen')
    datasets: tuple[str, ...] | None = None
    as_published: bool = False

    def is_about(self, dataset: str, group: str) -> bool:
        """Whether it says something of a dataset that is in this group of the leaderboard."""
        return group in self.groups and (self.datasets is None or dataset in self.datasets)


@dataclass(frozen=True)
class Row:
    """One way to read what a pretraining has made: a row of the tables.

    Attributes:
        weights: string of weights with ``{}`` for the file.
        datasets: that measure it, where not all of the study's.
        protocols: that it is finetuned under, where not all of the study's.
        weights_of: the string for single datasets, where it is another.
    """
    weights: str = 'path:{}'
    datasets: tuple[str, ...] | None = None
    protocols: tuple[str, ...] | None = None
    weights_of: Mapping[str, str] = field(default_factory=dict)

    def covers(self, dataset: str, protocol: str) -> bool:
        """Whether this dataset measures it under this protocol."""
        return ((self.datasets is None or dataset in self.datasets)
                and (self.protocols is None or protocol in self.protocols))


@dataclass(frozen=True)
class Variant:
    """How a pretraining differs from the recipe.

    Attributes:
        flavor: of the recipe.
        options: dotted config keys to values.
        rows: by name; empty for one row that is called like the variant, None where no cell measures it.
        config: the recipe, where not the study's.
        steps: of it, where not the study's.
        after: the variant whose networks and heads it goes on from, of the same seed.
    """
    flavor: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    rows: Mapping[str, Row] | None = field(default_factory=dict)
    config: str = ''
    steps: int | None = None
    after: str = ''


@dataclass(frozen=True)
class Study:
    """What is pretrained, measured and claimed of one method.

    Attributes:
        config: the pretraining recipe.
        variants: of the pretraining, by name.
        datasets: that measure: of the benchmark, or paths of downstream configs.
        protocols: of finetuning; ``direct`` comes with sources that a dataset shares with the recipe.
        claims: about the variants and ``scratch``, which is no pretraining.
        steps: of every pretraining.
        labels: levels of labels, by name: how many training records each dataset keeps. A level without any says that
            all keep all; one that leaves a dataset out does not measure it.
        finetuning: dotted config keys of every cell to values.
        finetune_steps: of every cell, or for each dataset; None for the longest of the protocols' own lengths on each.
        backbone: what ``scratch`` takes as ``--backbone``, where not the network of the debug recipes.
        dial: the variant whose features are looked at under every lambda (:mod:`.dial`), if any.
    """
    config: str
    variants: Mapping[str, Variant]
    datasets: tuple[str, ...]
    protocols: tuple[str, ...]
    claims: tuple[Claim, ...]
    steps: int
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: {'': {}})
    finetuning: Mapping[str, Any] = field(default_factory=dict)
    finetune_steps: int | Mapping[str, int] | None = None
    backbone: str = ''
    dial: str = ''

    def rows(self) -> dict[str, tuple[str, Row]]:
        """Of each row of the tables but ``scratch``: the variant that it is of, and how that is read."""
        return {name: (variant, row) for variant, made in self.variants.items() if made.rows is not None
                for name, row in (made.rows or {variant: Row()}).items()}

    def scratch(self) -> Row:
        """The row of no pretraining: under the protocols in which it is compared."""
        sides = {side for claim in self.claims for pair in claim.pairs for side in (pair.first, pair.second)}
        return Row('scratch', protocols=tuple(protocol for row, protocol in sides if row == 'scratch'))

    def waves(self) -> list[list[str]]:
        """The variants in turns: each goes on from one of an earlier turn, or from none."""
        found: list[list[str]] = []
        while left := [x for x in self.variants if not any(x in wave for wave in found)]:
            ready = [x for x in left if not self.variants[x].after or self.variants[x].after not in left]
            assert ready, f'{left} go on from each other'
            found.append(ready)
        return found

    def own_metrics(self) -> list[str]:
        """Metrics of the pretrainings' own tests that claims are about."""
        return list(dict.fromkeys(x.metric for x in self.claims if x.metric))
