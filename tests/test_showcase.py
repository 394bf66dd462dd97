"""Predictions as pictures: of every evaluation that ran, by the model that was evaluated, labels where they lie."""
import numpy as np
import pytest
import torch
from PIL import Image

from humanbench.apis import showcase
from humanbench.engine.launch import build_runner, load_config
from humanbench.errors import UserError
from humanbench.visualization import Ranking


@pytest.fixture
def collected(monkeypatch):
    """What went on the sheets."""
    found = {}
    draw = showcase.prediction_sheet
    monkeypatch.setattr(showcase, 'prediction_sheet', lambda examples: found.update(examples) or draw(examples))
    return found


def debug_config(tmp_path):
    config = load_config('path/path_debug.py')
    for evaluation in config.evaluations.values():
        evaluation.dataset.root = 'minihuman:tiny'
    config.work_dir = str(tmp_path / 'work')
    return config


def test_a_sheet_shows_every_evaluation_of_the_debug_recipe(tmp_path, edition, collected):
    file = showcase.evaluate_with_sheet(
        debug_config(tmp_path), 'scratch', None, tmp_path / 'scores.json', tmp_path / 'a.png')
    assert file == tmp_path / 'a.png' and Image.open(file).width == 1240 and (tmp_path / 'scores.json').exists()
    assert list(collected) == ['reid (market1501)', 'pose (coco_pose)', 'parsing (lip)', 'attribute (pa100k)',
                               'detection (crowdhuman)']
    assert all(len(examples) == 4 for examples in collected.values())
    assert all(isinstance(x, Ranking) for x in collected['reid (market1501)'])
    for name, field in (('pose (coco_pose)', 'pred_instances'), ('parsing (lip)', 'pred_sem_seg'),
                        ('attribute (pa100k)', 'pred_attributes'), ('detection (crowdhuman)', 'pred_instances')):
        assert all(field in sample and image.shape[:2] == tuple(sample.ori_shape[:2])
                   for image, sample in collected[name])
    for _, sample in collected['detection (crowdhuman)']:  # labels are in pixels of the input, as everywhere
        height, width = sample.ori_shape[:2]
        native = np.array([x['fbox'] for x in sample.raw_ann_info if x['tag'] == 'person'])
        corners = np.concatenate([native[:, :2], native[:, :2] + native[:, 2:]], axis=1).clip(0, (width, height) * 2)
        drawn = sample.gt_instances.bboxes.numpy() / np.tile(sample.scale_factor, 2)
        assert len(drawn) and np.abs(drawn[:, None] - corners).max(-1).min(1).max() < 0.01


def test_one_evaluation_and_fewer_images_than_places(tmp_path, edition, collected):
    config = debug_config(tmp_path)
    config.evaluations.pa100k.dataset.indices = 3
    showcase.evaluate_with_sheet(config, 'scratch', 'pa100k', None, tmp_path / 'a.jpg')
    (name, examples), = collected.items()
    assert name == 'attribute (pa100k)' and len({sample.img_path for _, sample in examples}) == 3 == len(examples)


def test_the_examples_are_what_the_evaluated_model_predicts(tmp_path, edition, collected):
    config = debug_config(tmp_path)
    runner = build_runner(config, 'pa100k')
    torch.nn.init.normal_(runner.model.heads['pa100k'].linear.weight)
    file = tmp_path / 'model.pth'
    torch.save(dict(state_dict=runner.model.state_dict()), file)
    expected = showcase.runner_examples(runner)
    showcase.evaluate_with_sheet(config, str(file), 'pa100k', None, tmp_path / 'a.png')
    scores = [torch.stack([sample.pred_attributes for _, sample in examples])
              for examples in (expected, collected['attribute (pa100k)'])]
    assert torch.equal(*scores)
    other = showcase.examples(config, 'scratch', 'pa100k')
    assert not torch.equal(scores[0], torch.stack([sample.pred_attributes for _, sample in other]))


def test_captions_are_shown_with_the_images_that_they_find(tmp_path, edition, collected):
    config = load_config('downstream/text_reid/rstpreid.py', 'debug')
    config.evaluations.rstpreid.dataset.root, config.work_dir = 'minihuman:tiny', str(tmp_path / 'work')
    runner = build_runner(config, 'rstpreid')
    dataset = runner.test_dataloader.dataset
    rankings = showcase.runner_examples(runner, 5)
    captions = sum((dataset.dataset.record(i)['captions'] for i in range(len(dataset))), [])
    asked = [captions[i] for i in np.linspace(0, len(captions) - 1, 5).round().astype(int)]
    for ranking, caption in zip(rankings, asked, strict=True):
        assert (ranking.query == showcase.text_card(caption, 11, 170, 300)).all() and (ranking.query < 128).any()
        assert len(ranking.gallery) == len(ranking.matches) == 8 and 0 <= sum(ranking.matches) <= 5
    assert any(any(x.matches) for x in rankings) and not all(all(x.matches) for x in rankings)
    showcase.write_sheet({'text_reid (rstpreid)': rankings}, tmp_path / 'a.png')
    assert Image.open(tmp_path / 'a.png').width == 1240


@pytest.mark.parametrize('dataset', ['cuhk_sysu', 'prw'])
def test_people_who_are_searched_are_shown_with_whom_the_search_finds(dataset, tmp_path, edition):
    config = load_config(f'downstream/person_search/{dataset}.py', 'debug')
    config.evaluations[dataset].dataset.root, config.work_dir = 'minihuman:tiny', str(tmp_path / 'work')
    runner = build_runner(config, dataset)
    head = runner.model.heads[dataset]
    head.score_threshold, head.overlap = 0.0, 1.0
    rankings = showcase.runner_examples(runner, 3)
    assert len(rankings) == 3 and all(len(x.gallery) == len(x.matches) == 8 for x in rankings)
    assert all(min(picture.shape[:2]) >= 1 for x in rankings for picture in [x.query, *x.gallery])
    records = [runner.test_dataloader.dataset.dataset.record(i) for i in range(len(runner.test_dataloader.dataset))]
    x1, y1, x2, y2 = (round(v) for v in next(x['queries'][0]['bbox'] for x in records if x['queries']))
    assert rankings[0].query.shape[:2] == (y2 - y1, x2 - x1)
    showcase.write_sheet({f'person_search ({dataset})': rankings}, tmp_path / 'a.png')
    assert Image.open(tmp_path / 'a.png').width == 1240
    head.score_threshold = 2.0  # nobody is found: frames with their labels instead
    assert all(len(sample.pred_instances) == 0 for _, sample in showcase.runner_examples(runner, 2))


@pytest.mark.slow
def test_a_sheet_of_real_images(tmp_path, realdata, collected, monkeypatch):
    monkeypatch.setenv('HUMANBENCH_REALDATA', str(realdata))
    config = load_config('path/path_realdata.py')
    assert not any('reid' in name for name in config.evaluations)
    config.work_dir = str(tmp_path)
    showcase.evaluate_with_sheet(config, 'scratch', None, None, tmp_path / 'a.png')
    assert [name.split('(')[1][:-1] for name in collected] == list(config.evaluations)
    assert [len(x) for x in collected.values()] == [4, 4, 4, 4, 1, 3, 4, 3]


def test_a_wrong_picture_name_is_said_before_the_evaluation(tmp_path):
    config = load_config('path/path_debug.py')
    config.work_dir = str(tmp_path / 'work')
    with pytest.raises(UserError, match='no name of a picture'):
        showcase.evaluate_with_sheet(config, 'scratch', None, None, tmp_path / 'a.pgn')
    assert not (tmp_path / 'work').exists()
