"""Rules of the pose formats in videos on hand-made files; each trap with what it would do."""
import faulthandler
import multiprocessing
import pickle
import signal
import warnings

import numpy as np
import pytest

from humanbench import datasets
from humanbench.datasets.pose_common import BOX_MARGIN, box_around
from humanbench.errors import DataError, UserError

from . import native
from .native_pose import AIST_NAME, aist, dhp, dpw, penn, pickled


def records(dataset) -> list[dict]:
    return [dataset.get_data_info(i) for i in range(len(dataset))]


# ------------------------------------------------------------------------------------------------ Penn Action
def test_penn_action_repeats_the_last_box(tmp_path):
    penn(tmp_path, '0001', 4, [[1, 2, 30, 40], [5, 6, 35, 46]], 1)
    found = records(datasets.PennAction(tmp_path))
    assert [x['bbox'][0].tolist() for x in found] == [[1, 2, 30, 40]] + [[5, 6, 35, 46]] * 3
    assert found[2]['keypoints'][0, 3].tolist() == [203, 407]
    assert found[2]['img_path'] == f'{tmp_path}/frames/0001/000003.jpg'
    assert len({x['img_id'] for x in found}) == len({x['id'] for x in found}) == 4


def test_penn_action_visibility_decides(tmp_path):
    visible = np.ones((3, 13), np.uint8)
    visible[0, 4], visible[1] = 0, 0
    penn(tmp_path, '0001', 3, [[1, 2, 30, 40], [1, 2, 30, 40], [7, 7, 7, 7]], 1, visibility=visible)
    found = records(datasets.PennAction(tmp_path))
    assert [x['img_path'][-8:] for x in found] == ['0001.jpg', '0003.jpg']  # nothing is seen in the second
    assert found[0]['keypoints_visible'][0].tolist() == [1] * 4 + [0] + [1] * 8
    assert found[1]['bbox'][0] == pytest.approx(box_around(found[1]['keypoints'][0], np.ones(13)))


def test_penn_action_split_is_a_flag_in_each_file(tmp_path):
    for video, flag in (('0001', 1), ('0002', 0), ('0003', -1), ('0004', 1)):
        penn(tmp_path, video, 1, [1, 2, 30, 40], flag)
    videos = {split: [x['img_id'][:4] for x in records(datasets.PennAction(tmp_path, split))]
              for split in ('train', 'test', 'all')}
    assert videos == {'train': ['0001', '0004'], 'test': ['0002', '0003'], 'all': ['0001', '0002', '0003', '0004']}


def test_penn_action_of_other_shapes(tmp_path):
    penn(tmp_path, '0001', 2, [1, 2, 30, 40], 1, visibility=np.ones((2, 12)))
    with pytest.raises(DataError, match=r"0001\.mat'.*visibility \(2, 12\)"):
        datasets.PennAction(tmp_path)


# ------------------------------------------------------------------------------------------------ 3DPW
def test_3dpw_joint_axis_is_the_last(tmp_path):
    dpw(tmp_path, 'train', 'walk_00', 2, people=2)
    found = records(datasets.ThreeDPW(tmp_path))
    assert [x['img_id'] for x in found] == ['walk_00/image_00000.jpg', 'walk_00/image_00001.jpg'] * 2
    assert found[1]['keypoints'][0, 5].tolist() == [6, 25] and found[3]['keypoints'][0, 5].tolist() == [6, 125]
    low, room = found[0]['keypoints'][0].min(0), BOX_MARGIN * 51
    assert found[0]['bbox'][0, :2] == pytest.approx(low - room)
    wrong = np.arange(54).reshape(3, 18).reshape(18, 3)  # the trap: a reshape gives 18 rows too
    assert wrong[0].tolist() != np.arange(54).reshape(3, 18).T[0].tolist()


def test_3dpw_uses_valid_frames_and_confident_joints(tmp_path):
    poses = np.stack([np.stack([np.arange(18.0), 2 * np.arange(18.0), np.full(18, 0.9)])] * 4)
    poses[1, 2, 3] = 0.2     # one joint is in doubt
    poses[2, 2, 5:] = 0.1    # five are left
    dpw(tmp_path, 'train', 'a', 4, poses2d=[poses], campose_valid=[np.array([1, 1, 1, 0])])
    found = records(datasets.ThreeDPW(tmp_path))
    assert [x['img_path'][-5] for x in found] == ['0', '1']
    assert found[1]['keypoints_visible'][0].tolist() == [1, 1, 1, 0] + [1] * 14
    assert len(datasets.ThreeDPW(tmp_path, min_confidence=0.05)) == 3  # the fourth frame is never valid


def test_3dpw_folders(tmp_path):
    for folder, name in (('train', 'a'), ('val', 'b'), ('test', 'c')):
        dpw(tmp_path, folder, name, 1)
    names = {split: [x['img_id'][0] for x in records(datasets.ThreeDPW(tmp_path, split))]
             for split in datasets.ThreeDPW.splits}
    assert names == {'train': ['a'], 'val': ['b'], 'test': ['c'], 'all': ['a', 'b', 'c']}
    (tmp_path / 'sequenceFiles/val').rename(tmp_path / 'sequenceFiles/validation')
    assert len(datasets.ThreeDPW(tmp_path, 'val')) == 1
    assert len(datasets.ThreeDPW(tmp_path, 'all', ann_file='sequenceFiles/test')) == 1  # the folder that one names


class Evil:
    def __reduce__(self):
        return print, ('this must not run',)


def test_3dpw_pickles_build_arrays_only(tmp_path, capsys):
    dpw(tmp_path, 'train', 'a', 1, genders=['m'])
    assert len(datasets.ThreeDPW(tmp_path)) == 1
    dpw(tmp_path, 'train', 'b', 1, genders=[Evil()])
    with pytest.raises(DataError, match=r"b\.pkl.*print"):
        datasets.ThreeDPW(tmp_path)
    assert 'must not run' not in capsys.readouterr().out


class Damaged:
    """An array whose pickled type carries other flags than its own."""

    def __init__(self, kind: str, flags: int, data: bytes = b'A' * 16):
        self.kind, self.flags, self.data = kind, flags, data

    def __reduce__(self):
        return np.zeros(1).__reduce__()[0], (np.ndarray, (0,), b'b'), (1, (2,), DamagedType(self), False, self.data)


class DamagedType:
    def __init__(self, array: Damaged):
        self.array = array

    def __reduce__(self):
        return np.dtype, (self.array.kind, False, True), (3, '<', None, None, None, -1, -1, self.array.flags)


@pytest.mark.parametrize('kind, flags', [('O8', 0), ('f8', 63), ('f8', 1), ('i8', 2)])
def test_pickled_arrays_are_what_they_say(tmp_path, kind, flags):
    dpw(tmp_path, 'train', 'a', 1, betas=[Damaged('f8', 0)])
    assert len(datasets.ThreeDPW(tmp_path)) == 1
    dpw(tmp_path, 'train', 'a', 1, betas=[Damaged(kind, flags)])
    with pytest.raises(DataError, match=r"a\.pkl.*which they are not"):
        datasets.ThreeDPW(tmp_path)


@pytest.mark.parametrize('data', [
    b'\x80\x05\x96' + (1 << 40).to_bytes(8, 'little') + b'abc.',   # an array of a terabyte
    b'\x80\x05X\x01', b'\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00xX\x02\x00\x00\x00xx\x86R.'])
def test_pickles_that_promise_what_they_have_not(tmp_path, data):
    dpw(tmp_path, 'train', 'a', 1)
    (tmp_path / 'sequenceFiles/train/a.pkl').write_bytes(data)
    with pytest.raises(DataError, match=r'a\.pkl'):
        datasets.ThreeDPW(tmp_path)


def test_addresses_in_a_pickled_array_are_not_followed():
    """The control: Python's own loader makes the array, and who looks into it is gone."""
    process = multiprocessing.get_context('fork').Process(
        target=_look, args=(pickle.dumps(Damaged('O8', 0), protocol=2),))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGSEGV


def _look(data: bytes) -> None:
    faulthandler.disable()
    warnings.simplefilter('ignore')
    pickle.loads(data)[0]


# ------------------------------------------------------------------------------------------------ MPI-INF-3DHP
def test_3dhp_17_of_28_joints(tmp_path):
    dhp(tmp_path, 'S1/Seq1', 1)
    record = records(datasets.MPIInf3DHP(tmp_path, cameras=[2]))[0]
    order = [7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6]
    assert ((record['keypoints'][0, :, 0] - 5 - 2) / 10).tolist() == order
    assert order != list(range(17)) and len(set(order)) == 17
    assert record['img_path'] == f'{tmp_path}/S1/Seq1/video_2/frame_000001.jpg'


def test_3dhp_cameras_frames_and_sequences(tmp_path):
    for sequence in ('S1/Seq2', 'S2/Seq1', 'S10/Seq1', 'other/Seq1'):
        dhp(tmp_path, sequence, 3)
    found = records(datasets.MPIInf3DHP(tmp_path))
    assert len(found) == 3 * 8 * 3 and {x['img_id'].split('/')[0] for x in found} == {'S1', 'S2', 'S10'}
    assert {int(x['img_id'].split('/')[2][6:]) for x in found} == {0, 1, 2, 4, 5, 6, 7, 8}
    assert len({x['img_id'] for x in found}) == len(found)
    some = records(datasets.MPIInf3DHP(tmp_path, stride=2, cameras=(0, 3)))
    assert [x['img_id'][-8:-4] for x in some] == ['0001', '0003'] * 6
    assert some[1]['keypoints'][0, 0, 1] == 3 * 7 + 7 + 2  # of the frame that it names
    with pytest.raises(UserError, match='stride=0'):
        datasets.MPIInf3DHP(tmp_path, stride=0)


def test_3dhp_joints_outside_the_image(tmp_path):
    def outside(points):
        points[0, 7] = -1, 50
        points[0, 5] = 50, 2048
        points[0, 14] = np.nan
        points[1] += 5000
    dhp(tmp_path, 'S1/Seq1', 3, outside)
    found = records(datasets.MPIInf3DHP(tmp_path, cameras=(0,)))
    assert [x['img_id'][-5] for x in found] == ['1', '3']  # nothing of the second is in the image
    assert found[0]['keypoints_visible'][0].tolist() == [0, 0, 0] + [1] * 14
    assert found[0]['bbox'][0, 3] < 200 and np.isfinite(found[0]['keypoints']).all()


# ------------------------------------------------------------------------------------------------ AIST++
def test_aist_projects_joints_into_each_view(tmp_path):
    aist(tmp_path, 1, 2)
    found = records(datasets.AISTPlusPlus(tmp_path))
    video = AIST_NAME.format(1).replace('cAll', 'c04')
    assert [x['img_id'] for x in found] == [f'{video}/{i:06d}.jpg' for i in (0, 10, 20)]
    x, y = found[1]['keypoints'][0, 3]
    assert (x, y) == pytest.approx((960 + 500 * (3 + 10) / 150, 540 + 400 * 6 / 150), abs=1e-3)


def test_aist_what_no_camera_sees(tmp_path):
    cloud = np.zeros((1, 17, 3))
    cloud[..., 0], cloud[..., 2] = np.arange(17), 100
    cloud[0, 1] = np.nan
    cloud[0, 2] = 1e4, 0, 100   # beside the image
    cloud[0, 3] = 0, 0, -200    # behind the camera, where the division would put it inside
    aist(tmp_path, 1, frames=1, places=cloud)
    record, = records(datasets.AISTPlusPlus(tmp_path))
    assert record['keypoints_visible'][0].tolist() == [1, 0, 0, 0] + [1] * 13
    assert np.isfinite(record['keypoints']).all() and record['bbox'][0, 2] < 1100


def test_aist_splits_and_the_ignore_list(tmp_path):
    aist(tmp_path, 1, 2, 3, ignored=2)
    numbers = {split: sorted({x['img_id'].split('/')[0][-1] for x in records(datasets.AISTPlusPlus(
        tmp_path, split, labels='detected'))}) for split in ('train', 'val', 'all')}
    assert numbers == {'train': ['1'], 'val': ['3'], 'all': ['1', '3']}
    assert len(datasets.AISTPlusPlus(tmp_path, 'train', labels='detected')) == 9 * 3
    assert len(datasets.AISTPlusPlus(tmp_path, 'val', labels='detected')) == 3  # the list names one view


def test_aist_detections_of_a_view(tmp_path):
    aist(tmp_path, 1)
    found = records(datasets.AISTPlusPlus(tmp_path, labels='detected', stride=20))
    assert len(found) == 9 * 2 and found[3]['img_id'].endswith('d27_mWA2_ch1/000020.jpg')
    assert found[3]['keypoints'][0, 5].tolist() == [5 + 20 + 10, 10 + 10]  # second view, frame 20
    data = pickle.loads((tmp_path / f'keypoints2d/{AIST_NAME.format(1)}.pkl').read_bytes())['keypoints2d']
    data[0, 0, 0, 2], data[1, 0, :, 2] = 0.1, 0.1
    pickled(tmp_path / f'keypoints2d/{AIST_NAME.format(1)}.pkl', {'keypoints2d': data})
    again = records(datasets.AISTPlusPlus(tmp_path, labels='detected', stride=20))
    assert len(again) == 9 * 2 - 1 and again[0]['keypoints_visible'][0].tolist() == [0] + [1] * 16
    with pytest.raises(UserError, match="Did you mean 'detected'"):
        datasets.AISTPlusPlus(tmp_path, labels='detect')


def test_aist_files_of_the_newer_tool_are_refused(tmp_path):
    aist(tmp_path, 1)
    pickled(tmp_path / f'keypoints2d/{AIST_NAME.format(1)}.pkl', {'keypoints2d': [[[np.zeros((133, 3))]]] * 9})
    with pytest.raises(DataError, match='keypoints2d: 9 views x frames x 17 x 3'):
        datasets.AISTPlusPlus(tmp_path, labels='detected')


def test_aist_cameras_that_are_not_there(tmp_path):
    aist(tmp_path, 1)
    native.text(tmp_path / 'cameras/mapping.txt', f'{AIST_NAME.format(9)} setting3')
    with pytest.raises(DataError, match=r'mapping\.txt. does not say which cameras'):
        datasets.AISTPlusPlus(tmp_path)
    native.text(tmp_path / 'cameras/mapping.txt', f'{AIST_NAME.format(1)} setting3')
    path = tmp_path / 'cameras/setting3.json'
    path.write_text(path.read_text().replace('"distortions": [0, 0, 0, 0, 0]', '"distortions": [0, 0, 0]', 1))
    with pytest.raises(DataError, match=r'setting3\.json.*distortions'):
        datasets.AISTPlusPlus(tmp_path)
    native.text(tmp_path / 'cameras/mapping.txt', f'{AIST_NAME.format(1)} ../../setting3')
    with pytest.raises(DataError, match='leads out of'):
        datasets.AISTPlusPlus(tmp_path)
