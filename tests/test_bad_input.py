"""What a user can get wrong, through the commands that they type: one message, exit status 2, no trace.

What each reader, weight family and config key says in detail is in ``tests/datasets``, ``tests/weights`` and
``tests/test_schema.py``; here the whole way from the command line is gone, and every mistake has its sound twin.
"""
import json
import math
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import scipy.io
import torch

from humanbench import catalog, cli, minihuman
from humanbench.datasets.places import card_of
from humanbench.engine.launch import load_config
from humanbench.resources import folder
from humanbench.weights import export_checkpoint

CONFIGS = {path.stem: f'benchmark/{path.parent.name}/{path.name}'
           for path in sorted((folder('configs') / 'benchmark').rglob('*.py'))}


@dataclass(frozen=True)
class Result:
    """What a command did: its exit status and what it wrote."""
    status: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch, capfd, tmp_path):
    """``command('train', ...)`` is ``humanbench train ...`` typed in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', [*sys.path])

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, 'argv', ['humanbench'])
        capfd.readouterr()
        try:
            status = cli.main([str(x) for x in arguments])
        except SystemExit as stop:
            status = stop.code
        return Result(status or 0, *capfd.readouterr())
    return run


@pytest.fixture
def refused(command):
    """Run a command that must be refused, in one message on stderr; gives the message."""
    def run(*arguments: object) -> str:
        result = command(*arguments)
        assert result.status == 2, f'{arguments} was accepted: {result.out[-2000:]}'
        assert 'Traceback' not in result.err + result.out
        return result.err
    return run


@pytest.fixture
def copied(edition, tmp_path):
    """A copy of one dataset of the tiny edition, for damaging."""
    def copy(dataset: str, name: str = 'copy') -> Path:
        base, layout = edition / 'minihuman' / 'tiny', catalog.card(dataset).layout.root
        minihuman.ensure(base, 'tiny', 0, [dataset])
        return Path(shutil.copytree(base / layout, tmp_path / name / layout))
    return copy


def recipe(dataset: str, root: object = 'minihuman:tiny', steps: int = 2, **options: object) -> list[object]:
    """The debug size of a benchmark config over the data in ``root``, a few steps long."""
    values = {f'sources.{dataset}.dataset.root': root, f'evaluations.{dataset}.dataset.root': root,
              f'sources.{dataset}.batch_size': 4, 'train_cfg.max_steps': steps,
              'default_hooks.checkpoint.interval': 1, 'default_hooks.logger.interval': 1, **options}
    pairs = (f'{key}={value}' for key, value in values.items())
    return [CONFIGS[dataset], '--flavor', 'debug', '--cfg-options', *pairs]


def losses(work_dir: Path) -> list[float]:
    """The loss of every step that a run logged."""
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [line['loss'] for line in lines if 'loss' in line]


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:file.stat().st_size // 2])


def change_lines(file: Path, change) -> None:
    """Apply ``change(number, record)`` to every line of a file of JSON objects."""
    records = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text(''.join(f'{json.dumps(change(i, record))}\n' for i, record in enumerate(records)))


# -------------------------------------------------------------------------------------------- data that is not there
@pytest.mark.parametrize('dataset', CONFIGS)
def test_missing_root(refused, dataset, tmp_path, monkeypatch, edition):
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path / 'datasets'))
    message = refused('train', *recipe(dataset, root=None))
    trained = load_config(CONFIGS[dataset]).sources[dataset].dataset  # SenseReID has no images to train on
    places = [card_of(part).layout.root for part in trained.get('datasets', [trained])]
    assert f'{tmp_path}/datasets/{places[0]}' in message
    for part in ('is missing', 'HUMANBENCH_DATA', 'minihuman:tiny'):
        assert part in message
    assert message.count('\n') == 1


def test_missing_root_of_a_test(refused, tmp_path, edition):
    message = refused('test', *recipe('pa100k', root=tmp_path / 'none'), '--checkpoint', 'scratch')
    assert message.startswith(f"DataError: '{tmp_path}/none' is missing")


HALF_UNPACKED = {'pa100k': 'data/*.jpg', 'lip': 'TrainVal_parsing_annotations/train_segmentations/*.png',
                 'coco_pose': 'train2017/*.jpg', 'crowdhuman': 'Images/*.jpg',
                 'shanghaitech_a': 'train_data/ground_truth/*.mat', 'market1501': 'bounding_box_train/*.jpg'}


@pytest.mark.parametrize('dataset', HALF_UNPACKED)
def test_half_unpacked(refused, command, copied, dataset, tmp_path):
    root = copied(dataset)
    files = sorted(root.glob(HALF_UNPACKED[dataset]))
    assert files and command('train', *recipe(dataset, root, steps=1)).status == 0
    if dataset == 'market1501':  # no list says which images there are; the folder that an archive makes is the sign
        shutil.rmtree(files[0].parent)
    for file in files[len(files) // 2:]:
        file.unlink(missing_ok=True)
    message = refused('train', *recipe(dataset, root), '--work-dir', tmp_path / 'half')
    assert str(files[0].parent) in message and 'is missing' in message
    assert not losses(tmp_path / 'half')


def _lead_out(root: Path, dataset: str) -> None:
    """Let an annotation name a file that exists, outside the dataset."""
    shutil.copy(next(root.rglob('*.jpg')), root.parent / 'secret.jpg')
    if dataset == 'crowdhuman':
        change_lines(root / 'annotation_train.odgt', lambda i, x: x | {'ID': '../../secret'} if i == 3 else x)
    elif dataset == 'coco_pose':
        file = root / 'annotations/person_keypoints_train2017.json'
        content = json.loads(file.read_text())
        content['images'][3]['file_name'] = str(root.parent / 'secret.jpg')
        file.write_text(json.dumps(content))
    else:
        file = next(root.rglob('train_id.txt'))
        file.write_text(file.read_text() + '../../../secret\n')


@pytest.mark.parametrize('dataset', ['crowdhuman', 'coco_pose', 'lip'])
def test_annotation_that_points_outside_the_root(refused, copied, dataset):
    root = copied(dataset)
    _lead_out(root, dataset)
    message = refused('train', *recipe(dataset, root))
    assert 'secret' in message and 'leads out of' in message


# ------------------------------------------------------------------------------------------------- images that break
def test_a_corrupt_image_is_replaced_counted_and_reported_in_training(command, copied, tmp_path):
    root = copied('pa100k')
    work = tmp_path / 'work'
    sound = command('train', *recipe('pa100k', root, steps=8), '--work-dir', tmp_path / 'sound')
    images = sorted((root / 'data').iterdir())
    truncate(images[2])
    result = command('train', *recipe('pa100k', root, steps=8), '--work-dir', work)
    assert sound.status == result.status == 0 and len(losses(work)) == 8
    assert 'Replaced' not in sound.out
    reports = [line for line in result.out.splitlines() if 'Replaced' in line]
    assert reports and all(f'({i} so far)' in line and str(images[2]) in line for i, line in enumerate(reports, 1))


@pytest.mark.parametrize('workers', [0, 1])
def test_too_many_corrupt_images_stop_the_run(refused, command, copied, tmp_path, workers):
    root = copied('pa100k')
    images = sorted((root / 'data').iterdir())
    for image in images[::4]:
        truncate(image)
    options = {'loader.num_workers': workers}
    message = refused('train', *recipe('pa100k', root, steps=16, **options), '--work-dir', tmp_path / 'stopped')
    assert 'cannot be read' in message and 'bad_sample_quota' in message and str(root / 'data') in message
    assert 1 <= len(losses(tmp_path / 'stopped')) < 16
    options['train_cfg.bad_sample_quota'] = 0.9
    result = command('train', *recipe('pa100k', root, steps=16, **options), '--work-dir', tmp_path / 'allowed')
    assert result.status == 0 and len(losses(tmp_path / 'allowed')) == 16


@pytest.mark.parametrize('workers', [0, 1])
def test_images_that_are_all_corrupt(refused, copied, workers):
    root = copied('pa100k')
    for image in (root / 'data').iterdir():
        truncate(image)
    message = refused('train', *recipe('pa100k', root, **{'loader.num_workers': workers}))
    assert message.startswith("DataError: Source 'pa100k': 10 samples in a row cannot be read")


@pytest.mark.parametrize('workers', [0, 1])
def test_a_corrupt_image_is_not_replaced_in_a_test(refused, command, copied, workers):
    root = copied('pa100k')
    options = recipe('pa100k', root, **{'evaluations.pa100k.num_workers': workers})
    assert command('test', *options, '--checkpoint', 'scratch').status == 0
    names = scipy.io.loadmat(next(root.rglob('annotation.mat')))['test_images_name']
    image = root / 'data' / names[0][0][0]
    truncate(image)
    message = refused('test', *options, '--checkpoint', 'scratch')
    assert message.startswith(f"DataError: cannot decode the image '{image}'") and message.count('\n') == 1


# ------------------------------------------------------------------------------------------- images without anybody
KEPT = {'none': lambda i: False, 'half': lambda i: i % 2 == 1, 'all but one': lambda i: i != 3,
        'ignored': lambda i: True}


def _keep_boxes(root: Path, dataset: str, split: str, keep: str) -> None:
    """Leave the boxes of some images and empty the others, or leave all as regions to ignore."""
    kept, ignored = KEPT[keep], keep == 'ignored'
    if dataset == 'crowdhuman':
        def change(i: int, record: dict) -> dict:
            boxes = [x | {'tag': 'mask'} if ignored else x for x in record['gtboxes']]
            return record | {'gtboxes': boxes if kept(i) else []}
        change_lines(root / f'annotation_{split}.odgt', change)
        return
    file = next(root.rglob(f'{split}.json'))
    content = json.loads(file.read_text())
    images = {image['id'] for i, image in enumerate(content['images']) if kept(i)}
    content['annotations'] = [x | {'iscrowd': 1, 'ignore': 1} if ignored else x
                              for x in content['annotations'] if x['image_id'] in images]
    file.write_text(json.dumps(content))


@pytest.mark.parametrize('keep', ['none', 'half', 'ignored'])
@pytest.mark.parametrize(('dataset', 'tested'), [('crowdhuman', 'val'), ('caltech', 'test')])
def test_images_without_a_box_train_and_are_tested(command, refused, copied, tmp_path, dataset, tested, keep):
    root = copied(dataset)
    _keep_boxes(root, dataset, 'train', keep)
    assert command('train', *recipe(dataset, root, steps=3), '--work-dir', tmp_path).status == 0
    assert len(losses(tmp_path)) == 3 and all(math.isfinite(x) and x >= 0 for x in losses(tmp_path))
    state = torch.load(tmp_path / 'iter_3.pth', weights_only=True)['state_dict']
    assert all(value.isfinite().all() for value in state.values() if value.is_floating_point())

    _keep_boxes(root, dataset, tested, 'all but one' if keep == 'half' else keep)
    test = ('test', *recipe(dataset, root), '--checkpoint', tmp_path / 'iter_3.pth')
    if keep == 'half':
        result = command(*test, '--json', tmp_path / 'metrics.json')
        assert result.status == 0
        metrics = json.loads((tmp_path / 'metrics.json').read_text())[dataset]
        assert all(0 <= value <= 1 for value in metrics.values())
    else:  # a metric over nobody has no value; that is said, and not called zero
        assert 'nothing to score' in refused(*test)


def test_a_crowd_image_without_anybody_trains_and_is_tested(command, copied, tmp_path):
    root = copied('shanghaitech_a')
    for file in [*sorted(root.glob('train_data/ground_truth/*.mat'))[::2], *root.glob('test_data/ground_truth/*1.mat')]:
        content = scipy.io.loadmat(file)
        points = content['image_info'][0, 0][0, 0]
        points['location'], points['number'] = points['location'][:0], [[0]]
        scipy.io.savemat(file, {'image_info': content['image_info']})
    result = command('train', *recipe('shanghaitech_a', root, steps=3), '--test', '--work-dir', tmp_path)
    assert result.status == 0 and len(losses(tmp_path)) == 3 and all(math.isfinite(x) for x in losses(tmp_path))


# --------------------------------------------------------------------------------------------- names that do not exist
PA100K = CONFIGS['pa100k']
UNKNOWN = {
    'tool': (['trian', PA100K], "Unknown tool 'trian'. Did you mean 'train'?"),
    'config': (['train', 'benchmark/attribute/pa10k.py'], "Did you mean 'benchmark/attribute/pa100k.py'?"),
    'protocol': (['train', PA100K, '--protocol', 'haed'], "Unknown protocol 'haed'. Did you mean 'head'?"),
    'protocol of a test': (['test', PA100K, '--protocol', 'patial'], "Did you mean 'partial'?"),
    'protocol of a benchmark': (
        ['benchmark', 'plan', '--weights', 'scratch', '--protocols', 'ful'], "Did you mean 'full'?"),
    'dataset of a benchmark': (
        ['benchmark', 'plan', '--weights', 'scratch', '--datasets', 'markt1501'], "Did you mean 'market1501'?"),
    'flavour': (['train', PA100K, '--flavor', 'debgu'], "Did you mean 'debug'?"),
    'source': (['train', PA100K, '--cfg-options', 'sources.pa10k.batch_size=4'], "Did you mean 'pa100k'?"),
    'source of an evaluation': (
        ['train', PA100K, '--cfg-options', 'evaluations.pa100k.source=pa10k'], "Did you mean 'pa100k'?"),
    'evaluation': (
        ['test', *recipe('pa100k'), '--checkpoint', 'scratch', '--evaluation', 'pa1000k'], "Did you mean 'pa100k'?"),
    'weights': (['train', PA100K, '--weights', 'tim:vit_base_patch16_224'], "Did you mean 'timm'?"),
    'edition': (['train', *recipe('pa100k', 'minihuman:tny')], "Did you mean 'tiny'?"),
    'dataset': (['datasets', 'browse', 'lipp'], "Did you mean 'lip'?"),
    'task': (['score', 'atribute', '--gt', 'a', '--pred', 'b'], "Did you mean 'attribute'?"),
    'processes': (['train', PA100K, '--gpus'], 'as in --gpus 8'),
    'an option that nothing reads': (['train', PA100K, '--cfg-options', 'max_steps=5'], "'max_steps'. Known: "),
    'two checkpoints': (['test', PA100K, 'a.pth', '--checkpoint', 'b.pth'], "two checkpoints: 'a.pth' and 'b.pth'"),
    'processes in one word': (['train', PA100K, '--gpus=eight'], "--gpus 'eight': expected a number"),
    'processes of a tool that has one': (['plan', PA100K, '--gpus=2'], '--gpus: plan runs in one process'),
}


@pytest.mark.parametrize(('arguments', 'words'), UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_names_offer_the_nearest(refused, edition, arguments, words):
    assert words in refused(*arguments)


def test_the_process_ends_with_one_line_and_status_2(tmp_path):
    """Both ways in: the console command, and the script that mim starts."""
    commands = [[sys.executable, '-m', 'humanbench.cli', 'train'], [sys.executable, folder('tools') / 'train.py']]
    processes = [subprocess.Popen([*x, PA100K, '--protocol', 'haed'], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE) for x in commands]
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 2 and out == ''
        assert err == "UserError: Unknown protocol 'haed'. Did you mean 'head'? Known: direct, full, head, partial.\n"


# ------------------------------------------------------------------------------------------ weights of something else
@pytest.fixture(scope='module')
def trained(tmp_path_factory, edition) -> Path:
    """The work folder of a short run on PA-100K that was interrupted after its first step."""
    work = tmp_path_factory.mktemp('trained')
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setattr(sys, 'argv', ['humanbench'])
        patch.setattr(sys, 'path', [*sys.path])
        cli.main([str(x) for x in ('train', *recipe('pa100k', steps=2), '--work-dir', work)])
    assert not stop.value.code
    (work / 'iter_2.pth').unlink()
    (work / 'last_checkpoint').write_text(str(work / 'iter_1'))
    return work


def shared(trained: Path, folder: Path) -> Path:
    """The weights of a run's newest checkpoint in one file."""
    return export_checkpoint(trained, folder / 'shared.pth')[0]


NARROW = {'model.backbone.embed_dim': 48}


def test_weights_of_another_width(refused, command, trained):
    start = ('--weights', f'path:{trained}/iter_1')
    message = refused('train', *recipe('pa100k', **NARROW), *start)
    assert message.startswith('CheckpointError') and 'width 96' in message and 'width 48' in message
    result = command('train', *recipe('pa100k', steps=1), *start)
    assert result.status == 0 and 'matched' in result.out


def test_weights_of_another_kind_of_network(refused, tmp_path, edition):
    torch.save({'state_dict': {'layer1.0.conv1.weight': torch.zeros(1)}}, tmp_path / 'resnet.pth')
    for spec in (f'path:{tmp_path}/resnet.pth', f'{tmp_path}/resnet.pth'):
        assert 'a ResNet' in refused('train', *recipe('pa100k'), '--weights', spec)


def test_checkpoint_of_another_model(refused, command, trained):
    checkpoint = ('--checkpoint', trained / 'iter_1')
    assert command('test', *recipe('pa100k'), *checkpoint).status == 0
    assert 'width 96' in refused('test', *recipe('pa100k', **NARROW), *checkpoint)
    assert 'heads.peta' in refused('test', *recipe('peta'), *checkpoint)  # trained for another dataset
    message = refused('test', *recipe('pa100k', **{'sources.pa100k.head.num_attributes': 20}), *checkpoint)
    assert 'heads.pa100k' in message and '26' in message and '20' in message


def test_checkpoint_that_leaves_a_tested_part_random(refused, trained, tmp_path):
    content = torch.load(shared(trained, tmp_path), weights_only=True)
    name = next(key for key in content['state_dict'] if key.startswith('heads.pa100k.'))
    del content['state_dict'][name]
    torch.save(content, tmp_path / 'part.pth')
    message = refused('test', *recipe('pa100k'), '--checkpoint', tmp_path / 'part.pth')
    assert 'lacks 1 parameters' in message and name in message


def test_a_test_without_a_model_is_refused(refused, edition):
    assert '--checkpoint' in refused('test', *recipe('pa100k'))


# --------------------------------------------------------------------------------------------- runs that do not go on
OTHER_RECIPES = {
    'seed': (recipe('pa100k') + ['--seed', 5], 'seed: 0 -> 5'),
    'length': (recipe('pa100k', steps=3), 'max_steps: 2 -> 3'),
    'batch': (recipe('pa100k', **{'sources.pa100k.batch_size': 8}), 'sources.pa100k.batch_size: 4 -> 8'),
    'learning rate': (
        recipe('pa100k', **{'optim_wrapper.optimizer.lr': 0.1}), 'optim_wrapper.optimizer.lr: 0.004 -> 0.1'),
    'protocol': (recipe('pa100k') + ['--protocol', 'partial'], 'protocol: None -> partial'),
    'model': (recipe('pa100k', **NARROW), 'model.backbone.embed_dim: 96 -> 48'),
    'split': (recipe('pa100k', **{'sources.pa100k.dataset.split': 'train'}), 'dataset.split: trainval -> train'),
}


@pytest.mark.parametrize(('other', 'words'), OTHER_RECIPES.values(), ids=OTHER_RECIPES)
def test_resume_with_another_recipe(refused, trained, tmp_path, other, words):
    shutil.copy(trained / 'last_checkpoint', tmp_path)
    message = refused('train', *other, '--work-dir', tmp_path, '--resume')
    assert message.startswith(f"CheckpointError: '{trained}/iter_1' was written by another recipe")
    assert words in message


def test_resume_with_the_same_recipe_and_with_moved_data(command, trained, copied, tmp_path):
    result = command('train', *recipe('pa100k', root=copied('pa100k')), '--work-dir', tmp_path / 'work', '--resume',
                     trained / 'iter_1')
    assert result.status == 0 and len(losses(tmp_path / 'work')) == 1 and (tmp_path / 'work/iter_2.pth').exists()


def test_resume_from_what_is_no_run(refused, trained, tmp_path):
    alone = shared(trained, tmp_path)
    assert 'weights of step 1 alone' in refused('train', *recipe('pa100k'), '--resume', alone)
    content = torch.load(alone, weights_only=True)
    del content['meta']['recipe']
    torch.save(content, tmp_path / 'foreign.pth')
    message = refused('train', *recipe('pa100k'), '--resume', tmp_path / 'foreign.pth')
    assert 'cannot be resumed' in message and 'weights' in message
    assert 'complete checkpoint' in refused('train', *recipe('pa100k'), '--resume', tmp_path)
    missing = refused('train', *recipe('pa100k'), '--resume', tmp_path / 'none.pth')
    assert missing.startswith(f"UserError: --resume: there is no checkpoint '{tmp_path}/none.pth'")
    truncate(tmp_path / 'foreign.pth')
    assert 'truncated' in refused('train', *recipe('pa100k'), '--resume', tmp_path / 'foreign.pth')
