"""CityPersons from end to end at debug size: people are found by what they look like; SOLIDER's weights and lambda."""
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

from humanbench.datasets import CityPersons
from humanbench.engine.command import evaluate_all
from humanbench.engine.launch import build_runner, load_config
from humanbench.registry import MODELS

RECIPE = 'downstream/detection/citypersons_swin-t.py'
STEPS = 500  # of 1,200


def scores(tmp_path, **options) -> dict[str, float]:
    """Of the debug flavour, trained for a while and tested on other images."""
    config = load_config(RECIPE, 'debug', options={'train_cfg.max_steps': STEPS} | options)
    config.work_dir = str(tmp_path / 'run')
    runner = build_runner(config)
    before = evaluate_all(config, None, model=runner.model)['citypersons']
    assert before['MR'] > 0.97
    runner.train()
    return evaluate_all(config, None, model=runner.model)['citypersons']


@pytest.mark.slow
def test_people_are_found_in_images_that_were_never_seen(tmp_path, edition):
    found = scores(tmp_path)
    assert found['MR'] < 0.88 and {'MR_heavy', 'MR_reasonable_small', 'MR_all'} < set(found)


@pytest.mark.slow
def test_people_of_other_images_teach_nothing(tmp_path, edition):
    """The negative control: every training image has the boxes of another."""
    file = CityPersons('minihuman:small').root / 'anno_train.mat'
    cells = scipy.io.loadmat(file)['anno_train_aligned']
    boxes = [cell[0, 0]['bbs'] for cell in cells.ravel()]
    for cell, own in zip(cells.ravel(), boxes[1:] + boxes[:1]):
        cell[0, 0]['bbs'] = own
    scipy.io.savemat(tmp_path / 'exchanged.mat', {'anno_train_aligned': cells})
    again = scipy.io.loadmat(tmp_path / 'exchanged.mat')['anno_train_aligned'][0, 0][0, 0]['bbs']
    assert np.array_equal(again, boxes[1]) and not np.array_equal(again, boxes[0])
    found = scores(tmp_path, **{'sources.citypersons.dataset.ann_file': str(tmp_path / 'exchanged.mat')})
    assert found['MR'] > 0.93


@pytest.mark.parametrize('said, turned', [('', 1.0), ('@semantic=0.3', 0.3)])
def test_soliders_weights_start_it_with_lambda_1_or_another(tmp_path, edition, said, turned):
    network = MODELS.build(load_config(RECIPE, 'debug').model.backbone)
    path = tmp_path / 'solider.pth'
    torch.save(dict(teacher={f'backbone.{key}': x + 1 for key, x in network.state_dict().items()}), path)
    config = load_config(RECIPE, 'debug', options={'sources.citypersons.dataset.root': 'minihuman:tiny'},
                         start_from=f'solider:{path}{said}')
    config.weights, config.work_dir = f'solider:{path}{said}', str(tmp_path / 'run')
    assert tuple(config.model.backbone.strides) == (4, 2, 2, 1)
    model = build_runner(config).model
    assert model.backbone.semantic_of('detection') == turned
    torch.testing.assert_close(model.backbone.stages[2].blocks[0].attn.w_msa.qkv.weight,
                               network.stages[2].blocks[0].attn.w_msa.qkv.weight + 1)


def test_the_published_networks():
    for size, widths, images in (('t', (192, 384, 768), 3), ('s', (192, 384, 768), 3), ('b', (256, 512, 1024), 2)):
        config = load_config(str(Path(RECIPE).with_name(f'citypersons_swin-{size}.py')))
        with torch.device('meta'):
            network = MODELS.build(config.model.backbone)
        assert tuple(x.channels for x in network.levels[1:]) == widths
        assert [x.stride for x in network.levels] == [4, 8, 16, 16] and network.semantic_of('detection') == 1.0
        assert config.sources.citypersons.batch_size == images
        assert config.optim_wrapper.average_decay == 0.999 and config.optim_wrapper.optimizer.lr == 1e-4
        assert config.train_cfg.max_steps == 240 * 2_778 // (8 * images)
