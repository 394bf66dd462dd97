"""A studio: cameras in a ring around one person, who is seen by all of them at the same moment."""
import numpy as np

from ..camera import Camera, look
from ..person import Person
from ..poses import random_pose
from ..scene import Render, render_staged

POSES = ('stand', 'walk', 'run', 'reach', 'bend')
DISTANCE = 5200.0                     # mm from the middle
EYES = (1100.0, 1700.0, 2600.0)       # heights of the cameras, in turn
VIEW_HEIGHT = 2600.0                  # mm that a picture shows at that distance


def studio_camera(index: int, size: tuple[int, int]) -> Camera:
    """Camera ``index`` for pictures of ``size`` (H, W), as it looks along -z at the middle."""
    height, width = size
    eye = EYES[index % len(EYES)]
    return look((0.0, eye, DISTANCE), float(np.arctan2(eye - 950, DISTANCE)), height * DISTANCE / VIEW_HEIGHT,
                (0.5 * (width - 1), 0.5 * (height - 1)))


def azimuth(index: int, count: int) -> float:
    """Radians by which the person is turned for camera ``index`` of ``count``: what the camera's place amounts to."""
    return 2 * np.pi * index / count


def studio_pose(rng: np.random.Generator) -> tuple[str, np.ndarray, float]:
    """What a person does at one moment: name of the pose, angles, direction."""
    pose = POSES[rng.integers(len(POSES))]
    return pose, random_pose(rng, pose), float(rng.uniform(-np.pi, np.pi))


def film(person: Person, moment: tuple[str, np.ndarray, float], index: int, count: int, size: tuple[int, int],
         camera_style: int, rng: np.random.Generator) -> Render:
    """The picture that camera ``index`` of ``count`` takes of a person at a moment."""
    pose, angles, yaw = moment
    return render_staged(person, rng, size, studio_camera(index, size), camera_style, pose, angles,
                         yaw + azimuth(index, count))


def studio_extrinsics(index: int, count: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) and (3,) mm: from the studio's frame (y up, the same for all cameras) to that of camera ``index``."""
    camera, angle = studio_camera(index, size), azimuth(index, count)
    c, s = np.cos(angle), np.sin(angle)
    return camera.rotation @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), camera.shift
