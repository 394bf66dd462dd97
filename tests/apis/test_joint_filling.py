"""Joint stores that are filled: what each source says of a crop, runs that stop and go on, and the command."""
import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from humanbench import catalog, datasets
from humanbench.apis import joint_filling
from humanbench.apis.joint_filling import crop_names, fill
from humanbench.apis.joint_sources import COCOResults, HAPFiles, MMPoseModel, TrainedPose
from humanbench.datasets.roots import dataset_root
from humanbench.datasets.transforms.loading import EncodedImage, read_image
from humanbench.errors import CheckpointError, DataError, UserError
from humanbench.joints import JointStore

TOOL = Path(__file__).parents[2] / 'tools' / 'joints.py'
spec = importlib.util.spec_from_file_location('joints_tool', TOOL)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


class Plain:
    """A source that looks at no more than the name, and counts what it is asked for."""
    made_by = dict(test='plain')

    def __init__(self, stop_at: int | None = None):
        self.asked, self.stop_at = [], stop_at

    def prepare(self, path: str, name: str):
        if len(self.asked) == self.stop_at:
            raise KeyboardInterrupt
        self.asked.append(name)
        return EncodedImage(path).size, name

    def joints(self, items) -> np.ndarray:
        assert items
        return np.stack([np.full((17, 3), int(Path(x).stem)) for x in items])


@pytest.fixture
def crops(tmp_path) -> Path:
    """Ten images in two folders."""
    rng = np.random.default_rng(0)
    for i in range(10):
        path = tmp_path / f'crops/{"ab"[i % 2]}/{i:03d}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (60 + i, 30, 3), np.uint8)).save(path)
    return tmp_path / 'crops'


def joints_of(store: Path | JointStore, name: str) -> np.ndarray:
    """(17, 3)."""
    found = (store if isinstance(store, JointStore) else JointStore(store)).find(name)
    return np.column_stack([found.points, found.scores])


# --------------------------------------------------------------------------------------------------------- one filling
def test_every_crop_gets_its_own(crops, tmp_path):
    names, done, out = crop_names(crops), [], tmp_path / 'a.safetensors'
    assert names == sorted(str(x.relative_to(crops)) for x in crops.rglob('*.jpg'))
    found = fill(Plain(), crops, names, out, batch_size=3, watch=done.append)
    assert (found.store, found.crops, found.left_out) == (out, 10, 0) and sum(done) == 10
    opened = JointStore(out)
    assert opened.made_by == Plain.made_by and opened.images == str(crops)
    for name in names:
        assert (joints_of(opened, name) == int(Path(name).stem)).all()
        assert opened.find(name).size == read_image(str(crops / name)).shape[:2]
    assert {x.name for x in tmp_path.iterdir()} == {'crops', 'a.safetensors'}


@pytest.mark.parametrize('options', [dict(workers=2), dict(batch_size=64), dict(batch_size=1)])
def test_how_it_is_done_makes_no_difference(options, crops, tmp_path, monkeypatch):
    monkeypatch.setattr(joint_filling, 'PART', 4)
    names = crop_names(crops)
    fill(Plain(), crops, names, tmp_path / 'a.safetensors', batch_size=3)
    fill(Plain(), crops, names, tmp_path / 'b.safetensors', **options)
    assert (tmp_path / 'a.safetensors').read_bytes() == (tmp_path / 'b.safetensors').read_bytes()


def test_a_run_that_was_stopped_goes_on(crops, tmp_path, monkeypatch):
    monkeypatch.setattr(joint_filling, 'PART', 4)
    names, out, first, done = crop_names(crops), tmp_path / 'a.safetensors', Plain(stop_at=9), []
    with pytest.raises(KeyboardInterrupt):
        fill(first, crops, names, out, batch_size=2)
    assert not out.exists() and first.asked == names[:9]
    second = Plain()
    fill(second, crops, names, out, batch_size=2, watch=done.append)
    assert second.asked == names[8:] and done == [8, 2]
    fill(Plain(), crops, names, tmp_path / 'b.safetensors')
    assert out.read_bytes() == (tmp_path / 'b.safetensors').read_bytes()


def test_runs_side_by_side(crops, tmp_path, monkeypatch):
    monkeypatch.setattr(joint_filling, 'PART', 3)
    names, out, asked = crop_names(crops), tmp_path / 'a.safetensors', []
    for i in (2, 3, 1):
        source = Plain()
        found = fill(source, crops, names, out, share=(i, 3))
        assert (found.store is None) == (i != 1)
        asked += source.asked
    assert sorted(asked) == names and len(JointStore(out)) == 10
    with pytest.raises(UserError, match='--share 4/3'):
        fill(Plain(), crops, names, tmp_path / 'b.safetensors', share=(4, 3))


def test_parts_of_another_store_are_not_mixed_in(crops, tmp_path):
    names, out = crop_names(crops), tmp_path / 'a.safetensors'
    with pytest.raises(KeyboardInterrupt):
        fill(Plain(stop_at=3), crops, names, out)
    for source, chosen in ((Plain(), names[:9]), (type('Other', (Plain,), dict(made_by={}))(), names)):
        with pytest.raises(UserError, match=r'\.a\.safetensors\.parts.*parts of another joint store'):
            fill(source, crops, chosen, out)
    assert fill(Plain(), crops, names, out).crops == 10
    with pytest.raises(UserError, match='exists already'):
        fill(Plain(), crops, names, out)
    with pytest.raises(UserError, match='ends in .safetensors'):
        fill(Plain(), crops, names, tmp_path / 'a.npz')


def test_what_cannot_be_read_is_left_out(crops, tmp_path):
    (crops / 'a/004.jpg').write_bytes(b'no image')
    names, errors = crop_names(crops), []
    found = fill(Plain(), crops, names, tmp_path / 'a.safetensors', batch_size=2,
                 on_error=lambda name, error: errors.append((name, str(error))))
    assert (found.crops, found.left_out) == (9, 1) and errors[0][0] == 'a/004.jpg' and '004.jpg' in errors[0][1]
    opened = JointStore(found.store)
    assert opened.find('a/004.jpg') is None and (joints_of(opened, 'a/006.jpg') == 6).all()
    for path in crops.rglob('*.jpg'):
        path.write_bytes(b'no image')
    with pytest.raises(DataError, match='not one of the 10 crops'):
        fill(Plain(), crops, names, tmp_path / 'b.safetensors')
    assert not list(tmp_path.glob('*b.safetensors*'))


def test_which_crops(crops, tmp_path):
    (tmp_path / 'list.txt').write_text('b/009.jpg\ngone/1.jpg\na/002.jpg\na/000.jpg\n')
    assert crop_names(crops, str(tmp_path / 'list.txt')) == ['b/009.jpg', 'a/002.jpg', 'a/000.jpg']
    assert crop_names(crops, str(tmp_path / 'list.txt'), 3) == ['b/009.jpg', 'a/002.jpg']
    with pytest.raises(UserError, match='--keep 0.5: of which list'):
        crop_names(crops, keep=0.5)
    with pytest.raises(UserError, match='there is no folder'):
        crop_names(tmp_path / 'none')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='Expected: images .*.jpg'):
        crop_names(tmp_path / 'empty')


# ------------------------------------------------------------------------------------------------ a model of HumanBench
@pytest.fixture(scope='module')
def people(edition, tmp_path_factory) -> Path:
    """A few synthetic crops."""
    root, folder = dataset_root('minihuman:tiny', catalog.card('luperson')), tmp_path_factory.mktemp('people')
    for i, path in enumerate(sorted(root.glob('images/**/*.jpg'))[:5]):
        (folder / f'{i}.jpg').write_bytes(path.read_bytes())
    return folder


def test_a_head_says_what_predict_says(people, checkpoint, inferencer, tmp_path, monkeypatch):
    found = fill(TrainedPose(str(checkpoint), device='cpu'), people, crop_names(people), tmp_path / 'a.safetensors',
                 batch_size=2)
    opened = JointStore(found.store)
    monkeypatch.setattr(inferencer, 'tasks', {'pose'})
    said = {}
    for result in inferencer(people, boxes='whole_image'):
        person, = result.persons
        said[result.name] = np.column_stack([person.keypoints, person.keypoint_scores])
    assert set(said) == set(crop_names(people))
    for name, expected in said.items():
        assert np.abs(joints_of(opened, name) - expected).max() < 0.1
    assert np.abs(joints_of(opened, '0.jpg') - said['1.jpg']).max() > 1  # control
    assert opened.made_by['head'] == 'coco_pose'
    by_command = tmp_path / 'b.safetensors'
    assert tool.main(['fill', str(people), '--checkpoint', str(checkpoint), '--out', str(by_command), '--batch-size',
                      '2', '--workers', '2', '--device', 'cpu']) == 0
    assert by_command.read_bytes() == found.store.read_bytes()


def test_a_head_of_other_keypoints_will_not_do(checkpoint):
    with pytest.raises(UserError, match=r"head 'aic' .* finds 14 keypoints.*Expected the 17 of COCO.*nose, left_eye"):
        TrainedPose(str(checkpoint), head='aic', device='cpu')
    with pytest.raises(UserError, match='coco_pose'):
        TrainedPose(str(checkpoint), head='none', device='cpu')


# -------------------------------------------------------------------------------------------------------- one of MMPose
MMPOSE = '''
default_scope = 'mmpose'
codec = dict(type='MSRAHeatmap', input_size=(64, 96), heatmap_size=(16, 24), sigma=2)
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
                           bgr_to_rgb=True),
    backbone=dict(type='ResNet', depth=18),
    head=dict(type='HeatmapHead', in_channels=512, out_channels=17, deconv_out_channels=(32, 32, 32),
              loss=dict(type='KeypointMSELoss', use_target_weight=True), decoder=codec),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True))
pipeline = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale'), dict(type='TopdownAffine', input_size=(64, 96)),
            dict(type='PackPoseInputs')]
train_dataloader = dict(dataset=dict(type='CocoDataset'))
test_dataloader = dict(dataset=dict(type='CocoDataset', pipeline=pipeline))
'''


@pytest.fixture(scope='module')
def mmpose_files(tmp_path_factory) -> tuple[str, str]:
    """Config and weights of a small model that nobody has trained."""
    from mmengine.registry import DefaultScope
    from mmpose.apis import init_model
    folder = tmp_path_factory.mktemp('mmpose')
    (folder / 'tiny.py').write_text(MMPOSE)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpose'):
        model = init_model(str(folder / 'tiny.py'), device='cpu')
    for name, value in model.named_parameters():
        if 'final_layer' in name:
            value.data += 0.3 * torch.randn(value.shape)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(epoch=1)), folder / 'tiny.pth')
    return str(folder / 'tiny.py'), str(folder / 'tiny.pth')


def test_a_model_of_mmpose_says_what_mmpose_says(people, mmpose_files, tmp_path):
    from mmengine.registry import DefaultScope
    from mmpose.apis import inference_topdown, init_model
    before = getattr(DefaultScope.get_current_instance(), 'scope_name', None)
    source = MMPoseModel(*mmpose_files, device='cpu')
    opened = JointStore(fill(source, people, crop_names(people), tmp_path / 'a.safetensors', batch_size=3).store)
    after = getattr(DefaultScope.get_current_instance(), 'scope_name', None)
    assert after == before != 'mmpose'  # other libraries go on as they were
    with DefaultScope.overwrite_default_scope('mmpose'):
        model = init_model(*mmpose_files, device='cpu')
        said = {}
        for name in crop_names(people):
            found = inference_topdown(model, read_image(str(people / name))[..., ::-1].copy())[0].pred_instances
            said[name] = np.column_stack([found.keypoints[0], found.keypoint_scores[0]])
    for name, expected in said.items():
        assert np.abs(joints_of(opened, name) - expected).max() < 0.1
    assert np.abs(joints_of(opened, '0.jpg') - said['1.jpg']).max() > 1  # control
    assert tool.main(['fill-mmpose', str(people), '--config', mmpose_files[0], '--checkpoint', mmpose_files[1],
                      '--out', str(tmp_path / 'b.safetensors'), '--device', 'cpu', '--workers', '2']) == 0
    assert joints_of(tmp_path / 'b.safetensors', '2.jpg') == pytest.approx(joints_of(opened, '2.jpg'), abs=0.1)


def test_mmpose_files_that_will_not_do(mmpose_files, tmp_path):
    config, weights = mmpose_files
    with pytest.raises(UserError, match='there is no MMPose config'):
        MMPoseModel(str(tmp_path / 'none.py'), weights, 'cpu')
    (tmp_path / 'aic.py').write_text(MMPOSE.replace('CocoDataset', 'AicDataset'))
    with pytest.raises(UserError, match='finds 14 keypoints.*Expected the 17 of COCO'):
        MMPoseModel(str(tmp_path / 'aic.py'), weights, 'cpu')
    state = torch.load(weights, weights_only=True)['state_dict']
    torch.save(dict(state_dict={k: v for k, v in state.items() if 'final_layer' not in k}), tmp_path / 'less.pth')
    with pytest.raises(CheckpointError, match='lacks 2 tensors.*head.final_layer'):
        MMPoseModel(config, str(tmp_path / 'less.pth'), 'cpu')
    state['head.final_layer.weight'] = torch.zeros(14, 32, 1, 1)
    torch.save(dict(state_dict=state), tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match='does not fit'):
        MMPoseModel(config, str(tmp_path / 'other.pth'), 'cpu')


# ------------------------------------------------------------------------------------------------------------- imports
def coco(folder: Path, rows: list, images: list) -> tuple[str, str]:
    for name, value in dict(results=rows, images=dict(images=images)).items():
        (folder / f'{name}.json').write_text(json.dumps(value))
    return str(folder / 'results.json'), str(folder / 'images.json')


def test_results_of_coco(crops, tmp_path):
    images = [dict(id=i, file_name=x) for i, x in enumerate(crop_names(crops)[:9])]
    rows = [dict(image_id=i, keypoints=[i, 2, 0.5] * 17, score=0.4) for i in range(9)]
    rows += [dict(image_id=3, keypoints=[50, 2, 0.5] * 17, score=0.9), dict(image_id=4, keypoints=[60] * 51, score=0.1)]
    found = fill(COCOResults(*coco(tmp_path, rows, images)), crops, crop_names(crops), tmp_path / 'a.safetensors')
    assert (found.crops, found.left_out) == (9, 1)
    for i, expected in ((0, 0), (3, 50), (4, 4)):  # of several people the best
        assert joints_of(found.store, images[i]['file_name'])[5].tolist() == [expected, 2, 0.5]


@pytest.mark.parametrize(('rows', 'words'), [
    (dict(a=1), 'expected a list'), ([], 'no result'), ([dict(keypoints=[1] * 51)], "'image_id' is expected"),
    ([dict(image_id=99, keypoints=[1] * 51)], 'image 99, which'), ([dict(image_id=0)], "'keypoints' is expected"),
    ([dict(image_id=0, keypoints=[1] * 42)], r'shape \(14, 3\); expected \(17, 3\)'), ([7], "'image_id' is expected"),
    ([dict(image_id=0, keypoints='x')], 'no numbers'), ([dict(image_id=0, keypoints=[1] * 51, score=None)], 'no num')])
def test_results_that_are_none(rows, words, tmp_path):
    with pytest.raises(DataError, match=words):
        COCOResults(*coco(tmp_path, rows, [dict(id=0, file_name='a.jpg')]))


class _Program:
    def __reduce__(self):
        return print, ('this ran',)


def test_files_as_hap_keeps_them(crops, tmp_path, capsys):
    names, errors = crop_names(crops), []
    values: dict[str, object] = {name: np.array([[dict(keypoints=np.full((17, 3), i, np.float32), bbox=np.ones(5))]])
                                 for i, name in enumerate(names)}
    values[names[6]] = np.array([_Program()], object)
    values[names[7]] = np.array([[dict(keypoints=np.ones((14, 3)))]])
    values[names[8]] = np.array([[dict(bbox=1)]])
    for name, value in list(values.items())[:9]:
        path = (tmp_path / 'npy' / name).with_suffix('.npy')
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, value)
    found = fill(HAPFiles(str(tmp_path / 'npy')), crops, names, tmp_path / 'a.safetensors',
                 on_error=lambda name, error: errors.append(name))
    assert (found.crops, found.left_out) == (6, 4) and errors == names[6:] and capsys.readouterr().out == ''
    assert (joints_of(found.store, names[5]) == 5).all()
    with pytest.raises(UserError, match='there is no folder'):
        HAPFiles(str(tmp_path / 'none'))


# --------------------------------------------------------------------------------------------------------- the command
@pytest.fixture
def joints(monkeypatch, tmp_path):
    """Run the command in a folder of its own; gives the exit status."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> int:
        try:
            return tool.main([str(x) for x in arguments])
        except SystemExit as stop:
            return stop.code
    return run


def test_the_command_fills_and_shows_a_store_that_a_reader_takes(joints, crops, tmp_path, capsys):
    names = crop_names(crops)
    images = [dict(id=i, file_name=x) for i, x in enumerate(names)]
    files = coco(tmp_path, [dict(image_id=i, keypoints=[i, 2, 0.5] * 17, score=1) for i in range(9)], images)
    fill_it = ('import-coco', crops, '--results', files[0], '--annotation', files[1], '--workers', 0)
    assert joints(*fill_it, '--out', 'all.safetensors') == 1  # one crop has no result
    output = capsys.readouterr()
    assert 'all.safetensors: 9 crops' in output.out and '10 crops in' in output.err
    assert f'left out: {names[9]}' in output.err.replace('\n', '') and '1 crops were left out' in output.err
    (tmp_path / 'list.txt').write_text('\n'.join(names[:4]))
    assert joints(*fill_it, '--out', 'few.safetensors', '--names', 'list.txt', '--keep', '0.5') == 0
    assert 'few.safetensors: 2 crops' in capsys.readouterr().out
    assert joints('show', 'all.safetensors') == 0
    shown = capsys.readouterr().out
    for words in ('crops: 9', f'folder of the crops: {crops}', 'made by, results', 'all 17 known of 9', 'bytes, whole',
                  '0.500 / 0.500 / 0.500', 'height 60 to', 'width 30 to 30'):
        assert words in shown.replace('\n', ''), words
    assert joints('show', 'all.safetensors', names[3]) == 0
    shown = capsys.readouterr().out
    assert 'left_ankle' in shown and '3.00' in shown and 'outside' not in shown
    dataset = datasets.LUPerson(crops, img_dir='.', joints=tmp_path / 'all.safetensors')
    assert [int(dataset.get_data_info(i)['keypoints_visible'].sum()) for i in (0, 9)] == [17, 0]


@pytest.mark.parametrize(('arguments', 'words'), [
    (('show', 'none.safetensors'), 'cannot read the joint store'),
    (('fill', 'none', '--checkpoint', 'x.pth', '--out', 'a.safetensors'), "there is no folder 'none'"),
    (('fill', 'crops', '--checkpoint', 'x.pth', '--out', 'a.safetensors'), "no weight file|there is no|no checkpoint"),
    (('import-npy', 'crops', '--files', 'none', '--out', 'a.safetensors'), "there is no folder 'none'"),
    (('import-npy', 'crops', '--files', 'crops', '--out', 'a.safetensors', '--share', 'x'), 'invalid _share value'),
    (('fill', 'crops', '--checkpoint', 'x.pth', '--out', 'a.npz'), 'ends in .safetensors'),  # before the model is read
    (('import-npy', 'crops', '--files', 'crops', '--out', 'a.safetensors', '--batch-size', 0), 'expected 1 or more')])
def test_the_command_says_what_is_wrong(arguments, words, joints, crops, capsys):
    assert joints(*arguments) == 2
    assert re.search(words, capsys.readouterr().err, re.IGNORECASE)


def test_a_crop_that_is_not_there(joints, crops, tmp_path, capsys):
    fill(Plain(), crops, crop_names(crops), tmp_path / 'a.safetensors')
    assert joints('show', 'a.safetensors', '000.jpg') == 2
    assert "has no crop '000.jpg'. Expected a name relative to" in capsys.readouterr().err
    assert joints('show', 'a.safetensors', 'a/008.jpg') == 0 and 'outside' not in capsys.readouterr().out
    data = bytearray((tmp_path / 'a.safetensors').read_bytes())
    data[-3] ^= 1
    (tmp_path / 'a.safetensors').write_bytes(data)
    assert joints('show', 'a.safetensors') == 0 and 'DAMAGED' in capsys.readouterr().out
