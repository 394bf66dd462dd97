"""What is tested of each method: variants of a pretraining recipe, the cells that measure them, and the claims."""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FINETUNING = ('full', 'partial', 'head')


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
        groups: of the leaderboard (``in``, ``out``, ``unseen``) whose datasets it is about.
        datasets: that it is about, where not all of these groups.
        as_published: the side that leads is not the first but the one that led in the paper (PATH, ViT-B).
    """
    title: str
    text: str
    pairs: tuple[Pair, ...]
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
    """
    weights: str = 'path:{}'
    datasets: tuple[str, ...] | None = None
    protocols: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Variant:
    """How a pretraining differs from the recipe.

    Attributes:
        flavor: of the recipe.
        options: dotted config keys to values.
        rows: by name; none for one row that is called like the variant.
    """
    flavor: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    rows: Mapping[str, Row] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """What is pretrained, measured and claimed of one method.

    Attributes:
        config: the pretraining recipe.
        variants: of the pretraining, by name.
        datasets: that measure.
        protocols: of finetuning; ``direct`` comes with sources that a dataset shares with the recipe.
        claims: about the variants and ``scratch``, which is no pretraining.
        steps: of every pretraining.
        labels: how many training records a dataset keeps, where not all.
        finetuning: dotted config keys of every cell to values.
        finetune_steps: of every cell; None for the longest of the protocols' own lengths on each dataset.
        backbone: what ``scratch`` takes as ``--backbone``, where not the network of the debug recipes.
        dial: the variant whose features are looked at under every lambda (:mod:`.dial`), if any.
    """
    config: str
    variants: Mapping[str, Variant]
    datasets: tuple[str, ...]
    protocols: tuple[str, ...]
    claims: tuple[Claim, ...]
    steps: int
    labels: Mapping[str, int] = field(default_factory=dict)
    finetuning: Mapping[str, Any] = field(default_factory=dict)
    finetune_steps: int | None = None
    backbone: str = ''
    dial: str = ''

    def rows(self) -> dict[str, tuple[str, Row]]:
        """Of each row of the tables but ``scratch``: the variant that it is of, and how that is read."""
        return {name: (variant, row) for variant, made in self.variants.items()
                for name, row in (made.rows or {variant: Row()}).items()}


def _rows(first: str, second: str, protocols: Sequence[str]) -> tuple[Pair, ...]:
    return tuple(Pair(x, (first, x), (second, x)) for x in protocols)


def _protocols(row: str, *pairs: tuple[str, str]) -> tuple[Pair, ...]:
    return tuple(Pair(f'{a} \N{MINUS SIGN} {b}', (row, a), (row, b)) for a, b in pairs)


_ALL = (*FINETUNING, 'direct')
_PATH_CLAIMS = (
    Claim('PATH against scratch', 'Finetuning from PATH leads training from scratch on the tasks of the pretraining',
          _rows('path', 'scratch', FINETUNING), groups=('in', 'out')),
    Claim('Unseen task', 'It leads on crowd counting too, which the pretraining never saw',
          _rows('path', 'scratch', FINETUNING), groups=('unseen', )),
    Claim('With against without projector', 'Projectors between backbone and heads help',
          _rows('path', 'no_projector', _ALL)),
    Claim('A projector per task against one for all', 'Projectors help because each task has its own',
          _rows('path', 'one_projector', _ALL)),
    Claim('Hierarchical sharing against sharing the backbone alone',
          'Datasets of a task do better with one projector together than with one each',
          _rows('path', 'projector_per_dataset', _ALL)),
    Claim('Partial against head against full', 'The protocols rank as in the paper (PATH, ViT-B), dataset by dataset',
          _protocols('path', ('full', 'partial'), ('full', 'head'), ('partial', 'head')), as_published=True),
)


def path() -> Study:
    """PATH: do projectors help, and which; does pretraining; how do protocols rank."""
    from humanbench.engine.launch import load_config
    recipe = 'path/path_debug.py'
    sources = list(load_config(recipe).sources)
    variants = {
        'path': Variant(),
        'no_projector': Variant(options={'model.projector': None}),
        'one_projector': Variant(options={f'sources.{x}.head.projector': 'shared' for x in sources}),
        'projector_per_dataset': Variant(options={f'sources.{x}.head.projector': x for x in sources}),
    }
    datasets = ('market1501', 'coco_pose', 'lip', 'pa100k', 'crowdhuman', 'shanghaitech_a')
    return Study(recipe, variants, datasets, FINETUNING, _PATH_CLAIMS, 500)


_HAP_PROTOCOLS = ('full', )  # HAP's authors finetune everything
_HAP_CLAIMS = (
    Claim('HAP against scratch', 'Finetuning from HAP leads training from scratch',
          _rows('hap', 'scratch', _HAP_PROTOCOLS)),
    Claim('MAE against scratch', 'So does finetuning from MAE with its usual settings',
          _rows('mae', 'scratch', _HAP_PROTOCOLS)),
    Claim('HAP against MAE', 'HAP leads MAE', _rows('hap', 'mae', _HAP_PROTOCOLS)),
    Claim('Large crops against small ones', 'Crops of 80 % of the image and more lead those of 20 % and more',
          _rows('hap', 'crop_20', _HAP_PROTOCOLS)),
    Claim('Half masked against three quarters', 'Masking half of the patches leads masking three quarters',
          _rows('hap', 'ratio_75', _HAP_PROTOCOLS)),
    Claim('Blocks against single patches', 'Masked blocks lead masked single patches, both without body parts',
          _rows('blocks', 'random_only', _HAP_PROTOCOLS)),
    Claim('With against without body parts', 'Masking body parts first helps', _rows('hap', 'blocks', _HAP_PROTOCOLS)),
    Claim('With against without alignment', 'Aligning the class tokens of two masks helps',
          _rows('hap', 'no_alignment', _HAP_PROTOCOLS)),
    Claim('Whole parts of every image against the released draw', 'Masks as the figure shows them lead those of the '
          'code, of which one in a hundred is guided', _rows('hap', 'released', _HAP_PROTOCOLS)),
)


def hap() -> Study:
    """HAP: each part of it against the same without, finetuned with few labels.

    Length and rate of the finetuning were chosen on MSMT17, which is not part of the study, to suit pretrained and
    first weights alike (docs/fidelity_hap.md).
    """
    # a quarter of what MiniHuman has at this size: 16 of 64 people, 140 of 558 and 338 of 1,350 crops
    labels = dict(market1501=128, coco_pose=140, pa100k=338)
    flavors = ('mae', 'crop_20', 'ratio_75', 'blocks', 'random_only', 'no_alignment', 'released')
    return Study('hap/hap_debug.py', {'hap': Variant()} | {x: Variant(x) for x in flavors},
                 tuple(labels), _HAP_PROTOCOLS, _HAP_CLAIMS, 600, labels,
                 {'optim_wrapper.paramwise_cfg.backbone_multiplier': 0.5}, 240)


LAMBDAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_DIAL = ('market1501', 'lip', 'crowdhuman')
_FULL, _LIGHT = ('full', ), ('partial', )
_SOLIDER_CLAIMS = (
    Claim('SOLIDER against scratch', 'Finetuning from SOLIDER leads training from scratch',
          _rows('solider', 'scratch', _FULL)),
    Claim('DINO against scratch', 'So does finetuning from DINO', _rows('dino', 'scratch', _FULL)),
    Claim('SOLIDER against DINO', 'SOLIDER, with the lambda of each task, leads DINO',
          _rows('solider', 'dino', _FULL)),
    Claim('Body parts, ReID', 'Telling body parts apart costs ReID', _rows('dino', 'clustering', _FULL),
          datasets=('market1501', )),
    Claim('Body parts, other tasks', 'It helps tasks of parts and people', _rows('clustering', 'dino', _FULL),
          datasets=('pa100k', 'lip', 'crowdhuman')),
    Claim('With against without the dial', 'Controllers and a lambda for each task lead body parts without',
          _rows('solider', 'clustering', _FULL)),
    Claim('The dial, ReID', 'ReID is better at lambda 0 than at 1',
          _rows('lambda 0.0', 'lambda 1.0', _LIGHT), datasets=('market1501', )),
    Claim('The dial, parsing and detection', 'Parsing and detection are better at lambda 1 than at 0',
          _rows('lambda 1.0', 'lambda 0.0', _LIGHT), datasets=('lip', 'crowdhuman')),
)


def solider() -> Study:
    """SOLIDER: its parts one after the other, and one checkpoint of it at six positions of the dial.

    Length and rate of the finetuning were chosen on MSMT17, which is not part of the study.
    """
    rows = {'solider': Row('solider:{}', protocols=_FULL)} | {
        f'lambda {x}': Row(f'solider:{{}}@semantic={x}', _DIAL, _LIGHT) for x in LAMBDAS}
    own = {x: Variant(x, rows={x: Row('solider:{}', protocols=_FULL)}) for x in ('dino', 'clustering')}
    return Study('solider/solider_swin-t_debug.py', own | {'solider': Variant(rows=rows)},
                 ('market1501', 'pa100k', 'lip', 'crowdhuman'), (*_FULL, *_LIGHT), _SOLIDER_CLAIMS, 400,
                 finetuning={'optim_wrapper.paramwise_cfg.backbone_multiplier': 1.0}, finetune_steps=400,
                 backbone='semantic_swin_debug', dial='solider')


STUDIES: Mapping[str, Callable[[], Study]] = dict(path=path, hap=hap, solider=solider)
