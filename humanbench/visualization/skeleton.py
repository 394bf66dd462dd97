"""Which keypoints are joined, told by their names alone, so every dataset's order and set of joints is served."""
from collections.abc import Sequence

_SIDED = (  # (end, other ends by preference, group)
    ('wrist', ('elbow',), 'arm'),
    ('elbow', ('shoulder',), 'arm'),
    ('knee', ('hip',), 'leg'),
    ('ankle', ('knee',), 'leg'),
    ('foot', ('ankle', 'knee'), 'leg'),
    ('hand', ('wrist', 'elbow'), 'arm'),
)
_MIDDLE = (  # the first pair of each chain that is there is drawn
    (
        ('left_shoulder', 'neck_base'),
        ('left_shoulder', 'neck'),
        ('left_shoulder', 'thorax'),
        ('left_shoulder', 'center_shoulder'),
        ('left_shoulder', 'head_bottom'),
        ('left_shoulder', 'right_shoulder'),
    ),
    (
        ('right_shoulder', 'neck_base'),
        ('right_shoulder', 'neck'),
        ('right_shoulder', 'thorax'),
        ('right_shoulder', 'center_shoulder'),
        ('right_shoulder', 'head_bottom'),
    ),
    *(tuple((f'{side}_hip', x) for x in ('root', 'pelvis', 'center_hip', 'hip', 'spine_base', 'torso'))
      for side in ('left', 'right')),
    (('neck_base', 'thorax'),),
    (
        ('thorax', 'spine'),
        ('thorax', 'pelvis'),
        ('neck', 'spine'),
        ('center_shoulder', 'center_hip'),
        ('neck', 'hip'),
        ('neck', 'torso'),
    ),
    (('spine', 'root'), ('spine_mid', 'spine_base')),
    (('spine', 'spine_mid'),),
    (
        ('head_top', 'upper_neck'),
        ('head_top', 'head'),
        ('head_top', 'head_bottom'),
        ('head_top', 'neck'),
        ('head', 'neck_base'),
    ),
    (('upper_neck', 'thorax'), ('head', 'neck'), ('head', 'center_shoulder')),
)
_MIDDLES_OF_HIPS = {'root', 'pelvis', 'center_hip', 'hip', 'spine_base', 'torso'}
_SIDES_OF_TRUNK = (('left_shoulder', 'left_hip'), ('right_shoulder', 'right_hip'))  # where no spine is annotated
_FACE = (
    *((x, f'{side}_eye') for x in ('nose', 'head') for side in ('left', 'right')),
    ('left_eye', 'left_ear'),
    ('right_eye', 'right_ear'),
    ('nose', 'head_bottom'),
)


def limbs(names: Sequence[str]) -> list[tuple[int, int, str]]:
    """Joined pairs of keypoints as (index, index, group); groups are the keys of ``palette.LIMBS``.

    Args:
        names: keypoint names such as ``left_shoulder``, in the order of the annotation.
    """
    index = {name: i for i, name in enumerate(names)}
    found = []

    def join(a: str, b: str, group: str) -> bool:
        if a in index and b in index:
            found.append((index[a], index[b], group))
            return True
        return False

    for chain in _MIDDLE:
        any(join(a, b, 'torso') for a, b in chain)
    if not _MIDDLES_OF_HIPS & set(index):
        join('left_hip', 'right_hip', 'torso')
        for a, b in _SIDES_OF_TRUNK:
            join(a, b, 'torso')
    if 'head' in index and not any(index['head'] in (a, b) for a, b, _ in found):
        for side in ('left', 'right'):
            join('head', f'{side}_shoulder', 'torso')
    for end, others, group in _SIDED:
        for side in ('left', 'right'):
            any(join(f'{side}_{end}', f'{side}_{other}', f'{side}_{group}') for other in others)
    for a, b in _FACE:
        if a != 'head' or 'nose' not in index:
            join(a, b, 'face')
    return found


def joint_group(name: str) -> str:
    """Colour group of one keypoint."""
    if name in ('nose', 'head', 'head_top') or name.endswith(('_eye', '_ear')):
        return 'face'
    side = name.partition('_')[0]
    if side not in ('left', 'right'):
        return 'torso'
    return f'{side}_leg' if name.endswith(('hip', 'knee', 'ankle', 'foot')) else f'{side}_arm'
