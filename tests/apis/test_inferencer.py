"""What the inferencer says is what the test of each head scores; from all kinds of inputs, a few at a time."""
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from humanbench.apis import HumanInferencer
from humanbench.datasets.transforms.loading import read_image
from humanbench.engine.launch import build_runner
from humanbench.errors import CheckpointError, UserError
from humanbench.weights import load_into
from humanbench.weights.export import export_checkpoint, write_weights
from humanbench.weights.files import read_file

PEOPLE = 4


@pytest.fixture(scope='module')
def scenes(recipe, tmp_path_factory) -> list[Path]:
    """Pictures of several people, of two sizes."""
    reader, folder = build_runner(recipe.copy(), 'crowdhuman').test_dataloader.dataset.dataset, []
    for i in range(4):
        folder.append(tmp_path_factory.getbasetemp() / f'scene_{i}.png')
        Image.fromarray(read_image(reader.record(i)['img_path'])[:120, :160 - 48 * (i % 2)]).save(folder[-1])
    return folder


def as_scored(recipe, checkpoint, name: str) -> tuple[list, list]:
    """The first records of a test, and its samples with their predictions, as `humanbench test` makes them."""
    config = recipe.copy()
    # pictures of several sizes in one batch are padded to the largest, which the network sees
    config.evaluations[name].update(batch_size=1)
    config.evaluations[name].dataset.indices = PEOPLE
    runner = build_runner(config, name)
    load_into(runner.model, str(checkpoint), ('backbone', 'projectors', 'heads'))
    runner.model.eval()
    dataset = runner.test_dataloader.dataset.dataset
    with torch.no_grad():
        samples = [sample for batch in runner.test_dataloader for sample in runner.model.test_step(batch)]
    return [dataset.record(i) for i in range(len(dataset))], samples


def said(task: str, result) -> np.ndarray:
    """What a result says of one task, as one array."""
    if task == 'detection':
        return np.array([[*person.box, person.score] for person in result.persons])
    if task == 'counting':
        return np.array([result.count])
    person, = result.persons
    return dict(pose=person.keypoints, attribute=person.attributes, reid=person.feature, parsing=person.parsing)[task]


def scored(task: str, sample) -> np.ndarray:
    """What the test scores, as one array."""
    found = sample.get('pred_instances')
    if task == 'detection':
        return torch.cat([found.bboxes, found.scores[:, None]], 1).numpy()
    if task == 'pose':
        return found.keypoints[0].numpy()
    if task == 'parsing':
        return sample.pred_sem_seg.data[0].numpy()
    return np.atleast_1d(dict(attribute=sample.get('pred_attributes'), reid=sample.get('pred_feature'),
                              counting=sample.get('pred_count'))[task].numpy())


TASKS = dict(market1501='reid', pa100k='attribute', lip='parsing', coco_pose='pose', crowdhuman='detection',
             shanghaitech_a='counting')


@pytest.mark.parametrize('name', TASKS)
def test_answers_are_those_that_the_test_scores(name, recipe, checkpoint, inferencer, monkeypatch):
    task, (records, samples) = TASKS[name], as_scored(recipe, checkpoint, name)
    monkeypatch.setattr(inferencer, 'tasks', {task})
    controls = 0
    for entry, sample in zip(records, samples):
        image, boxes = read_image(entry['img_path']), None if task in ('detection', 'counting') else 'whole_image'
        if task == 'pose':
            boxes = {'0': entry['bbox']}
        found, = inferencer(image, boxes=boxes)
        np.testing.assert_allclose(said(task, found), scored(task, sample), rtol=1e-4, atol=1e-5)
        # of the same picture without its first columns it says something else
        other, = inferencer(np.ascontiguousarray(image[:, 3:]), boxes=boxes)
        controls += not (said(task, other).shape == said(task, found).shape
                         and np.allclose(said(task, other), said(task, found), rtol=1e-4, atol=1e-5))
    assert controls == len(samples)


def test_a_picture_is_answered_alike_in_every_batch(scenes, checkpoint):
    sizes = {read_image(str(x)).shape for x in scenes}
    assert len(sizes) > 1
    answers = []
    for batch_size in (1, 3):
        inferencer = HumanInferencer(checkpoint, device='cpu', batch_size=batch_size, score_threshold=0.05,
                                     tasks=['detection', 'counting'])
        answers.append([x.to_dict() for x in inferencer(scenes)])
    assert [x['name'] for x in answers[0]] == [x.name for x in scenes]
    for one, three in zip(*answers):
        assert one['persons'] and len(one['persons']) == len(three['persons'])
        for a, b in zip(one['persons'], three['persons']):
            assert a['box'] == pytest.approx(b['box'], abs=0.1)
        assert one['count'] == pytest.approx(three['count'], rel=1e-3)


def test_nothing_is_read_before_it_is_needed(checkpoint, scenes):
    inferencer = HumanInferencer(checkpoint, device='cpu', batch_size=2, tasks=['counting'])
    taken, image = [], read_image(str(scenes[0]))[:32, :32]

    def stream():
        for i in range(100):
            taken.append(i)
            yield image

    results = inferencer(stream())
    assert taken == []
    for number in range(5):
        assert next(results).name == str(number)
        assert len(taken) == 2 * (number // 2 + 1)
    assert sum(1 for _ in results) == 95


def test_the_answers_as_json(inferencer, scenes):
    result = next(inferencer(scenes[0]))
    plain = json.loads(result.to_json())
    assert plain['name'] == scenes[0].name and (plain['height'], plain['width']) == result.size
    assert plain['heads'] == dict(reid='market1501', attribute='pa100k', pose='coco_pose', parsing='lip',
                                  detection='crowdhuman', counting='shanghaitech_a')
    assert len(plain['persons']) == 48 and plain['count'] == pytest.approx(result.count, rel=1e-5)
    first, person = plain['persons'][0], result.persons[0]
    assert first['box'] == pytest.approx(person.box.tolist(), abs=0.01)
    assert first['keypoints']['left_ankle'][:2] == pytest.approx(person.keypoints[15].tolist(), abs=0.01)
    assert list(first['attributes'])[0] == 'Female' and len(first['attributes']) == 26
    assert first['feature'] == pytest.approx(person.feature.tolist(), rel=1e-4)
    assert set(first['parsing']) <= set(result.names['parsing'][1:]) and result.names['parsing'][0] == 'Background'


def test_the_default_head_and_another_one(checkpoint, scenes):
    inferencer = HumanInferencer(checkpoint, device='cpu', tasks=['pose'], heads={'pose': 'aic'}, score_threshold=-1)
    result = next(inferencer(scenes[0]))
    assert result.heads == {'pose': 'aic'} and result.names['pose'][0] == 'right_shoulder'
    assert result.persons[0].keypoints.shape == (14, 2) and result.persons[0].attributes is None
    assert result.persons[0].score is not None  # people are still found by the detection head


def without(checkpoint: Path, task: str, path: Path) -> Path:
    """The checkpoint of a recipe without the sources of a task."""
    file = read_file(checkpoint)
    meta = json.loads(json.dumps(file.metadata))
    gone = [name for name, x in meta['recipe']['sources'].items() if x['task'] == task]
    for name in gone:
        del meta['recipe']['sources'][name], meta['recipe']['model']['heads'][name], meta['heads'][name]
    del meta['recipe']['model']['projectors'][task]
    state = {key: x for key, x in file.state.items()
             if not key.startswith((f'projectors.{task}.', *(f'heads.{name}.' for name in gone)))}
    return write_weights(state, path, meta)


def test_a_model_that_cannot_find_people_says_so(checkpoint, scenes, tmp_path):
    inferencer = HumanInferencer(without(checkpoint, 'detection', tmp_path / 'a.pth'), device='cpu')
    assert inferencer.notes == ['detection: left out; the model has no head for detection']
    result = next(inferencer(scenes[0]))
    height, width = result.size
    assert result.persons[0].box.tolist() == [0, 0, width, height] and len(result.persons) == 1
    boxes = {scenes[0].name: [[10, 10, 40, 90], [50.5, 5, 80, 95]]}
    given = next(inferencer(scenes[0], boxes=boxes))
    assert [x.box.tolist() for x in given.persons] == boxes[scenes[0].name]
    assert given.persons[1].window == (5, 50, 95, 80) and given.persons[1].score is None
    assert given.persons[1].parsing.shape == (90, 30)
    with pytest.raises(UserError, match='no head for detection. It can be asked for: .*pose'):
        HumanInferencer(tmp_path / 'a.pth', tasks=['detection'])


def test_a_head_of_crowded_scenes_is_given_the_whole_picture(checkpoint, scenes, tmp_path):
    """CIHP's pictures show several people: each person's map is cut out of that of the picture."""
    file = read_file(checkpoint)
    meta = json.loads(json.dumps(file.metadata).replace('datasets.LIP"', 'datasets.CIHP"'))
    inferencer = HumanInferencer(write_weights(file.state, tmp_path / 'a.pth', meta), device='cpu', tasks=['parsing'])
    image = read_image(str(scenes[0]))
    boxes = [[10, 10, 40, 90], [50, 5, 80, 95]]
    result, = inferencer(image, boxes={'0': boxes})
    whole, = inferencer(image, boxes='whole_image')
    for (left, top, right, bottom), person in zip(boxes, result.persons):
        assert np.array_equal(person.parsing, whole.persons[0].parsing[top:bottom, left:right])
    single, = HumanInferencer(checkpoint, device='cpu', tasks=['parsing'])(image, boxes={'0': boxes})
    assert not np.array_equal(single.persons[0].parsing, result.persons[0].parsing)  # control: LIP's are cut out first


def test_a_checkpoint_says_itself_what_its_config_says(checkpoint, recipe, inferencer, scenes):
    beside = HumanInferencer(recipe.copy(), str(checkpoint), device='cpu', score_threshold=-1.0)
    assert next(beside(scenes[0])).to_json() == next(inferencer(scenes[0])).to_json()


def test_an_exported_file_and_a_work_folder_say_it_too(checkpoint, recipe, tmp_path):
    exported, = export_checkpoint(checkpoint, tmp_path / 'shared.pth')
    sources = [{task: head.source for task, head in HumanInferencer(model, device='cpu').heads.items()}
               for model in (checkpoint, exported, recipe.work_dir)]
    assert len(sources[0]) == 6 and sources[0] == sources[1] == sources[2]


WRONG_MODELS = {
    'an older checkpoint': (lambda meta: meta.pop('evaluations'), 'does not say what it was trained by'),
    'of another program': (lambda meta: meta.clear(), 'does not say what it was trained by'),
    'code in a head': (lambda meta: meta['recipe']['model']['backbone'].update(type='os.system'), "'os.system'"),
    'code in a pipeline': (
        lambda meta: meta['evaluations']['lip']['dataset']['pipeline'].insert(0, dict(type='subprocess.Popen')),
        "'subprocess.Popen', which is no part"),
    'a function of ours': (
        lambda meta: meta['recipe']['model']['backbone'].update(type='humanbench.files.write_text'), 'no part of'),
    'a loader of its own': (
        lambda meta: meta['evaluations']['lip']['dataset']['pipeline'].pop(0), 'begins with Resize; expected LoadImag'),
}


@pytest.mark.parametrize(('spoil', 'message'), WRONG_MODELS.values(), ids=WRONG_MODELS)
def test_a_checkpoint_that_cannot_be_trusted_or_used(spoil, message, checkpoint, tmp_path):
    file = read_file(checkpoint)
    meta = json.loads(json.dumps(file.metadata))
    spoil(meta)
    with pytest.raises(UserError, match=message):
        HumanInferencer(write_weights(file.state, tmp_path / 'a.pth', meta), device='cpu')


def test_weights_that_are_not_finite(checkpoint, tmp_path):
    file = read_file(checkpoint)
    file.state['backbone.pos_embed'][0, 0, 0] = float('nan')
    with pytest.raises(CheckpointError, match="not finite, in 'backbone.pos_embed' first"):
        HumanInferencer(write_weights(file.state, tmp_path / 'a.pth', file.metadata), device='cpu')


WRONG_ARGUMENTS = {
    'device': (dict(device='cuda:97'), "no device 'cuda:97' here. Expected one of auto, cpu"),
    'no device at all': (dict(device='toaster'), "no device 'toaster'"),
    'task': (dict(tasks=['posture']), "Unknown task 'posture'"),
    'head': (dict(heads={'pose': 'coco'}), "Unknown head for pose .*Did you mean 'coco_pose'. Known: aic, coco_pose"),
    'head of another task': (dict(heads={'pose': 'lip'}), 'Known: aic, coco_pose'),
    'batch size': (dict(batch_size=0), 'batch_size 0: expected 1 or more'),
    'two checkpoints': (dict(weights='b.pth'), 'two checkpoints'),
}


@pytest.mark.parametrize(('arguments', 'message'), WRONG_ARGUMENTS.values(), ids=WRONG_ARGUMENTS)
def test_wrong_arguments(arguments, message, checkpoint):
    with pytest.raises(UserError, match=message):
        HumanInferencer(checkpoint, **arguments)


@pytest.mark.parametrize(('model', 'message'), [
    ('nowhere.pth', "no checkpoint 'nowhere.pth'"), ('path/path_debug.py', 'is a config. Which weights'),
    ('path/path_debgu.py', "Did you mean 'path/path_debug.py'")])
def test_no_model(model, message):
    with pytest.raises(UserError, match=message):
        HumanInferencer(model)
