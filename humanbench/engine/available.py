"""A recipe on the datasets that are there: what is left out, and what that makes of the rest."""
import copy
import platform
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import all_gather_object

from ..datasets import storage
from ..datasets.merged import placed
from ..datasets.places import card_of
from ..datasets.roots import MINIHUMAN, usual_place
from ..errors import UserError
from ..registry import DATASETS
from .plan import Plan
from .preview import preview


def leave_out_missing(config: Config) -> tuple[Config, str]:
    """The same recipe without the datasets that are not there, and a table that says what changed.

    A merged source keeps its datasets that are there: the columns of its attributes stay, its identities become fewer.
    Evaluations go whose source or data are missing. A server is asked.

    Raises:
        UserError: no dataset of the recipe is there.
    """
    full, config = config, copy.deepcopy(config)
    missing: dict[str, list[str]] = {}
    for name, source in full.sources.items():
        absent = [part for part in _parts(source.dataset) if not _is_here(part)]
        missing[name] = [card_of(part).id for part in absent]
        if len(absent) == len(_parts(source.dataset)):
            del config.sources[name]
        elif absent:
            _shrink(config.sources[name])
    if not config.sources:
        places = sorted({usual_place(card_of(part)) for source in full.sources.values()
                         for part in _parts(source.dataset)})
        looked_for = ', '.join(places[:2]) + (' ...' if places[2:] else '')
        raise UserError(f"None of the {len(places)} datasets of this recipe is there. Looked for {looked_for}. "
                        'Let $HUMANBENCH_DATA name the folder in which they lie; '
                        '`humanbench datasets list` shows what is found.')
    for name, entry in full.get('evaluations', {}).items():
        if entry.source not in config.sources or not all(map(_is_here, _parts(entry.dataset))):
            del config.evaluations[name]
    return config, _table(full, config, missing)


def check_same_everywhere(config: Config) -> None:
    """Refuse a run whose processes have found different datasets; all of them call it, once they have joined.

    Raises:
        UserError: a machine lacks what another has.
    """
    own = {card.id for source in config.sources.values() for part in _parts(source.dataset) if (card := card_of(part))}
    found = all_gather_object((platform.node(), own))
    everything = set().union(*(ids for _, ids in found))
    lacking = [f"rank {rank} (on {machine}) does not find {', '.join(sorted(everything - ids))}"
               for rank, (machine, ids) in enumerate(found) if ids != everything]
    if lacking:
        raise UserError(f"leave_out_missing: the processes see different datasets: {'; '.join(lacking[:4])}"
                        + (f'; and {len(lacking) - 4} more ranks' if len(lacking) > 4 else '')
                        + '. Let $HUMANBENCH_DATA name a folder that has the same on every machine.')


def _parts(dataset: Mapping) -> list[Mapping]:
    """A dataset's config, or those of a merged one, each with its root."""
    return [placed(part, dataset.get('root')) for part in dataset.get('datasets') or [dataset]]


def _is_here(part: Mapping) -> bool:
    card = card_of(part)
    if card is None:
        return True  # a reader of the user's own
    root = str(part.get('root') or usual_place(card))
    if storage.is_url(root):
        return storage.find_folder(root) is not None
    return root.startswith(MINIHUMAN) or Path(root).is_dir()


def _shrink(source: Mapping) -> None:
    """A merged source without its missing parts, under a head that fits what remains."""
    dataset = source.dataset
    if source.task == 'attribute' and not dataset.get('space'):
        dataset.space = list(dict.fromkeys(card_of(part).id for part in dataset.datasets))
    dataset.datasets = [part for part in dataset.datasets if _is_here(placed(part, dataset.get('root')))]
    if source.task == 'reid':
        source.head.num_identities = DATASETS.build(dict(dataset, pipeline=[])).metainfo['num_ids']


def _table(full: Config, config: Config, missing: Mapping[str, list[str]]) -> str:
    before, now = preview(full, read=False).plan, preview(config, read=False).plan
    steps = (config.get('train_cfg') or {}).get('max_steps', 0)
    lines = [f'Of {len(full.sources)} sources {len(config.sources)} are there, wholly or in part. Share of the '
             f'objective and epochs in {steps:,} steps (by the counts of the cards), in the full recipe and now:',
             f'{"source":<26} {"share":>8} {"now":>8} {"epochs":>8} {"now":>8}  missing']
    for name in full.sources:
        shares = [f'{before.weights[name]:>8.2%}', f'{now.weights[name]:>8.2%}' if name in now.sources else f'{"-":>8}']
        epochs = [f'{_epochs(plan, name, steps):>8.1f}' if name in plan.sources else f'{"-":>8}'
                  for plan in (before, now)]
        lines.append(f'{name:<26} {" ".join(shares + epochs)}  {", ".join(missing[name])}'.rstrip())
    return '\n'.join(lines)


def _epochs(plan: Plan, name: str, steps: int) -> float:
    source = plan.sources[name]
    return steps * source.batch_size * source.slots / source.size
