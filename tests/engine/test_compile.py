"""Blocks that are compiled give the same losses and gradients, from a few graphs for all image sizes."""
import shutil

import pytest
import torch

from humanbench.engine.sharding import compile_blocks
from humanbench.errors import UserError
from tests.models.conftest import model, total, unit

SIZES = [(64, 32), (64, 48), (48, 80), (96, 64), (32, 64), (80, 80), (128, 64), (112, 96), (64, 64)]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which('gcc') is None, reason='compiling on a CPU needs gcc')
def test_nine_image_sizes_share_a_few_graphs_and_keep_the_gradients():
    compiled, plain = (model(('market1501',), drop_path=0.2).double() for _ in range(2))
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compile_blocks(compiled.backbone)
    for seed, size in enumerate(SIZES):
        for network in (compiled, plain):
            network.set_unit(seed=seed)
            data = network.data_preprocessor(unit('market1501', size=size), True)
            total(network(**data | dict(inputs=data['inputs'].double()), mode='loss')).backward()
    assert torch._dynamo.utils.counters['stats']['unique_graphs'] <= 3
    assert not any('recompile' in reason for reason in torch._dynamo.utils.counters['unimplemented'])
    largest = max(p.grad.abs().max() for p in plain.parameters() if p.grad is not None)
    for (name, one), (_, other) in zip(compiled.named_parameters(), plain.named_parameters()):
        if other.grad is not None:
            assert torch.allclose(one.grad, other.grad, rtol=1e-9, atol=1e-12 * largest), name


def test_a_backbone_without_blocks_is_refused():
    with pytest.raises(UserError, match='has no blocks'):
        compile_blocks(torch.nn.Linear(2, 2))
