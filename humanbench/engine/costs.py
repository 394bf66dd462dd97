"""What a unit costs: measured while training, or assumed of a device before there is one.

How the training loop keeps its table::

    costs = CostTable(batch_sizes)                   # or CostTable.from_dict(checkpoint['costs'])
    costs.update(source, seconds)                    # after each unit: seconds of its forward and backward pass
    checkpoint['costs'] = costs.to_dict()            # plain values, equal on all ranks
    place(plan, world_size, costs.complete(estimate))
"""
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import UserError, unknown_name

VERSION = 1


class CostTable:
    """Measured seconds of one unit of each source on a rank of speed 1.

    A moving average; the first units of a source are not counted, because compilers and caches warm up on them.

    Args:
        batch_sizes: images in a unit of each source. A table of other batch sizes is read as seconds per image.
        decay: share of the old average that a new measurement leaves.
        warmup: units of each source that are not counted.
    """

    def __init__(self, batch_sizes: Mapping[str, int], decay: float = 0.9, warmup: int = 3):
        if not 0 <= decay < 1:
            raise UserError(f'The decay of a cost table lies in [0, 1), got {decay}.')
        self.batch_sizes, self.decay, self.warmup = dict(batch_sizes), decay, warmup
        self._seconds: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def update(self, source: str, seconds: float) -> None:
        """Count one unit.

        Args:
            source: its name.
            seconds: of its forward and backward pass, without waiting for data or other ranks; on a rank that is not
                of speed 1 multiplied by the rank's speed.
        """
        if source not in self.batch_sizes:
            raise unknown_name('source of a cost', source, self.batch_sizes)
        count = self._counts.get(source, 0) + 1
        self._counts[source] = count
        if count <= self.warmup or not 0 < seconds < float('inf'):
            return
        old = self._seconds.get(source, seconds)
        self._seconds[source] = self.decay * old + (1 - self.decay) * seconds

    def as_mapping(self) -> dict[str, float]:
        """Seconds of one unit of each source that was measured, in the order of ``batch_sizes``."""
        return {source: self._seconds[source] for source in self.batch_sizes if source in self._seconds}

    def complete(self, estimate: Mapping[str, float]) -> dict[str, float]:
        """Seconds of one unit of every source of ``estimate``: measured where they were, the others' estimates scaled
        to this machine by the median ratio of measured to estimated."""
        measured = self.as_mapping()
        ratios = [measured[source] / estimate[source] for source in measured if source in estimate]
        scale = statistics.median(ratios) if ratios else 1.0
        return {source: measured.get(source, scale * value) for source, value in estimate.items()}

    def to_dict(self) -> dict:
        """The table as plain values, for a checkpoint or a JSON file."""
        rows = {source: dict(seconds=self._seconds.get(source), batch_size=size, units=self._counts.get(source, 0))
                for source, size in self.batch_sizes.items()}
        return dict(version=VERSION, decay=self.decay, warmup=self.warmup, sources=rows)

    @classmethod
    def from_dict(cls, content: Mapping, batch_sizes: Mapping[str, int] | None = None) -> 'CostTable':
        """A table that :meth:`to_dict` wrote.

        Args:
            content: the plain values.
            batch_sizes: of the recipe that is to be planned: its sources are kept, their seconds scaled to its units;
                by default those of the table.

        Raises:
            UserError: the content is no cost table.
        """
        try:
            if content['version'] != VERSION:
                raise UserError(f"The cost table has version {content['version']}, expected {VERSION}. Measure again.")
            rows = {source: (row['seconds'], row['batch_size'], row['units'])
                    for source, row in content['sources'].items()}
            table = cls({source: row[1] for source, row in rows.items()} if batch_sizes is None else batch_sizes,
                        content['decay'], content['warmup'])
            for source, (seconds, batch_size, units) in rows.items():
                if not (seconds is None or 0 < seconds < float('inf')) or batch_size < 1 or units < 0:
                    raise ValueError(f'{source} has {seconds} seconds, batch size {batch_size} and {units} units')
                if source in table.batch_sizes and seconds is not None:
                    table._seconds[source] = seconds * table.batch_sizes[source] / batch_size
                    table._counts[source] = units
        except UserError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise UserError(f'This is no cost table ({type(error).__name__}: {error}). Expected version, decay, warmup '
                            'and, for each source, seconds, batch_size and units.') from error
        return table


@dataclass(frozen=True)
class Device:
    """What is assumed of a device before anything is measured on it.

    Attributes:
        name: of the device.
        peak: FLOP a second by precision, as its maker states them for dense matrices.
        achieved: share of the peak that units reach.
        floor: seconds that no unit can undercut: the launches of its kernels.
        memory: bytes.
        link: bytes a second that a rank sends within a node.
        network: bytes a second that a rank sends between nodes.
        node: ranks of a node.
    """
    name: str
    peak: Mapping[str, float]
    achieved: float
    floor: float
    memory: float
    link: float
    network: float
    node: int = 8

    def flops(self, precision: str) -> float:
        """FLOP a second that units reach."""
        if precision not in self.peak:
            raise unknown_name(f'precision of device {self.name}', precision, self.peak)
        return self.achieved * self.peak[precision]


# Peaks, memory and links: the makers' data sheets (V100 SXM2 32 GB, A100 SXM 80 GB, H100 SXM, H200 SXM), links at
# three quarters of one direction of NVLink; the network is one adapter of 100, 200 or 400 Gb/s for each GPU, at nine
# tenths. fp32 is without TF32, which PyTorch leaves off; a V100 has no bf16 units and computes it in fp32. Shares of
# the peak and launch floors are assumptions: 0.4 with compiled blocks, as public ViT trainings report, and 0.6 where
# matrices are slow beside memory. The CPU is two cores of a server, measured on a ViT-B: 0.2 TFLOP a second in fp32,
# 2.8 times that in bf16; the overhead of a small unit is 10 ms.
DEVICES = {device.name: device for device in (
    Device('v100', dict(fp32=15.7e12, bf16=15.7e12), 0.6, 12e-3, 32e9, 112e9, 11e9),
    Device('a100', dict(fp32=19.5e12, bf16=312e12), 0.4, 5e-3, 80e9, 225e9, 22e9),
    Device('h100', dict(fp32=67e12, bf16=989e12), 0.4, 3e-3, 80e9, 337e9, 45e9),
    Device('h200', dict(fp32=67e12, bf16=989e12), 0.4, 3e-3, 141e9, 337e9, 45e9),
    Device('cpu', dict(fp32=0.2e12, bf16=0.56e12), 1.0, 10e-3, 16e9, 1e9, 1e9, node=1),
)}


def find_device(name: str) -> Device:
    """A device by name, in any case.

    Raises:
        UserError: there is none; the message lists those that exist.
    """
    if name.lower() not in DEVICES:
        raise unknown_name('device', name, DEVICES)
    return DEVICES[name.lower()]
