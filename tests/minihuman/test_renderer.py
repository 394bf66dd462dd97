"""The z-buffer against closed forms and against a slow, independent ray marcher."""

import numpy as np
import pytest

from humanbench.minihuman import compiled
from humanbench.minihuman import primitives as pr
from humanbench.minihuman.primitives import BOX, FRUSTUM, ROUND, Builder, bounds
from humanbench.minihuman.renderer import rasterise

STILL = {'garment': 1, 'colour': 0}
FOCAL, CENTRE, SIZE = 120.0, (39.5, 29.5), (60, 80)


def draw(builder, scale=1):
    table = builder.table()
    return table, *rasterise(table.rest, table, FOCAL, CENTRE, SIZE, scale)


def rays():
    u, v = np.meshgrid(np.arange(SIZE[1]), np.arange(SIZE[0]))
    return np.stack([(u - CENTRE[0]) / FOCAL, (v - CENTRE[1]) / FOCAL, np.ones(SIZE)], -1)


def test_sphere_has_its_exact_depth_and_outline():
    b = Builder()
    centre = np.array([120.0, -60.0, 2000.0])
    b.add(0, centre, centre, 300, 300, **STILL)
    _, depth, owner = draw(b)
    d = rays()
    dd, dc = (d * d).sum(-1), d @ centre
    disc = dc**2 - dd * (centre @ centre - 300**2)
    np.testing.assert_array_equal(owner == 0, disc > 0)
    np.testing.assert_allclose(depth[disc > 0], ((dc - np.sqrt(np.maximum(disc, 0))) / dd)[disc > 0], rtol=1e-5)
    assert np.isinf(depth[disc < 0]).all()


def _distance(kind, p, r1, r2, length):
    """Signed distance (or a lower bound of it) of a local point to a primitive: the shapes defined a second time."""
    q = np.hypot(p[0], p[2])
    if kind == ROUND:  # hull of spheres = spheres along the axis with linearly changing radius
        t = np.linspace(0, 1, 161)
        return np.min(np.hypot(q, p[1] - t * length) - (r1 + (r2 - r1) * t))
    if kind == FRUSTUM:
        slope = np.hypot(1, (r2 - r1) / length)
        return max(-p[1], p[1] - length, (q - (r1 + (r2 - r1) * p[1] / length)) / slope)
    return np.max(np.abs(p)) - 1


SHAPES = {
    'cone': (ROUND, 90.0, 40.0),
    'capsule': (ROUND, 60.0, 60.0),
    'frustum': (FRUSTUM, 120.0, 70.0),
    'cylinder': (FRUSTUM, 80.0, 80.0),
    'box': (BOX, 1.0, 1.0),
}


@pytest.mark.parametrize('name', SHAPES)
def test_shapes_match_a_ray_marcher(name):
    kind, r1, r2 = SHAPES[name]
    b = Builder()
    start, end = np.array([-150.0, 70, 1300]), np.array([170.0, -90, 1500])
    if kind == BOX:
        b.add_box(0, start, (140, 90, 60), turn=0.5, **STILL)
    else:
        b.add(0, start, end, r1, r2, kind=kind, scale=(1.2, 0.8, 0.6), **STILL)
    table, depth, owner = draw(b)
    inverse, offset = np.linalg.inv(table.rest[0][:, :3]), table.rest[0][:, 3]
    shrink = np.linalg.svd(table.rest[0][:, :3])[1].min()  # a local step is at least this long in mm
    length = table.floats[0, pr.LENGTH]
    checked = 0
    for v, u in np.random.default_rng(0).integers((0, 0), SIZE, (160, 2)):
        ray, t = rays()[v, u], 1000.0
        for _ in range(400):
            distance = _distance(kind, inverse @ (ray * t - offset), r1, r2, length) * shrink
            if distance < 0.05 or t > 1900:
                break
            t += distance / np.linalg.norm(ray)
        if t < 1900:
            assert owner[v, u] == 0 or distance > 0.02, (u, v)
            if owner[v, u] == 0:
                assert depth[v, u] == pytest.approx(t, abs=2.5)
                checked += 1
        else:
            assert owner[v, u] == -1, (u, v)
    assert checked > 5


@pytest.mark.parametrize('name', SHAPES)
def test_bounds_are_tight(name):
    kind, r1, r2 = SHAPES[name]
    b = Builder()
    if kind == BOX:
        b.add_box(0, (30.0, 20, 1400), (140, 90, 60), turn=0.5, **STILL)
    else:
        b.add(0, (-100.0, 70, 1400), (120.0, -60, 1600), r1, r2, kind=kind, scale=(1.2, 0.8, 0.6), **STILL)
    table, _, owner = draw(b, scale=4)
    y, x = np.nonzero(owner == 0)
    drawn = np.array([x.min(), y.min(), x.max(), y.max()]) / 4 - (0.5 - 0.5 / 4)
    np.testing.assert_allclose(bounds(table.rest, table.floats, table.ints, FOCAL, *CENTRE)[0], drawn, atol=0.35)


def test_nearer_surface_wins_in_any_order():
    balls = {'near': (np.array([0.0, 0, 1000]), 100), 'far': (np.array([20.0, 0, 1500]), 250)}
    for order in (('near', 'far'), ('far', 'near')):
        b = Builder()
        for name in order:
            b.add(0, balls[name][0], balls[name][0], balls[name][1], balls[name][1], **STILL)
        assert order[draw(b)[2][29, 39]] == 'near'


def test_cut_removes_one_half():
    b = Builder()
    centre = np.array([0.0, 0.0, 1000.0])
    b.add(0, centre, centre, 150, 150, cut=((1, 0, 0), centre), **STILL)
    _, _, owner = draw(b)
    y, x = np.nonzero(owner == 0)
    assert x.min() >= 39 and x.max() > 50


def test_cache_of_kernels_is_keyed_by_all_their_sources():
    """Numba alone would go on running old code of a called file; see compiled.kernel."""
    from humanbench.minihuman.shader import _resolve

    assert _resolve._cache._cache_file._source_stamp == compiled._digest()
