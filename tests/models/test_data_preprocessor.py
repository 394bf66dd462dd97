"""Normalisation, stacking and padding."""
import pytest
import torch

from humanbench.models import HumanDataPreprocessor
from humanbench.structures import HumanSample, PixelData

MEAN = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
STD = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)


def image(height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8)


@pytest.mark.parametrize('sizes, padded', [
    ([(32, 48), (32, 48)], (32, 48)), ([(33, 48), (33, 48)], (48, 48)), ([(20, 50), (40, 17)], (48, 64))])
def test_images_are_normalised_and_padded_with_zeros(sizes, padded):
    images = [image(*size) for size in sizes]
    samples = [HumanSample(metainfo=dict(img_shape=size)) for size in sizes]
    out = HumanDataPreprocessor()(dict(inputs=images, data_samples=samples))
    assert out['inputs'].shape == (2, 3, *padded) and out['inputs'].dtype == torch.float32
    for x, raw, sample, (height, width) in zip(out['inputs'], images, out['data_samples'], sizes):
        torch.testing.assert_close(x[:, :height, :width], (raw - MEAN) / STD)
        assert not x[:, height:].any() and not x[:, :, width:].any()
        assert sample.batch_input_shape == sample.pad_shape == padded and sample.img_shape == (height, width)


def test_a_stacked_tensor_equals_a_list():
    images = torch.stack([image(30, 40) for _ in range(3)])
    preprocessor = HumanDataPreprocessor()
    stacked = preprocessor(dict(inputs=images))['inputs']
    assert torch.equal(stacked, preprocessor(dict(inputs=list(images)))['inputs'])


def test_labels_are_padded_with_the_ignored_class():
    samples = [HumanSample(gt_sem_seg=PixelData(data=torch.ones(1, h, w, dtype=torch.uint8))) for h, w in
               ((20, 30), (32, 32))]
    preprocessor, data = HumanDataPreprocessor(), dict(inputs=[image(20, 30), image(32, 32)], data_samples=samples)
    assert preprocessor(data)['data_samples'][0].gt_sem_seg.shape == (20, 30)  # a test's labels keep their own size
    out = preprocessor(data, training=True)
    first, second = (sample.gt_sem_seg.data for sample in out['data_samples'])
    assert first.shape == second.shape == (1, 32, 32) and first.dtype == torch.uint8
    assert (first[:, :20, :30] == 1).all() and first.eq(255).sum() == 32 * 32 - 20 * 30
    assert second.eq(1).all() and samples[0].gt_sem_seg.shape == (20, 30)  # the loader's own are as they were


def test_divisor():
    out = HumanDataPreprocessor(pad_size_divisor=14)(dict(inputs=[image(28, 29)]))
    assert out['inputs'].shape == (1, 3, 28, 42)
