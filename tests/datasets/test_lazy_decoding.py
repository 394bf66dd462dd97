"""Decoding no more of an image than a crop shows gives the pixels of the whole image, and is done where it can be."""
import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import Compose

from humanbench import catalog
from humanbench.datasets import transforms
from humanbench.datasets.transforms import jpeg
from humanbench.datasets.transforms.loading import EncodedImage
from humanbench.errors import DataError
from humanbench.resources import find_config

pytestmark = pytest.mark.skipif(jpeg.simplejpeg is None, reason='without simplejpeg all of an image is decoded')
SEQUENTIAL = {
    '4:2:0': [], '4:4:4': [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444],
    '4:2:2': [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422],
    '4:4:0': [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440],
    'restarts': [cv2.IMWRITE_JPEG_RST_INTERVAL, 3], 'optimised': [cv2.IMWRITE_JPEG_OPTIMIZE, 1]}
PROGRESSIVE = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]


def picture(height: int, width: int, seed: int = 0, options: list[int] = (), grey: bool = False) -> bytes:
    """A JPEG file with strong colours and edges."""
    image = np.random.default_rng(seed).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode('.jpg', image[..., 0] if grey else image, list(options))[1].tobytes()


@pytest.fixture
def heights(monkeypatch) -> list[int]:
    """The heights that the headers of decoded files say."""
    found, decode_jpeg = [], jpeg.simplejpeg.decode_jpeg

    def counted(data, *args, **kwargs):
        found.append(jpeg.simplejpeg.decode_jpeg_header(data)[0])
        return decode_jpeg(data, *args, **kwargs)
    monkeypatch.setattr(jpeg.simplejpeg, 'decode_jpeg', counted)
    return found


@pytest.mark.parametrize('kind', [*SEQUENTIAL, 'grey'])
def test_the_first_rows_are_those_of_the_whole_image(kind, heights):
    for height, width in ((97, 83), (160, 64), (18, 40)):
        data = picture(height, width, height, SEQUENTIAL.get(kind, []), kind == 'grey')
        whole = jpeg.decode(data)
        for rows in (*range(1, 40, 3), height // 2, height - 3, height - 2, height - 1, height):
            rows = min(rows, height)
            heights.clear()
            top = jpeg.decode_top(data, rows)
            assert top.shape == (rows, width, 3) and (top == whole[:rows]).all()
            assert heights == [min(rows + 2, height)]
    assert (jpeg.decode(picture(97, 83, 1)) != jpeg.decode(picture(97, 83, 2))).any()


def test_where_rows_do_not_follow_each_other_all_is_decoded(heights):
    data = picture(96, 80, options=PROGRESSIVE)
    assert (jpeg.decode_top(data, 20) == jpeg.decode(data)[:20]).all() and heights == [96, 96]


def test_the_height_of_a_thumbnail_is_left_alone(heights):
    data, thumbnail = picture(96, 80), picture(40, 32, 1)
    segment = b'Exif\0\0' + thumbnail
    data = data[:2] + b'\xff\xe1' + (len(segment) + 2).to_bytes(2, 'big') + segment + b'\xff' + data[2:]
    assert (jpeg.decode_top(data, 20) == jpeg.decode(data)[:20]).all() and heights == [22, 96]


@pytest.mark.parametrize('share', [0.2, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_an_error_whatever_is_wanted_of_it(share, tmp_path):
    data = picture(96, 80)
    (tmp_path / 'cut.jpg').write_bytes(data[:int(share * len(data))])
    with pytest.raises(DataError, match='cut.jpg'):
        EncodedImage(str(tmp_path / 'cut.jpg')).decode(4)
    (tmp_path / 'cut.jpg').write_bytes(data)  # control
    assert EncodedImage(str(tmp_path / 'cut.jpg')).decode(4).shape == (4, 80, 3)


def test_damage_above_the_last_row_is_noticed_and_damage_below_is_not():
    """A marker among coded pixels ends them. (Most other damage decodes to something, of the whole file too.)"""
    data = picture(160, 128)
    places = (int(share * len(data)) for share in (0.4, 0.9))
    above, below = (data[:x] + b'\xff\xfe' + data[x + 2:] for x in places)
    for broken in (above, below):
        with pytest.raises(ValueError, match='premature end'):
            jpeg.decode(broken)
    with pytest.raises(ValueError, match='premature end'):
        jpeg.decode_top(above, 110)
    assert (jpeg.decode_top(below, 110) == jpeg.decode_top(data, 110)).all()


@pytest.mark.parametrize('junk', [
    b'', b'\xff', b'\xff\xd8', b'\xff\xd8\xff', b'\xff\xd8\xff\xd9', b'\xff\xd8\xff\xc0\xff\xd9',
    b'\xff\xd8\xff\xe1\0\0\xff\xd9', b'\xff\xd8' + 50 * b'\xff' + b'\xd9'])
def test_what_is_no_image_is_an_error(junk):
    with pytest.raises(ValueError):
        jpeg.decode_top(junk, 3)


def record(task: str, folder, data: bytes, seed: int) -> dict:
    """What a reader of the task gives, of a picture of 240 x 200 pixels."""
    (folder / 'a.jpg').write_bytes(data)
    found, rng = dict(img_path=str(folder / 'a.jpg')), np.random.default_rng(seed)
    card = catalog.card({'pose': 'coco_pose', 'parsing': 'lip'}.get(task, 'crowdhuman'))
    if task == 'pose':
        x, y = rng.uniform(-20, 120, 2)
        keypoints = rng.uniform((x, y), (x + 60, y + 90), (1, 17, 2)).astype(np.float32)
        found |= dict(bbox=np.array([[x, y, x + 60, y + 90]], np.float32), keypoints=keypoints,
                      keypoints_visible=np.ones((1, 17), np.float32), flip_indices=np.array(card.flip_indices),
                      upper_body_ids=list(card.upper_body), lower_body_ids=list(card.lower_body))
    elif task == 'parsing':
        cv2.imwrite(str(folder / 'a.png'), rng.integers(0, 20, (200, 240), np.uint8))
        found |= dict(seg_map_path=str(folder / 'a.png'), label_map=None, num_classes=20, seg_fields=[],
                      flip_indices=np.array(card.flip_indices))
    elif task == 'attribute':
        x, y = rng.uniform(0, 100, 2)
        found |= dict(bbox=np.array([[x, y, x + 60, y + 90]], np.float32), attributes=np.ones(3, np.int8))
    elif task == 'detection':
        found |= dict(instances=[dict(bbox=[20, 10, 90, 190], bbox_label=0, ignore_flag=0)])
    else:
        found |= dict(gt_points=rng.uniform(0, 200, (30, 2)).astype(np.float32))
    return found


@pytest.mark.parametrize('task', ['pose', 'parsing', 'detection', 'counting', 'attribute'])
def test_shipped_pipelines_give_the_same_and_decode_less(task, tmp_path, heights):
    steps = Config.fromfile(find_config(f'_base_/pipelines/{task}.py'))[f'{task}_train_pipeline']
    steps = [dict(x, size=64) if task == 'counting' and 'size' in x else dict(x) for x in steps]
    assert steps[0] == dict(type=transforms.LoadImage, lazy=True)
    lazy, whole = Compose(steps), Compose([dict(steps[0], lazy=False), *steps[1:]])
    data, less = picture(200, 240), 0
    for seed in range(24):
        found = []
        for pipeline in (lazy, whole):
            heights.clear()
            np.random.seed(seed)
            found.append(pipeline(record(task, tmp_path, data, seed)))
            if pipeline is lazy:
                less += heights[0] < 200
        ours, theirs = (x['data_samples'] for x in found)
        assert (found[0]['inputs'] == found[1]['inputs']).all() and heights == [200]
        assert ours.metainfo.keys() == theirs.metainfo.keys()
        assert all(ours.get(x) == theirs.get(x) for x in ('ori_shape', 'img_shape', 'flip'))
    assert less > 4


def test_a_box_without_extent_takes_the_whole_image(tmp_path):
    """It has no place in the image; what comes of it is MMPose's."""
    steps = [dict(type=transforms.LoadImage, lazy=True), dict(type=transforms.TopdownAffine, input_size=(48, 64))]
    person = record('pose', tmp_path, picture(200, 240), 0)
    person |= dict(bbox_center=np.zeros((1, 2), np.float32), bbox_scale=np.zeros((1, 2), np.float32))
    with np.errstate(all='ignore'):
        assert Compose(steps)(person)['img'].shape == (64, 48, 3)
