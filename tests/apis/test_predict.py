"""The command: files that it writes, what it says of broken ones, and its exit status."""
import importlib.util
import json
from pathlib import Path

import cv2
import pytest
from PIL import Image

from humanbench.apis.inputs import Video
from humanbench.errors import UserError

from .test_inputs import picture, write_video

TOOL = Path(__file__).parents[2] / 'tools' / 'predict.py'
spec = importlib.util.spec_from_file_location('predict_tool', TOOL)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


@pytest.fixture
def predict(checkpoint, tmp_path, monkeypatch):
    """Run the command in a folder of its own; gives the exit status."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> int:
        if '--checkpoint' not in arguments:
            arguments = (*arguments, '--checkpoint', str(checkpoint))
        try:
            return tool.main([*arguments, '--device', 'cpu'])
        except SystemExit as stop:
            return stop.code
    return run


@pytest.fixture
def photos(tmp_path) -> Path:
    """Three photos, one in a folder of its own."""
    (tmp_path / 'photos' / 'deep').mkdir(parents=True)
    for i, name in enumerate(('a.jpg', 'b.png', 'deep/a.jpg')):
        Image.fromarray(picture(i, (96, 128))).save(tmp_path / 'photos' / name)
    return tmp_path / 'photos'


def written(folder: str | Path) -> list[str]:
    return sorted(x.relative_to(folder).as_posix() for x in Path(folder).rglob('*') if x.is_file())


def test_a_folder(predict, photos, capsys):
    assert predict('photos', '--out', 'found', '--score-threshold', '-1', '--json', '--tasks', 'pose') == 0
    assert written('found') == ['a.jpg', 'a.json', 'b.jpg', 'b.json', 'deep/a.jpg', 'deep/a.json']
    output = capsys.readouterr()
    lines = [json.loads(line) for line in output.out.splitlines()]  # nothing else is there
    assert [x['name'] for x in lines] == ['a.jpg', 'b.png', 'deep/a.jpg']
    assert lines[2] == json.loads(Path('found/deep/a.json').read_text()) and len(lines[2]['persons']) == 48
    assert '3 pictures, 144 people' in output.err and 'pose (coco_pose)' in output.err
    assert Image.open('found/b.jpg').size == (960, 720)


def test_a_corrupt_image_is_left_out_and_named(predict, photos, capsys):
    whole = (photos / 'a.jpg').read_bytes()
    (photos / 'c.jpg').write_bytes(whole[:len(whole) // 2])
    (photos / 'd.png').write_text('no image')
    assert predict('photos', '--out', 'found', '--tasks', 'counting', '--no-overlay') == 1
    assert written('found') == ['a.json', 'b.json', 'deep/a.json']
    said = ' '.join(capsys.readouterr().err.split())
    assert 'not read: c.jpg:' in said and 'not read: d.png:' in said and '2 of 5 inputs could not be read' in said


def test_a_video_and_its_overlay(predict, checkpoint, tmp_path):
    write_video(tmp_path / 'street.avi', 6)
    assert predict('street.avi', '--out', 'found', '--tasks', 'counting', 'attribute', '--batch-size', '4') == 0
    assert written('found') == ['street.jsonl', 'street.mp4']
    lines = [json.loads(line) for line in Path('found/street.jsonl').read_text().splitlines()]
    assert [(x['frame'], x['time']) for x in lines] == [(i, pytest.approx(i / 10)) for i in range(6)]
    frames = [x.image for x in Video(tmp_path / 'found' / 'street.mp4', 'a').pictures()]
    assert len(frames) == 6 and frames[0].shape == (48, 64, 3)
    capture = cv2.VideoCapture('found/street.mp4')
    assert capture.get(cv2.CAP_PROP_FPS) == 10


def test_of_a_video_that_is_cut_off_the_frames_so_far_are_kept(predict, tmp_path, capsys):
    whole = write_video(tmp_path / 'street.avi', 30)
    (tmp_path / 'cut').mkdir()
    (tmp_path / 'cut' / 'cut.avi').write_bytes(whole.read_bytes()[:whole.stat().st_size // 2])
    Image.fromarray(picture()).save(tmp_path / 'cut' / 'last.png')
    assert predict('cut', '--out', 'found', '--tasks', 'counting') == 1
    assert written('found') == ['cut.jsonl', 'cut.mp4', 'last.jpg', 'last.json']
    count = len(Path('found/cut.jsonl').read_text().splitlines())
    assert 5 < count < 28 and f'ends after {count} of 30 frames' in ' '.join(capsys.readouterr().err.split())


def test_an_error_in_a_video_leaves_no_half_file(tmp_path, inferencer, monkeypatch):
    monkeypatch.setattr(inferencer, 'tasks', {'counting'})
    results = inferencer(write_video(tmp_path / 'street.avi', 30), out_dir=tmp_path / 'found')
    next(results)
    assert any('.jsonl' in x for x in written(tmp_path / 'found'))  # being written
    results.close()
    assert written(tmp_path / 'found') == []


def test_boxes_from_a_file(predict, photos, capsys):
    Path('boxes.json').write_text('{"a.jpg": [[10, 10, 50, 90], [20.5, 5, 60, 80]], "b.png": [], "deep/a.jpg": []}')
    assert predict('photos', '--boxes', 'boxes.json', '--json', '--tasks', 'reid') == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [[x['box'] for x in line['persons']] for line in lines] == [[[10, 10, 50, 90], [20.5, 5, 60, 80]], [], []]
    assert len(lines[0]['persons'][0]['feature']) == 96 and 'score' not in lines[0]['persons'][0]


def test_a_frame_of_which_a_tracker_says_nothing_has_nobody(predict, tmp_path):
    write_video(tmp_path / 'street.avi', 3)
    Path('boxes.json').write_text('{"street.avi#0": [[10, 10, 40, 40]], "street.avi#2": []}')
    assert predict('street.avi', '--boxes', 'boxes.json', '--out', 'found', '--tasks', 'reid', '--no-overlay') == 0
    lines = [json.loads(line) for line in Path('found/street.jsonl').read_text().splitlines()]
    assert [len(x['persons']) for x in lines] == [1, 0, 0]


def test_a_picture_is_never_written_over(inferencer, photos):
    """Also where inputs come one by one, so that nothing can be said beforehand."""
    before = (photos / 'a.jpg').read_bytes()
    with pytest.raises(UserError, match='where it is itself'):
        list(inferencer(iter([photos / 'a.jpg']), out_dir=photos))
    assert (photos / 'a.jpg').read_bytes() == before


WRONG = {
    'a missing file': (['nowhere.jpg', '--out', 'found'], "no 'nowhere.jpg'. Expected an image, a video, a folder"),
    'an empty folder': (['empty', '--out', 'found'], "'empty' has nothing to look at"),
    'a pattern that fits nothing': (['photos/*.bmp', '--out', 'found'], 'has nothing to look at'),
    'nowhere to write': (['photos'], 'Where to? Expected --out DIR'),
    'among the inputs': (['photos', '--out', 'photos'], "results cannot go to 'photos'"),
    'among the inputs, of a file': (['photos/a.jpg', '--out', 'photos'], "results cannot go to 'photos'"),
    'among the inputs, by a pattern': (['photos/*/*.jpg', '--out', 'photos'], "results cannot go to 'photos'"),
    'inside a pattern of folders': (['photos/**/*.jpg', '--out', 'photos/x'], "results cannot go to 'photos/x'"),
    'inside the inputs': (['photos', '--out', 'photos/found'], "results cannot go to 'photos/found'"),
    'to a file': (['photos', '--out', 'photos/a.jpg'], "'photos/a.jpg' is a file; expected a folder"),
    'no boxes file': (['photos', '--out', 'found', '--boxes', 'nowhere.json'], "boxes 'nowhere.json' cannot be read"),
    'boxes of other pictures': (['photos', '--out', 'found', '--boxes', 'other.json'], "no boxes for 'a.jpg'"),
    'boxes outside': (['photos/a.jpg', '--out', 'found', '--boxes', 'outside.json'], "a box of 'a.jpg' lies outside"),
    'heads': (['photos', '--out', 'found', '--heads', 'pose'], 'expected TASK=SOURCE'),
    'an unknown head': (['photos', '--out', 'found', '--heads', 'pose=halpe'], 'Known: aic, coco_pose'),
    'an unknown task': (['photos', '--out', 'found', '--tasks', 'posture'], "Unknown task 'posture'"),
    'a missing checkpoint': (['photos', '--out', 'found', '--checkpoint', 'no.pth'], "There is no checkpoint 'no.pth'"),
    'a checkpoint that is none': (
        ['photos', '--out', 'found', '--checkpoint', 'outside.json'], 'is not a PyTorch weight file'),
    'another config': (['photos', '--out', 'found', '--config', 'benchmark/pose/mpii.py'], 'has no head of'),
}


@pytest.mark.parametrize(('arguments', 'message'), WRONG.values(), ids=WRONG)
def test_wrong_commands_are_said_in_one_line(arguments, message, predict, photos, capsys):
    Path('empty').mkdir()
    Path('other.json').write_text('{"c.jpg": []}')
    Path('outside.json').write_text('{"a.jpg": [[500, 500, 600, 600]]}')
    before = written(photos)
    assert predict(*arguments) == 2
    assert written(photos) == before and not Path('found').exists()
    *_, last = capsys.readouterr().err.strip().splitlines()
    assert message in last and 'Traceback' not in last
