"""Several datasets as one: label spaces that do not touch, and everything a reader is asked for."""
import pickle

import numpy as np
import pytest
from mmengine.config import Config

from humanbench import catalog, datasets
from humanbench.datasets.transforms import LoadImage, PackHumanInputs, RandomFlip
from humanbench.engine.preview import CARD, ON_DISK, UNKNOWN, preview
from humanbench.errors import DataError, UserError
from humanbench.evaluation import attributes
from humanbench.registry import DATASETS
from humanbench.resources import folder

from . import native

TINY = 'minihuman:tiny'
SOURCES = {'reid_3sets': 2559, 'reid_dgmarket_prcc_last': 5901, 'attr_rapv2_pa100k': 80, 'attr_4sets': 131,
           'det_5sets': None}


def config(name: str) -> Config:
    return Config.fromfile(folder('configs') / '_base_' / 'sources' / f'{name}.py')[name]


def records(dataset) -> list[dict]:
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def market(root, *people: int) -> dict:
    for i, pid in enumerate(people):
        native.image(root / f'bounding_box_train/{pid:04d}_c1s1_{i:06d}_01.jpg')
    return dict(type=datasets.Market1501, root=root)


@pytest.fixture
def two(tmp_path):
    """People 2, 7, 7 of one dataset and 2, 9 of another."""
    for i, pid in enumerate((9, 2)):
        native.image(tmp_path / f'two/{pid:04d}/{i}.jpg')
    return [market(tmp_path / 'one', 2, 7, 7), dict(type=datasets.DGMarket, root=tmp_path / 'two')]


# ------------------------------------------------------------------------------------------------ identities
def test_identities_follow_one_another(two):
    merged = datasets.MergedReID(two)
    assert [(x['dataset'], x['pid'], x['identity'], x['sample_idx']) for x in records(merged)] == [
        ('market1501', 2, 0, 0), ('market1501', 7, 1, 1), ('market1501', 7, 1, 2), ('dgmarket', 1, 2, 3),
        ('dgmarket', 2, 3, 4)]
    assert merged.identities().tolist() == [0, 1, 1, 2, 3] and merged.metainfo['num_ids'] == 4 and len(merged) == 5
    assert merged.metainfo['datasets'] == ('market1501', 'dgmarket') and merged.metainfo['task'] == 'reid'
    assert repr(merged) == 'MergedReID(market1501 train 3, dgmarket train 2)'
    apart = [x['identity'] for reader in two for x in records(DATASETS.build(reader))]
    assert apart == [0, 1, 1, 0, 1]  # without the merge two people are one


@pytest.mark.parametrize('indices, rows', [(2, [0, 1]), ([4, 1], [4, 1]), ([-1], [4]), (range(3, 5), [3, 4]), (0, [])])
def test_some_records_of_all(two, indices, rows):
    whole, part = datasets.MergedReID(two), datasets.MergedReID(two, indices=indices)
    assert [x['img_path'] for x in records(part)] == [whole.get_data_info(i)['img_path'] for i in rows]
    assert part.identities().tolist() == whole.identities()[rows].tolist()  # labels stay those of all
    assert part.metainfo['num_ids'] == 4 and part.fingerprint() != whole.fingerprint()


def test_fingerprints_are_of_the_data_and_their_order(two, tmp_path):
    one, again = (datasets.MergedReID(two).fingerprint() for _ in range(2))
    other = datasets.MergedReID([market(tmp_path / 'x', 2, 7, 8), two[1]]).fingerprint()
    assert one == again and len({one, other, datasets.MergedReID(two[::-1]).fingerprint()}) == 3


def test_it_travels_to_workers_and_has_one_pipeline(two):
    merged = datasets.MergedReID(two, pipeline=[dict(type=LoadImage), dict(type=PackHumanInputs)])
    for dataset in (merged, pickle.loads(pickle.dumps(merged))):
        samples = [dataset[i]['data_samples'] for i in range(len(dataset))]
        assert [int(x.gt_identity) for x in samples] == [0, 1, 1, 2, 3]
        assert [x.dataset for x in samples] == ['market1501'] * 3 + ['dgmarket'] * 2
    with pytest.raises(IndexError):
        merged[5]


def test_links_out_of_a_member_are_refused(two, tmp_path):
    native.image(tmp_path / 'secret.jpg')
    (tmp_path / 'two/0009/0.jpg').unlink()
    (tmp_path / 'two/0009/0.jpg').symlink_to(tmp_path / 'secret.jpg')
    merged = datasets.MergedReID(two, pipeline=[dict(type=LoadImage)])
    assert merged[3]['img'].shape == (40, 30, 3)
    with pytest.raises(DataError, match='leads out of the dataset'):
        merged[4]


def test_lazily_it_touches_nothing_and_a_missing_member_says_so(two, tmp_path):
    absent = [*two, dict(type=datasets.PRCC, root=tmp_path / 'absent')]
    merged = datasets.MergedReID(absent, lazy_init=True)
    assert repr(merged) == 'MergedReID(market1501 train, dgmarket train, prcc train)'
    with pytest.raises(DataError, match=r"absent' is missing: expected the folder of PRCC"):
        len(merged)


def test_one_root_holds_all_at_their_usual_places(tmp_path):
    market(tmp_path / catalog.card('market1501').layout.root, 2, 7)
    native.image(tmp_path / catalog.card('dgmarket').layout.root / '1/a.jpg')
    readers = [dict(type=datasets.Market1501), dict(type='DGMarket')]
    for root in (tmp_path, f'{tmp_path}/'):
        merged = datasets.MergedReID(readers, root=root)
        assert [x['dataset'] for x in records(merged)] == ['market1501', 'market1501', 'dgmarket']
    source = dict(task='reid', batch_size=4, dataset=dict(type='MergedReID', datasets=readers, root=str(tmp_path)))
    found = preview(Config(dict(sources=dict(x=source)), format_python_code=False))
    assert found.origins == dict(x=ON_DISK) and found.plan.sources['x'].size == 3
    with pytest.raises(DataError, match=r'elsewhere/Market-1501-v15.09.15. is missing'):
        datasets.MergedReID(readers, root=tmp_path / 'elsewhere')


@pytest.mark.parametrize('arguments, message', [
    (dict(datasets=[]), 'empty list'),
    (dict(datasets=[dict(type=datasets.PA100K)]), "merges datasets of task reid; 'pa100k' is of task attribute"),
    (dict(datasets=[dict(type=datasets.Market1501, pipeline=[dict(type=LoadImage)])]), 'one pipeline'),
])
def test_what_cannot_be_merged(arguments, message):
    with pytest.raises(UserError, match=message):
        datasets.MergedReID(**arguments)


def test_test_splits_have_no_labels_to_merge(tmp_path):
    native.image(tmp_path / 'query/0001_c1s1_000001_01.jpg')
    with pytest.raises(UserError, match="split 'query' of 'market1501' is for testing"):
        datasets.MergedReID([dict(type=datasets.Market1501, root=tmp_path, split='query')])


# ------------------------------------------------------------------------------------------------ attributes, boxes
def test_attributes_of_other_datasets_are_unknown(edition):
    merged = DATASETS.build(dict(config('attr_4sets').dataset, root=TINY, pipeline=[]))
    ids = merged.metainfo['datasets']
    starts = np.cumsum([0, *(len(catalog.card(x).attributes) for x in ids)])
    assert merged.metainfo['num_attributes'] == starts[-1] == len(merged.metainfo['classes']) == 131
    assert merged.metainfo['classes'][0] == 'hardhc/male' and merged.metainfo['classes'][-1].endswith('/downbrown')
    row = 0
    for number, reader in enumerate(merged.readers):
        for own in records(reader):
            values = merged.get_data_info(row)['attributes']
            inside = slice(starts[number], starts[number + 1])
            assert (values[inside] == own['attributes']).all() and values.dtype == np.int8
            assert (np.delete(values, range(*inside.indices(131))) == -1).all()
            row += 1
    assert row == len(merged)


def test_left_and_right_change_places_inside_their_dataset(edition):
    merged = DATASETS.build(dict(config('attr_4sets').dataset, root=TINY, pipeline=[]))
    names, flip = merged.metainfo['classes'], merged.get_data_info(0)['flip_indices']
    moved = {names[i]: names[j] for i, j in enumerate(flip) if i != j}
    assert moved['parse27k/Orientation-left'] == 'parse27k/Orientation-right' and len(moved) == 20
    record = next(x for x in records(merged) if x['dataset'] == 'parse27k')
    reader = merged.readers[merged.names.index('parse27k')]
    alone, image = records(reader)[0], np.zeros((4, 4, 3), np.uint8)
    assert record['img_path'] == alone['img_path']
    flipped = [RandomFlip(prob=1.0)(dict(x, img=image))['attributes'] for x in (record, alone)]
    assert (flipped[0][57:101] == flipped[1]).all() and (flipped[0] != record['attributes']).any()


def test_two_splits_of_one_dataset_share_its_attributes(edition):
    merged = datasets.MergedAttributes([dict(type=datasets.PA100K, split=x) for x in ('train', 'val')], root=TINY)
    assert merged.metainfo['num_attributes'] == 26 and 'flip_indices' not in merged.get_data_info(0)
    assert (merged.get_data_info(len(merged) - 1)['attributes'] >= 0).all()


def test_one_dataset_in_the_label_space_of_several(edition):
    both = datasets.MergedAttributes([dict(type=x, split='test') for x in (datasets.RAPv2, datasets.PA100K)], root=TINY)
    one = datasets.MergedAttributes([dict(type=datasets.PA100K, split='test')], space=['rapv2', 'pa100k'], root=TINY)
    rows = [x['attributes'].tolist() for x in records(both) if x['dataset'] == 'pa100k']
    assert [x['attributes'].tolist() for x in records(one)] == rows
    assert one.metainfo['classes'] == both.metainfo['classes']
    labels, scores = np.array(rows), np.random.default_rng(0).random((len(rows), 80))
    assert attributes(labels, scores) == attributes(labels[:, 54:], scores[:, 54:])  # as if the others were not there
    with pytest.raises(UserError, match="'pa100k'"):
        datasets.MergedAttributes([dict(type=datasets.PA100K, split='test')], space=['rapv2', 'peta'], root=TINY)


def test_people_of_all_detection_datasets_are_one_class(edition):
    merged = DATASETS.build(dict(config('det_5sets').dataset, root=TINY, pipeline=[]))
    found = records(merged)
    assert {x['dataset'] for x in found} == {*merged.metainfo['datasets']} and len(merged.metainfo['datasets']) == 5
    assert {box['bbox_label'] for x in found for box in x['instances']} == {0}
    ids = [x['img_id'] for x in found]
    assert len({*ids}) == len(ids) and all(x['img_id'].startswith(f'{x["dataset"]}/') for x in found)
    for x in found:  # nothing else is changed
        reader = merged.readers[merged.names.index(x['dataset'])]
        assert any(own['instances'] == x['instances'] and own['img_path'] == x['img_path'] for own in records(reader))


# ------------------------------------------------------------------------------------------------ the recipes' sources
@pytest.mark.parametrize('name', SOURCES)
def test_sources_give_samples_that_their_heads_take(name, edition):
    source = config(name)
    dataset = DATASETS.build(dict(source.dataset, root=TINY))
    sizes = {key: value for key, value in source.head.items() if key.startswith('num_')}
    assert [*sizes.values()] == ([] if SOURCES[name] is None else [SOURCES[name]])
    seen = set()
    for index in range(0, len(dataset), 5):
        sample = dataset[index]['data_samples']
        seen.add(sample.dataset)
        if source.task == 'reid':
            assert 0 <= int(sample.gt_identity) < dataset.metainfo['num_ids'] <= SOURCES[name]
        elif source.task == 'attribute':
            assert sample.gt_attributes.shape == (SOURCES[name],)
        else:
            assert not sample.gt_instances.labels.any()
    assert seen == {*dataset.metainfo['datasets']}


def test_heads_have_room_for_the_real_datasets():
    """Identities as the cards count them."""
    for name in ('reid_3sets', 'reid_dgmarket_prcc_last'):
        source = config(name)
        counts = [catalog.card(x['type'].datasets[0]).splits['train'].get('ids') for x in source.dataset.datasets]
        counts = [751 if x is None else x for x in counts]  # DG-Market's are those of Market-1501
        assert sum(counts) == source.head.num_identities


def test_the_plan_of_a_merged_source_without_data(tmp_path, monkeypatch, edition):
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path))
    names = ('reid_3sets', 'attr_rapv2_pa100k', 'luperson_nl')
    found = preview(Config(dict(sources={x: config(x).to_dict() for x in names}), format_python_code=False))
    assert [found.plan.sources[x].size for x in names[:2]] == [50_549, 157_943]
    assert [found.origins[x] for x in names] == [CARD, CARD, UNKNOWN]
    assert 'Market-1501' in found.notes['reid_3sets'] and 'cuhk03' in found.notes['reid_3sets']
    limited = dict(config('reid_3sets').to_dict())
    limited['dataset'] = dict(limited['dataset'], indices=100)
    assert preview(Config(dict(sources=dict(x=limited)), format_python_code=False)).plan.sources['x'].size == 100


def test_the_plan_of_a_merged_source_on_disk(two):
    source = dict(task='reid', dataset=dict(type=datasets.MergedReID, datasets=two), batch_size=4, sampler='identity')
    found = preview(Config(dict(sources=dict(x=source)), format_python_code=False))
    assert found.origins == dict(x=ON_DISK) and found.plan.sources['x'].size == 5
