"""Windows: where they lie, and that putting them together is the mean over those that cover a place."""
import pytest
import torch
import torch.nn.functional as F

from humanbench.models.tiling import predict_in_windows, window_starts


@pytest.mark.parametrize('size, window, starts', [
    (256, 256, [0]), (100, 256, [0]), (257, 256, [0, 1]), (512, 256, [0, 256]), (528, 256, [0, 256, 272])])
def test_starts(size, window, starts):
    assert window_starts(size, window) == starts


@pytest.mark.parametrize('size', [(32, 32), (48, 80), (16, 96), (64, 64)])
def test_a_local_function_is_not_changed_by_windows(size):
    images = torch.randn(2, 3, *size)

    def pooled(x):
        return F.avg_pool2d(x, 8)
    torch.testing.assert_close(predict_in_windows(pooled, images, (32, 32)), pooled(images))


def test_overlaps_are_averaged():
    calls = iter([1.0, 2.0, 3.0])  # windows at 0, 32 and 48 of 80 pixels
    out = predict_in_windows(
        lambda x: torch.full((1, 1, 4, 4), next(calls)), torch.zeros(1, 3, 32, 80), (32, 32))
    assert out.shape == (1, 1, 4, 10)
    assert out[0, 0, 0].tolist() == [1.0] * 4 + [2.0] * 2 + [2.5] * 2 + [3.0] * 2


def test_an_image_within_the_window_is_predicted_whole():
    shapes = []
    predict_in_windows(lambda x: shapes.append(x.shape) or x, torch.zeros(1, 3, 30, 20), (32, 32))
    assert shapes == [(1, 3, 30, 20)]
