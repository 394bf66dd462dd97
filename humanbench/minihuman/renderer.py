"""The z-buffer: which primitive is seen at each sample, and at which depth.

One ray per sample; rays are (x, y, 1) so that the ray parameter is depth along the optical axis, in mm. Local rays are
affine images of camera rays and keep that parameter, so all intersections are exact and comparable.
"""

import numpy as np

from humanbench.minihuman.compiled import kernel
from humanbench.minihuman.primitives import Table, bounds


@kernel
def inverses(camera):
    """Inverse affine maps of (P, 3, 4) camera-from-local: (P, 3, 4) local-from-camera."""
    out = np.empty_like(camera)
    for p in range(camera.shape[0]):
        m = camera[p]
        o = out[p]
        for i in range(3):
            a, b = (i + 1) % 3, (i + 2) % 3
            for j in range(3):
                c, d = (j + 1) % 3, (j + 2) % 3
                o[j, i] = m[a, c] * m[b, d] - m[a, d] * m[b, c]
        det = m[0, 0] * o[0, 0] + m[0, 1] * o[1, 0] + m[0, 2] * o[2, 0]
        for i in range(3):
            for j in range(3):
                o[i, j] /= det
        for i in range(3):
            o[i, 3] = -(o[i, 0] * m[0, 3] + o[i, 1] * m[1, 3] + o[i, 2] * m[2, 3])
    return out


@kernel(inline=True)
def _hit_round(ox, oy, oz, dx, dy, dz, r1, r2, length):
    """First hit of a ray with the hull of two spheres on the y axis; -1 for a miss."""
    dd = dx * dx + dy * dy + dz * dz
    od = ox * dx + oy * dy + oz * dz
    oo = ox * ox + oy * oy + oz * oz
    rr = r1 - r2
    d2 = length * length - rr * rr
    if d2 > 0:
        m1, m2 = length * oy, length * dy
        k2 = d2 * dd - m2 * m2
        k1 = d2 * od - m1 * m2 + m2 * rr * r1
        k0 = d2 * oo - m1 * m1 + m1 * rr * r1 * 2 - length * length * r1 * r1
        h = k1 * k1 - k0 * k2
        if h < 0:
            return -1.0
        if abs(k2) > 1e-12 * d2 * dd:
            t = (-np.sqrt(h) - k1) / k2
            y = m1 - r1 * rr + t * m2
            if 0 < y < d2:
                return t
    best = -1.0
    h = od * od - dd * (oo - r1 * r1)
    if h > 0:
        best = (-od - np.sqrt(h)) / dd
    od += -length * dy
    oo += length * length - 2 * length * oy
    h = od * od - dd * (oo - r2 * r2)
    if h > 0:
        t = (-od - np.sqrt(h)) / dd
        if best < 0 or t < best:
            best = t
    return best


@kernel(inline=True)
def _hit_frustum(ox, oy, oz, dx, dy, dz, r1, r2, length):
    """First hit with a cone piece with flat ends; -1 for a miss."""
    k = (r2 - r1) / length
    r = r1 + k * oy
    a = dx * dx + dz * dz - k * k * dy * dy
    b = ox * dx + oz * dz - k * dy * r
    c = ox * ox + oz * oz - r * r
    best = -1.0
    h = b * b - a * c
    if h > 0 and abs(a) > 1e-12:
        root = np.sqrt(h)
        for s in (-1.0, 1.0):
            t = (-b + s * root) / a
            y = oy + t * dy
            if t > 0 and 0 <= y <= length and (best < 0 or t < best):
                best = t
    if dy != 0:
        for y, radius in ((0.0, r1), (length, r2)):
            t = (y - oy) / dy
            x, z = ox + t * dx, oz + t * dz
            if t > 0 and x * x + z * z <= radius * radius and (best < 0 or t < best):
                best = t
    return best


@kernel(inline=True)
def _hit_box(ox, oy, oz, dx, dy, dz):
    """First hit with the cube [-1, 1]^3; -1 for a miss."""
    near, far = -1e30, 1e30
    for o, d in ((ox, dx), (oy, dy), (oz, dz)):
        if abs(d) < 1e-12:
            if abs(o) > 1:
                return -1.0
            continue
        a, b = (-1 - o) / d, (1 - o) / d
        near, far = max(near, min(a, b)), min(far, max(a, b))
    return near if near <= far else -1.0


@kernel
def _rasterise(local, floats, ints, boxes, scale, focal, cx, cy, depth, owner):
    height, width = depth.shape
    half = 0.5 - 0.5 / scale
    for p in range(local.shape[0]):
        x0 = max(0, int(np.ceil((boxes[p, 0] + half) * scale)))
        y0 = max(0, int(np.ceil((boxes[p, 1] + half) * scale)))
        x1 = min(width - 1, int(np.floor((boxes[p, 2] + half) * scale)))
        y1 = min(height - 1, int(np.floor((boxes[p, 3] + half) * scale)))
        m = local[p]
        ox, oy, oz = m[0, 3], m[1, 3], m[2, 3]
        r1, r2, length = floats[p, 0], floats[p, 1], floats[p, 2]
        nx, ny, nz, nd = floats[p, 5], floats[p, 6], floats[p, 7], floats[p, 8]
        kind = ints[p, 0]
        step = 1.0 / (scale * focal)
        for v in range(y0, y1 + 1):
            ry = (v / scale - half - cy) / focal
            rx = (x0 / scale - half - cx) / focal
            dx = m[0, 0] * rx + m[0, 1] * ry + m[0, 2]
            dy = m[1, 0] * rx + m[1, 1] * ry + m[1, 2]
            dz = m[2, 0] * rx + m[2, 1] * ry + m[2, 2]
            for u in range(x0, x1 + 1):
                if kind == 0:
                    t = _hit_round(ox, oy, oz, dx, dy, dz, r1, r2, length)
                elif kind == 1:
                    t = _hit_frustum(ox, oy, oz, dx, dy, dz, r1, r2, length)
                else:
                    t = _hit_box(ox, oy, oz, dx, dy, dz)
                kept = nx * (ox + t * dx) + ny * (oy + t * dy) + nz * (oz + t * dz) >= nd
                if 0 < t < depth[v, u] and kept:
                    depth[v, u] = t
                    owner[v, u] = p
                dx += m[0, 0] * step
                dy += m[1, 0] * step
                dz += m[2, 0] * step


def rasterise(
    camera: np.ndarray, table: Table, focal: float, centre: tuple[float, float], size: tuple[int, int], scale: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draws all primitives into a z-buffer.

    Args:
        camera: (P, 3, 4) camera-from-local maps, mm.
        table: the primitives.
        focal: pixels.
        centre: principal point in 0-based pixel coordinates (pixel centres at integers).
        size: (H, W) of the image.
        scale: samples per pixel and axis.

    Returns:
        depth (H*scale, W*scale) float32 mm (inf where nothing), owner (same) int32 primitive index (-1 nothing).
    """
    height, width = size
    depth = np.full((height * scale, width * scale), np.inf, dtype=np.float32)
    owner = np.full((height * scale, width * scale), -1, dtype=np.int32)
    boxes = bounds(camera, table.floats, table.ints, focal, *centre)
    _rasterise(inverses(camera), table.floats, table.ints, boxes, float(scale), focal, *centre, depth, owner)
    return depth, owner
