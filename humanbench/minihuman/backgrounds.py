"""Surroundings: a ground plane, a far wall and sky, each with a texture in true perspective."""

import numpy as np

from humanbench.minihuman.camera import Camera
from humanbench.minihuman.compiled import kernel
from humanbench.minihuman.noise import lattice, smooth_noise

PLACES = ('street', 'plaza', 'wall', 'park', 'indoor', 'open')
# wall textures
_PLASTER, _BRICK, _FACADE, _FOLIAGE, _PANELS, _SHOP = range(6)
# ground textures
_ASPHALT, _TILES, _GRASS, _PAVING, _WOOD = range(5)

# place -> (wall textures, ground textures, range of wall distance mm, range of wall height mm)
_LAYOUT = {
    'street': ((_FACADE, _SHOP, _BRICK), (_ASPHALT, _PAVING), (5000, 16000), (5000, 22000)),
    'plaza': ((_FACADE, _PANELS, _PLASTER), (_TILES, _PAVING), (9000, 30000), (6000, 30000)),
    'wall': ((_BRICK, _PLASTER, _PANELS), (_PAVING, _ASPHALT, _TILES), (1200, 4000), (2500, 6000)),
    'park': ((_FOLIAGE,), (_GRASS, _GRASS, _PAVING), (5000, 20000), (3500, 9000)),
    'indoor': ((_PANELS, _SHOP, _PLASTER), (_TILES, _WOOD), (2500, 9000), (40000, 50000)),
    'open': ((_FOLIAGE, _FACADE), (_GRASS, _ASPHALT), (30000, 80000), (6000, 14000)),
}


@kernel(inline=True)
def _wall(texture, u, v, far, seed):
    """(share of the second colour, factor) of a wall at u along, v up, seen from `far`, mm."""
    fade = 1 / (1 + (far / 12000) ** 2)  # detail finer than a pixel would only flicker
    grain = (
        0.95
        + 0.1 * smooth_noise(u / 900, v / 700, 0.0, seed)
        + 0.06 * fade * (smooth_noise(u / 60, v / 60, 1.0, seed) - 0.5)
    )
    if texture == _BRICK:
        row = np.floor(v / 75)
        x = u / 220 + 0.5 * (row % 2)
        mortar = (v / 75) % 1.0 < 0.14 or x % 1.0 < 0.05
        tone = lattice(int(np.floor(x)), int(row), 1, seed) - 0.5
        return 0.18 + ((1.0 if mortar else 0.0) - 0.18) * fade, grain * (1 + 0.3 * tone * fade)
    if texture == _FACADE:
        column, floor = np.floor(u / 2400), np.floor(v / 3100)
        x, y = (u / 2400) % 1.0, (v / 3100) % 1.0
        if 0.22 < x < 0.78 and 0.30 < y < 0.85:
            frame = x < 0.25 or x > 0.75 or y < 0.33 or y > 0.82 or abs(x - 0.5) < 0.012
            return 1.0, (1.6 if frame else 0.55 + 0.8 * lattice(int(column), int(floor), 2, seed))
        return 0.0, grain * (0.86 if y < 0.05 else 1.0)
    if texture == _FOLIAGE:
        a = smooth_noise(u / 1400, v / 1100, 3.0, seed)
        b = smooth_noise(u / 260, v / 220, 5.0, seed)
        return 0.0, 0.45 + 0.7 * a + 0.5 * (b - 0.5) + 0.3 * (lattice(int(u // 70), int(v // 70), 9, seed) - 0.5)
    if texture == _PANELS:
        x, y = (u / 1250) % 1.0, (v / 1600) % 1.0
        joint = x < 0.015 or y < 0.012
        return 0.0, grain * (0.68 if joint else 0.94 + 0.1 * lattice(int(u // 1250), int(v // 1600), 4, seed))
    if texture == _SHOP:
        x = (u / 3600) % 1.0
        if v < 2600:
            if x < 0.06 or abs(x - 0.5) < 0.012 or v < 320:
                return 0.0, 0.7
            return 1.0, 0.55 + 0.35 * v / 2600 + 0.4 * smooth_noise(u / 900, v / 1500, 6.0, seed)
        if v < 3300:
            return 1.0, 1.25
    return 0.0, grain


@kernel(inline=True)
def _ground(texture, x, z, far, seed):
    """(share of the second colour, factor) of the ground at x, z mm, `far` mm from the camera."""
    fade = 1 / (1 + (far / 14000) ** 2)
    coarse = 0.9 + 0.2 * smooth_noise(x / 900, z / 900, 1.0, seed)
    if texture == _TILES:
        joint = (x / 600) % 1.0 < 0.03 or (z / 600) % 1.0 < 0.03
        tone = 0.92 + 0.14 * lattice(int(np.floor(x / 600)), int(np.floor(z / 600)), 3, seed)
        return 0.0, coarse * (1 + (tone * (0.72 if joint else 1.0) - 1) * fade)
    if texture == _GRASS:
        fine = lattice(int(x // 24), int(z // 40), 5, seed) - 0.5
        return smooth_noise(x / 2500, z / 2500, 4.0, seed) * 0.4, coarse * (1 + 0.5 * fine * fade)
    if texture == _PAVING:
        row = np.floor(z / 200)
        a = x / 400 + 0.5 * (row % 2)
        joint = (z / 200) % 1.0 < 0.07 or a % 1.0 < 0.04
        tone = 0.88 + 0.22 * lattice(int(np.floor(a)), int(row), 6, seed)
        return 0.0, coarse * (1 + (tone * (0.75 if joint else 1.0) - 1) * fade)
    if texture == _WOOD:
        plank = np.floor(x / 140)
        return 0.0, (0.85 + 0.25 * lattice(int(plank), 0, 7, seed)) * (
            0.94 + 0.12 * smooth_noise(x / 20, z / 500, 1.0, seed)
        )
    line = abs((x + 900) % 7000 - 3500) < 70 and (z / 3000) % 1.0 < 0.55
    speckle = lattice(int(x // 14), int(z // 14), 8, seed) - 0.5
    return (1.0 if line else 0.0), (1.0 if line else coarse * (1 + 0.16 * speckle * fade))


@kernel
def _paint(
    turn, position, focal, cx, cy, wall, ground, distance, wall_height, slant, colours, light, sun_up, seed, out, floor
):
    height, width = out.shape[:2]
    for v in range(height):
        for u in range(width):
            a, b = (u - cx) / focal, (v - cy) / focal
            dx = turn[0, 0] * a + turn[1, 0] * b + turn[2, 0]
            dy = turn[0, 1] * a + turn[1, 1] * b + turn[2, 1]
            dz = turn[0, 2] * a + turn[1, 2] * b + turn[2, 2]
            to_wall = (
                (-distance - position[2] - slant * position[0]) / (dz + slant * dx) if dz + slant * dx < -1e-6 else 1e12
            )
            to_ground = -position[1] / dy if dy < -1e-6 else 1e12
            floor[v, u] = 0.0
            if to_ground < to_wall:
                x, z = position[0] + to_ground * dx, position[2] + to_ground * dz
                share, factor = _ground(ground, x, z, to_ground, seed)
                factor *= light + sun_up
                haze = 1 - 1 / (1 + (to_ground / 90000) ** 2)
                first, second = 2, 3
                floor[v, u] = to_ground
            elif position[1] + to_wall * dy < wall_height and to_wall < 1e11:
                y = position[1] + to_wall * dy
                share, factor = _wall(wall, position[0] + to_wall * dx, y, to_wall, seed)
                factor *= light + 0.5 * sun_up
                haze = 1 - 1 / (1 + (to_wall / 90000) ** 2)
                first, second = 0, 1
            else:
                up = min(max(dy / np.sqrt(dx * dx + dy * dy + dz * dz) * 2.2, 0.0), 1.0)
                cloud = smooth_noise(2.5 * dx / (dy + 0.3), 4.0 * dz / (dy + 0.3), 2.0, seed)
                share, factor, haze, first, second = 1 - up, 0.92 + 0.16 * cloud, 0.0, 4, 5
            for c in range(3):
                tone = colours[first, c] * (1 - share) + colours[second, c] * share
                out[v, u, c] = tone * factor * (1 - haze) + colours[5, c] * haze


def _colours(rng: np.random.Generator, wall: int, ground: int) -> np.ndarray:
    """(6, 3): wall, wall's second (windows, mortar), ground, ground's second, high sky, low sky."""
    walls = {_BRICK: (150, 84, 66), _FOLIAGE: (72, 98, 50)}
    grounds = {_GRASS: (96, 124, 62), _WOOD: (150, 108, 72), _ASPHALT: (104, 104, 106)}
    wall_colour = np.array(
        walls.get(
            wall,
            rng.uniform(110, 225) * (1 + rng.uniform(-0.12, 0.12) * np.array((1, 0.2, -1)) + rng.normal(0, 0.015, 3)),
        )
    )
    ground_colour = np.array(
        grounds.get(ground, rng.uniform(110, 180) * (1 + rng.uniform(-0.03, 0.07) * np.array((1, 0.2, -1))))
    )
    second = {_BRICK: (186, 178, 168), _FACADE: (96, 112, 128), _SHOP: rng.uniform(70, 210, 3)}.get(
        wall, wall_colour * 0.8
    )
    grey = rng.uniform(0, 1)
    sky = np.array((118, 164, 222)) * (1 - grey) + np.array((196, 200, 206)) * grey
    low = np.array((205, 218, 232)) * (1 - grey) + np.array((222, 223, 226)) * grey
    other = np.array((150, 140, 90) if ground == _GRASS else (214, 210, 200))
    return np.stack(
        [wall_colour * rng.uniform(0.85, 1.15), second, ground_colour * rng.uniform(0.85, 1.15), other, sky, low]
    )


def paint_surroundings(
    rng: np.random.Generator,
    camera: Camera,
    size: tuple[int, int],
    ambient: float,
    sun: float,
    places: tuple[str, ...] = PLACES,
    reach: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws what is behind people.

    Args:
        rng: decides place, textures and colours.
        camera: projection.
        size: (H, W).
        ambient: share of skylight; sun: share of sunlight on level ground.
        places: what to choose from.
        reach: the wall stands at least this far behind the world's origin, mm.

    Returns:
        image (H, W, 3) float32; ground (H, W) float32: depth along the optical axis where ground is seen, else 0, mm.
    """
    walls, grounds, distances, heights = _LAYOUT[places[rng.integers(len(places))]]
    wall, ground = walls[rng.integers(len(walls))], grounds[rng.integers(len(grounds))]
    out, floor = np.empty((*size, 3), np.float32), np.empty(size, np.float32)
    _paint(
        camera.rotation,
        camera.position,
        camera.focal,
        *camera.centre,
        wall,
        ground,
        rng.uniform(*distances) + reach,
        rng.uniform(*heights),
        rng.normal(0, 0.15),
        _colours(rng, wall, ground),
        ambient,
        sun,
        int(rng.integers(1 << 20)),
        out,
        floor,
    )
    return out, floor
