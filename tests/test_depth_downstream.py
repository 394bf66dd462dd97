"""HCMoCo's downstream tasks: either encoder's weights start them, fewer labels, and what the debug size learns."""
import h5py
import numpy as np
import pytest
import torch

from humanbench import catalog
from humanbench.datasets import ITOP
from humanbench.engine.command import evaluate_all
from humanbench.engine.launch import build_runner, load_config
from humanbench.evaluation import pose_3d
from humanbench.models import DepthPreprocessor, HumanDataPreprocessor
from humanbench.models.heads.pose_3d import _in_image, _in_space
from humanbench.registry import DATASETS, MODELS

POSE, DEPTH, RGB = ('downstream/pose_3d/itop_side.py', 'downstream/parsing/nturgbd_parsing_depth.py',
                    'downstream/parsing/h36m_parsing_hrnet.py')
STEPS = 200  # of 500


@pytest.mark.parametrize('recipe', [POSE, DEPTH, RGB])
@pytest.mark.parametrize('said, more', [('', 1), ('@modality=depth', 2)])
def test_either_encoder_starts_them(recipe, said, more, tmp_path, edition):
    """A file of the official layout, whose encoders differ by what is added to the weights."""
    config = load_config(recipe, 'debug')
    network = MODELS.build(config.model.backbone)
    path, name = tmp_path / 'ckpt.pth', next(iter(config.sources))
    torch.save(dict(model={f'module.encoder{i}.{key}': x + i for key, x in network.state_dict().items()
                           for i in (1, 2)}), path)
    config = load_config(recipe, 'debug', options={f'sources.{name}.dataset.root': 'minihuman:tiny'},
                         start_from=f'hcmoco:{path}{said}')
    config.weights, config.work_dir = f'hcmoco:{path}{said}', str(tmp_path / 'run')
    model = build_runner(config).model
    assert model.backbone.merged == 4 and model.heads[name].in_channels == model.backbone.out_channels
    for one, other in ((model.backbone.conv1, network.conv1), (model.backbone.stage4[0].fuse_layers[0][1][0],
                                                               network.stage4[0].fuse_layers[0][1][0])):
        torch.testing.assert_close(one.weight, other.weight + more)


@pytest.mark.parametrize('flavor, frames', [
    ('labels_10', 1799), ('labels_1', 179), ('labels_0_5', 89), ('labels_0_2', 35), ('labels_0_1', 17)])
def test_fewer_labels_of_itop_for_as_many_epochs(flavor, frames):
    config = load_config(POSE, flavor)
    every = round(100 / config.sources.itop_side.dataset.percent)
    assert catalog.card('itop_side').splits['train']['images'] // every == frames
    assert config.train_cfg.max_steps == 50 * -(-frames // 12) < load_config(POSE).train_cfg.max_steps
    assert 'percent' not in config.evaluations.itop_side.dataset  # it is tested on all of them


@pytest.mark.parametrize('flavor, frames', [('labels_20', 12_533), ('labels_10', 6_266), ('labels_1', 626)])
def test_fewer_labels_of_human36m_are_from_everywhere(flavor, frames):
    config = load_config(RGB, flavor)
    rows = config.sources.h36m_parsing.dataset.indices
    assert len(rows) == frames and rows[-1] > 62_000 and rows[-1] < 62_668
    assert config.train_cfg.max_steps == 50 * frames // 40
    assert 'indices' not in config.evaluations.h36m_parsing.dataset


def test_depth_is_parsed_with_the_cards_weights_and_colour_by_one_flavor():
    plain, colour = load_config(DEPTH), load_config(DEPTH, 'rgb')
    head = MODELS.build(dict(plain.sources.nturgbd_parsing.head, in_channels=8))
    assert head.class_weights.tolist() == pytest.approx(catalog.card('nturgbd_parsing').class_weights)
    assert plain.model.data_preprocessor.type is DepthPreprocessor
    assert colour.model.data_preprocessor.type is HumanDataPreprocessor
    for config, modality in ((plain, 'depth'), (colour, 'rgb')):
        for part in (config.sources, config.evaluations):
            assert part.nturgbd_parsing.dataset.modality == modality
    third = load_config(DEPTH, 'v3')
    assert third.sources.nturgbd_parsing.dataset.version == third.evaluations.nturgbd_parsing.dataset.version == 'v3'


def test_colour_frames_train(tmp_path, edition):
    config = load_config(DEPTH, 'rgb', options={'train_cfg.max_steps': 1, 'train_cfg.precision': 'fp32'})
    small = load_config(DEPTH, 'debug').model.backbone
    config.model.backbone, config.work_dir = small, str(tmp_path)
    config.sources.nturgbd_parsing.update(batch_size=2)
    for part in (config.sources, config.evaluations):
        part.nturgbd_parsing.dataset.update(root='minihuman:tiny', pipeline=[
            dict(x, size=(64, 64)) if 'size' in x else x for x in part.nturgbd_parsing.dataset.pipeline])
    runner = build_runner(config)
    runner.train()
    assert 0 <= evaluate_all(config, None, model=runner.model)['nturgbd_parsing']['mIoU'] <= 1


# ------------------------------------------------------------------------------------------------ what is learnt
def usual(config) -> float:
    """The accuracy of the joints' most usual place in a box and about the mean depth: what needs no image."""
    def crops(split):
        reader = DATASETS.build(dict(config.evaluations.itop_side.dataset, split=split))
        items = [reader[i] for i in range(len(reader))]
        return DepthPreprocessor()(dict(inputs=[x['inputs'] for x in items], data_samples=[
            x['data_samples'] for x in items]))['data_samples']

    known, asked = crops('train'), crops('test')
    points = torch.cat([x.gt_instances.keypoints for x in known]).median(0).values
    depths = torch.stack([x.gt_instances.keypoints_3d[0, :, 2] - x.mean_depth for x in known]).median(0).values
    found = torch.stack([_in_space(_in_image(points, x.warp), depths + x.mean_depth, x.camera) for x in asked])
    return pose_3d(found.numpy(), torch.cat([x.gt_instances.keypoints_3d for x in asked]).numpy())['accuracy']


def learnt(tmp_path, **options) -> tuple[float, float]:
    """Accuracy after a short run, and that of the most usual place."""
    config = load_config(POSE, 'debug', options={'train_cfg.max_steps': STEPS} | options)
    config.work_dir = str(tmp_path / 'run')
    runner = build_runner(config)
    runner.train()
    return evaluate_all(config, None, model=runner.model)['itop_side']['accuracy'], usual(config)


@pytest.mark.slow
def test_joints_are_found_in_frames_that_were_never_seen(tmp_path, edition):
    found, without_looking = learnt(tmp_path)
    assert without_looking < 0.12 and found > without_looking + 0.1


@pytest.mark.slow
def test_joints_of_other_frames_teach_nothing(tmp_path, edition):
    """The negative control: every training frame has the joints of the next one."""
    file = ITOP('minihuman:small').root / 'ITOP_side_train_labels.h5'
    with h5py.File(file) as before, h5py.File(tmp_path / 'exchanged.h5', 'w') as after:
        for key in before:
            after[key] = np.roll(before[key][()], -1, axis=0)
    found, without_looking = learnt(
        tmp_path, **{'sources.itop_side.dataset.ann_file': str(tmp_path / 'exchanged.h5')})
    assert found < without_looking + 0.05


@pytest.mark.slow
def test_parts_are_found_in_depth(tmp_path, edition):
    """Against what is all background, and against the network before."""
    config = load_config(DEPTH, 'debug', options={'train_cfg.max_steps': STEPS})
    config.work_dir = str(tmp_path)
    runner, reader = build_runner(config), DATASETS.build(dict(config.evaluations.nturgbd_parsing.dataset))
    labels = torch.cat([reader[i]['data_samples'].gt_sem_seg.data.flatten() for i in range(len(reader))])
    nothing_seen = (labels == 0).float().mean().item() / len(labels.unique())
    before = evaluate_all(config, None, model=runner.model)['nturgbd_parsing']['mIoU']
    runner.train()
    assert max(before, nothing_seen) < 0.05
    assert evaluate_all(config, None, model=runner.model)['nturgbd_parsing']['mIoU'] > 0.15
