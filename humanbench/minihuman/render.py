"""People and props before a camera -> picture, label maps and what is known about every person."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from humanbench.minihuman import primitives as pr
from humanbench.minihuman.body import BONE, JOINTS, pose_frames, posed_joints
from humanbench.minihuman.camera import Camera, CameraStyle, expose
from humanbench.minihuman.compiled import kernel
from humanbench.minihuman.labels import GARMENT, NUM_PARAMS, PALETTE
from humanbench.minihuman.person import Person
from humanbench.minihuman.primitives import Builder, Table, bounds, place
from humanbench.minihuman.renderer import rasterise
from humanbench.minihuman.shader import lit_share, resolve

# How far (fraction of stature) a joint lies below the surface that may cover it and still call it visible.
_DEPTH_OF_JOINT = {
    'nose': 0.02,
    'eye': 0.02,
    'ear': 0.03,
    'shoulder': 0.075,
    'elbow': 0.055,
    'wrist': 0.05,
    'hip': 0.115,
    'knee': 0.07,
    'ankle': 0.055,
    'head_top': 0.08,
    'upper_neck': 0.075,
    'neck': 0.085,
    'thorax': 0.095,
    'spine': 0.12,
    'pelvis': 0.13,
    'foot': 0.045,
    'hand': 0.05,
}
JOINT_DEPTHS = np.array([_DEPTH_OF_JOINT[n.removeprefix('left_').removeprefix('right_')] for n in JOINTS])


@dataclass(frozen=True, eq=False)
class Actor:
    """A posed person in the world.

    Attributes:
        person: identity; pose: name of the pose.
        frames: (len(FRAMES), 3, 4) rest coordinates to world, mm.
    """

    person: Person
    pose: str
    frames: np.ndarray


@dataclass(eq=False)
class PersonView:
    """One person as seen in one picture (pixels are 0-based, centres at integers).

    Attributes:
        person: identity.
        joints: (NUM_JOINTS, 2) float32 pixels; joints_3d: (NUM_JOINTS, 3) float32 mm in the camera frame.
        visible: (NUM_JOINTS,) int8: 0 outside the picture, 1 inside but hidden, 2 visible.
        full_box: (4,) float32 xyxy of the whole person, may leave the picture.
        visible_box: (4,) float32 xyxy around the person's visible pixels (all zeros when none is).
        head_box: (4,) float32 xyxy of head and hat without hair that hangs down; head_point: (2,) float32 its middle.
        view: 'front', 'side' or 'back'; pose: one of POSES.
    """

    person: Person
    joints: np.ndarray
    joints_3d: np.ndarray
    visible: np.ndarray
    full_box: np.ndarray
    visible_box: np.ndarray
    head_box: np.ndarray
    head_point: np.ndarray
    view: str
    pose: str


@dataclass(eq=False)
class Render:
    """A picture and everything that is known about it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        depth_mm: (H, W) uint16 depth along the optical axis of people and props, 0 where there is only background.
        garment: (H, W) uint8 ids of GARMENTS; segment: (H, W) uint8 ids of SEGMENTS.
        person_map: (H, W) int16 index into `people`, -1 elsewhere (props included).
        people: one entry per person, also for those that nothing is seen of.
    """

    image: np.ndarray
    depth_mm: np.ndarray
    garment: np.ndarray
    segment: np.ndarray
    person_map: np.ndarray
    people: list[PersonView] = field(default_factory=list)


def stand_on_ground(
    person: Person, angles: np.ndarray, yaw: float, x: float, z: float, lift: float = 0.0
) -> np.ndarray:
    """(len(FRAMES), 3, 4) frames of a person turned by `yaw` at (x, z) mm, lowest foot `lift` mm above the ground."""
    frames = pose_frames(person.body, angles)
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    frames = np.einsum('ij,fjk->fik', turn, frames)
    lowest = np.inf
    for side in ('left', 'right'):
        frame, ankle = frames[BONE[f'{side}_foot']], person.body.rest[BONE[f'{side}_foot']]
        for dz in (-0.03, 0.10):
            sole = np.array([ankle[0], 0.0, ankle[2] + dz * person.body.height])
            lowest = min(lowest, float(frame[1, :3] @ sole + frame[1, 3]))
    frames[:, :, 3] += (x, lift - lowest, z)
    return frames


def actor_bounds(actor: Actor, camera: Camera) -> np.ndarray:
    """(P, 4) image boxes of an actor's primitives."""
    table = actor.person.table
    placed = place(table.rest, actor.frames, table.ints[:, pr.FRAME], camera.rotation, camera.shift)
    return bounds(placed, table.floats, table.ints, camera.focal, *camera.centre)


def union_box(boxes: np.ndarray) -> np.ndarray:
    """(n, 4) xyxy -> (4,) xyxy."""
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])


def _gather(actors: Sequence[Actor], props: Builder, palette: np.ndarray) -> tuple:
    """Everything in one table, props last as one more person: (table, frames per table, params, palettes)."""
    tables = [a.person.table for a in actors]
    params = np.array([a.person.params for a in actors] + [np.zeros(NUM_PARAMS)])
    palettes = np.zeros((len(actors) + 1, max(len(PALETTE), len(palette)), 3))
    for i, actor in enumerate(actors):
        palettes[i, : len(PALETTE)] = actor.person.palette
    palettes[-1, : len(palette)] = palette
    table = pr.concatenate([*tables, props.table()])
    still = np.concatenate([np.eye(3), np.zeros((3, 1))], axis=1)[None]
    return table, [*(a.frames for a in actors), still], params, palettes


def _place_all(table: Table, frames: list[np.ndarray], turn: np.ndarray, shift: np.ndarray) -> np.ndarray:
    counts = np.cumsum([0] + [len(f) for f in frames])
    return place(
        table.rest, np.concatenate(frames), table.ints[:, pr.FRAME] + counts[table.ints[:, pr.PERSON]], turn, shift
    )


def _light_camera(style: CameraStyle, middle: np.ndarray, radius: float, size: int) -> Camera:
    """A far camera that looks from the sun at a ball around `middle`."""
    forward = -style.sun
    right = np.cross(np.array([0.0, 1.0, 0.0]), forward)
    right /= np.sqrt(right @ right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    far = 40 * radius
    focal = 0.5 * (size - 4) * far / radius
    return Camera(rotation, middle + style.sun * far, focal, (0.5 * (size - 1), 0.5 * (size - 1)))


def _shadow_map(
    table: Table, frames: list, style: CameraStyle, middle: np.ndarray, radius: float, size: int, camera: Camera
):
    """The z-buffer seen from the sun, and the way from this camera's frame to it."""
    light = _light_camera(style, middle, radius, size)
    placed = _place_all(table, frames, light.rotation, light.shift)
    depth, _ = rasterise(placed, table, light.focal, light.centre, (size, size), 1)
    turn = light.rotation @ camera.rotation.T
    return depth, turn, light.shift - turn @ camera.shift, light.focal


@kernel
def _shade_ground(image, floor, focal, cx, cy, shadow, turn, shift, shadow_focal, dim):
    height, width = floor.shape
    for v in range(height):
        for u in range(width):
            t = floor[v, u]
            if t > 0:
                lit = lit_share(shadow, turn, shift, shadow_focal, t * (u - cx) / focal, t * (v - cy) / focal, t, 4.0)
                if lit < 1:
                    for c in range(3):
                        image[v, u, c] *= 1 - dim * (1 - lit)


def compose_picture(
    actors: Sequence[Actor],
    props: Builder,
    prop_palette: np.ndarray,
    camera: Camera,
    style: CameraStyle,
    background: np.ndarray,
    floor: np.ndarray,
    rng: np.random.Generator,
    shadow_size: int = 192,
    scale: int = 2,
) -> Render:
    """Renders actors and props over a background.

    Args:
        actors: people; props: boxes, poles, cars in world coordinates with colours from prop_palette (n, 3).
        background: (H, W, 3) float32, is consumed; floor: (H, W) depth of visible ground, mm.
        rng: grain and exposure.
        shadow_size: side of the shadow map in samples (0: no cast shadows).
        scale: samples per pixel and axis.
    """
    size = background.shape[:2]
    table, frames, params, palettes = _gather(actors, props, prop_palette)
    placed = _place_all(table, frames, camera.rotation, camera.shift)
    depth, owner = rasterise(placed, table, camera.focal, camera.centre, size, scale)
    light = np.concatenate(
        [camera.rotation @ style.sun, style.sun_colour, style.sky_colour, camera.rotation @ np.array([0.0, 1.0, 0.0])]
    )
    shadow = np.zeros((1, 1), np.float32), np.eye(3), np.zeros(3), 1.0
    if shadow_size and actors:
        spots = np.array([a.frames[0] @ np.append(a.person.body.rest[0], 1) for a in actors])
        middle = spots.mean(0)
        radius = 1300 + float(np.sqrt(((spots - middle) ** 2).sum(1)).max())
        shadow = _shadow_map(table, frames, style, middle, radius, shadow_size, camera)
        strength = float(style.sun_colour.mean() / (style.sun_colour.mean() + style.sky_colour.mean()))
        _shade_ground(background, floor, camera.focal, *camera.centre, *shadow, 0.25 + 0.5 * strength)
    image, garment, segment, owner_map, depth_mm = resolve(
        depth, owner, placed, table, params, palettes, light, shadow, background, camera.focal, camera.centre
    )
    owner_map[owner_map == len(actors)] = -1
    render = Render(expose(image, style, rng), depth_mm, garment, segment, owner_map)
    boxes = bounds(placed, table.floats, table.ints, camera.focal, *camera.centre)
    seen = _visible_boxes(owner_map, len(actors))
    starts = np.searchsorted(table.ints[:, pr.PERSON], np.arange(len(actors) + 1))
    for i, actor in enumerate(actors):
        rows = slice(starts[i], starts[i + 1])
        render.people.append(_view(actor, i, camera, boxes[rows], seen[i], render))
    return render


@kernel
def _visible_boxes(owner_map, count):
    """(count, 4) xyxy around each person's pixels; zeros for none."""
    out = np.zeros((count, 4), np.float32)
    out[:, 0] = 1e9
    out[:, 1] = 1e9
    out[:, 2:] = -1e9
    for y in range(owner_map.shape[0]):
        for x in range(owner_map.shape[1]):
            i = owner_map[y, x]
            if i >= 0:
                out[i, 0], out[i, 1] = min(out[i, 0], x), min(out[i, 1], y)
                out[i, 2], out[i, 3] = max(out[i, 2], x), max(out[i, 3], y)
    for i in range(count):
        if out[i, 2] < out[i, 0]:
            out[i] = 0
    return out


def _view(actor: Actor, index: int, camera: Camera, boxes: np.ndarray, seen: np.ndarray, render: Render) -> PersonView:
    joints_3d = camera.to_camera(posed_joints(actor.person.body, actor.frames))
    joints = camera.project(joints_3d)
    table = actor.person.table
    on_head = table.ints[:, pr.FRAME] == BONE['head']
    hanging = (table.ints[:, pr.GARMENT] == GARMENT['hair']) & (table.floats[:, pr.LENGTH] > 0)
    head = union_box(boxes[on_head & ~hanging])
    pelvis = actor.frames[BONE['pelvis']]
    front = pelvis[[0, 2], 2]
    to_camera = (camera.position - pelvis @ np.append(actor.person.body.rest[0], 1))[[0, 2]]
    cosine = float(front @ to_camera / (np.hypot(*front) * np.hypot(*to_camera) + 1e-9))
    view = 'front' if cosine > 0.7 else 'back' if cosine < -0.7 else 'side'
    return PersonView(
        person=actor.person,
        joints=joints.astype(np.float32),
        joints_3d=joints_3d.astype(np.float32),
        visible=_visibility(joints, joints_3d, index, actor.person.body.height, render),
        full_box=union_box(boxes).astype(np.float32),
        visible_box=seen,
        head_box=head.astype(np.float32),
        head_point=(0.5 * (head[:2] + head[2:])).astype(np.float32),
        view=view,
        pose=actor.pose,
    )


def _visibility(joints: np.ndarray, joints_3d: np.ndarray, index: int, stature: float, render: Render) -> np.ndarray:
    """(NUM_JOINTS,) 0 outside, 1 hidden by something nearer, 2 visible."""
    height, width = render.garment.shape
    x, y = np.rint(joints[:, 0]).astype(np.int64), np.rint(joints[:, 1]).astype(np.int64)
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height) & (joints_3d[:, 2] > 0)
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    surface = render.depth_mm[y, x].astype(np.float64)
    own = render.person_map[y, x] == index
    below = np.where(own, JOINT_DEPTHS * stature, 0.0)
    hidden = (surface > 0) & (surface < joints_3d[:, 2] - below)
    return np.where(~inside, 0, np.where(hidden, 1, 2)).astype(np.int8)
