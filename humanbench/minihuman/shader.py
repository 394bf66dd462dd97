"""From z-buffer to picture: light, shadow, colour, labels. Samples are averaged for colour and vote on labels."""

import numpy as np

from humanbench.minihuman import primitives as pr
from humanbench.minihuman.compiled import kernel
from humanbench.minihuman.paint import paint
from humanbench.minihuman.primitives import Table
from humanbench.minihuman.renderer import inverses


@kernel(inline=True)
def _local_normal(kind, x, y, z, r1, r2, length, n):
    """Outward normal of a primitive at a local surface point, not normalised; returns the axis fraction."""
    if kind == pr.BOX:
        n[0] = n[1] = n[2] = 0.0
        if abs(x) >= abs(y) and abs(x) >= abs(z):
            n[0] = x
        elif abs(y) >= abs(z):
            n[1] = y
        else:
            n[2] = z
        return 0.5 * (y + 1)
    if kind == pr.FRUSTUM:
        if y < 1e-3 * length or y > (1 - 1e-3) * length:
            radius = r1 if y < 0.5 * length else r2
            if x * x + z * z < radius * radius * 0.999:
                n[0], n[1], n[2] = 0.0, y - 0.5 * length, 0.0
                return y / length
        k = (r2 - r1) / length
        r = np.sqrt(x * x + z * z)
        n[0], n[1], n[2] = x, -k * r, z
        return y / length
    rr = r1 - r2
    d2 = length * length - rr * rr
    along = length * y - r1 * rr
    if length < 1e-6 or along <= 0:
        n[0], n[1], n[2] = x, y, z
    elif along >= d2:
        n[0], n[1], n[2] = x, y - length, z
    else:
        n[0], n[1], n[2] = d2 * x, d2 * y - length * along, d2 * z
    return y / length if length > 1e-6 else 0.5


@kernel(inline=True)
def lit_share(shadow, shadow_turn, shadow_shift, shadow_focal, px, py, pz, bias):
    """Share of sunlight at a camera-frame point: 2 x 2 depth tests in the map seen from the light."""
    if shadow.shape[0] < 2:
        return 1.0
    x = shadow_turn[0, 0] * px + shadow_turn[0, 1] * py + shadow_turn[0, 2] * pz + shadow_shift[0]
    y = shadow_turn[1, 0] * px + shadow_turn[1, 1] * py + shadow_turn[1, 2] * pz + shadow_shift[1]
    z = shadow_turn[2, 0] * px + shadow_turn[2, 1] * py + shadow_turn[2, 2] * pz + shadow_shift[2]
    u = shadow_focal * x / z + 0.5 * (shadow.shape[1] - 1)
    v = shadow_focal * y / z + 0.5 * (shadow.shape[0] - 1)
    iu, iv = int(np.floor(u)), int(np.floor(v))
    if iu < 0 or iv < 0 or iu + 1 >= shadow.shape[1] or iv + 1 >= shadow.shape[0]:
        return 1.0
    fu, fv = u - iu, v - iv
    lit = 0.0
    for i in range(2):
        for j in range(2):
            if z - bias < shadow[iv + i, iu + j]:
                lit += (fv if i else 1 - fv) * (fu if j else 1 - fu)
    return lit


@kernel(inline=True)
def _sample(p, t, rx, ry, local, table_rest, floats, ints, params, palettes, light, shadow, turn, shift, focal, out, n):
    """Shades one sample; `out` (9,) gets red, green, blue, garment, segment."""
    m = local[p]
    x = t * (m[0, 0] * rx + m[0, 1] * ry + m[0, 2]) + m[0, 3]
    y = t * (m[1, 0] * rx + m[1, 1] * ry + m[1, 2]) + m[1, 3]
    z = t * (m[2, 0] * rx + m[2, 1] * ry + m[2, 2]) + m[2, 3]
    axis = _local_normal(ints[p, pr.KIND], x, y, z, floats[p, pr.R1], floats[p, pr.R2], floats[p, pr.LENGTH], n)
    cx = m[0, 0] * n[0] + m[1, 0] * n[1] + m[2, 0] * n[2]
    cy = m[0, 1] * n[0] + m[1, 1] * n[1] + m[2, 1] * n[2]
    cz = m[0, 2] * n[0] + m[1, 2] * n[1] + m[2, 2] * n[2]
    size = np.sqrt(cx * cx + cy * cy + cz * cz) + 1e-12
    cx, cy, cz = cx / size, cy / size, cz / size
    size = np.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]) + 1e-12
    n /= size
    r = table_rest[p]
    point = (
        r[0, 0] * x + r[0, 1] * y + r[0, 2] * z + r[0, 3],
        r[1, 0] * x + r[1, 1] * y + r[1, 2] * z + r[1, 3],
        r[2, 0] * x + r[2, 1] * y + r[2, 2] * z + r[2, 3],
    )
    person = ints[p, pr.PERSON]
    paint(p, point, axis, x, n, ints, floats, params[person], palettes[person], out)
    # light: [sun direction (3), sun colour (3), sky colour (3), up (3)], all in the camera frame
    facing = cx * light[0] + cy * light[1] + cz * light[2]
    sun = max(0.0, 0.85 * facing + 0.15)
    if sun > 0:
        sun *= lit_share(shadow, turn, shift, focal, t * rx + 12 * cx, t * ry + 12 * cy, t + 12 * cz, 14.0)
    up = 0.5 + 0.5 * (cx * light[9] + cy * light[10] + cz * light[11])
    view = 1 / np.sqrt(1 + rx * rx + ry * ry)
    edge = max(0.0, -(cx * rx + cy * ry + cz) * view)
    soft = 0.70 + 0.30 * edge
    half_x, half_y, half_z = light[0] - rx * view, light[1] - ry * view, light[2] - view
    half = np.sqrt(half_x * half_x + half_y * half_y + half_z * half_z) + 1e-9
    shine = max(0.0, (cx * half_x + cy * half_y + cz * half_z) / half)
    shine *= shine * shine
    shine *= shine
    shine *= shine
    shine *= shine * out[5] * min(sun * 2, 1.0)  # to the power of 24
    for c in range(3):
        out[c] = out[c] * soft * (light[6 + c] * (0.50 + 0.50 * up) + light[3 + c] * sun) + 150 * shine * light[3 + c]


@kernel(inline=True)
def _owners(owner, top, left, scale):
    """Of a pixel's samples: the first one's primitive, whether all are its, and how many are any primitive's."""
    first = owner[top, left]
    same, covered = True, 0
    for k in range(scale * scale):
        p = owner[top + k // scale, left + k % scale]
        same &= p == first
        covered += p >= 0
    return first, same, covered


@kernel(inline=True)
def _stride(ints, first, same, count):
    """From one shaded sample of a pixel to the next: where one plain surface fills the pixel, one sample says it all;
    a drawn one takes a diagonal pair."""
    if not same:
        return 1
    return count if ints[first, pr.DECALS] == 0 and ints[first, pr.PATTERN] == 0 else max(1, count - 1)


@kernel(inline=True)
def _shade(depth, owner, top, left, scale, step, half, focal, cx, cy, local, rest, floats, ints, params, palettes,
           light, shadow, turn, shift, shadow_focal, out, n, codes):
    """Sums red, green and blue over every `step`-th sample of a pixel, and counts these.

    `codes` (samples, 4) gets person, garment, segment and depth of each, -1 first where nothing is seen."""
    red = green = blue = 0.0
    taken = 0
    for k in range(0, scale * scale, step):
        sv, su = top + k // scale, left + k % scale
        p = owner[sv, su]
        codes[taken, 0], codes[taken, 1], codes[taken, 2], codes[taken, 3] = -1, 0, 0, np.inf
        if p >= 0:
            rx, ry = (su / scale - half - cx) / focal, (sv / scale - half - cy) / focal
            _sample(p, depth[sv, su], rx, ry, local, rest, floats, ints, params, palettes, light, shadow, turn, shift,
                    shadow_focal, out, n)
            red, green, blue = red + out[0], green + out[1], blue + out[2]
            codes[taken, 0], codes[taken, 1] = ints[p, pr.PERSON], out[3]
            codes[taken, 2], codes[taken, 3] = out[4], depth[sv, su]
        taken += 1
    return red, green, blue, taken


@kernel(inline=True)
def _vote(codes, taken):
    """Index of the sample whose labels most of the `taken` samples share; the nearest of equals."""
    best, votes = 0, 0
    for a in range(taken):
        count = 0
        for b in range(taken):
            if codes[a, 0] == codes[b, 0] and codes[a, 1] == codes[b, 1] and codes[a, 2] == codes[b, 2]:
                count += 1
        if count > votes or count == votes and codes[a, 3] < codes[best, 3]:
            best, votes = a, count
    return best


@kernel
def _resolve(depth, owner, local, rest, floats, ints, params, palettes, light, shadow, turn, shift, shadow_focal, scale,
             focal, cx, cy, image, garment, segment, person, depth_mm):
    """Fills the pictures of :func:`resolve`, pixel by pixel."""
    height, width = garment.shape
    half = 0.5 - 0.5 / scale
    count = scale * scale
    out, n, codes = np.zeros(9), np.zeros(3), np.zeros((count, 4))
    for v in range(height):
        for u in range(width):
            first, same, covered = _owners(owner, v * scale, u * scale, scale)
            if covered == 0:
                continue
            step = _stride(ints, first, same, count)
            red, green, blue, taken = _shade(
                depth, owner, v * scale, u * scale, scale, step, half, focal, cx, cy, local, rest, floats, ints, params,
                palettes, light, shadow, turn, shift, shadow_focal, out, n, codes)
            share, weight = 1.0 - covered / count, (1.0 if same else covered / count) / (taken if same else covered)
            image[v, u, 0] = image[v, u, 0] * share + red * weight
            image[v, u, 1] = image[v, u, 1] * share + green * weight
            image[v, u, 2] = image[v, u, 2] * share + blue * weight
            k = _vote(codes, taken)
            if codes[k, 0] >= 0:
                person[v, u] = int(codes[k, 0])
                garment[v, u], segment[v, u] = int(codes[k, 1]), int(codes[k, 2])
                depth_mm[v, u] = min(65535, int(np.rint(codes[k, 3])))


def resolve(
    depth: np.ndarray,
    owner: np.ndarray,
    camera: np.ndarray,
    table: Table,
    params: np.ndarray,
    palettes: np.ndarray,
    light: np.ndarray,
    shadow: tuple,
    background: np.ndarray,
    focal: float,
    centre: tuple[float, float],
) -> tuple[np.ndarray, ...]:
    """Shades a z-buffer over a background.

    Args:
        depth, owner, camera: from `renderer.rasterise`.
        camera: (P, 3, 4) camera-from-local maps.
        params: (N, NUM_PARAMS) and palettes (N, colours, 3): one row per value of the table's PERSON column.
        light: (12,) sun direction, sun colour, sky colour, up; directions in the camera frame.
        shadow: (depth map seen from the light, rotation (3, 3), shift (3,), focal length) from camera frame to light.
        background: (H, W, 3) float32, changed in place and returned.

    Returns:
        image (H, W, 3) float32, garment uint8, segment uint8, person int16 (-1 nothing), depth uint16 mm (0 nothing).
    """
    height, width = background.shape[:2]
    garment, segment = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    person, depth_mm = np.full((height, width), -1, np.int16), np.zeros((height, width), np.uint16)
    _resolve(depth, owner, inverses(camera), table.rest, table.floats, table.ints, params, palettes, light, *shadow,
             depth.shape[0] // height, focal, *centre, background, garment, segment, person, depth_mm)
    return background, garment, segment, person, depth_mm
