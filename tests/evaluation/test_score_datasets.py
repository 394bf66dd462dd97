"""``humanbench score`` on every dataset of the benchmark, from its native files, and every way to get them wrong."""
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from humanbench import cli, evaluation

from .native import BENCHMARK, BEST, benchmark_split, predict


@pytest.fixture
def score(monkeypatch, capfd, tmp_path):
    """``score('lip', gt, pred)`` is ``humanbench score lip --gt ... --pred ...``: status, file of scores, errors."""
    monkeypatch.setattr(sys, 'path', [*sys.path])

    def run(what: str, gt: Path, pred: Path, *options: object) -> tuple[int, dict, str]:
        monkeypatch.setattr(sys, 'argv', ['humanbench'])
        capfd.readouterr()
        file = tmp_path / 'written.json'
        file.unlink(missing_ok=True)
        try:
            status = cli.main(['score', what, '--gt', str(gt), '--pred', str(pred), '--json', str(file),
                               *map(str, options)])
        except SystemExit as stop:
            status = stop.code
        out, err = capfd.readouterr()
        assert 'Traceback' not in out + err
        return status or 0, json.loads(file.read_text()) if file.exists() else {}, err
    return run


@pytest.fixture
def base(edition):
    return edition / 'minihuman' / 'tiny'


def numbers(scores: dict) -> dict[str, float]:
    return {key: np.nan if value is None else value for key, value in scores.items()}


@pytest.mark.parametrize('dataset', BENCHMARK)
def test_right_predictions_have_the_best_scores_and_wrong_ones_those_of_the_function(dataset, base, score, tmp_path):
    data = benchmark_split(dataset, base)
    for noise in (0, 0.5):
        (tmp_path / str(noise)).mkdir()
        predicted = predict(data, tmp_path / str(noise), noise)
        status, record, errors = score(dataset, data.root, predicted.path)
        assert status == 0, errors
        assert numbers(record['scores']) == pytest.approx(predicted.expected, abs=1e-9, nan_ok=True)
        best = {key: value for key, value in numbers(record['scores']).items() if key in BEST and not np.isnan(value)}
        assert best and set(data.card.metric) & set(record['scores'])
        reached = [value == pytest.approx(BEST[key], abs=1e-3) for key, value in best.items()]
        assert all(reached) if noise == 0 else not all(reached)


@pytest.mark.parametrize('dataset', BENCHMARK)
def test_the_record_says_what_the_scores_are_of(dataset, base, score, tmp_path):
    data = benchmark_split(dataset, base)
    _, record, errors = score(dataset, data.root, predict(data, tmp_path, 0.2).path)
    assert (record['task'], record['dataset'], record['options']) == (BENCHMARK[dataset], dataset, {})
    assert record['versions'] and record['versions'].items() <= evaluation.VERSIONS.items()
    file = data.metainfo.get('ann_file')
    if record['gt']['split_hash'] is None:
        one = Path(file).with_name('mpii_gt_val.mat') if dataset == 'mpii' else Path(file)
        assert record['gt']['sha256'] == hashlib.sha256(one.read_bytes()).hexdigest()
    else:
        assert record['gt']['split_hash'] == data.fingerprint()
    assert len(record['pred']['sha256']) == 64 and record['gt']['images'] > 0
    if any('images' in x for x in data.card.splits.values()):
        assert any('the ground truth has' in note for note in record['notes']) == ('note: the ground truth' in errors)


@pytest.mark.parametrize('dataset', BENCHMARK)
def test_the_folder_of_another_dataset_is_refused(dataset, base, score, tmp_path):
    others = list(BENCHMARK)
    other = benchmark_split(others[(others.index(dataset) + 1) % len(others)], base)
    status, record, errors = score(dataset, other.root, predict(benchmark_split(dataset, base), tmp_path, 0).path)
    if dataset == 'shanghaitech_a':  # B is the same to the letter; only the names and the number of its images differ
        assert status == 2 or record['scores']['MAE'] > 0
        return
    assert status == 2 and not record and errors.count('\n') == 1 and str(other.root) in errors


@pytest.mark.parametrize('dataset', BENCHMARK)
def test_predictions_of_another_task_are_refused(dataset, base, score, tmp_path):
    tasks = list(dict.fromkeys(BENCHMARK.values()))
    other = tasks[(tasks.index(BENCHMARK[dataset]) + 1) % len(tasks)]
    stranger = next(x for x, task in BENCHMARK.items() if task == other)
    status, record, errors = score(dataset, benchmark_split(dataset, base).root, predict(
        benchmark_split(stranger, base), tmp_path, 0).path)
    assert status == 2 and not record and errors.count('\n') == 1 and 'Error: ' in errors


# ---------------------------------------------------------------------------------------------------------- bad input
def change_arrays(path: Path, change) -> None:
    arrays = dict(np.load(path)) if path.suffix == '.npz' else {'values': np.load(path)}
    change(arrays)
    np.savez(path, **arrays) if path.suffix == '.npz' else np.save(path, arrays['values'])


def change_json(path: Path, change) -> None:
    content = [json.loads(x) for x in path.read_text().splitlines()] if path.suffix == '.odgt' else json.loads(
        path.read_text())
    content = change(content) or content
    path.write_text('\n'.join(map(json.dumps, content)) if path.suffix == '.odgt' else json.dumps(content))


def first(values: dict) -> str:
    return next(iter(values))


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])


def some_map(path: Path) -> Path:
    return sorted(path.rglob('*.png'))[0]


def without_last(arrays: dict) -> None:
    arrays.update({key: x[:-1] for key, x in arrays.items() if key.startswith('gallery')})


def filled(records: list[dict]) -> dict:
    return next(x for x in records if x['dtboxes'])


# form of the predictions -> mistake -> (what is done to the file, what the message says)
MISTAKES = {
    'npz': {
        'missing images': (lambda p: change_arrays(p, without_last), 'are missing'),
        'duplicates': (lambda p: change_arrays(p, lambda x: x['query_names'].__setitem__(0, x['query_names'][1])),
                       'more than once'),
        'nan': (lambda p: change_arrays(p, lambda x: x['query_features'].__setitem__((0, 0), np.nan)), 'nan at index'),
        'unknown': (lambda p: change_arrays(p, lambda x: x['query_names'].__setitem__(0, 'nobody')),
                    "'nobody' is not in the ground truth"),
        'empty': (lambda p: p.write_bytes(b''), 'not an array file'), 'torn': (half, 'not an array file')},
    'captions': {
        'missing images': (lambda p: change_arrays(p, lambda x: x.update(
            {key: x[key][1:] for key in ('image_features', 'image_names')})), 'are missing'),
        'missing captions': (lambda p: change_arrays(p, lambda x: x.update(text_features=x['text_features'][1:])),
                             'text_features, but the ground truth has .* captions'),
        'no names': (lambda p: change_arrays(p, lambda x: (x.pop('image_names'), x.update(
            image_features=x['image_features'][1:]))), 'image_features, but the ground truth has .* images'),
        'duplicates': (lambda p: change_arrays(p, lambda x: x['image_names'].__setitem__(0, x['image_names'][1])),
                       'more than once'),
        'nan': (lambda p: change_arrays(p, lambda x: x['text_features'].__setitem__((0, 0), np.nan)), 'nan at index'),
        'unknown': (lambda p: change_arrays(p, lambda x: x['image_names'].__setitem__(0, 'nobody')),
                    "'nobody' is not in the ground truth"),
        'no captions': (lambda p: change_arrays(p, lambda x: x.pop('text_features')), 'lacks text_features'),
        'empty': (lambda p: p.write_bytes(b''), 'not an array file'), 'torn': (half, 'not an array file')},
    'search': {
        'missing scores': (lambda p: change_arrays(p, lambda x: x.update(scores=x['scores'][1:])),
                           'scores for .* frames'),
        'missing queries': (lambda p: change_arrays(p, lambda x: x.update(query_features=x['query_features'][1:])),
                            'query_features of the shape'),
        'no queries': (lambda p: change_arrays(p, lambda x: x.pop('query_features')), 'lacks query_features'),
        'nan': (lambda p: change_arrays(p, lambda x: x['features'].__setitem__((0, 0), np.nan)), 'not finite'),
        'unknown': (lambda p: change_arrays(p, lambda x: x['frames'].__setitem__(0, 'nobody')), "'nobody' first"),
        'boxes of three numbers': (lambda p: change_arrays(p, lambda x: x.update(boxes=x['boxes'][:, 1:])), '4'),
        'empty': (lambda p: p.write_bytes(b''), 'not an array file'), 'torn': (half, 'not an array file')},
    'npy': {
        'missing people': (lambda p: change_arrays(p, lambda x: x.update(values=x['values'][1:])), 'shape'),
        'nan': (lambda p: change_arrays(p, lambda x: x['values'].__setitem__((0, 0, 0), np.nan)), 'nan at index'),
        'joints': (lambda p: change_arrays(p, lambda x: x.update(values=x['values'][:, :-1])), 'expected'),
        'empty': (lambda p: p.write_bytes(b''), 'not an array file'), 'torn': (half, 'not an array file')},
    'names': {
        'missing images': (lambda p: change_json(p, lambda x: x.pop(first(x)) and None), 'are missing'),
        'duplicates': (lambda p: p.write_text(json.dumps(json.loads(p.read_text()))[:-1] + ', "a": 1, "a.jpg": 2}'),
                       'not in the ground truth|more than once'),
        'nan': (lambda p: change_json(p, lambda x: x.update({first(x): nan_like(x[first(x)])})), 'nan'),
        'unknown': (lambda p: change_json(p, lambda x: x.update(nobody=x[first(x)])),
                    "'nobody' is not in the ground truth"),
        'empty': (lambda p: p.write_text(''), 'is not JSON'), 'torn': (half, 'is not JSON')},
    'results': {
        'duplicates': (lambda p: change_json(p, lambda x: x + x[:1]), 'more than once|repeats record 0'),
        'nan': (lambda p: change_json(p, lambda x: [nan_in(x[0]), *x[1:]]), 'nan at index'),
        'unknown': (lambda p: change_json(p, lambda x: [dict(x[0], image_id='nobody'), *x[1:]]),
                    "'nobody' is not in the ground truth"),
        'joints': (lambda p: change_json(p, lambda x: [cut_short(x[0]), *x[1:]]), 'numbers; expected'),
        'nothing': (lambda p: p.write_text('[]'), 'is an empty list'),
        'no list': (lambda p: p.write_text('{}'), 'expected a COCO results list'),
        'empty': (lambda p: p.write_text(''), 'is not JSON'), 'torn': (half, 'is not JSON')},
    'odgt': {
        'duplicates': (lambda p: change_json(p, lambda x: x + x[:1]), 'more than once'),
        'repeated boxes': (lambda p: change_json(p, lambda x: filled(x)['dtboxes'].append(filled(x)['dtboxes'][0])),
                           'repeats record 0'),
        'nan': (lambda p: change_json(p, lambda x: filled(x)['dtboxes'][0].update(score=float('nan'))), 'score: nan'),
        'unknown': (lambda p: change_json(p, lambda x: x[0].update(ID='nobody')),
                    "'nobody' is not in the ground truth"),
        'empty': (lambda p: p.write_text(''), 'is empty'), 'torn': (half, 'is not JSON')},
    'maps': {
        'missing images': (lambda p: some_map(p).unlink(), '1 of .* label maps are not in'),
        'unknown class': (lambda p: paint(some_map(p)), 'class id'),
        'empty': (lambda p: some_map(p).write_bytes(b''), 'cannot read'),
        'torn': (lambda p: half(some_map(p)), 'cannot read'),
        'no maps': (lambda p: [x.unlink() for x in p.rglob('*.png')], 'label maps are not in')}}


def nan_like(value):
    return [float('nan')] * len(value) if isinstance(value, list) else float('nan')


def nan_in(record: dict) -> dict:
    key = 'keypoints' if 'keypoints' in record else 'score'
    return dict(record, **{key: [float('nan'), *record[key][1:]] if key == 'keypoints' else float('nan')})


def cut_short(record: dict) -> dict:
    key = 'keypoints' if 'keypoints' in record else 'bbox'
    return dict(record, **{key: record[key][:-1]})


def paint(path: Path) -> None:
    with Image.open(path) as image:
        values = np.array(image)
    Image.fromarray(np.full_like(values, 254)).save(path)


def form(path: Path) -> str:
    if path.is_dir():
        return 'maps'
    if path.suffix == '.npz' and 'text_features' in np.load(path):
        return 'captions'
    if path.suffix == '.npz' and 'frames' in np.load(path):
        return 'search'
    return path.suffix[1:] if path.suffix != '.json' else (
        'names' if isinstance(json.loads(path.read_text()), dict) else 'results')


@pytest.mark.parametrize('dataset', BENCHMARK)
def test_every_mistake_is_one_clear_message(dataset, base, score, tmp_path):
    data = benchmark_split(dataset, base)
    (tmp_path / 'right').mkdir()
    right = predict(data, tmp_path / 'right', 0.2).path
    assert score(dataset, data.root, right)[0] == 0
    for mistake, (damage, message) in MISTAKES[form(right)].items():
        pred = tmp_path / mistake / right.name
        pred.parent.mkdir()
        shutil.copytree(right, pred) if right.is_dir() else shutil.copy(right, pred)
        damage(pred)
        status, record, errors = score(dataset, data.root, pred)
        assert status == 2 and not record, f'{mistake} was accepted'
        assert errors.count('\n') == 1, f'{mistake}: {errors}'
        assert re.search(message, errors), f'{mistake}: {errors}'
