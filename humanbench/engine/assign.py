"""Where the units of a run go: the placement, from what units cost on this machine."""
import logging

from mmengine.config import Config
from mmengine.dist import broadcast_object_list, get_rank
from mmengine.logging import print_log

from ..errors import UserError
from ..weights.folder import is_checkpoint, newest, read_meta
from .costs import CostTable
from .estimate import estimate, this_device
from .mixture import outline
from .placement import Placement, place


def place_units(config: Config, world_size: int) -> Placement:
    """Where the units of a training config run: decided by the first rank, on what they cost.

    Costs are those that the run which is resumed has measured, else estimated for the device; where they cannot be
    estimated, a unit costs its number of images.
    """
    plan = outline(config.sources)
    if world_size == 1:
        return place(plan, 1)
    shared: list[Placement | None] = [None]
    if get_rank() == 0:
        try:
            found = estimate(config, this_device())
        except (UserError, RuntimeError, NotImplementedError) as error:
            print_log(f'Units are placed by their numbers of images; their costs cannot be estimated: {error}',
                      'current', logging.WARNING)
            shared = [place(plan, world_size)]
        else:
            measured = CostTable.from_dict(_measured(config), {x.name: x.batch_size for x in plan.sources.values()})
            shared = [place(plan, world_size, measured.complete(found.costs), found.traffic)]
    broadcast_object_list(shared)
    return shared[0]


def _measured(config: Config) -> dict:
    """The cost table of the checkpoint that will be resumed; an empty one where there is none."""
    path = config.get('load_from') or newest(config.work_dir) if config.get('resume') else None
    if path is None or not is_checkpoint(path):
        return CostTable({}).to_dict()
    return read_meta(path)['training']['costs']
