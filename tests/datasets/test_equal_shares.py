"""Datasets of different sizes at equal shares: which record comes when, on any number of ranks."""
import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from mmengine.config import Config

from humanbench import datasets
from humanbench.datasets.transforms import HideJointsOutside, LoadDepth, LoadImage, PackHumanInputs, Resize
from humanbench.engine.mixture import Mixture
from humanbench.engine.preview import preview
from humanbench.engine.sampler import UnitSampler
from humanbench.errors import DataError, UserError

from . import native

STEPS = [dict(type=LoadImage), dict(type=LoadDepth), dict(type=Resize, size=(16, 16)), dict(type=PackHumanInputs)]


def crops(root, count: int, first: int = 0) -> dict:
    for i in range(count):
        native.image(root / f'images/{i:02d}.jpg', value=10 * (first + i))
    return dict(type=datasets.LUPerson, root=root, pipeline=STEPS)


@pytest.fixture
def three(tmp_path) -> list[dict]:
    return [crops(tmp_path / name, count, first) for name, count, first in (('a', 7, 0), ('b', 2, 7), ('c', 3, 9))]


def test_every_record_as_often_as_its_share(three):
    data = datasets.EqualShares(three)
    assert len(data) == 21 and data.num_records == 12 == data.metainfo['num_records']
    index = [data[i]['data_samples'].index for i in range(len(data))]
    assert [data.get_data_info(i)['index'] for i in range(len(data))] == index
    counts = Counter(index)
    assert [counts[i] for i in range(7)] == [1] * 7  # the largest, once
    assert sorted(counts[i] for i in (7, 8)) == [3, 4] and sorted(counts[i] for i in (9, 10, 11)) == [2, 2, 3]
    assert [sum(counts[i] for i in part) for part in (range(7), (7, 8), (9, 10, 11))] == [7, 7, 7]


def test_an_index_is_always_the_same_record(three):
    data = datasets.EqualShares(three)
    paths = {}
    for i in range(len(data)):
        record = data.get_data_info(i)
        assert paths.setdefault(record['index'], record['img_path']) == record['img_path']
    assert len(set(paths.values())) == 12


def test_samples_say_what_they_are(three):
    data = datasets.EqualShares(three)
    sample = data[4]['data_samples']
    assert (sample.task, sample.sample_idx, sample.index, sample.has_depth) == ('pretext', 4, 7 + 1, False)
    assert data.metainfo['datasets'] == ('luperson',) * 3 and repr(data).count('luperson train') == 3
    copied = pickle.loads(pickle.dumps(data))
    assert all(torch.equal(copied[i]['inputs'], data[i]['inputs']) for i in range(6))
    assert len({data.fingerprint(), datasets.EqualShares(three[::-1]).fingerprint()}) == 2
    for wrong in (-1, 21):
        with pytest.raises(IndexError):
            data[wrong]


@pytest.mark.parametrize('ranks', [1, 2, 3])
def test_all_ranks_together_draw_the_same_samples(three, ranks):
    sources = dict(people=dict(task='pretext', batch_size=3, slots=4,
                               dataset=dict(type='EqualShares', datasets=three)))
    mixture = Mixture(sources)
    plan, drawn = mixture.build_plan(sources, seed=5), []
    for rank in range(ranks):
        own = [('people', slot) for slot in range(4) if slot % ranks == rank]
        drawn += [key for keys in UnitSampler(plan, own, 0, 7) for key in keys]
    assert sorted(key.index for key in drawn) == sorted(4 * [*range(21)])  # 7 steps of 12 go through all four times
    data = mixture.datasets['people'].dataset
    shares = Counter(data.get_data_info(x.index)['img_path'].split('/')[-3] for x in drawn)
    assert shares == dict(a=28, b=28, c=28)
    found = [mixture[key]['data_samples'] for key in drawn[:3]]
    assert {x.source for x in found} == {'people'} and all(0 <= x.index < 12 for x in found)


def test_a_plan_knows_its_length_without_reading(three, tmp_path):
    entry = dict(task='pretext', batch_size=3)
    for type_ in ('EqualShares', datasets.EqualShares):
        found = preview(Config(dict(sources=dict(x=dict(entry, dataset=dict(type=type_, datasets=three)))),
                               format_python_code=False))
        assert found.plan.sources['x'].size == 21
    absent = [dict(type=x, root=str(tmp_path / 'no'), pipeline=STEPS) for x in (datasets.NTURGBD, datasets.MPII)]
    found = preview(Config(dict(sources=dict(x=dict(entry, dataset=dict(type='EqualShares', datasets=absent)))),
                           format_python_code=False))
    assert found.plan.sources['x'].size == 2 * 56_578  # of the cards, MPII's 22,246 people twice and more


@pytest.mark.parametrize('arguments, message', [
    (dict(datasets=[]), 'empty list'), (dict(datasets=[dict(type=datasets.LUPerson)]), "'luperson' has no pipeline"),
    (dict(datasets=[dict(type=datasets.LUPerson, pipeline=STEPS)], task='pretexts'), "Did you mean 'pretext'"),
    (dict(datasets=[dict(type=datasets.LUPerson, pipeline=STEPS)], root='/nowhere'), 'nowhere/LUP. is missing'),
])
def test_what_cannot_be_shared(arguments, message):
    with pytest.raises((UserError, DataError), match=message):
        datasets.EqualShares(**arguments)


def test_lazily_it_touches_nothing(tmp_path):
    absent = datasets.EqualShares([dict(type=datasets.LUPerson, root=tmp_path / 'absent', pipeline=STEPS)],
                                  lazy_init=True)
    assert 'luperson train' in repr(absent)
    with pytest.raises(DataError, match='absent. is missing'):
        len(absent)


def test_frames_and_photos_mix(edition):
    """NTU RGB+D with MPII at equal shares, as HCMoCo pretrains."""
    from tests.datasets.test_minihuman import config
    steps = config('rgbd')
    data = datasets.EqualShares([dict(type=datasets.NTURGBD, pipeline=steps['rgbd_train_pipeline']),
                                 dict(type=datasets.MPII, pipeline=steps['depthless_train_pipeline'])],
                                root='minihuman:tiny')
    np.random.seed(0)
    samples = [data[i]['data_samples'] for i in range(10)]
    assert [x.dataset for x in samples] == ['ntu_rgbd', 'mpii'] * 5 and {x.task for x in samples} == {'pretext'}
    assert not any(x.has_depth for x in samples[1::2]) and any(x.has_depth for x in samples[::2])
    assert {x.gt_instances.keypoints.shape for x in samples} == {(1, 16, 2)}
    assert HideJointsOutside in [x['type'] for x in steps['depthless_train_pipeline']]
