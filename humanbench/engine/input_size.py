"""How large the images of a source are when they reach the network, as its pipeline says."""
from collections.abc import Mapping, Sequence

from ..canvas import Canvas
from ..errors import UserError

ASPECT = 1.5  # assumed of images that are resized with their own aspect ratio: long over short side, landscape


def input_sizes(pipeline: Sequence[Mapping]) -> list[tuple[int, int]]:
    """(height, width) after a pipeline; several where it chooses among sizes, as often as they are chosen.

    The last step that sets a size decides. Known are ``size`` ((height, width), or one number), ``input_size``
    ((width, height)), ``groups`` of crops (:class:`humanbench.canvas.Canvas`), MMEngine's ``scale`` and ``scales``
    ((long, short) with ``keep_ratio``, else (width, height)), and ``transforms``, a choice among pipelines or one more
    pipeline. Empty where no step sets a size.
    """
    sizes: list[tuple[int, int]] = []
    for step in pipeline:
        sizes = _of_step(step) or sizes
    return sizes


def _of_step(step: Mapping) -> list[tuple[int, int]]:
    inner = step.get('transforms')
    if inner:
        if isinstance(inner[0], Mapping):
            return input_sizes(inner)
        return [size for option in inner for size in input_sizes(option)]
    if 'groups' in step:
        return [Canvas(step['groups']).size]
    if 'input_size' in step:
        width, height = step['input_size']
        return [(int(height), int(width))]
    if 'size' in step:
        size = step['size']
        return [(size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))]
    scales = step.get('scales') or ([step['scale']] if 'scale' in step else [])
    keeps = step.get('keep_ratio', (step.get('resize_kwargs') or {}).get('keep_ratio', False))
    return [_scaled(scale, keeps) for scale in scales if isinstance(scale, (tuple, list))]


def _scaled(scale: Sequence[int], keeps_ratio: bool) -> tuple[int, int]:
    if not keeps_ratio:
        return int(scale[1]), int(scale[0])
    long, short = max(scale), min(scale)
    short = min(short, round(long / ASPECT))
    return short, round(short * ASPECT)


def pipeline_of(dataset: Mapping) -> Sequence[Mapping]:
    """The transforms of a dataset's config; of several datasets with transforms of their own those of the first, as
    their samples are alike."""
    found = dataset.get('pipeline', ())
    return found or next((pipeline_of(x) for x in dataset.get('datasets', ())), ())


def canvases(source: str, pipeline: Sequence[Mapping], batch_size: int, patch: int) -> dict[tuple[int, int], float]:
    """(height, width) of a source's batches, padded to patches, and how often each occurs.

    A batch is padded to its largest image: of the sizes that a pipeline chooses among, larger ones are the rule.

    Args:
        source: its name, for what is said if its pipeline sets no size.
        pipeline: its transforms.
        batch_size: images in a unit.
        patch: sides are multiples of it.
    """
    sizes = sorted(input_sizes(pipeline), key=lambda size: size[0] * size[1])
    if not sizes:
        raise UserError(f"The pipeline of source '{source}' does not say how large its images become: expected a step "
                        'with size, input_size or scale. Without it nothing can be said about its cost.')
    count, shares = len(sizes), {}
    for i, (height, width) in enumerate(sizes):
        size = (-(-height // patch) * patch, -(-width // patch) * patch)
        share = ((i + 1) / count) ** batch_size - (i / count) ** batch_size
        shares[size] = shares.get(size, 0.0) + share
    return shares
