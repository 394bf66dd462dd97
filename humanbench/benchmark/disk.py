"""How much disk the cells of a plan take: counted from their models, before anything runs."""
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from humanbench import catalog, protocols

from .plan import PlannedCell

KEPT_STATES = 3  # folders to resume from: two, and one that is being written
RECORD_BYTES = 6_000  # a record with its log's head; weights weigh ten thousand times as much
MINIHUMAN_MB = {  # of the edition `small`, as it lies on the disk
    'market1501': 5, 'msmt17': 5, 'cuhk03': 22, 'sensereid': 2, 'coco_pose': 11, 'h36m_pose': 14, 'aic': 8, 'mpii': 13,
    'h36m_parsing': 29, 'lip': 7, 'cihp': 14, 'atr': 6, 'pa100k': 11, 'rapv2': 30, 'peta': 23, 'crowdhuman': 11,
    'caltech': 7, 'shanghaitech_a': 6, 'shanghaitech_b': 5}


@dataclass(frozen=True)
class CellDisk:
    """Bytes of one cell's work folder.

    Attributes:
        running: at most, while it trains: what a run resumes from, several times, and the weights.
        kept: when it is done: the weights of its last step and the record.
    """
    running: int
    kept: int


@dataclass(frozen=True)
class PlanDisk:
    """Bytes of a plan.

    Attributes:
        cells: of each cell, in the order of the plan; nothing for those that do not run.
        data: of the MiniHuman editions that are made first.
        free: where the results go.
    """
    cells: tuple[CellDisk, ...]
    data: int
    free: int

    @property
    def kept(self) -> int:
        """What stays when all are done."""
        return sum(x.kept for x in self.cells)

    @property
    def running(self) -> int:
        """What the largest cell needs beside that while it runs."""
        return max((x.running - x.kept for x in self.cells), default=0)

    @property
    def fits(self) -> bool:
        return self.kept + self.running + self.data <= self.free


def plan_disk(planned: Sequence[PlannedCell], out: str | Path) -> PlanDisk:
    """What a plan writes below ``out``, and the MiniHuman editions that it makes first."""
    known: dict[tuple, CellDisk] = {}
    for x in planned:
        if x.status == 'run' and _kind(x) not in known:
            known[_kind(x)] = _cell_disk(x)
    folder = Path(out).absolute()
    while not folder.exists():
        folder = folder.parent
    missing = {name for x in planned if x.status == 'run' for name in _editions_to_make(x)}
    cells = tuple(known[_kind(x)] if x.status == 'run' else CellDisk(0, 0) for x in planned)
    return PlanDisk(cells, sum(1_000_000 * MINIHUMAN_MB.get(x, 0) for x in missing), shutil.disk_usage(folder).free)


def _kind(planned: PlannedCell) -> tuple:
    """What cells of one size share; the overrides are those of the whole plan."""
    return planned.recipe.config, planned.cell.protocol, planned.cell.flavor, planned.backbone


def _cell_disk(planned: PlannedCell) -> CellDisk:
    cell = planned.cell
    if cell.protocol == 'direct':  # writes no weights
        return CellDisk(RECORD_BYTES, RECORD_BYTES)
    total, state = _sizes(planned)
    return CellDisk(KEPT_STATES * state + total + RECORD_BYTES, total + RECORD_BYTES)


def _sizes(planned: PlannedCell) -> tuple[int, int]:
    """Bytes of a cell's weights, and of what it resumes from."""
    import torch

    from humanbench.engine.estimate import PARAMETER_BYTES, optimizer_bytes
    from humanbench.engine.launch import complete, load_config
    from humanbench.registry import MODELS
    cell = planned.cell
    config = complete(load_config(str(planned.recipe.config), cell.flavor, cell.protocol, planned.overrides,
                                  cell.weights.backbone or None, cell.weights.spec))
    with torch.device('meta'):  # shapes alone
        model = MODELS.build(config.model)
    counts = protocols.apply_recipe(model, config)
    weights = PARAMETER_BYTES * counts.total
    return weights, weights + optimizer_bytes(config) * counts.trained


def _editions_to_make(planned: PlannedCell) -> list[str]:
    """The datasets of a cell whose synthetic edition is not there yet."""
    from humanbench.datasets.roots import MINIHUMAN, edition_of
    root = planned.recipe.data_root(planned.cell.flavor, planned.overrides)
    if root is None or not root.startswith(MINIHUMAN):
        return []
    base, size, _ = edition_of(root)
    names = [planned.recipe.dataset, *planned.recipe.trained_on()]
    return [x for x in names if size == 'small' and not (base / catalog.card(x).layout.root).is_dir()]


def size_text(size: float) -> str:
    """Bytes for people."""
    units = ['kB', 'MB', 'GB', 'TB']
    size, unit = size / 1000, units.pop(0)
    while size >= 1000 and units:
        size, unit = size / 1000, units.pop(0)
    return f'{size:.0f} {unit}' if size >= 10 else f'{size:.1f} {unit}'
