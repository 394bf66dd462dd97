"""``score``: every task from files in their native or documented formats gives what the functions give."""
import csv
import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

import humanbench.evaluation as evaluation
from humanbench import catalog

from . import seeded

TOOL = Path(__file__).parents[2] / 'tools' / 'score.py'
spec = importlib.util.spec_from_file_location('score_tool', TOOL)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


@pytest.fixture
def score(tmp_path, capsys):
    """Run the tool in a folder; returns the scores it wrote, after comparing them with those it printed."""
    def run(task: str, gt: str, pred: str, *options: str) -> dict[str, float]:
        paths = [str(tmp_path / x) for x in (gt, pred, 'scores.json')]
        tool.main([task, '--gt', paths[0], '--pred', paths[1], '--json', paths[2], *options])
        record = json.loads(Path(paths[2]).read_text())
        printed = [line.split() for line in capsys.readouterr().out.splitlines()]
        written = {key: float('nan') if value is None else value for key, value in record['scores'].items()}
        assert {key: float(value) for key, value in printed} == pytest.approx(written, abs=1e-6, nan_ok=True)
        assert record['task'] == task and record['versions'].items() <= evaluation.VERSIONS.items()
        return record['scores']
    return run


def dump(path: Path, content) -> None:
    path.write_text(json.dumps(content))


def write_table(path: Path, head: list[str], rows) -> None:
    with open(path, 'w', newline='') as file:
        csv.writer(file).writerows([head, *rows])


def test_reid(score, tmp_path):
    query, query_ids, query_cams, gallery, gallery_ids, gallery_cams = inputs = seeded.reid(0, False)
    np.savez(tmp_path / 'pred.npz', query_features=query, gallery_features=gallery)
    np.savez(tmp_path / 'gt.npz', query_ids=query_ids, query_cams=query_cams, gallery_ids=gallery_ids,
             gallery_cams=gallery_cams)
    assert score('reid', 'gt.npz', 'pred.npz') == evaluation.reid(*inputs)
    assert score('reid', 'gt.npz', 'pred.npz', '--rerank', '--distance', 'euclidean') == evaluation.reid(
        *inputs, distance='euclidean', rerank=True)

    rows = [('query', f'{i}.jpg', *x) for i, x in enumerate(zip(query_ids, query_cams))]
    rows += [('gallery', f'{i}.jpg', *x) for i, x in enumerate(zip(gallery_ids, gallery_cams))]
    write_table(tmp_path / 'gt.csv', ['split', 'name', 'id', 'camera'], rows)
    assert score('reid', 'gt.csv', 'pred.npz') == evaluation.reid(*inputs)
    shuffled = {f'{side}_{kind}': values[::-1] for side, features in (('query', query), ('gallery', gallery))
                for kind, values in (('features', features),
                                     ('names', np.array([f'{i}.jpg' for i in range(len(features))])))}
    np.savez(tmp_path / 'named.npz', **shuffled)
    assert score('reid', 'gt.csv', 'named.npz') == evaluation.reid(*inputs)


def test_reid_from_the_native_folder(score, tmp_path):
    people = {'query': [(1, 1), (2, 1)], 'bounding_box_test': [(2, 2), (0, 3), (1, 2), (-1, 2)]}
    for folder, images in people.items():
        (tmp_path / 'market' / folder).mkdir(parents=True)
        for i, (person, camera) in enumerate(images):
            Image.new('RGB', (4, 8)).save(tmp_path / 'market' / folder / f'{person:04d}_c{camera}s1_{i:06d}_00.jpg')
    rng = np.random.default_rng(0)
    query, gallery = rng.normal(size=(2, 5)).astype(np.float32), rng.normal(size=(3, 5)).astype(np.float32)
    np.savez(tmp_path / 'pred.npz', query_features=query, gallery_features=gallery)  # sorted by name, without the junk
    expected = evaluation.reid(query, [1, 2], [1, 1], gallery, [0, 1, 2], [3, 2, 2])
    assert score('reid', 'market', 'pred.npz', '--dataset', 'market1501') == expected


def test_attribute(score, tmp_path):
    labels, scores = seeded.attributes(0)
    names = [f'{i:06d}.jpg' for i in range(len(labels))]
    expected = evaluation.attributes(labels, scores)
    np.save(tmp_path / 'gt.npy', labels)
    np.save(tmp_path / 'pred.npy', scores)
    assert score('attribute', 'gt.npy', 'pred.npy') == expected
    assert score('attribute', 'gt.npy', 'pred.npy', '--threshold', '0.3') == evaluation.attributes(labels, scores, 0.3)
    write_table(tmp_path / 'gt.csv', ['name', *'abcdefghijklmnopqrstuvwxyz'], ((n, *x) for n, x in zip(names, labels)))
    dump(tmp_path / 'pred.json', dict(reversed([(n, x.tolist()) for n, x in zip(names, scores)])))
    assert score('attribute', 'gt.csv', 'pred.json') == expected
    cells = np.empty((200, 1), object)
    cells[:, 0] = [np.array([name]) for name in names]
    scipy.io.savemat(tmp_path / 'annotation.mat', dict(test_images_name=cells, test_label=labels.astype(np.uint8)))
    for pred in ('pred.npy', 'pred.json'):
        assert score('attribute', 'annotation.mat', pred, '--dataset', 'pa100k') == expected


def test_pose(score, tmp_path):
    truth, detections = seeded.coco(0)
    dump(tmp_path / 'gt.json', truth)
    dump(tmp_path / 'pred.json', detections)
    assert score('pose', 'gt.json', 'pred.json') == evaluation.keypoint_ap(truth, detections)
    assert score('pose', 'gt.json', 'pred.json', '--box-area') == evaluation.keypoint_ap(
        truth, detections, use_area=False)
    predictions, mat = seeded.mpii(0)
    scipy.io.savemat(tmp_path / 'mpii_gt_val.mat', mat)
    np.save(tmp_path / 'pred.npy', predictions)
    dump(tmp_path / 'list.json', predictions.tolist())
    scipy.io.savemat(tmp_path / 'pred.mat', dict(preds=predictions + 1))
    for name in ('pred.npy', 'list.json', 'pred.mat'):
        assert score('pose', 'mpii_gt_val.mat', name) == pytest.approx({
            **evaluation.pckh(predictions, mat), 'mean@0.1': evaluation.pckh(predictions, mat, 0.1)['mean']})


def test_pose_of_aic_and_human36m(score, tmp_path):
    card = catalog.card('aic')
    rng = np.random.default_rng(0)
    truth, detections, native = [], [], []
    for image in ('a', 'b'):
        boxes, joints = {}, {}
        for person in ('human1', 'human2'):
            points = np.column_stack([rng.uniform(0, 200, (14, 2)).round(), rng.integers(1, 4, 14)])
            boxes[person], joints[person] = [0, 0, 200, 200], points.ravel().tolist()
            seen = points * (1, 1, 0) + (0, 0, 1) * np.array([0, 2, 1, 0])[points[:, 2].astype(int), None]
            truth.append(dict(id=len(truth) + 1, image_id=image, category_id=1, bbox=[0, 0, 200, 200], iscrowd=0,
                              area=200 * 200, keypoints=seen.ravel().tolist()))
            near = points + rng.normal(0, 6, (14, 3))
            detections.append(dict(image_id=image, category_id=1, keypoints=near.ravel().tolist(), score=rng.uniform()))
        native.append(dict(image_id=image, human_annotations=boxes, keypoint_annotations=joints))
    dump(tmp_path / 'gt.json', native)
    dump(tmp_path / 'pred.json', detections)
    coco = dict(images=[dict(id='a'), dict(id='b')], categories=[dict(id=1)], annotations=truth)
    expected = evaluation.keypoint_ap(coco, detections, card.sigmas, use_area=False)
    assert 0 < expected['AP'] < 1
    assert score('pose', 'gt.json', 'pred.json', '--dataset', 'aic', '--box-area') == pytest.approx(expected)

    people = [dict(id=i, image_id=i, keypoints=rng.uniform(0, 99, 51).tolist()) for i in range(4)]
    found = [dict(image_id=x['image_id'], category_id=1, keypoints=rng.uniform(0, 99, 51).tolist(), score=1)
             for x in people[::-1]]
    images = [dict(id=i) for i in range(4)]
    dump(tmp_path / 'h36m.json', dict(images=images, categories=[dict(id=1)], annotations=people))
    dump(tmp_path / 'found.json', found)
    target = np.array([x['keypoints'] for x in people]).reshape(4, 17, 3)
    predicted = np.array([x['keypoints'] for x in found[::-1]]).reshape(4, 17, 3)
    assert score('pose', 'h36m.json', 'found.json', '--dataset', 'h36m_pose') == evaluation.epe(
        predicted[..., :2], target[..., :2], target[..., 2])


def test_parsing(score, tmp_path):
    labels, predictions = seeded.parsing(0)
    for folder, values in (('gt', labels), ('pred', predictions)):
        (tmp_path / folder / 'sub').mkdir(parents=True)
        Image.fromarray(values[:100]).save(tmp_path / folder / 'a.png')
        palette = Image.fromarray(values[100:], mode='P')
        palette.putpalette(list(range(256)) * 3)
        palette.save(tmp_path / folder / 'sub' / 'b.png')
    expected = evaluation.parsing(evaluation.confusion_matrix(labels, predictions, 20))
    assert score('parsing', 'gt', 'pred', '--num-classes', '20') == expected
    assert score('parsing', 'gt', 'pred', '--dataset', 'lip') == expected


def test_parsing_with_sparse_ids(score, tmp_path):
    ids = np.array(catalog.card('h36m_parsing').label_ids, np.uint8)
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 25, (2, 40, 40))
    for folder, values in (('gt', labels), ('pred', predictions)):
        (tmp_path / folder).mkdir()
        Image.fromarray(ids[values]).save(tmp_path / folder / 'a.png')
    expected = evaluation.parsing(evaluation.confusion_matrix(labels, predictions, 25))
    assert score('parsing', 'gt', 'pred', '--dataset', 'h36m_parsing') == expected


def test_detection(score, tmp_path):
    truth, found = seeded.crowdhuman(0)
    for name, content in (('gt', truth), ('pred', found)):
        (tmp_path / f'{name}.odgt').write_text('\n'.join(map(json.dumps, content)))
    assert score('detection', 'gt.odgt', 'pred.odgt') == evaluation.crowdhuman(truth, found)
    truth, detections = seeded.citypersons(0)
    dump(tmp_path / 'gt.json', truth)
    dump(tmp_path / 'pred.json', detections)
    for dataset in ('citypersons', 'caltech'):
        result = score('detection', 'gt.json', 'pred.json', '--dataset', dataset, '--subset', 'heavy', 'all')
        assert result == {'MR': evaluation.miss_rate(truth, detections, 'heavy', dataset)['MR'],
                          'MR_all': evaluation.miss_rate(truth, detections, 'all', dataset)['MR']}
    truth, detections = seeded.coco(0)
    dump(tmp_path / 'gt.json', truth)
    dump(tmp_path / 'pred.json', detections)
    assert score('detection', 'gt.json', 'pred.json') == evaluation.box_ap(truth, detections)


def test_counting(score, tmp_path):
    (tmp_path / 'gt').mkdir()
    for i, count in enumerate((3, 0, 12)):
        info = np.empty((1, 1), object)
        info[0, 0] = dict(location=np.zeros((count, 2)), number=count)
        scipy.io.savemat(tmp_path / 'gt' / f'GT_IMG_{i}.mat', dict(image_info=info))
    write_table(tmp_path / 'pred.csv', ['name', 'count'], [('IMG_2.jpg', 10), ('IMG_0.jpg', 3.5), ('IMG_1', 1)])
    expected = evaluation.counting([3, 0, 12], [3.5, 1, 10])
    assert score('counting', 'gt', 'pred.csv') == expected
    dump(tmp_path / 'gt.json', dict(IMG_0=[[1, 2]] * 3, IMG_1=0, IMG_2=12))
    assert score('counting', 'gt.json', 'pred.csv') == expected


def test_a_part_that_is_never_labelled_is_null(score, tmp_path):
    predictions, mat = seeded.mpii(0)
    mat['jnt_missing'][9] = 1
    scipy.io.savemat(tmp_path / 'gt.mat', mat)
    np.save(tmp_path / 'pred.npy', predictions)
    assert score('pose', 'gt.mat', 'pred.npy')['head'] is None


def prepare(tmp_path: Path) -> None:
    """Files of every kind, good and bad."""
    labels, scores = seeded.attributes(0)
    np.save(tmp_path / 'labels.npy', labels)
    np.save(tmp_path / 'nan.npy', np.where(scores > 0.9, np.nan, scores))
    np.save(tmp_path / 'pickled.npy', np.array([{}], object), allow_pickle=True)
    np.savez(tmp_path / 'empty.npz', nothing=labels)
    write_table(tmp_path / 'counts.csv', ['name', 'count'], [('a', 1), ('b', 2)])
    write_table(tmp_path / 'twice.csv', ['name', 'count'], [('a', 1), ('a', 2)])
    write_table(tmp_path / 'other.csv', ['name', 'count'], [('a', 1), ('c', 2)])
    write_table(tmp_path / 'fewer.csv', ['name', 'count'], [('a', 1)])
    write_table(tmp_path / 'stems.csv', ['name', 'count'], [('a', 1), ('a.jpg', 2), ('b', 1)])
    write_table(tmp_path / 'words.csv', ['name', 'count'], [('a', 1), ('b', 'many')])
    (tmp_path / 'maps').mkdir()
    (tmp_path / 'colour').mkdir()
    (tmp_path / 'none').mkdir()
    Image.new('L', (4, 4)).save(tmp_path / 'maps' / 'a.png')
    Image.new('RGB', (4, 4)).save(tmp_path / 'colour' / 'a.png')
    dump(tmp_path / 'list.json', [])
    dump(tmp_path / 'coco.json', seeded.coco(0)[0])
    scipy.io.savemat(tmp_path / 'whole.mat', dict(preds=np.arange(12.0)), do_compression=False)
    whole = (tmp_path / 'whole.mat').read_bytes()
    at = whole.index(np.array([9, 96], '<u4').tobytes())  # twelve numbers of type 9
    (tmp_path / 'damaged.mat').write_bytes(whole[:at] + b'\xc8' + whole[at + 1:])


@pytest.mark.parametrize('arguments, message', [
    ('count counts.csv counts.csv', "Did you mean 'counting'"), ('counting absent.csv counts.csv', 'does not exist'),
    ('counting counts.csv twice.csv', 'more than once'), ('counting counts.csv other.csv', "'c' is not in"),
    ('counting counts.csv fewer.csv', "1 of 2 are missing, 'b'"), ('counting counts.csv words.csv', 'not a number'),
    ('counting none counts.csv', 'no GT_'), ('counting list.json counts.csv', 'expected an object'),
    ('attribute labels.npy nan.npy', 'nan at index'), ('attribute labels.npy pickled.npy', 'not an array file'),
    ('attribute labels.npy counts.csv', 'names'), ('reid empty.npz empty.npz', 'lacks gallery_cams'),
    ('reid none empty.npz', 'needs --dataset'), ('parsing maps maps', '--num-classes'),
    ('parsing maps none --num-classes 3', '1 of 1 label maps'), ('parsing none maps --num-classes 3', 'no .png'),
    ('parsing maps colour --num-classes 3', '3 dimensions'), ('pose coco.json coco.json', 'COCO results list'),
    ('pose coco.json list.json --dataset lip', 'is for parsing'),
    ('pose coco.json list.json --dataset coca', 'Unknown'),
    ('detection list.json list.json', 'COCO file'), ('lib none none', "Did you mean 'lip'"),
    ('reid coco.json empty.npz', "ends in '.json'; expected .npz or .csv"),
    ('reid counts.csv counts.csv', "ends in '.csv'; expected .npz"),
    ('parsing counts.csv maps --dataset lip', 'is a file'),
    ('pose none list.json', 'needs --dataset'), ('pose none list.json --dataset coco_pose', 'is missing'),
    ('detection coco.json list.json', 'is an empty list'), ('pose coco.json list.json', 'is an empty list'),
    ('pose coco.json labels.npy', "expected .json"), ('counting counts.csv stems.csv', "'a' comes more than once"),
    ('lip none maps', 'is missing'),
    ('pose damaged.mat labels.npy', 'type 200 where numbers')])  # SciPy ends the process over such a type
def test_bad_input(tmp_path, capsys, arguments, message):
    prepare(tmp_path)
    task, gt, pred, *options = arguments.split()
    with pytest.raises(SystemExit) as stop:
        tool.main([task, '--gt', str(tmp_path / gt), '--pred', str(tmp_path / pred), *options])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1 and re.match('(User|Data)Error: ', error)


def test_a_dataset_may_be_named_instead_of_its_task(tmp_path, capsys):
    (tmp_path / 'gt').mkdir()
    (tmp_path / 'pred').mkdir()
    for folder in ('gt', 'pred'):
        Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).save(tmp_path / folder / 'a.png')
    outputs = []
    for what in (['lip'], ['parsing', '--dataset', 'lip']):
        tool.main([*what, '--gt', str(tmp_path / 'gt'), '--pred', str(tmp_path / 'pred')])
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] and 'mIoU_present' in outputs[0]


def test_variants(score, tmp_path):
    """What papers and releases print comes beside the rest, under names of its own, when it is asked for."""
    truth, found = seeded.aic(0)
    results = [dict(image_id=x['image_id'], category_id=1, keypoints=joints, score=0.5 + i / 100)
               for x in found for i, joints in enumerate(x['keypoint_annotations'].values())]
    for name, content in (('gt', truth), ('pred', results), ('native', found)):
        dump(tmp_path / f'{name}.json', content)
    plain, more = (score('pose', 'gt.json', 'pred.json', '--dataset', 'aic', *x) for x in ([], ['--variants']))
    official = evaluation.aic_official(truth, found, catalog.card('aic').sigmas)
    assert official['AP_official'] == more['AP_official'] and plain.items() <= more.items()
    assert more['AP_full_box'] > more['AP'] and set(more) - set(plain) == {'AP_official', *(
        f'{key}_full_box' for key in plain)}
    assert score('pose', 'gt.json', 'native.json', '--dataset', 'aic') == official

    truth, detections = seeded.citypersons(0)
    dump(tmp_path / 'gt.json', truth)
    dump(tmp_path / 'pred.json', detections)
    result = score('detection', 'gt.json', 'pred.json', '--dataset', 'caltech', '--variants')
    assert result.items() >= evaluation.heavy_by_crowdhuman(truth, detections).items()

    labels, scores = seeded.attributes(0)
    labels[:50] = -1
    np.save(tmp_path / 'gt.npy', labels)
    np.save(tmp_path / 'pred.npy', scores)
    result = score('attribute', 'gt.npy', 'pred.npy', '--variants')
    assert result['mA_unknown_absent'] == evaluation.attributes(np.maximum(labels, 0), scores)['mA'] != result['mA']

    predictions, mat = seeded.mpii(0)
    scipy.io.savemat(tmp_path / 'gt.mat', mat)
    np.save(tmp_path / 'pred.npy', predictions)
    assert score('pose', 'gt.mat', 'pred.npy', '--variants')['mean@0.11'] == pytest.approx(
        evaluation.pckh(predictions, mat, 0.11)['mean'])


def test_labels_of_human36m_at_the_size_of_the_release(score, tmp_path):
    """A border between classes 1 and 3 gets, interpolated, a class 2 that nobody drew."""
    ids = np.array(catalog.card('h36m_parsing').label_ids, np.uint8)
    labels = np.full((1002, 1000), ids[1])
    labels[251:] = ids[3]
    for folder in ('gt', 'pred'):
        (tmp_path / folder).mkdir()
        Image.fromarray(labels).save(tmp_path / folder / 'a.png')
    result = score('parsing', 'gt', 'pred', '--dataset', 'h36m_parsing', '--variants')
    assert result['pixel_accuracy'] == 1 and 0.99 < result['pixel_accuracy_1000'] < 1
    assert result['mIoU_present'] == 1 and result['mIoU_present_1000'] < 0.7


def test_the_change_from_earlier_scores(tmp_path, capsys):
    labels, scores = seeded.attributes(0)
    for name, content in (('gt', labels), ('a', scores), ('b', 1 - scores), ('other', 1 - labels)):
        np.save(tmp_path / f'{name}.npy', content)

    def run(gt: str, pred: str, *options: str) -> str:
        tool.main(['attribute', '--gt', str(tmp_path / f'{gt}.npy'), '--pred', str(tmp_path / f'{pred}.npy'),
                   *options])
        return capsys.readouterr().out

    first = str(tmp_path / 'first.json')
    run('gt', 'a', '--json', first)
    assert {line.split()[2] for line in run('gt', 'a', '--against', first).splitlines()} == {'+0.000000'}
    before, now = evaluation.attributes(labels, scores)['mA'], evaluation.attributes(labels, 1 - scores)['mA']
    assert run('gt', 'b', '--against', first).split()[:3] == ['mA', f'{now:.6f}', f'{now - before:+.6f}']
    record = json.loads(Path(first).read_text())
    dump(tmp_path / 'old.json', dict(record, versions=dict(attributes='0')))
    dump(tmp_path / 'list.json', [])
    for options, message in ((['other', 'a', '--against', first], 'another ground truth'),
                             (['gt', 'a', '--threshold', '0.4', '--against', first], 'another options'),
                             (['gt', 'a', '--against', str(tmp_path / 'old.json')], 'another version of the metrics'),
                             (['gt', 'a', '--against', str(tmp_path / 'list.json')], 'holds no scores')):
        with pytest.raises(SystemExit) as stop:
            run(*options)
        assert stop.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.parametrize('same', [True, False])
def test_the_hash_of_a_folder_is_of_its_contents_alone(tmp_path, capsys, same):
    hashes = []
    for where in ('a', 'b'):
        (tmp_path / where / 'gt').mkdir(parents=True)
        for i in range(2):
            values = np.full((4, 4), i + (where == 'b' and i and not same), np.uint8)
            Image.fromarray(values).save(tmp_path / where / 'gt' / f'{i}.png')
        file = tmp_path / f'{where}.json'
        tool.main(['lip', '--gt', str(tmp_path / where / 'gt'), '--pred', str(tmp_path / where / 'gt'), '--json',
                   str(file)])
        hashes.append(json.loads(file.read_text())['gt']['sha256'])
    assert (hashes[0] == hashes[1]) == same


# ------------------------------------------------------------------------------------------------ text
def test_text_reid_from_arrays_and_from_the_native_list(score, tmp_path):
    texts, text_ids, images, image_ids = seeded.text_reid(0, False)
    np.savez(tmp_path / 'gt.npz', text_ids=text_ids, image_ids=image_ids)
    np.savez(tmp_path / 'pred.npz', text_features=texts, image_features=images)
    assert score('text_reid', 'gt.npz', 'pred.npz') == evaluation.text_to_image(texts, text_ids, images, image_ids)
    rows = [dict(id=i, img_path=f'{i}_c1_0.jpg', split='test', captions=['a', 'b'][:i % 2 + 1]) for i in range(3)]
    (tmp_path / 'list.json').write_text(json.dumps(rows))
    eye = np.eye(3, dtype=np.float32)
    np.savez(tmp_path / 'pred.npz', text_features=eye[[0, 1, 1, 2]], image_features=eye)
    assert score('text_reid', 'list.json', 'pred.npz', '--dataset', 'rstpreid')['rank1'] == 1
    np.savez(tmp_path / 'pred.npz', text_features=eye[[0, 1, 2, 2]], image_features=eye)
    assert score('text_reid', 'list.json', 'pred.npz', '--dataset', 'rstpreid')['rank1'] == 3 / 4
