"""Pictures of people: one person as a crop, several on the ground, a crowd from above."""

from collections.abc import Sequence

import numpy as np

from humanbench.errors import UserError, unknown_name
from humanbench.minihuman import props as pp
from humanbench.minihuman.backgrounds import paint_surroundings
from humanbench.minihuman.body import BONE, JOINTS, NUM_JOINTS, POSES
from humanbench.minihuman.camera import Camera, CameraStyle, camera_style, look
from humanbench.minihuman.labels import GARMENTS, SEGMENTS
from humanbench.minihuman.person import Person, make_person
from humanbench.minihuman.poses import random_pose
from humanbench.minihuman.primitives import Builder
from humanbench.minihuman.render import (
    Actor,
    PersonView,
    Render,
    actor_bounds,
    compose_picture,
    stand_on_ground,
    union_box,
)
from humanbench.minihuman.traits import BAGS, COLOURS, LOWERS, SHOES, UPPERS, Traits

__all__ = [
    'BAGS',
    'COLOURS',
    'GARMENTS',
    'JOINTS',
    'LOWERS',
    'NUM_JOINTS',
    'POSES',
    'SEGMENTS',
    'SHOES',
    'UPPERS',
    'VIEWS',
    'Person',
    'PersonView',
    'Render',
    'Traits',
    'make_person',
    'render_crowd',
    'render_person',
    'render_scene',
    'render_staged',
]

VIEWS = ('front', 'side', 'back')
_POSE_SHARES = (0.36, 0.36, 0.07, 0.08, 0.07, 0.06)
_CROWD_REACH = 55000.0  # mm: nobody stands farther away in a crowd
_CROP_POSE_SHARES = (0.38, 0.54, 0.04, 0.0, 0.02, 0.02)


def _draw_pose(rng: np.random.Generator, person: Person, pose: str | None, shares: tuple) -> tuple[str, np.ndarray]:
    if pose is None:
        pose = POSES[int(np.searchsorted(np.cumsum(shares), rng.random(), side='right').clip(0, len(POSES) - 1))]
    t = person.traits
    carrying = 'front' if t.holds_object else 'side' if t.bag in ('handbag', 'plastic_bag') else 'none'
    return pose, random_pose(rng, pose, carrying)


def _draw_yaw(rng: np.random.Generator, view: str | None) -> float:
    """Radians by which a person is turned away from facing the camera."""
    if view is None:
        return rng.uniform(-np.pi, np.pi)
    if view not in VIEWS:
        raise unknown_name('view', view, VIEWS)
    if view == 'side':
        return float(rng.choice((-1, 1)) * np.deg2rad(90 + rng.uniform(-28, 28)))
    return np.deg2rad((0 if view == 'front' else 180) + rng.uniform(-32, 32))


def _ambient(style: CameraStyle) -> tuple[float, float]:
    """Skylight and sunlight on level ground."""
    return float(style.sky_colour.mean()), float(style.sun_colour.mean() * style.sun[1])


def _check_size(size: tuple[int, int]) -> None:
    if len(size) != 2 or min(size) < 8:
        raise UserError(f'A picture needs a size (height, width) of at least 8 x 8 pixels, got {tuple(size)}.')


def _frame_actor(
    actor: Actor, position: np.ndarray, pitch: float, size: tuple[int, int], rng: np.random.Generator
) -> Camera:
    """A camera whose crop holds the actor with the margins and jitter of a detector's box."""
    height, width = size
    box = union_box(actor_bounds(actor, look(position, pitch, 1.0, (0.0, 0.0))))
    wide, high = box[2] - box[0], box[3] - box[1]
    focal = min(height * rng.uniform(0.86, 0.97) / high, width * rng.uniform(0.86, 1.0) / wide)
    cx = 0.5 * (width - 1) - focal * 0.5 * (box[0] + box[2]) + width * rng.normal(0, 0.025)
    cy = 0.5 * (height - 1) - focal * 0.5 * (box[1] + box[3]) + height * rng.normal(0, 0.012)
    return look(position, pitch, focal, (float(cx), float(cy)))


def render_person(
    person: Person,
    rng: np.random.Generator,
    size: tuple[int, int],
    camera_style: int,
    pose: str | None = None,
    view: str | None = None,
    occluded: bool = False,
) -> Render:
    """One person filling the crop, as in re-identification and attribute datasets.

    Args:
        person: identity.
        rng: pose, framing, surroundings, grain.
        size: (H, W) pixels.
        camera_style: number of the camera; its light, tint, blur, noise and place stay the same.
        pose: one of POSES, None draws one; view: one of VIEWS, None draws any direction.
        occluded: a pole, a box or another person covers part of the person.

    Returns:
        A Render whose `people[0]` is the person (an occluding person is `people[1]`).
    """
    _check_size(size)
    style = _style(camera_style)
    pose, angles = _draw_pose(rng, person, pose, _CROP_POSE_SHARES)
    yaw = _draw_yaw(rng, view)
    lift = rng.uniform(0, 60) if pose == 'run' else 0.0
    actor = Actor(person, pose, stand_on_ground(person, angles, yaw, 0.0, 0.0, lift))
    distance = style.distance * rng.uniform(0.7, 1.3)
    position = np.array([0.0, style.height, distance])
    camera = _frame_actor(actor, position, float(np.arctan2(style.height - 900, distance)), size, rng)
    things, actors = Builder(), [actor]
    place = np.random.default_rng([4, style.place, int(rng.integers(4))])
    palette = pp.prop_palette(place)
    pp.add_background_props(things, place, 1500, 2500)
    if pose == 'sit':
        _add_seat(things, actor, yaw)
    if occluded:
        _occlude(things, actors, rng, distance)
    background, floor = paint_surroundings(place, camera, size, *_ambient(style), reach=800)
    return compose_picture(actors, things, palette, camera, style, background, floor, rng)


def _style(index: int) -> CameraStyle:
    return camera_style(int(index))


def _add_seat(things: Builder, actor: Actor, yaw: float) -> None:
    pelvis = actor.frames[BONE['pelvis']] @ np.append(actor.person.body.rest[0], 1)
    top = pelvis[1] - 0.065 * actor.person.body.height
    if top > 60:
        pp.add_seat(things, pelvis[0], pelvis[2], yaw, top)


def _occlude(things: Builder, actors: list[Actor], rng: np.random.Generator, distance: float) -> None:
    """Puts something between the camera and actors[0]."""
    kind = rng.integers(3)
    side = rng.choice((-1, 1))
    z = min(rng.uniform(500, 900), distance * 0.3)
    if kind == 0:
        pp.add_pole(things, rng, side * rng.uniform(60, 220), z)
    elif kind == 1:
        pp.add_box(things, rng, side * rng.uniform(0, 250), z, rng.uniform(450, 1000))
    else:
        other = make_person(int(rng.integers(1 << 31)))
        pose, angles = _draw_pose(rng, other, None, _CROP_POSE_SHARES)
        frames = stand_on_ground(other, angles, rng.uniform(-np.pi, np.pi), side * rng.uniform(260, 420), z)
        actors.append(Actor(other, pose, frames))


def render_scene(
    rng: np.random.Generator,
    size: tuple[int, int],
    num_people: int,
    people: Sequence[Person] | None = None,
    camera_style: int | None = None,
    min_height: float = 0.18,
    max_height: float = 0.85,
) -> Render:
    """Several people on a ground plane, near and far, some covering others.

    Args:
        rng: everything that is not fixed by the other arguments.
        size: (H, W) pixels.
        num_people: how many.
        people: identities to use (repeated when too few); None draws new ones.
        camera_style: number of the camera, None draws one.
        min_height, max_height: standing heights as fractions of the picture's height, smallest and largest.
    """
    _check_size(size)
    if not 0 < min_height <= max_height:
        raise UserError(f'Heights must satisfy 0 < min_height <= max_height, got {min_height} and {max_height}.')
    style = _style(int(rng.integers(1 << 16)) if camera_style is None else camera_style)
    height, width = size
    focal = rng.uniform(1.0, 1.6) * max(height, width)
    eye = rng.uniform(1250, 2600)
    horizon = height * rng.uniform(0.22, 0.45)
    camera = look(
        (0.0, eye, 0.0),
        float(np.arctan2(0.5 * (height - 1) - horizon, focal)),
        focal,
        (0.5 * (width - 1), 0.5 * (height - 1)),
    )
    actors, things = [], Builder()
    taken: list[tuple[float, float]] = []
    for i in range(num_people):
        person = people[i % len(people)] if people else make_person(int(rng.integers(1 << 31)))
        share = np.exp(rng.uniform(np.log(min_height), np.log(max_height)))
        z = -focal * 1700 / (share * height)
        x = _free_place(rng, taken, z, 0.5 * width / focal)
        pose, angles = _draw_pose(rng, person, None, _POSE_SHARES)
        yaw = rng.uniform(-np.pi, np.pi)
        actors.append(Actor(person, pose, stand_on_ground(person, angles, yaw, x, z)))
        if pose == 'sit':
            _add_seat(things, actors[-1], yaw)
    farthest = max((-z for _, z in taken), default=8000.0)
    pp.add_background_props(things, rng, farthest + 1500, farthest * 0.5)
    if rng.random() < 0.4 and taken:
        nearest = min(-z for _, z in taken)
        maker = pp.add_pole if rng.random() < 0.5 else pp.add_box
        maker(things, rng, rng.uniform(-0.4, 0.4) * nearest * width / focal, -nearest * rng.uniform(0.85, 1.1))
    background, floor = paint_surroundings(rng, camera, size, *_ambient(style), reach=farthest + 1500)
    return compose_picture(actors, things, pp.prop_palette(rng), camera, style, background, floor, rng, shadow_size=512)


def _free_place(rng: np.random.Generator, taken: list, z: float, half_view: float) -> float:
    """A lateral position inside the view where nobody stands within arm's length, remembered in `taken`."""
    for _ in range(12):
        x = rng.uniform(-0.92, 0.92) * half_view * -z
        if all((x - a) ** 2 + (z - b) ** 2 > 620**2 for a, b in taken):
            break
    taken.append((x, z))
    return x


def render_staged(
    person: Person,
    rng: np.random.Generator,
    size: tuple[int, int],
    camera: Camera,
    camera_style: int,
    pose: str,
    angles: np.ndarray,
    yaw: float,
    spot: tuple[float, float] = (0.0, 0.0),
) -> Render:
    """One person in a given posture before a given camera: several cameras can film one moment.

    Args:
        person: identity.
        rng: exposure and grain.
        size: (H, W) pixels.
        camera: looks along -z; for a camera in another direction turn the person instead, the wall stands behind.
        camera_style: number of the camera; its light, tint and surroundings stay the same.
        pose: name of the posture; angles: (NUM_BONES, 3) degrees; yaw: radians by which the person is turned.
        spot: where the person stands on the ground, x and z in mm.
    """
    _check_size(size)
    style = _style(camera_style)
    actor = Actor(person, pose, stand_on_ground(person, angles, yaw, *spot))
    place = np.random.default_rng([5, style.place])
    background, floor = paint_surroundings(place, camera, size, *_ambient(style), reach=1500)
    return compose_picture([actor], Builder(), pp.prop_palette(place), camera, style, background, floor, rng)


def render_crowd(rng: np.random.Generator, size: tuple[int, int], num_people: int) -> Render:
    """A crowd seen from a high camera, as in counting datasets.

    Args:
        rng: everything.
        size: (H, W) pixels.
        num_people: how many are placed; all heads lie inside the picture.
    """
    _check_size(size)
    style = _style(int(rng.integers(1 << 16)))
    height, width = size
    focal = rng.uniform(0.9, 1.5) * width
    eye, pitch = rng.uniform(6000, 11000), np.deg2rad(rng.uniform(20, 38))
    camera = look((0.0, eye, 0.0), float(pitch), focal, (0.5 * (width - 1), 0.5 * (height - 1)))
    actors = []
    identities = [make_person(int(s)) for s in rng.integers(1 << 31, size=min(num_people, 48))]
    for x, z in _crowd_places(rng, camera, size, num_people):
        person = identities[int(rng.integers(len(identities)))]
        pose, angles = _draw_pose(rng, person, 'stand' if rng.random() < 0.5 else 'walk', _POSE_SHARES)
        actors.append(Actor(person, pose, stand_on_ground(person, angles, rng.uniform(-np.pi, np.pi), x, z)))
    background, floor = paint_surroundings(
        rng, camera, size, *_ambient(style), places=('street', 'plaza', 'open'), reach=_CROWD_REACH
    )
    return compose_picture(
        actors, Builder(), pp.prop_palette(rng), camera, style, background, floor, rng, shadow_size=1024, scale=2
    )


def _crowd_places(rng: np.random.Generator, camera: Camera, size: tuple[int, int], count: int) -> np.ndarray:
    """(count, 2) ground positions x, z with heads inside the picture, an arm's length apart while there is room."""
    height, width = size
    places: list[tuple[float, float]] = []
    room = 520.0
    while len(places) < count:
        for _ in range(40):
            u, v = rng.uniform(0.02, 0.98) * width, height * rng.uniform(0.06, 0.97)
            ray = np.array([(u - camera.centre[0]) / camera.focal, (v - camera.centre[1]) / camera.focal, 1.0])
            world = camera.rotation.T @ ray
            if world[1] >= -0.02:
                continue
            t = (1600 - camera.position[1]) / world[1]
            x, z = t * world[0], t * world[2]
            near = np.asarray(places[-400:]).reshape(-1, 2)
            if 1500 < t < _CROWD_REACH and (not len(near) or ((near - (x, z)) ** 2).sum(1).min() > room**2):
                places.append((x, z))
                break
        else:
            room *= 0.85
    return np.array(places).reshape(-1, 2)
