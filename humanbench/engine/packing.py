"""A unit on its way from a loader's process: one tensor with all pixels, and its labels as one string of bytes.

PyTorch moves every tensor between processes as a file of its own; a unit of small crops has hundreds (each label is
one), and that costs more than reading the images did.
"""
import io
import pickle
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


class _ByValue(pickle.Pickler):
    """Writes tensors as NumPy arrays, in microseconds each."""

    def reducer_override(self, value: object):
        if type(value) is Tensor and value.device.type == 'cpu' and value.dtype != torch.bfloat16:
            return torch.from_numpy, (value.detach().numpy(),)
        return NotImplemented


def by_value(value: Any) -> bytes:
    """A pickle in which tensors are arrays, which crosses processes as one string."""
    buffer = io.BytesIO()
    _ByValue(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    return buffer.getvalue()


@dataclass
class PackedUnit:
    """A collated unit that crosses processes (and to pinned memory) in one piece.

    Attributes:
        pixels: all images, flat.
        shapes: of the images.
        rest: everything else, pickled.
    """
    pixels: Tensor
    shapes: list[tuple[int, ...]]
    rest: bytes

    @classmethod
    def pack(cls, unit: dict) -> 'PackedUnit':
        """Pack a unit: a dict with ``inputs``, a list of images of one dtype."""
        images = unit['inputs']
        return cls(torch.cat([x.reshape(-1) for x in images]), [tuple(x.shape) for x in images],
                   by_value({name: x for name, x in unit.items() if name != 'inputs'}))

    def pin_memory(self) -> 'PackedUnit':
        return PackedUnit(self.pixels.pin_memory(), self.shapes, self.rest)

    def unpack(self) -> dict:
        """The unit; its images are views of ``pixels``."""
        sizes = [torch.Size(shape).numel() for shape in self.shapes]
        images = [x.view(shape) for x, shape in zip(self.pixels.split(sizes), self.shapes)]
        return dict(pickle.loads(self.rest), inputs=images)


def unpacked(unit: dict | PackedUnit) -> dict:
    """A unit as the training step reads it."""
    return unit.unpack() if isinstance(unit, PackedUnit) else unit
