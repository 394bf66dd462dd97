"""Every reader on the synthetic edition of its dataset: records as promised, and the standard pipelines over them."""
import pickle
import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

import humanbench
from humanbench import catalog, datasets
from humanbench.registry import DATASETS
from humanbench.structures import HumanSample

PIPELINES = Path(humanbench.__file__).parents[1] / 'configs/_base_/pipelines'
READERS = {id: reader for reader in datasets.READERS for id in reader.datasets}
CASES = [(id, split) for id, reader in READERS.items() for split in reader.splits]
VARIANTS = {'h36m_pose': 'pose_h36m', 'mpii': 'pose_mpii',  # train pipelines that are not the task's first
            **dict.fromkeys(('posetrack', 'jrdb', 'threedpw', 'halpe', 'mpi_inf_3dhp', 'aist'), 'pose_shift')}


FILES = {'ntu_rgbd': 'rgbd'}  # pipelines that are not named after the task


@cache
def config(task: str) -> Config:
    return Config.fromfile(PIPELINES / f'{task}.py')


def pipeline(id: str, mode: str) -> list:
    task = FILES.get(id, catalog.card(id).tasks[0])
    name = VARIANTS.get(id, task) if mode == 'train' else task
    return config(task)[f'{name}_{mode}_pipeline']


@cache
def tiny(id: str, split: str) -> datasets.HumanDataset:
    return READERS[id]('minihuman:tiny', split, dataset=id)


def with_pipeline(id: str, mode: str) -> datasets.HumanDataset:
    """The first split (that of training, where there is one) with a pipeline of the configs."""
    split = READERS[id].splits[0]
    dataset = DATASETS.build(dict(type=READERS[id], root='minihuman:tiny', dataset=id, pipeline=pipeline(id, mode),
                                  split=split, lazy_init=True))
    read = tiny(id, split)
    dataset.__dict__.update({k: v for k, v in read.__dict__.items() if k != 'pipeline'})
    return dataset


def test_there_is_one_reader_for_every_card():
    assert sorted(READERS) == catalog.ids()
    assert len(READERS) == sum(len(x.datasets) for x in datasets.READERS)
    assert all(DATASETS.get(x.__name__) is x for x in datasets.READERS)


@pytest.mark.parametrize('id, split', CASES)
def test_records_are_as_promised(id, split, edition):
    dataset = tiny(id, split)
    card = catalog.card(id)
    assert len(dataset) > 0 and dataset.metainfo['dataset'] == id
    for i in range(len(dataset)):
        record = dataset.get_data_info(i)
        assert (record['dataset'], record['task'], record['sample_idx']) == (id, card.tasks[0], i)
        assert Path(record['img_path']).is_file() and isinstance(record['img_id'], (int, str))
        CHECKS[card.tasks[0]](record, card, split)


def _reid(record, card, split):
    assert type(record['pid']) is int and type(record['camid']) is int and record['pid'] >= 0
    assert record['camid'] >= 1 and (card.cameras is None or record['camid'] <= card.cameras)
    assert ('identity' in record) == (split in READERS[card.id].training_splits)


def _text_reid(record, card, split):
    training = split in READERS[card.id].training_splits
    assert type(record['pid']) is int and record['pid'] >= 1
    assert ('identity' in record, 'caption' in record, 'captions' in record) == (training, training, not training)
    sentences = [record['caption']] if training else record['captions']
    assert sentences and all(type(x) is str and len(x.split()) > 8 for x in sentences)


def _attribute(record, card, split):
    values, box = record['attributes'], record.get('bbox')
    assert box is None or box.shape == (1, 4) and box.dtype == np.float32 and (box[:, 2:] > box[:, :2]).all()
    assert ('flip_indices' in record) == bool(card.flip_pairs)
    assert values.shape == (len(card.attributes),) and values.dtype == np.int8 and set(values) <= {-1, 0, 1}


def _pose(record, card, split):
    num = len(card.keypoints)
    assert record['bbox'].shape == (1, 4) and record['bbox'].dtype == np.float32
    assert (record['bbox'][:, 2:] > record['bbox'][:, :2]).all() and record['bbox_score'].shape == (1,)
    assert record['keypoints'].shape == (1, num, 2) and record['keypoints'].dtype == np.float32
    visible = record['keypoints_visible']
    assert visible.shape == (1, num) and visible.dtype == np.float32 and set(visible.ravel()) <= {0.0, 1.0}
    assert visible.any() or card.id == 'mpii'
    annotation = record['raw_ann_info']
    assert annotation['id'] == record['id'] and annotation['area'] == record['area'] > 0
    stored = np.array(annotation['keypoints']).reshape(num, 3)
    assert np.allclose(stored[:, :2], record['keypoints'][0], atol=1e-3)
    assert sorted(record['upper_body_ids'] + record['lower_body_ids']) == list(range(num))
    assert (record['flip_indices'][record['flip_indices']] == np.arange(num)).all()
    seen = stored[:, 2] == stored[:, 2].max()  # a hidden joint may lie outside the box of what is visible
    x1, y1, x2, y2 = record['bbox'][0]
    reach = max(x2 - x1, y2 - y1)
    centre = np.array([x1 + x2, y1 + y2]) / 2
    assert card.id == 'h36m_pose' or (np.abs(stored[seen, :2] - centre) <= reach).all()  # the box is that of its person
    if card.id == 'mpii':
        assert len(record['center']) == 2 and record['scale'] > 0 and ('head_size' in record) == (split == 'val')


def _parsing(record, card, split):
    assert 'seg_polygons' in record or Path(record['seg_map_path']).is_file()
    assert record['seg_fields'] == []
    assert record['num_classes'] == len(card.classes)
    ids = card.label_ids
    assert record['label_map'] == (dict(zip(ids, range(len(ids)))) if ids else None)


def _detection(record, card, split):
    for box in record['instances']:
        x1, y1, x2, y2 = box['bbox']
        assert x2 > x1 and y2 > y1 and box['bbox_label'] == 0 and box['ignore_flag'] in (0, 1)
    assert len(record['raw_ann_info']) == len(record['instances'])


def _counting(record, card, split):
    points = record['gt_points']
    assert points.dtype == np.float32 and points.shape[1] == 2 and (points >= -0.5).all()


def _pretext(record, card, split):
    points, visible, num = record['keypoints'], record['keypoints_visible'], len(card.keypoints)
    assert points.shape == (1, num, 2) and points.dtype == visible.dtype == np.float32 and visible.shape == (1, num)
    assert set(visible.ravel()) <= {0.0, 1.0} and visible.sum() > 8 and np.isfinite(points).all()
    assert (points[visible > 0] >= -0.5).all() and (record['flip_indices'] == card.flip_indices).all()


def _pose_3d(record, card, split):
    points, places, (x, y, focal) = record['keypoints'][0], record['keypoints_3d'][0], record['camera']
    assert points.shape == (15, 2) and places.shape == (15, 3) and points.dtype == places.dtype == np.float32
    assert record['keypoints_visible'].tolist() == [[1.0] * 15] and record['bbox'].shape == (1, 4)
    seen = np.stack([x + focal * places[:, 0] / places[:, 2], y - focal * places[:, 1] / places[:, 2]], 1)
    assert np.abs(seen - points).max() < 1  # the same joints, in pixels and in metres; pixels are whole numbers
    x1, y1, x2, y2 = record['bbox'][0]
    assert x2 > x1 and y2 > y1 and (points[0] > (x1, y1)).all() and (points[0] < (x2, y2)).all()


def _person_search(record, card, split):
    _detection(record, card, split)
    people = [x['pid'] for x in record['instances']]
    assert all(type(x) is int and (x == -1 or x > 0) for x in people) and people
    for box, native in zip(record['instances'], record['raw_ann_info']):
        assert native['pid'] == box['pid'] and ('identity' in box) == (split == 'train')
        assert split != 'train' or (box['identity'] >= 0) == (box['pid'] > 0)
    assert ('frame' in record, 'queries' in record) == (split == 'test',) * 2
    for query in record.get('queries', ()):
        x1, y1, x2, y2 = query['bbox']
        assert x2 > x1 >= 0 and y2 > y1 >= 0 and query['pid'] in people
        assert query['gallery'] is None or record['frame'] not in query['gallery']


CHECKS = dict(reid=_reid, attribute=_attribute, pose=_pose, parsing=_parsing, detection=_detection, counting=_counting,
              pretext=_pretext, text_reid=_text_reid, person_search=_person_search, pose_3d=_pose_3d)


@pytest.mark.parametrize('id', [x for x in READERS if {'test', 'val'} & {*READERS[x].splits}
                                and 'train' in READERS[x].splits])
def test_splits_share_no_image(id, edition):
    """What a model is tested on it has not been trained on."""
    paths = {split: {tiny(id, split).get_data_info(i)['img_path'] for i in range(len(tiny(id, split)))}
             for split in READERS[id].splits}
    testing = next((x for x in ('test', 'val') if x in paths), None)
    if testing is None:
        assert set(paths) == {'train'} and paths['train']  # only trained on: none of its images can be tested on
        return
    training = paths['trainval'] if 'trainval' in paths and testing == 'test' else paths['train']
    assert not paths[testing] & training


@pytest.mark.parametrize('mode', ['train', 'test'])
@pytest.mark.parametrize('id', READERS)
def test_standard_pipeline(id, mode, edition):
    dataset = with_pipeline(id, mode)
    card = catalog.card(id)
    for index in (0, len(dataset) - 1):
        np.random.seed(index)
        item = dataset[index]
        image, sample = item['inputs'], item['data_samples']
        assert set(item) == {'inputs', 'data_samples'} and isinstance(sample, HumanSample)
        assert tuple(image.shape[1:]) == sample.img_shape
        assert (sample.task, sample.source, sample.dataset) == (card.tasks[0], id, id)
        if card.tasks[0] == 'pose_3d':  # metres
            assert image.dtype == torch.float32 and image.shape[0] == 1 and 0.05 < image[image > 0].std() < 3
        else:  # a picture, not padding
            assert image.dtype == torch.uint8 and image.shape[0] == 3 and image.float().std() > 5
        PACKED[card.tasks[0]](sample, card, mode, image.shape[1:])


def _packed_reid(sample, card, mode, size):
    assert tuple(size) == (256, 128) and sample.pid >= 0 and sample.camid >= 1
    assert ('gt_identity' in sample) == ('train' in READERS[card.id].splits)
    assert 'gt_identity' not in sample or sample.gt_identity.shape == ()


def _packed_text_reid(sample, card, mode, size):
    assert tuple(size) == (384, 128) and sample.pid >= 1 and sample.gt_identity.shape == ()
    assert type(sample.caption) is str and 'captions' not in sample


def _packed_attribute(sample, card, mode, size):
    assert tuple(size) == (256, 192) and sample.gt_attributes.shape == (len(card.attributes),)


def _packed_pose(sample, card, mode, size):
    points, visible = sample.gt_instances.keypoints, sample.gt_instances.keypoints_visible
    assert tuple(size) == (256, 192) and points.shape == (1, len(card.keypoints), 2)
    assert visible.shape == points.shape[:2]
    assert points.dtype == visible.dtype == torch.float32
    if mode == 'test':  # back to the image, as a head does it
        scale, centre = np.array(sample.input_scale), np.array(sample.input_center)
        back = points[0].numpy() / (191, 255) * scale + centre - scale / 2
        assert np.allclose(back, np.array(sample.raw_ann_info['keypoints']).reshape(-1, 3)[:, :2], atol=0.05)


def _packed_parsing(sample, card, mode, size):
    labels = sample.gt_sem_seg.data
    shape = (480, 480) if mode == 'train' else sample.ori_shape
    assert tuple(size) == (480, 480) and labels.shape == (1, *shape) and labels.dtype == torch.uint8
    values = set(labels.unique().tolist())
    assert values <= {*range(len(card.classes)), 255}
    few = 1 if not card.flip_pairs else 3  # clothes: one piece, or all parts of a body
    assert mode == 'train' or (255 not in values and len(values) > few)


def _packed_detection(sample, card, mode, size):
    boxes = sample.gt_instances.bboxes
    assert boxes.shape[1] == 4 and (boxes[:, 2:] > boxes[:, :2]).all() and (boxes >= 0).all()
    assert (boxes <= torch.tensor([size[1], size[0]] * 2)).all()
    assert len(sample.gt_instances.labels) == len(boxes) and sample.ignored_instances.bboxes.shape[1] == 4
    assert mode == 'train' or len(boxes) + len(sample.ignored_instances) == len(sample.raw_ann_info)
    assert len(sample.scale_factor) == 2 and min(size) >= 300


def _packed_counting(sample, card, mode, size):
    points = sample.gt_instances.points
    assert points.shape[1] == 2 and (points >= 0).all() and (points <= torch.tensor([size[1] - 1, size[0] - 1])).all()
    assert mode == 'test' or tuple(size) == (256, 256)


def _packed_pose_3d(sample, card, mode, size):
    found = sample.gt_instances
    assert tuple(size) == (288, 288) and found.keypoints.shape == (1, 15, 2) and found.keypoints_3d.shape == (1, 15, 3)
    matrix = np.array(sample.warp).reshape(2, 3)
    back = np.linalg.solve(matrix[:, :2], (found.keypoints[0].numpy() - matrix[:, 2]).T).T
    x, y, focal = sample.camera
    places = found.keypoints_3d[0].numpy()
    assert np.abs(x + focal * places[:, 0] / places[:, 2] - back[:, 0]).max() < 1
    assert np.abs(y - focal * places[:, 1] / places[:, 2] - back[:, 1]).max() < 1


def _packed_rgbd(sample, card, mode, size):
    points, visible = sample.gt_instances.keypoints, sample.gt_instances.keypoints_visible
    assert tuple(size) == (320, 320) and points.shape == (1, 16, 2) and visible.any()
    shown = points[visible > 0]
    assert (shown >= 0).all() and (shown <= 319).all()
    assert sample.gt_depth.shape == (1, 320, 320) and sample.gt_depth.dtype == torch.float32
    assert sample.has_depth == bool(sample.gt_depth.any()) and sample.index == sample.sample_idx
    if sample.has_depth:
        assert sample.gt_depth[sample.gt_depth > 0].min() > 1 and sample.gt_depth.max() < 6


def _packed_pretext(sample, card, mode, size):
    if card.id in FILES:
        _packed_rgbd(sample, card, mode, size)
        return
    points, visible = sample.gt_instances.keypoints, sample.gt_instances.keypoints_visible
    assert tuple(size) == (256, 128) and points.shape == (1, 17, 2) and visible.shape == (1, 17)
    assert points.dtype == visible.dtype == torch.float32 and visible.sum() > 5
    shown = points[visible > 0]
    assert (shown >= 0).all() and (shown <= torch.tensor([127, 255])).all()


def _packed_person_search(sample, card, mode, size):
    _packed_detection(sample, card, mode, size)
    found = sample.gt_instances
    assert found.pids.tolist() == [x['pid'] for x in sample.raw_ann_info]
    assert ((found.identities >= 0) == (found.pids > 0)).all()


PACKED = dict(reid=_packed_reid, attribute=_packed_attribute, pose=_packed_pose, parsing=_packed_parsing,
              detection=_packed_detection, counting=_packed_counting, pretext=_packed_pretext,
              text_reid=_packed_text_reid, person_search=_packed_person_search, pose_3d=_packed_pose_3d)


def fingerprint(item: dict) -> list:
    """The input and every label of a sample."""
    sample = item['data_samples']
    labels = [getattr(sample, x) for x in ('gt_attributes', 'gt_identity') if x in sample]
    for field in ('gt_instances', 'ignored_instances', 'gt_sem_seg'):
        if field in sample:
            labels += [value for _, value in sorted(sample.get(field).items())]
    return [item['inputs'], *labels]


@pytest.mark.parametrize('id', READERS)
def test_augmentation_is_a_function_of_the_seed(id, edition):
    dataset = with_pipeline(id, 'train')

    def run(seed: int) -> list:
        random.seed(seed)
        np.random.seed(seed)
        return fingerprint(dataset[0])
    first, again, others = run(1), run(1), [run(seed) for seed in (2, 3, 4)]
    assert len(first) == len(again) and all(torch.equal(a, b) for a, b in zip(first, again))
    differ = [a[0].shape != first[0].shape or not torch.equal(a[0], first[0]) for a in others]
    flipped = catalog.card(id).tasks[0] == 'person_search'  # and nothing else: two outcomes
    assert all(differ) or flipped and any(differ)


@pytest.mark.parametrize('id', ['coco_pose', 'crowdhuman'])
def test_a_pickled_reader_gives_the_same(id, edition):
    """Workers that are spawned get the reader by pickle."""
    dataset = with_pipeline(id, 'test')
    copied = pickle.loads(pickle.dumps(dataset))
    assert all(torch.equal(a, b) for a, b in zip(fingerprint(dataset[0]), fingerprint(copied[0])))


def test_cuhk03_protocol_file_gives_the_same_people(edition):
    folder = tiny('cuhk03', 'train')
    protocol = datasets.CUHK03('minihuman:tiny', ann_file='cuhk03_new_protocol_config_detected.mat')

    def people(dataset) -> list:
        return sorted((x['pid'], x['camid']) for x in map(dataset.get_data_info, range(len(dataset))))
    assert people(folder) == people(protocol)


@pytest.mark.parametrize('id', ['market1501', 'coco_pose', 'lip', 'shanghaitech_a'])
def test_input_size_is_overridden_as_the_configs_say(id, edition):
    sizes = {'market1501': ('size', (128, 64)), 'coco_pose': ('input_size', (96, 128)), 'lip': ('size', (128, 128)),
             'shanghaitech_a': ('size', 64)}
    key, value = sizes[id]
    steps = [dict(x, **{key: value}) if key in x else x for x in pipeline(id, 'train')]
    assert sum(key in x for x in steps) == 1
    dataset = READERS[id]('minihuman:tiny', pipeline=steps, dataset=id)
    expected = {'market1501': (128, 64), 'coco_pose': (128, 96), 'lip': (128, 128), 'shanghaitech_a': (64, 64)}[id]
    assert tuple(dataset[0]['inputs'].shape[1:]) == expected
