"""NTU RGB+D, NTURGBD-Parsing-4K and ITOP on hand-made files: what their formats mean, and files that are broken."""
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from humanbench import datasets
from humanbench.datasets.multimodal import COLOUR, DEPTH, LEFT_OUT, SKELETONS, drawn_frames
from humanbench.datasets.skeletons import SkeletonFile
from humanbench.datasets.transforms import LoadDepth, LoadDepthImage, LoadImage
from humanbench.errors import DataError, UserError

from . import native

TAG, OTHER = 'S001C001P001R001A001', 'S001C002P001R001A001'
LOAD = [dict(type=LoadImage), dict(type=LoadDepth)]


def body(value: float, joints: int = 25, state: int = 2) -> list[str]:
    """Lines of a body whose joint i lies at (value, i / 10, 3) metres and (value, i), (value + 100, i) pixels."""
    rows = [f'{value} {i / 10} 3.0 {value} {i} {value + 100} {i} 0 0 0 1 {state}' for i in range(joints)]
    return ['72057594037944738 0 1 1 1 1 0 0.1 -0.2 2', str(joints), *rows]


def skeleton(root: Path, tag: str, *frames: list[list[str]]) -> Path:
    path = root / f'{SKELETONS}/{tag}.skeleton'
    native.text(path, str(len(frames)), *(x for bodies in frames for x in (
        str(len(bodies)), *(line for one in bodies for line in one))))
    return path


def depth(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), values)


def ntu(root: Path, tag: str = TAG, frames: int = 3) -> Path:
    """A clip: nobody in the first frame, one body in the second, two in the third."""
    skeleton(root, tag, [], [body(20)], [body(21), body(29)])
    for k in range(1, frames + 1):
        native.image(root / f'{COLOUR}/{tag}/WRGB-{k:08d}.jpg')
        depth(root / f'{DEPTH}/{tag}/MDepth-{k:08d}.png', np.full((40, 30), 1000 * k, np.uint16))
    return root


def records(dataset) -> list[dict]:
    return [dataset.get_data_info(i) for i in range(len(dataset))]


# ------------------------------------------------------------------------------------------------------ NTU RGB+D
def test_a_frame_of_depth_has_the_skeleton_before_it(tmp_path):
    """Pictures count from 1, skeletons from 0: frame 2 has the second of the file, where x is 20."""
    found = records(datasets.NTURGBD(ntu(tmp_path), frames_per_clip=9))
    assert [x['img_id'] for x in found] == [f'{TAG}/2', f'{TAG}/3']  # nobody is in the first
    assert [float(x['keypoints'][0, 0, 0]) for x in found] == [20, 21]  # of two bodies the first
    assert all(x['depth_path'].endswith(f'MDepth-0000000{k}.png') for k, x in zip((2, 3), found))
    one = found[0]
    assert one['keypoints'].shape == (1, 25, 2) and one['keypoints'][0, 7].tolist() == [20, 7]
    assert one['keypoints_3d'][0, 7].tolist() == pytest.approx([20, 0.7, 3])
    assert one['keypoints_visible'].tolist() == [[1.0] * 25]
    loaded = datasets.NTURGBD(tmp_path, frames_per_clip=9, pipeline=LOAD)[1]
    assert loaded['gt_depth'].dtype == np.float32 and set(loaded['gt_depth'].ravel()) == {3.0} and loaded['has_depth']


def test_a_body_with_other_joints_is_passed_over(tmp_path):
    root = ntu(tmp_path)
    skeleton(root, TAG, [body(8, joints=20), body(9)], [body(8, joints=20)], [])
    found, = records(datasets.NTURGBD(root, frames_per_clip=9))
    assert found['img_id'] == f'{TAG}/1' and found['keypoints'][0, 0, 0] == 9


@pytest.mark.parametrize('line', ['nan 0 3 5 5 5 5 0 0 0 1 2', '0 0 3 inf 5 5 5 0 0 0 1 2', '0 0 3 1e9 5 5 5 0 0 0 1 2',
                                  '0 0 3 5 5 5 5 0 0 0 1 0', '0 0 5000 5 5 5 5 0 0 0 1 2'])
def test_joints_without_numbers_and_untracked_ones_are_not_known(tmp_path, line):
    root, lines = ntu(tmp_path), body(5)
    lines[2 + 4] = line
    skeleton(root, TAG, [lines])
    found, = records(datasets.NTURGBD(root))
    assert found['keypoints_visible'][0].tolist() == [1.0] * 4 + [0.0] + [1.0] * 20
    assert not found['keypoints'][0, 4].any() and not found['keypoints_3d'][0, 4].any()


def test_drawn_frames_are_a_function_of_seed_and_clip(tmp_path):
    path = skeleton(tmp_path, TAG, *([[body(1)]] * 40))
    clip = SkeletonFile(path)
    assert drawn_frames(TAG, clip, 5, 0) == drawn_frames(TAG, clip, 5, 0) == sorted(drawn_frames(TAG, clip, 5, 0))
    others = [drawn_frames(*x) for x in ((TAG, clip, 5, 1), (OTHER, clip, 5, 0))]
    assert drawn_frames(TAG, clip, 5, 0) not in others and others[0] != others[1]
    assert set(drawn_frames(TAG, clip, 2, 0)) < set(drawn_frames(TAG, clip, 5, 0))  # more are those and others
    assert drawn_frames(TAG, clip, 99, 3) == list(range(1, 41))
    with pytest.raises(UserError, match='frames_per_clip = 0'):
        datasets.NTURGBD(tmp_path, frames_per_clip=0)


def test_frames_without_depth_say_so(tmp_path):
    root = ntu(ntu(tmp_path), OTHER)
    (root / f'{DEPTH}/{TAG}/MDepth-00000003.png').unlink()
    for file in (root / f'{DEPTH}/{OTHER}').iterdir():
        file.unlink()
    (root / f'{DEPTH}/{OTHER}').rmdir()
    found = records(datasets.NTURGBD(root, frames_per_clip=2))
    assert [x['depth_path'] is None for x in found] == [False, True, True, True]
    loaded = datasets.NTURGBD(root, frames_per_clip=2, pipeline=LOAD)[1]
    assert loaded['has_depth'] is False and 'gt_depth' not in loaded


@pytest.mark.parametrize('place', LEFT_OUT)
def test_clips_that_the_authors_leave_out(tmp_path, place):
    root = ntu(ntu(tmp_path), OTHER)
    native.text(root / place, 'The following samples have missing skeletons:', '', OTHER)
    assert {x['img_id'][:20] for x in records(datasets.NTURGBD(root))} == {TAG}


def test_a_list_of_frames_decides(tmp_path):
    root = ntu(ntu(tmp_path), OTHER)
    native.text(root / LEFT_OUT[0], OTHER)
    native.text(root / 'nturgbd_flist_clear.txt', f'/somewhere/{TAG}/MDepth-00000003.png',
                f'parsed/{TAG}/Skeleton-00000000.pkl', f'x/{OTHER}/WRGB-00000002.jpg')
    found = records(datasets.NTURGBD(root))
    assert [x['img_id'] for x in found] == [f'{TAG}/3', f'{TAG}/1']  # that of a skeleton file counts from 0
    assert [bool(x['keypoints_visible'].any()) for x in found] == [True, False]  # listed, though nobody is there
    for line in ('holiday.jpg', '.', './'):
        native.text(root / 'nturgbd_flist_clear.txt', line)
        with pytest.raises(DataError, match=f"nturgbd_flist_clear.txt' has the line '{line}'"):
            datasets.NTURGBD(root)


@pytest.mark.parametrize('change', [
    lambda x: x[:-3], lambda x: ['nan', *x[1:]], lambda x: [], lambda x: ['2', *x[1:]], lambda x: [x[0], '7', *x[2:]],
    lambda x: [*x[:3], '-5', *x[4:]], lambda x: [*x[:6], 'a b c', *x[7:]], lambda x: [*x[:6], '1 2 3', *x[7:]]])
def test_a_broken_skeleton_file_is_named(tmp_path, change):
    root = ntu(tmp_path)
    path = skeleton(root, TAG, [body(1)])
    assert len(datasets.NTURGBD(root)) == 1
    native.text(path, *change(path.read_text().splitlines()))
    with pytest.raises(DataError, match=rf"cannot read '.*{TAG}.skeleton'.*Expected a skeleton file"):
        datasets.NTURGBD(root)


def test_a_clip_without_skeleton_file_is_named(tmp_path):
    root = ntu(ntu(tmp_path), OTHER)
    (root / f'{SKELETONS}/{OTHER}.skeleton').unlink()
    with pytest.raises(DataError, match=f'{OTHER}.skeleton. is missing: expected the skeletons of a clip'):
        datasets.NTURGBD(root)


def test_clips_without_any_body_leave_nothing(tmp_path):
    skeleton(ntu(tmp_path), TAG, [], [], [])
    with pytest.raises(DataError, match="no record for split 'train' of NTU RGB"):
        datasets.NTURGBD(tmp_path)


@pytest.mark.parametrize('values, message', [
    (np.full((40, 30), 9, np.uint8), 'expected one channel of 16 bits'),
    (np.full((40, 30, 3), 900, np.uint16), 'expected one channel of 16 bits'),
    (np.full((30, 40), 900, np.uint16), 'has 40 x 30 pixels, its colour image .* 30 x 40'),
    (b'', 'MDepth-00000002.png. is not an image that can be read'), (b'\x89PNG\r\n\x1a\n' + bytes(99), 'MDepth-0000')])
def test_depth_that_cannot_be_used_is_named(tmp_path, values, message):
    data = datasets.NTURGBD(ntu(tmp_path), frames_per_clip=9, pipeline=LOAD)
    assert data[0]['has_depth']
    path = Path(data.get_data_info(0)['depth_path'])
    if isinstance(values, bytes):
        path.write_bytes(values)
    else:
        depth(path, values)
    with pytest.raises(DataError, match=message):
        data[0]


def test_truncated_depth_is_named(tmp_path):
    data = datasets.NTURGBD(ntu(tmp_path), frames_per_clip=9, pipeline=LOAD)
    path = Path(data.get_data_info(0)['depth_path'])
    depth(path, np.random.default_rng(0).integers(1, 9000, (40, 30)).astype(np.uint16))
    whole = path.read_bytes()
    path.write_bytes(whole[:len(whole) // 2])
    with pytest.raises(DataError, match='MDepth-00000002.png'):
        data[0]


def test_depth_that_leads_out_is_refused(tmp_path):
    data = datasets.NTURGBD(ntu(tmp_path / 'data'), frames_per_clip=9, pipeline=LOAD)
    path = Path(data.get_data_info(0)['depth_path'])
    path.rename(tmp_path / 'secret.png')
    path.symlink_to(tmp_path / 'secret.png')
    with pytest.raises(DataError, match='leads out of the dataset'):
        data[0]


# ----------------------------------------------------------------------------------------------- NTURGBD-Parsing-4K
@pytest.fixture
def parsing(tmp_path) -> Path:
    for frame in (1, 2):
        name = f'{TAG}F{frame:03d}'
        native.image(tmp_path / f'images/{name}.jpg')
        depth(tmp_path / f'depth/MDepth-{name}.png', np.full((40, 30), 1500, np.uint16))
        native.labels(tmp_path / f'png_annotation_v2/{name}.png', np.full((40, 30), 58))
    for split, version, names in (('train', 'v2', (1, 2)), ('train', 'v3', (2,)), ('val', 'v2', (1,))):
        native.text(tmp_path / f'{split}_list_{version}.txt', *(f'images/{TAG}F{x:03d}.jpg' for x in names))
    return tmp_path


def test_labelled_frames_in_colour_and_as_depth(parsing):
    colour, as_depth = (datasets.NTURGBDParsing(parsing, modality=x) for x in ('rgb', 'depth'))
    names = [[Path(x['img_path']).name for x in records(y)] for y in (colour, as_depth)]
    assert names == [[f'{TAG}F00{k}.jpg' for k in (1, 2)], [f'MDepth-{TAG}F00{k}.png' for k in (1, 2)]]
    assert [Path(x['depth_path']).name for x in records(colour)] == names[1]
    assert 'depth_path' not in records(as_depth)[0]
    assert colour.metainfo['num_classes'] == len(colour.metainfo['class_weights']) == 25
    assert records(colour)[0]['label_map'][58] == 24 and 'keypoints' not in records(colour)[0]
    assert len(datasets.NTURGBDParsing(parsing, version='v3')) == 1
    image = datasets.NTURGBDParsing(parsing, modality='depth', pipeline=[dict(type=LoadDepthImage)])[0]['img']
    assert image.shape == (40, 30) and image.dtype == np.float32 and set(image.ravel()) == {1.5}


def test_skeletons_beside_labelled_frames_are_read(parsing):
    skeleton(parsing, TAG, [], [body(3)])
    found = records(datasets.NTURGBDParsing(parsing))
    assert [float(x['keypoints_visible'].sum()) for x in found] == [0, 25] and found[1]['keypoints'][0, 2, 1] == 2
    native.text(parsing / 'train_list_v2.txt', 'images/holiday.jpg')
    with pytest.raises(DataError, match="train_list_v2.txt' names 'holiday'"):
        datasets.NTURGBDParsing(parsing)


def test_labelled_frames_without_the_depth_folder(parsing):
    (parsing / 'depth').rename(parsing / 'elsewhere')
    assert records(datasets.NTURGBDParsing(parsing))[0]['depth_path'] is None
    with pytest.raises(DataError, match='depth. is missing'):
        datasets.NTURGBDParsing(parsing, modality='depth')


@pytest.mark.parametrize('option', [dict(modality='deep'), dict(version='v4')])
def test_unknown_modalities_and_versions(parsing, option):
    with pytest.raises(UserError, match="Did you mean|Known: "):
        datasets.NTURGBDParsing(parsing, **option)


# ---------------------------------------------------------------------------------------------------------- ITOP
def itop(root: Path, split: str = 'train', count: int = 5, invalid: tuple[int, ...] = (), **options) -> Path:
    """Frame i lies i + 1 metres away, and its joints at (10 + i, 10 + j)."""
    root.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / f'ITOP_side_{split}_depth_map.h5', 'w') as file:
        frames = np.arange(1, count + 1, dtype=np.float16)[:, None, None] * np.ones((1, 24, 32), np.float16)
        file.create_dataset('data', data=frames, **options)
    points = np.stack(np.broadcast_arrays(10 + np.arange(count)[:, None], 10 + np.arange(15)), -1)
    with h5py.File(root / f'ITOP_side_{split}_labels.h5', 'w') as file:
        file['is_valid'] = np.array([i not in invalid for i in range(count)], np.uint8)
        file['image_coordinates'] = points.astype(np.int16)
        file['real_world_coordinates'] = np.concatenate([points, points[..., :1]], -1).astype(np.float32)
    return root


def test_valid_frames_alone(tmp_path):
    data = datasets.ITOP(itop(tmp_path, invalid=(1, 4)), pipeline=[dict(type=LoadDepthImage)])
    assert [x['frame_index'] for x in records(data)] == [0, 2, 3]
    assert [set(data[i]['img'].ravel()) for i in range(3)] == [{1.0}, {3.0}, {4.0}]
    found = records(data)[1]
    assert found['keypoints'][0, 3].tolist() == [12, 13] and found['keypoints_3d'].shape == (1, 15, 3)
    assert found['bbox'].tolist() == [[12 - 25, 10 - 15, 12 + 25, 24 + 15]]


@pytest.mark.parametrize('percent, rows', [(10, [9, 19]), (1, []), (None, list(range(25)))])
def test_subsets_begin_with_the_last_of_the_first_group(tmp_path, percent, rows):
    root = itop(tmp_path, count=25)
    if rows:
        assert [x['frame_index'] for x in records(datasets.ITOP(root, percent=percent))] == rows
    else:
        with pytest.raises(DataError, match='no record'):
            datasets.ITOP(root, percent=percent)


def test_released_counts_of_subsets():
    counts = {percent: len(range(every - 1, 17991, every)) for percent, every in datasets.pose_3d.SUBSETS.items()}
    assert counts == {10: 1799, 1: 179, 0.5: 89, 0.2: 35, 0.1: 17}


def test_subsets_are_of_training(tmp_path):
    with pytest.raises(UserError, match='percent = 7'):
        datasets.ITOP(itop(tmp_path), percent=7)
    with pytest.raises(UserError, match="split 'test' is used whole"):
        datasets.ITOP(itop(tmp_path, 'test'), 'test', percent=10)


def test_boxes_of_a_detector_are_used_in_the_test(tmp_path):
    root = itop(tmp_path, 'test', count=3, invalid=(0,))
    native.mat(root / 'itop_side_bndbox_test.mat', FRbndbox_test=np.array([[1., 2, 20, 30], [3, 4, 21, 31]]))
    assert [x['bbox'].tolist() for x in records(datasets.ITOP(root, 'test'))] == [[[1, 2, 20, 30]], [[3, 4, 21, 31]]]
    native.mat(root / 'itop_side_bndbox_test.mat', FRbndbox_test=np.ones((3, 4)))
    with pytest.raises(DataError, match=r'FRbndbox_test is \(3, 4\)'):
        datasets.ITOP(root, 'test')


@pytest.mark.parametrize('which', ['depth_map', 'labels'])
@pytest.mark.parametrize('how', ['truncated', 'empty', 'text'])
def test_a_damaged_h5_file_is_named(tmp_path, which, how):
    root = itop(tmp_path, compression='gzip')
    data = datasets.ITOP(root, pipeline=[dict(type=LoadDepthImage)])
    assert data[0]['img'].any()
    path = root / f'ITOP_side_train_{which}.h5'
    whole = path.read_bytes()
    path.write_bytes({'truncated': whole[:len(whole) // 2], 'empty': b'', 'text': b'<html>'}[how])
    with pytest.raises(DataError, match=f"cannot read '.*ITOP_side_train_{which}.h5'"):
        (data if which == 'depth_map' else datasets.ITOP(root))[0]


def test_fewer_frames_than_labels(tmp_path):
    data = datasets.ITOP(itop(tmp_path), pipeline=[dict(type=LoadDepthImage)])
    with h5py.File(tmp_path / 'ITOP_side_train_depth_map.h5', 'r+') as file:
        kept = file['data'][:2]
        del file['data']
        file['data'] = kept
    assert data[1]['img'].any()
    with pytest.raises(DataError, match='it has 2 frames, and no frame 4'):
        data[4]


def _external_link(file: h5py.File, secret: Path) -> None:
    file['data'] = h5py.ExternalLink(str(secret), 'data')


def _external_numbers(file: h5py.File, secret: Path) -> None:
    file.create_dataset('data', (5, 24, 32), 'f2', external=[(str(secret), 0, 5 * 24 * 32 * 2)])


def _view(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout((5, 24, 32), 'f2')
    layout[...] = h5py.VirtualSource(str(secret), 'data', (5, 24, 32))
    file.create_virtual_dataset('data', layout)


@pytest.mark.parametrize('lead', [_external_link, _external_numbers, _view])
def test_numbers_in_other_files_are_refused(tmp_path, lead):
    """Each does read the secret where nobody looks: the control."""
    secret = itop(tmp_path / 'secret') / 'ITOP_side_train_depth_map.h5'
    data = datasets.ITOP(itop(tmp_path / 'data'), pipeline=[dict(type=LoadDepthImage)])
    path = tmp_path / 'data/ITOP_side_train_depth_map.h5'
    with h5py.File(path, 'r+') as file:
        del file['data']
        lead(file, secret)
    with h5py.File(path) as file:
        assert file['data'][0].any()
    with pytest.raises(DataError, match='of its own|lie in other files'):
        data[0]


def test_measurements_that_are_no_numbers_are_no_depth(tmp_path):
    data = datasets.ITOP(itop(tmp_path), pipeline=[dict(type=LoadDepthImage)])
    with h5py.File(tmp_path / 'ITOP_side_train_depth_map.h5', 'r+') as file:
        file['data'][0, 0, :4] = [np.nan, np.inf, -1, 2]
    assert data[0]['img'][0, :5].tolist() == [0, 0, 0, 2, 1]


@pytest.mark.parametrize('name, value, message', [
    ('is_valid', np.ones(4, np.uint8), 'has 4, 5 and 5 rows'), ('image_coordinates', np.ones((5, 14, 2)), 'expected'),
    ('image_coordinates', np.full((5, 15, 2), np.nan), 'not in pixels'),
    ('real_world_coordinates', np.full((5, 15, 3), np.inf), 'not in pixels and metres'),
    ('is_valid', np.array([b'yes'] * 5), 'no array of numbers')])
def test_labels_of_another_form_are_named(tmp_path, name, value, message):
    root = itop(tmp_path)
    with h5py.File(root / 'ITOP_side_train_labels.h5', 'r+') as file:
        del file[name]
        file[name] = value
    with pytest.raises(DataError, match=f'ITOP_side_train_labels.h5.*{message}'):
        datasets.ITOP(root)
