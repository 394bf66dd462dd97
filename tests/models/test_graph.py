"""Graph network over joints: its names and shapes, its convolution by hand, what a joint sees."""
import pytest
import torch

from humanbench.errors import UserError
from humanbench.joint_sets import JOINT_SETS
from humanbench.models import SemGCN
from humanbench.models.graph import SemGraphConv, neighbours


def network(**options) -> SemGCN:
    torch.manual_seed(0)
    made = SemGCN(**options)
    with torch.no_grad():
        for parameter in made.parameters():  # edge weights and norms start at constants
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made.eval()


@pytest.mark.parametrize('skeleton, joints, entries', [('mpii16', 16, 46), ('reduced13', 13, 37)])
def test_names_and_shapes_are_those_of_hcmoco(skeleton, joints, entries):
    def conv(prefix: str, channels: int) -> dict:
        return {f'{prefix}.W': (2, channels, 128), f'{prefix}.e': (1, entries), f'{prefix}.bias': (128,)}

    def layer(prefix: str, channels: int) -> dict:
        norm = dict(weight=(128,), bias=(128,), running_mean=(128,), running_var=(128,), num_batches_tracked=())
        return conv(f'{prefix}.gconv', channels) | {f'{prefix}.bn.{name}': shape for name, shape in norm.items()}

    wanted = layer('gconv_input.0', 2) | conv('gconv_output', 128)
    for i in range(4):
        wanted |= layer(f'gconv_layers.{i}.gconv1', 128) | layer(f'gconv_layers.{i}.gconv2', 128)
    made = SemGCN(skeleton)
    assert {key: tuple(value.shape) for key, value in made.state_dict().items()} == wanted
    assert made(torch.randn(3, joints, 2)).shape == (3, joints, 128) and made.num_joints == joints


@pytest.mark.parametrize('skeleton', JOINT_SETS)
def test_every_joint_is_reached_from_the_root(skeleton):
    near = neighbours(JOINT_SETS[skeleton].parents).double()
    assert torch.equal(near, near.T) and near.diagonal().all()
    assert torch.linalg.matrix_power(near, len(near)).all() and not near.all()


def test_it_can_be_counted_without_being_there():
    with torch.device('meta'):
        assert SemGCN('reduced13')(torch.empty(2, 13, 2)).shape == (2, 13, 128)


def test_the_convolution_by_hand():
    parents = (1, -1, 1, 2)
    torch.manual_seed(0)
    layer, x = SemGraphConv(3, 5, neighbours(parents)), torch.randn(2, 4, 3)
    with torch.no_grad():
        layer.e.normal_()
    pairs = [(i, j) for i in range(4) for j in range(4) if i == j or parents[i] == j or parents[j] == i]
    scores = dict(zip(pairs, layer.e[0].tolist(), strict=True))  # row by row
    wanted = torch.zeros(2, 4, 5)
    for i in range(4):
        total = sum(torch.tensor(scores[pair]).exp() for pair in pairs if pair[0] == i)
        for j in (j for k, j in pairs if k == i):
            matrix = layer.W[0] if i == j else layer.W[1]
            wanted[:, i] += torch.tensor(scores[i, j]).exp() / total * (x[:, j] @ matrix)
    torch.testing.assert_close(layer(x), wanted + layer.bias)


def test_a_convolution_sees_neighbours_and_the_network_everything():
    own, x = network(layers=4), torch.randn(1, 16, 2, requires_grad=True)
    own.gconv_input[0].gconv(x)[0, 0].sum().backward()
    assert x.grad[0].any(-1).nonzero().flatten().tolist() == [0, 1]
    x.grad = None
    own(x)[0, 0].pow(2).sum().backward()
    assert x.grad[0].any(-1).all()


def test_it_trains_and_normalises_over_people_and_joints():
    own, x = network(skeleton='reduced13', channels=8, layers=1).train(), torch.randn(6, 13, 2)
    own(x).pow(2).sum().backward()
    assert all(p.grad.any() for name, p in own.named_parameters() if name != 'gconv_input.0.gconv.bias'
               and not name.endswith('gconv.bias'))  # what is added before a norm has no effect
    before = own.gconv_input[0].gconv(x)
    mean = 0.9 * 0 + 0.1 * before.detach().mean((0, 1))
    torch.testing.assert_close(own.gconv_input[0].bn.running_mean, mean)


@pytest.mark.parametrize('skeleton, message', [
    ('mpi16', "Did you mean 'mpii16'"), ((1, 5), 'joint 1 hangs on 5'), ((0, -1), 'joint 0 hangs on 0')])
def test_skeletons_that_cannot_be(skeleton, message):
    with pytest.raises(UserError, match=message):
        SemGCN(skeleton)


def test_ones_own_skeleton():
    assert SemGCN((-1, 0, 1), channels=4, layers=1)(torch.randn(2, 3, 2)).shape == (2, 3, 4)
