"""Deterministic value noise."""

import numpy as np

from humanbench.minihuman.compiled import kernel


@kernel
def lattice(x, y, z, seed):
    """A hash of integers to [0, 1)."""
    n = (x * 73856093 ^ y * 19349663 ^ z * 83492791 ^ seed * 374761393) & 0xFFFFFFFF
    n = ((n ^ (n >> 13)) * 1274126177) & 0xFFFFFFFF
    n = ((n ^ (n >> 16)) * 668265263) & 0xFFFFFFFF
    return (n >> 8) / 16777216.0


@kernel
def smooth_noise(x, y, z, seed):
    """Value noise in [0, 1), one lattice cell per unit."""
    ix, iy, iz = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    fx, fy, fz = x - ix, y - iy, z - iz
    fx, fy, fz = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy), fz * fz * (3 - 2 * fz)
    total = 0.0
    for i in range(2):
        wx = fx if i else 1 - fx
        for j in range(2):
            wy = fy if j else 1 - fy
            for k in range(2):
                total += wx * wy * (fz if k else 1 - fz) * lattice(ix + i, iy + j, iz + k, seed)
    return total
