"""Any family's file becomes one under our names that computes the same."""
import runpy
from pathlib import Path

import pytest
import torch

from humanbench import weights
from humanbench.errors import CheckpointError

from .conftest import SIZE

TOOL = Path(__file__).parents[2] / 'tools' / 'convert_weights.py'


@pytest.fixture
def main():
    return runpy.run_path(str(TOOL))['main']


def test_the_tool_converts_and_the_result_loads(main, make_timm, make_vit, final_tokens, tmp_path, capsys):
    theirs, ours, images = make_timm(init_values=0.3), make_vit(), torch.randn(1, 3, SIZE, SIZE)
    torch.save({**theirs.state_dict(), 'mask_token': torch.zeros(1)}, tmp_path / 'dino.pth')
    main([str(tmp_path / 'dino.pth'), str(tmp_path / 'out.pth')])
    assert 'ignored     1  backbone.mask_token' in capsys.readouterr().out
    content = torch.load(tmp_path / 'out.pth', weights_only=True)
    assert content['meta']['family'] == 'dino' and content['meta']['source_sha256'] == weights.sha256(
        str(tmp_path / 'dino.pth')
    )
    assert set(content['state_dict']) == {f'backbone.{key}' for key in ours.state_dict()}
    weights.load_into(ours, f"path:{tmp_path / 'out.pth'}")
    torch.testing.assert_close(final_tokens(ours, images), final_tokens(theirs, images), atol=1e-5, rtol=0)


def test_the_tool_says_what_is_wrong_without_a_trace(main, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path / 'no.pth'), str(tmp_path / 'out.pth')])
    assert stop.value.code == 2 and 'CheckpointError: There is no weight file' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('spec', ['scratch', 'mae:{}/a.pth'])
def test_nothing_to_convert(spec, tmp_path):
    torch.save({'layer1.0.conv1.weight': torch.zeros(1)}, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match='nothing to convert|seems to be a ResNet'):
        weights.convert_file(spec.format(tmp_path), tmp_path / 'out.pth')
