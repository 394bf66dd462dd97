"""Cameras: projection, and what a particular camera does to every picture it takes (light, tint, blur, noise).

World frame (mm): y up, the ground at y = 0. A camera at yaw 0 looks along -z, so that a person whose body frame is
parallel to the world faces it. Camera frame: x right, y down, z forward. Pixel centres have integer coordinates.
"""

from dataclasses import dataclass

import numpy as np

from humanbench.minihuman.compiled import kernel


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes:
        rotation: (3, 3) world to camera.
        position: (3,) mm.
        focal: pixels.
        centre: principal point (x, y), 0-based pixels.
    """

    rotation: np.ndarray
    position: np.ndarray
    focal: float
    centre: tuple[float, float]

    @property
    def shift(self) -> np.ndarray:
        """(3,) camera point = rotation @ world point + shift."""
        return -self.rotation @ self.position

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) world mm -> (..., 3) camera mm."""
        return points @ self.rotation.T + self.shift

    def project(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) camera-frame points -> (..., 2) pixels."""
        return points[..., :2] / points[..., 2:] * self.focal + np.asarray(self.centre)


def look(position, pitch: float, focal: float, centre: tuple[float, float], yaw: float = 0.0) -> Camera:
    """A camera at `position` (mm) looking along -z turned by `yaw` about the vertical and `pitch` down (radians)."""
    c, s = np.cos(pitch), np.sin(pitch)
    tilt = np.array([[1.0, 0, 0], [0, -c, s], [0, -s, -c]])
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    return Camera(tilt @ turn, np.asarray(position, dtype=np.float64), float(focal), centre)


@dataclass(frozen=True)
class CameraStyle:
    """What stays the same over all pictures of one camera.

    Attributes:
        index: number of the style.
        height: of the camera above ground, mm; distance: typical distance of a person, mm.
        sun: (3,) unit direction to the light, world; sun_colour, sky_colour: (3,) strengths.
        gain: (3,) per channel; gamma, contrast, saturation: tone.
        blur: standard deviation in pixels of a 256-pixel-high picture; noise: standard deviation in grey levels.
        place: seed of the surroundings this camera looks at.
    """

    index: int
    height: float
    distance: float
    sun: np.ndarray
    sun_colour: np.ndarray
    sky_colour: np.ndarray
    gain: np.ndarray
    gamma: float
    contrast: float
    saturation: float
    blur: float
    noise: float
    place: int


def camera_style(index: int) -> CameraStyle:
    """Style number `index`: a pure function of the number (any integer >= 0)."""
    rng = np.random.default_rng([3, index])
    azimuth, elevation = rng.uniform(-np.pi, np.pi) * 0.62, np.deg2rad(rng.uniform(28, 68))
    sun = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    cloudy = rng.uniform(0, 0.8)
    warm = rng.normal(0, 0.05)
    return CameraStyle(
        index=index,
        height=rng.uniform(1400, 4200),
        distance=rng.uniform(4500, 9500),
        sun=sun,
        sun_colour=0.75 * (1 - 0.75 * cloudy) * np.array((1.04, 1.0, 0.92)),
        sky_colour=(0.58 + 0.30 * cloudy) * np.array((0.96, 1.0, 1.06)),
        gain=np.array((1 + warm, 1 + rng.normal(0, 0.02), 1 - warm)) * rng.uniform(0.88, 1.12),
        gamma=rng.uniform(0.78, 1.08),
        contrast=rng.uniform(0.86, 1.14),
        saturation=rng.uniform(0.68, 1.15),
        blur=rng.uniform(0.0, 0.65),
        noise=rng.uniform(1.0, 5.0),
        place=index,
    )


@kernel
def _blur_rows(image, kernel, out):
    """Convolves along axis 1 with a symmetric kernel, edges repeated; writes the transposed result."""
    height, width, channels = image.shape
    radius = kernel.shape[0] // 2
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                total = 0.0
                for k in range(-radius, radius + 1):
                    total += kernel[k + radius] * image[y, min(max(x + k, 0), width - 1), c]
                out[x, y, c] = total


def gaussian_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """(H, W, C) float32 blurred with a Gaussian of `sigma` pixels; below 0.2 pixels nothing happens."""
    if sigma < 0.2:
        return image
    radius = int(np.ceil(2.5 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    height, width, channels = image.shape
    turned = np.empty((width, height, channels), np.float32)
    out = np.empty_like(image)
    _blur_rows(image, kernel, turned)
    _blur_rows(turned, kernel, out)
    return out


def expose(image: np.ndarray, style: CameraStyle, rng: np.random.Generator) -> np.ndarray:
    """Turns light (H, W, 3) float32 into what this camera delivers, (H, W, 3) uint8."""
    image = gaussian_blur(image, style.blur * max(image.shape[0] / 256, 0.6) * rng.uniform(0.7, 1.3))
    gain = (style.gain * rng.uniform(0.93, 1.07)).astype(np.float32)
    levels = np.linspace(0, 1, _TONE_STEPS) ** style.gamma
    tone = ((levels - 0.45) * style.contrast + 0.45).astype(np.float32) * np.float32(255)
    grain = rng.standard_normal(image.shape[:2], dtype=np.float32)
    out = np.empty(image.shape, np.uint8)
    _tone(image, np.float32(style.saturation), gain, tone, grain, np.float32(style.noise), out)
    return out


_TONE_STEPS = 1024


@kernel
def _tone(image, saturation, gain, tone, grain, noise, out):
    """Saturation, white balance, tone curve (a table over 0..255), grain, rounding."""
    last = tone.shape[0] - 1
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            grey = (image[y, x, 0] + image[y, x, 1] + image[y, x, 2]) / 3
            for c in range(3):
                value = (grey + (image[y, x, c] - grey) * saturation) * gain[c]
                step = min(max(int(value * (last / 255.0) + 0.5), 0), last)
                value = tone[step] + grain[y, x] * noise
                out[y, x, c] = int(min(max(value, 0.0), 255.0) + 0.5)
