"""Cloth, skin and faces: from a surface point to its colour and labels. Everything here is compiled into the shader.

Points are in rest coordinates (body frame, mm), so a pattern stays on its cloth in every pose.
"""

import numpy as np

from humanbench.minihuman import labels as lb
from humanbench.minihuman import primitives as pr
from humanbench.minihuman.compiled import kernel
from humanbench.minihuman.labels import GARMENT, HUE
from humanbench.minihuman.noise import lattice, smooth_noise

_G_FACE, _G_HAIR, _G_GLASSES, _G_BAG = (GARMENT[n] for n in ('face', 'hair', 'glasses', 'bag'))
_G_UPPER, _G_SKIN = GARMENT['upper'], GARMENT['skin']
_SKIN, _HAIR, _LIP, _BROW, _EYE, _DARK, _LIGHT, _TIE, _INNER, _BAG, _SOLE = (
    HUE[n] for n in ('skin', 'hair', 'lip', 'brow', 'eye', 'dark', 'light', 'tie', 'inner', 'bag', 'sole')
)


@kernel(inline=True)
def _mix_pattern(pattern, x, y, z, nx, period, seed):
    """(share of the second colour, brightness factor) of a pattern at a rest point in mm; nx: local normal's x."""
    across = x if abs(nx) < 0.75 else z
    if pattern == lb.STRIPES:
        return (1.0 if (y / period) % 1.0 < 0.45 else 0.0), 1.0
    if pattern == lb.PLAID:
        a = 1.0 if (y / period) % 1.0 < 0.4 else 0.0
        b = 1.0 if (across / period) % 1.0 < 0.4 else 0.0
        thin = 1.0 if (y / period + 0.3) % 1.0 < 0.07 or (across / period + 0.3) % 1.0 < 0.07 else 0.0
        return 0.5 * (a + b), 1.0 + 0.25 * thin
    if pattern == lb.DENIM:
        return 0.0, 0.93 + 0.16 * smooth_noise(x / 4, y / 9, z / 4, seed) + 0.14 * (1 - abs(nx)) - 0.07
    if pattern == lb.SIDE_STRIPE:
        return (1.0 if nx * x > 0.90 * abs(x) else 0.0), 1.0
    if pattern == lb.PRINT:
        cell = period * 0.85
        cx, cy, cz = np.floor(x / cell), np.floor(y / cell), np.floor(z / cell)
        dx, dy, dz = x / cell - cx - 0.5, y / cell - cy - 0.5, (z / cell - cz - 0.5) * 0.5
        size = 0.06 + 0.12 * lattice(int(cx), int(cy), int(cz), seed)
        return (1.0 if dx * dx + dy * dy + dz * dz < size else 0.0), 1.0
    if pattern == lb.KNIT:
        return 0.0, 0.97 + 0.06 * np.sin(across * 0.55)
    if pattern == lb.HAIR_STRANDS:
        return 0.0, 0.72 + 0.56 * smooth_noise(x / 7, y / 45, z / 7, seed)
    if pattern == lb.QUILT:
        v = (y / 85.0) % 1.0
        return 0.0, 0.84 + 0.64 * v * (1 - v) + (0.0 if v > 0.05 else -0.12)
    return 0.0, 1.0


@kernel(inline=True)
def _face(x, y, z, param, out):
    """Paints a head point: x, y, z in head units from the skull's pivot. Writes (hue, garment, factor) to `out`."""
    out[0], out[1], out[2] = _SKIN, _G_FACE, 1.0
    side = abs(x)
    if param[lb.BALD] < 0.5 and (y > 0.106 or z < -0.002 and y > 0.028):
        out[0], out[1] = _HAIR, _G_HAIR
        return
    if z < 0.0:
        return
    ex, ey = (side - 0.0195) / 0.0085, (y - 0.068) / 0.0048
    eye = ex * ex + ey * ey
    if param[lb.GLASSES] > 0.5:
        gx, gy = (side - 0.0200) / 0.0165, (y - 0.0665) / 0.0125
        lens = gx * gx * gx * gx + gy * gy * gy * gy
        frame = lens > 0.62 and lens < 1.45 or side < 0.006 and abs(y - 0.070) < 0.0022
        temple = side > 0.033 and abs(y - 0.071) < 0.0028 and z > 0.0
        if frame or temple:
            out[0], out[1] = _DARK, _G_GLASSES
            return
        if lens <= 0.62:
            out[1] = _G_GLASSES
            if param[lb.GLASSES] > 1.5:
                out[0] = _DARK
                return
    out[2] = 1.0 - 0.30 * np.exp(-0.25 * (ex * ex + (ey - 0.6) * (ey - 0.6) * 0.5))
    if eye < 1.0:
        out[2] = 1.0
        ix, iy = (side - 0.0195) / 0.0040, (y - 0.0682) / 0.0044
        out[0] = _EYE if ix * ix + iy * iy < 1 else _LIGHT
        if ey > 0.62:
            out[0] = _DARK
    elif side > 0.0085 and side < 0.031 and abs(y - 0.0815 + 6.0 * (side - 0.0195) ** 2) < 0.0024:
        out[0] = _BROW
    elif y < 0.030 and side < 0.0165:
        curve = y - 0.0235 - param[lb.SMILE] * (side / 0.0165) ** 2
        if abs(curve) < 0.0035:
            out[0] = _LIP if abs(curve) > 0.0007 else _DARK
            return
    if out[0] == _SKIN and param[lb.BEARD] > 0.5 and y < 0.034 and (y < 0.018 or side > 0.017 or y > 0.0275):
        out[0] = _BROW
        out[1] = _G_FACE


@kernel(inline=True)
def _trunk(decals, x, t, z, param, out):
    """Paints openings, straps, collars: x, z in fractions of stature, t from 0 (hips) to 1 (neck)."""
    side = abs(x)
    if decals & lb.STRAPS and z > -0.014 and t > 0.40 and abs(side - 0.058) < 0.0105:
        out[0], out[1], out[2] = _BAG, _G_BAG, 0.85
        return
    if decals & lb.CROSS_STRAP and abs(x - (0.092 - 0.150 * t)) < 0.0105 and t > 0.05:
        out[0], out[1], out[2] = _BAG, _G_BAG, 0.85
        return
    if z <= 0.0:
        return
    if decals & lb.V_NECK and side < (t - 0.80) * 0.21:
        out[0], out[1] = _SKIN, _G_SKIN
        return
    if decals & lb.OPENING:
        half = param[lb.OPEN_WIDTH] * (0.35 + 0.65 * max(t, 0.0))
        if side < half:
            out[0], out[1], out[2] = _INNER, _G_UPPER, 0.92
            if decals & lb.TIE and side < 0.0085 - 0.003 * max(t - 0.75, 0.0) * 4:
                out[0] = _TIE
            return
        if side < half + 0.005:
            out[2] = 0.72
        elif t > 0.55 and side < half + 0.005 + 0.03 * min(t - 0.55, 0.25):
            out[2] = 1.10
    if decals & lb.PLACKET:
        if side < 0.0020:
            out[2] = 0.76
        elif side < 0.005 and (t * 6.0) % 1.0 < 0.10:
            out[2] = 1.3
    if decals & lb.COLLAR and t > 0.915 and side < 0.044:
        out[2] = 1.14 if side > 0.010 + (1.0 - t) * 0.10 else 0.80
    if decals & lb.LOGO and side < 0.040 and t > 0.60 and t < 0.80:
        u, v = side / 0.040, abs(t - 0.70) / 0.10
        kind = int(param[lb.SEED]) % 3
        if kind == 0 and u * u + v * v < 1 or kind == 1 and (v * 3.0) % 1.0 < 0.6 or kind == 2 and u + v < 1:
            out[0] = -1.0


@kernel(inline=True)
def paint(p, rest_point, local_y, local_x, normal, ints, floats, param, palette, out):
    """Colour and labels of a surface point.

    Args:
        p: primitive index.
        rest_point: x, y, z in the body frame, mm.
        local_y: position along the axis as a fraction of its length; local_x: local x (its sign splits sides).
        normal: local unit normal (3,).
        param: (NUM_PARAMS,) of the person; palette (colours, 3).
        out: (9,) written: red, green, blue (0 to 255), garment, segment, gloss; the rest is scratch.
    """
    x, y, z = rest_point
    row = ints[p]
    scratch = out[6:9]
    scratch[0], scratch[1], scratch[2] = row[pr.COLOUR], row[pr.GARMENT], 1.0
    decals = row[pr.DECALS]
    pattern = row[pr.PATTERN]
    if decals & lb.FACE:
        s = param[lb.HEAD_SIZE]
        _face(x / s, (y - param[lb.HEAD_Y]) / s, z / s, param, scratch)
    elif decals & lb.SOLE:
        if y < (0.019 if decals & lb.THICK_SOLE else 0.010) * param[lb.STATURE]:
            scratch[0] = _SOLE
    elif decals & lb.FINGERS:
        scratch[2] = 0.9 + 0.1 * np.sin(z * 700.0 / param[lb.STATURE])
    elif decals:
        h = param[lb.STATURE]
        _trunk(
            decals,
            x / h,
            (y - param[lb.HIP_Y]) / (param[lb.NECK_Y] - param[lb.HIP_Y]),
            z / h,
            param,
            scratch,
        )
    factor = scratch[2]
    second = row[pr.COLOUR2]
    if scratch[0] < 0:
        hue, share = second, 0.0
    else:
        hue, share = int(scratch[0]), 0.0
        if hue == row[pr.COLOUR] and pattern:
            if pattern == lb.SPLICE:
                share = 0.0 if y - param[lb.HIP_Y] > 0.62 * (param[lb.NECK_Y] - param[lb.HIP_Y]) else 1.0
            else:
                share, shade = _mix_pattern(pattern, x, y, z, normal[0], param[lb.PERIOD], int(param[lb.SEED]))
                factor *= shade
    folds = floats[p, pr.FOLDS]
    if folds > 0:
        seed = int(param[lb.SEED])
        factor *= 1 + 2.6 * folds * (smooth_noise(x / 36, (y + 0.6 * x) / 80, z / 36, seed) - 0.5)
    for c in range(3):
        out[c] = (palette[hue, c] * (1 - share) + palette[second, c] * share) * factor
    out[3] = scratch[1]
    out[5] = 0.25 if hue in (_SKIN, _HAIR) else 0.08
    if row[pr.SEG_SPLIT] == 1:
        segment = row[pr.SEG_A] if local_x > 0 else row[pr.SEG_B]
    elif local_y < floats[p, pr.T_A]:
        segment = row[pr.SEG_A]
    elif local_y > floats[p, pr.T_B]:
        segment = row[pr.SEG_B]
    else:
        segment = row[pr.SEG_M]
    out[4] = segment
