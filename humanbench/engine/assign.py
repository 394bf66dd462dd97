"""Where the units of a run go: the placement, from what units cost on this machine."""
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from mmengine.dist import broadcast_object_list, get_rank
from mmengine.logging import print_log

from ..errors import UserError
from ..weights.folder import is_checkpoint, newest, read_meta, resolve
from .costs import CostTable
from .estimate import estimate, this_device
from .mixture import outline
from .placement import Placement, place
from .plan import Plan


def place_units(config: Config, world_size: int) -> Placement:
    """Where the units of a training config run: decided by the first rank, on what they cost.

    A run that is resumed by as many processes as before keeps its placement, so that it goes on bit by bit, unless
    ``train_cfg.place_anew``. Otherwise costs are those that it has measured, else estimated for the device; where they
    cannot be estimated, a unit costs its number of images.
    """
    plan = outline(config.sources)
    if world_size == 1:
        return place(plan, 1)
    shared: list[Placement | None] = [None]
    resumed = _resumed(config) if get_rank() == 0 else {}
    kept = () if config.train_cfg.get('place_anew') else resumed.get('placement', ())
    if _is_of(kept, plan, world_size):
        shared = [[[(source, slot) for source, slot in units] for units in resumed['placement']]]
    elif get_rank() == 0:
        try:
            found = estimate(config, this_device())
        except (UserError, RuntimeError) as error:
            print_log(f'Units are placed by their numbers of images; their costs cannot be estimated: {error}',
                      'current', logging.WARNING)
            shared = [place(plan, world_size)]
        else:
            batch_sizes = {x.name: x.batch_size for x in plan.sources.values()}
            measured = CostTable.from_dict(resumed.get('costs') or CostTable({}).to_dict(), batch_sizes)
            shared = [place(plan, world_size, measured.complete(found.costs), found.traffic)]
    broadcast_object_list(shared)
    return shared[0]


def _resumed(config: Config) -> dict[str, Any]:
    """What the checkpoint that will be resumed says of its training; nothing where there is none."""
    if not config.get('resume'):
        return {}
    path = resolve(config.load_from) if config.get('load_from') else newest(config.work_dir)
    return read_meta(path)['training'] if path is not None and is_checkpoint(path) else {}


def _is_of(placement: Sequence, plan: Plan, world_size: int) -> bool:
    """Whether this is a placement of exactly the plan's units, on so many ranks."""
    units = Counter((source, slot) for held in placement for source, slot in held)
    return len(placement) == world_size and units == Counter((unit.source, unit.slot) for unit in plan.units(0))
