"""Projection and what a camera does to its pictures."""

import numpy as np
import pytest

from humanbench.minihuman.camera import camera_style, expose, gaussian_blur, look


def test_camera_looks_along_minus_z_with_x_to_the_right_and_y_up():
    camera = look((0, 1500, 0), 0.0, 500.0, (99.5, 79.5))
    uv = camera.project(camera.to_camera(np.array([[0, 1500, -4000.0], [400, 1500, -4000], [0, 1900, -4000]])))
    np.testing.assert_allclose(uv, [[99.5, 79.5], [149.5, 79.5], [99.5, 29.5]])


def test_pitch_puts_the_aimed_point_in_the_middle_and_yaw_turns_right_handed():
    camera = look((0, 5000, 5000), np.pi / 4, 300.0, (50, 50))
    np.testing.assert_allclose(camera.project(camera.to_camera(np.zeros(3))), (50, 50), atol=1e-9)
    for pitch, yaw in ((0.3, 0.0), (0.3, 0.8), (-0.2, -2.0)):
        rotation = look((1, 2, 3), pitch, 100, (0, 0), yaw).rotation
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)


def test_styles_are_fixed_and_different():
    a, b = camera_style(3), camera_style(3)
    assert a.height == b.height and np.array_equal(a.sun, b.sun) and np.array_equal(a.gain, b.gain)
    assert len({camera_style(i).gain.round(4).tobytes() for i in range(16)}) == 16
    for i in range(16):
        assert np.linalg.norm(camera_style(i).sun) == pytest.approx(1) and camera_style(i).sun[1] > 0.4


def test_blur_spreads_a_point_and_keeps_its_sum():
    image = np.zeros((41, 31, 3), np.float32)
    image[20, 15] = 100
    out = gaussian_blur(image, 1.5)
    assert out.sum() == pytest.approx(image.sum(), rel=1e-4)
    y = np.arange(41) - 20
    assert (out[:, :, 0].sum(1) * y * y).sum() / 100 == pytest.approx(1.5**2, rel=0.12)
    assert out[20, 15, 0] < 10 and gaussian_blur(image, 0.1) is image


def test_exposure_is_a_function_of_style_and_seed():
    image = np.full((32, 16, 3), 120, np.float32)
    first = expose(image, camera_style(1), np.random.default_rng(0))
    np.testing.assert_array_equal(first, expose(image, camera_style(1), np.random.default_rng(0)))
    assert (first != expose(image, camera_style(1), np.random.default_rng(1))).any()
    means = {expose(image, camera_style(i), np.random.default_rng(0)).mean((0, 1)).round(1).tobytes() for i in range(8)}
    assert len(means) == 8 and first.dtype == np.uint8
