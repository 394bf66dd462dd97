"""Depth as a network takes it: by hand, with holes, padded, through a model; what is no depth is refused."""
import pytest
import torch

from humanbench.errors import UserError
from humanbench.models import DepthPreprocessor
from humanbench.models.depth import depth_input
from humanbench.registry import MODELS
from humanbench.structures import HumanSample


def scene(height: int = 20, width: int = 30, holes: float = 0.3) -> torch.Tensor:
    """(1, h, w) metres with holes."""
    depth = 1 + 3 * torch.rand(1, height, width)
    return depth * (torch.rand(1, height, width) >= holes)


def by_hand(depth: torch.Tensor) -> torch.Tensor:
    """(3, h, w) of (1, h, w)."""
    values = depth[depth > 0]
    flat = [float(x) - float(values.double().mean()) if x > 0 else 0.0 for x in depth.flatten()]
    return torch.tensor(flat).view(1, *depth.shape[1:]).repeat(3, 1, 1)


def test_each_image_is_centred_on_its_own_valid_pixels():
    depth = torch.stack([scene(), scene(holes=0.9), scene(holes=0.0)])
    found = depth_input(depth)
    assert found.shape == (3, 3, 20, 30)
    for one, other in zip(found, depth):
        torch.testing.assert_close(one, by_hand(other), atol=1e-5, rtol=0)
    with_zeros = depth - depth.mean((1, 2, 3), keepdim=True)  # the control: holes counted as 0 m
    assert (found[0] - with_zeros[0]).abs().max() > 0.5


def test_holes_stay_zero_and_distance_changes_nothing():
    depth = scene()[None]
    moved = torch.where(depth > 0, depth + 2.5, 0)
    torch.testing.assert_close(depth_input(moved), depth_input(depth), atol=1e-5, rtol=0)
    assert not depth_input(depth)[:, 0][depth[:, 0] == 0].any()


def test_an_image_without_depth_is_zero():
    assert not depth_input(torch.zeros(2, 1, 8, 8)).any()


@pytest.mark.parametrize('value', [torch.nan, torch.inf, -1.0])
def test_what_is_no_depth_is_a_hole(value):
    clean = scene()[None]
    broken = clean.clone()
    clean[..., 3:5, 7:9], broken[..., 3:5, 7:9] = 0, value
    assert torch.equal(depth_input(broken), depth_input(clean))


def test_padding_has_no_depth():
    depths = [scene(20, 30), scene(40, 17)]
    samples = [HumanSample(metainfo=dict(img_shape=x.shape[1:])) for x in depths]
    out = DepthPreprocessor(pad_size_divisor=32)(dict(inputs=depths, data_samples=samples))
    assert out['inputs'].shape == (2, 3, 64, 32) and out['data_samples'][0].pad_shape == (64, 32)
    for x, raw in zip(out['inputs'], depths):
        height, width = raw.shape[1:]
        torch.testing.assert_close(x[:, :height, :width], by_hand(raw), atol=1e-5, rtol=0)
        assert not x[:, height:].any() and not x[:, :, width:].any()


def test_samples_keep_the_mean_that_is_taken_away():
    depths = [scene(20, 30), 2 * scene(40, 17), torch.zeros(1, 8, 8)]
    out = DepthPreprocessor()(dict(inputs=depths, data_samples=[HumanSample() for _ in depths]))
    for x, sample, raw in zip(out['inputs'], out['data_samples'], depths):
        height, width = raw.shape[1:]
        back = torch.where(raw > 0, x[:1, :height, :width] + sample.mean_depth, 0)
        torch.testing.assert_close(back, raw, atol=1e-5, rtol=0)
    means = [sample.mean_depth.item() for sample in out['data_samples']]
    assert means[1] > means[0] + 1 and means[2] == 0


def test_a_stacked_tensor_equals_a_list():
    depths = torch.stack([scene() for _ in range(3)])
    preprocessor = DepthPreprocessor()
    assert torch.equal(preprocessor(dict(inputs=depths))['inputs'], preprocessor(dict(inputs=list(depths)))['inputs'])


@pytest.mark.parametrize('inputs', [torch.rand(3, 8, 8), torch.ones(1, 8, 8, dtype=torch.uint8)])
def test_images_are_no_depth(inputs):
    with pytest.raises(UserError, match='expected depth .1, h, w. in metres'):
        DepthPreprocessor()(dict(inputs=[inputs]))


def test_pictures_of_depth():
    assert DepthPreprocessor().pixels(torch.tensor([-9.0, -2, 0, 2, 9])).tolist() == [0, 0, 128, 255, 255]


def test_a_model_whose_image_is_depth(make):
    model = make.model(('lip',), projector=None, data_preprocessor=dict(type='DepthPreprocessor'))
    data = make.unit('lip')
    data['inputs'] = [scene(*image.shape[1:]) for image in data['inputs']]
    make.total(make.losses(model, data)).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    clip = dict(type='DepthPreprocessor', mean=(1.0,) * 3, std=(1.0,) * 3)  # as a model of such a network passes on
    assert torch.equal(MODELS.build(clip)(data)['inputs'], model.data_preprocessor(data)['inputs'])
    with pytest.raises(UserError, match='no argument pad'):
        DepthPreprocessor(pad=2)
