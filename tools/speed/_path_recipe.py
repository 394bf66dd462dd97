"""PATH's released ViT-B recipe as the engine sees it: 25 entries of 37 datasets, 64 slots, 3,366 images in a step.

Samples, batches and slots are those of the release. Costs are TFLOP of one slot, forward and backward with recomputed
activations, counted from the layers of backbone, projector and head; the heads' sizes are estimates except for the
classifiers of identities. A table of seconds is one of these divided by a device's speed.
"""
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from humanbench.engine.placement import Traffic
from humanbench.engine.plan import Plan, Source

MEGA = 4e6  # bytes of a million parameters
BACKBONE, PROJECTOR = 86 * MEGA, 3.1 * MEGA


class Entry(NamedTuple):
    """One entry: ``cost`` in TFLOP of a slot, ``head`` in millions of parameters, ``identities`` of ReID."""
    task: str
    samples: int
    batch_size: int
    slots: int
    cost: float
    head: float
    identities: int = 0


ENTRIES: Mapping[str, Entry] = {
    'coco_pose': Entry('pose', 149_813, 224, 2, 33.494, 4.2),
    'aic': Entry('pose', 378_352, 224, 2, 33.494, 4.2),
    'posetrack': Entry('pose', 97_174, 224, 1, 33.494, 4.2),
    'jrdb': Entry('pose', 310_035, 224, 1, 33.494, 4.2),
    'mhp': Entry('pose', 41_128, 96, 1, 14.355, 4.2),
    'penn': Entry('pose', 163_839, 128, 1, 19.14, 4.2),
    '3dpw': Entry('pose', 74_620, 128, 1, 19.14, 4.2),
    'halpe': Entry('pose', 41_712, 64, 1, 9.57, 4.2),
    '3dhp': Entry('pose', 1_031_701, 128, 1, 19.14, 4.2),
    'h36m_pose': Entry('pose', 312_187, 128, 1, 19.14, 4.2),
    'aist': Entry('pose', 1_015_257, 128, 1, 19.14, 4.2),
    'h36m_parsing': Entry('parsing', 62_668, 26, 3, 22.299, 5.6),
    'lip': Entry('parsing', 30_462, 18, 2, 15.438, 5.6),
    'cihp': Entry('parsing', 28_280, 24, 2, 20.583, 5.6),
    'vip': Entry('parsing', 18_469, 16, 1, 13.722, 5.6),
    'paperdoll': Entry('parsing', 1_035_825, 24, 2, 20.583, 5.6),
    'deepfashion': Entry('parsing', 191_961, 32, 2, 27.445, 5.6),
    'modanet': Entry('parsing', 52_245, 32, 1, 27.445, 5.6),
    'attributes_2': Entry('attribute', 157_943, 128, 1, 18.047, 2.0),
    'attributes_5': Entry('attribute', 119_120, 116, 1, 16.355, 2.0),
    'reid_4': Entry('reid', 67_070, 112, 1, 10.376, 2.5, 3261),
    'reid_3': Entry('reid', 217_453, 96, 1, 8.893, 4.5, 5901),
    'luperson': Entry('reid', 5_178_420, 192, 2, 17.92, 116.4, 151_595),
    'crowdhuman': Entry('detection', 15_000, 2, 16, 10.579, 17.0),
    'detection_5': Entry('detection', 245_654, 2, 16, 10.579, 17.0),
}
# heads that normalise over the images of a unit; ReID's are atomic anyway
BATCH_STATISTICS = frozenset({'attributes_2', 'attributes_5'})


def path_plan(shuffled: bool = False, seed: int = 0) -> Plan:
    """The plan of the recipe, with made-up identities.

    Args:
        shuffled: mix the images of the identities, as file lists do not, which makes sorting them hardest.
        seed: of the plan and of the mixing.
    """
    sources = []
    for name, entry in ENTRIES.items():
        labels = None
        if entry.identities:
            labels = np.arange(entry.samples, dtype=np.int32) % entry.identities
            if shuffled:
                np.random.default_rng(seed).shuffle(labels)
        sources.append(Source(name, entry.task, entry.samples, entry.batch_size, entry.slots, identities=labels))
    return Plan(sources, seed)


def recorded_costs(flops: float = 400e12) -> dict[str, float]:
    """Seconds of one slot of each entry at so many FLOP a second."""
    return {name: entry.cost * 1e12 / flops for name, entry in ENTRIES.items()}


def path_traffic(bandwidth: float, link: float | None = None) -> Traffic:
    """The recipe's gradients in float32."""
    return Traffic(bandwidth, BACKBONE, {entry.task: PROJECTOR for entry in ENTRIES.values()},
                   {name: entry.head * MEGA for name, entry in ENTRIES.items()}, link=link)
