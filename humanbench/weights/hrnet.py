"""Weights of HRNetV2, under its authors' names: their own files for ImageNet and for dense tasks, mmseg's, mmpose's,
mmpretrain's (all of which put ``backbone.`` before them) and timm's.

What such a file has beside the four stages (``incre_modules.*``, ``classifier.*``, a head) has no place here.
"""
import re
from typing import Any

from humanbench.errors import CheckpointError

from .vit_layout import State

MARK = 'stage2.0.branches.0.0.conv1.weight'
"""A name that every HRNet has once."""
_PREFIXES = ('', 'backbone.', 'model.')
_OURS = ('heads.', 'projectors.')
_CLASSIFIER = ('incre_modules.', 'classifier.')


def prefixes(state: State) -> list[str]:
    """What stands before the names of each HRNet in a file."""
    return [key.removesuffix(MARK) for key in state if key.endswith(MARK)]


def timm_names(state: State) -> State:
    """The names without what stands before them; other entries keep theirs."""
    prefix = next((prefix for prefix in _PREFIXES if prefix in prefixes(state)), '')
    return {key.removeprefix(prefix): value for key, value in state.items()}


convert = timm_names


def recognise(state: State) -> bool:
    """Whether these are the keys of one HRNet, and of no model of ours."""
    found = prefixes(state)
    return len(found) == 1 and found[0] in _PREFIXES and not any(key.startswith(_OURS) for key in state)


def network_sizes(state: State, where: str) -> dict[str, Any]:
    """What names and shapes say of the network: the arguments of a ``HumanHRNet``.

    Args:
        state: of a backbone.
        where: names the file; for errors.

    Raises:
        CheckpointError: it is no HRNet whose maps double their channels.
    """
    if MARK not in state or 'layer1.0.conv3.weight' not in state or 'stage4.0.branches.3.0.conv1.weight' not in state:
        raise CheckpointError(f'{where} is no HRNet of four stages by the names of its authors, mmseg, mmpose or timm: '
                              'expected layer1 of bottlenecks and stage2 to stage4.')
    width, coarsest = (state[key].shape[0] for key in (MARK, 'stage4.0.branches.3.0.conv1.weight'))
    if coarsest != 8 * width:
        raise CheckpointError(f'{where} is an HRNet of {width} to {coarsest} channels; expected maps that double them '
                              f'({width} to {8 * width}).')
    return dict(
        width=width, modules=[_count(state, rf'stage{stage}') for stage in (2, 3, 4)],
        blocks=_count(state, r'stage2\.0\.branches\.0'), first_width=state['layer1.0.conv1.weight'].shape[0],
        first_blocks=_count(state, 'layer1'))


def _count(state: State, part: str) -> int:
    """How many numbered members a part has."""
    matches = (re.match(rf'{part}\.(\d+)\.', key) for key in state)
    return len({match[1] for match in matches if match})


def notes(state: State) -> list[str]:
    """What one should know of a classifier's weights."""
    if not any(key.startswith(_CLASSIFIER) for key in timm_names(state)):
        return []
    return ['a classifier repeats the cells of coarse maps where they meet finer ones; here they are enlarged '
            'bilinearly, as in the code for dense tasks']


exact_notes = notes
