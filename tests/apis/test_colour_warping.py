"""Colour frames of NTU RGB+D in the view of the depth camera: the fit, the frames, and runs that stop and go on."""
import importlib.util
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from humanbench import catalog, datasets
from humanbench.apis import colour_warping as warping
from humanbench.datasets.multimodal import COLOUR, SKELETONS
from humanbench.datasets.roots import dataset_root
from humanbench.errors import DataError

TOOL = Path(__file__).parents[2] / 'tools' / 'warp_rgb.py'
spec = importlib.util.spec_from_file_location('warp_rgb_tool', TOOL)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

TRUE = np.array([[0.28, 0.01, -20], [-0.005, 0.29, 14], [1e-5, -2e-5, 1]])


def pairs(outliers: float, count: int = 2000, noise: float = 0.5) -> np.ndarray:
    """Joints in both views of a plane, some of them wrong."""
    rng = np.random.default_rng(0)
    colour = rng.uniform((300, 100), (1600, 1000), (count, 2))
    depth = cv2.perspectiveTransform(colour[None], TRUE)[0] + rng.normal(0, noise, (count, 2))
    wrong = rng.random(count) < outliers
    depth[wrong] += rng.uniform(-200, 200, (int(wrong.sum()), 2))
    return np.hstack([colour, depth]).astype(np.float32)


def off(matrix) -> float:
    """Largest distance, in pixels of the depth, between what two homographies say of the corners of a body."""
    corners = np.array([[[300, 100], [1600, 100], [300, 1000], [1600, 1000]]], float)
    moved = [cv2.perspectiveTransform(corners, np.asarray(x))[0] for x in (matrix, TRUE)]
    return float(np.linalg.norm(moved[0] - moved[1], axis=1).max())


@pytest.mark.parametrize('outliers', [0.0, 0.4])
def test_the_fit_finds_the_homography_among_wrong_joints(outliers):
    found = warping.fit(pairs(outliers))
    assert off(found.matrix) < 1 and found.inside == pytest.approx(1 - outliers, abs=0.05)
    plain, _ = cv2.findHomography(*np.hsplit(pairs(outliers), 2), 0)
    assert outliers == 0 or off(plain) > 5  # without RANSAC wrong joints decide


def test_the_fit_is_a_function_of_its_input_and_seed(monkeypatch):
    monkeypatch.setattr(warping, 'MOST_PAIRS', 500)
    many = pairs(0.3)
    assert warping.fit(many, 1) == warping.fit(many, 1) != warping.fit(many, 2)
    assert warping.fit(many, 1).pairs == 500


def test_too_few_joints_and_joints_in_one_place_have_none():
    assert warping.fit(pairs(0, 40)) is None
    assert warping.fit(np.ones((300, 4), np.float32)) is None


def test_warped_frames_lie_where_the_homography_says_and_are_averaged():
    image = np.zeros((90, 120, 3), np.uint8)
    image[30:33, 60:63] = 255  # pixel (20, 10) of a third
    third = np.array([[1 / 3, 0, -1 / 3], [0, 1 / 3, -1 / 3], [0, 0, 1]])
    made = warping.warped(image, third, (30, 40))
    assert made.shape == (30, 40, 3) and made[10, 20].min() > 200 and made.sum() < 3 * 255 * 1.6
    checks = np.indices((90, 120)).sum(0)[..., None].repeat(3, 2) % 2 * 255
    even = warping.warped(checks.astype(np.uint8), third, (30, 40))[2:-2, 2:-2]
    picked = cv2.warpPerspective(checks.astype(np.uint8), third, (40, 30))[2:-2, 2:-2]
    assert even.std() < 30 < 100 < picked.std()  # grey, where single pixels are black or white


@pytest.fixture
def root(edition, tmp_path) -> Path:
    """The synthetic clips, with colour that the fitted homographies bring to the depth: folders of frames for some,
    videos for others; and the frames that are to come out beside them."""
    sound = dataset_root('minihuman:tiny', catalog.card('ntu_rgbd'))
    root = shutil.copytree(sound, tmp_path / 'ntu_rgbd')
    (root / COLOUR).rename(tmp_path / 'expected')
    tags = warping.clips(root)
    known = warping.homographies(root, tags)
    for number, tag in enumerate(tags):
        if tag[:8] in known:
            _film(root / warping.VIDEOS, tag, tmp_path / 'expected' / tag, known[tag[:8]].matrix, number % 2 == 0)
    (root / warping.TABLE).unlink()
    return root


def _film(folder: Path, tag: str, frames: Path, matrix, video: bool) -> None:
    back, images = np.linalg.inv(np.array(matrix)), [cv2.imread(str(x)) for x in sorted(frames.iterdir())]
    colour = [cv2.warpPerspective(x, back, (1920, 1080), flags=cv2.INTER_CUBIC) for x in images]
    folder.mkdir(exist_ok=True)
    if video:
        writer = cv2.VideoWriter(str(folder / f'{tag}_rgb.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 30, (1920, 1080))
        for image in colour:
            writer.write(image)
        writer.release()
        return
    (folder / tag).mkdir()
    for i, image in enumerate(colour, 1):
        cv2.imwrite(str(folder / tag / f'frame-{i:04d}.jpg'), image)


def test_the_command_from_end_to_end(root, tmp_path, capsys):
    """What it writes is what the reader draws, and looks as it should."""
    assert tool.main([str(root), '--workers', '1']) == 0
    assert 'S001C002' in capsys.readouterr().out
    written = sorted((root / COLOUR).rglob('*.jpg'))
    drawn = [x['img_path'] for x in map(datasets.NTURGBD(root).get_data_info, range(len(written)))]
    assert sorted(drawn) == [str(x) for x in written] and len({x.parent for x in written}) == len(written) == 5
    for path in written:
        clip = tmp_path / 'expected' / path.parent.name
        made, expected = cv2.imread(str(path)), cv2.imread(str(clip / path.name))
        others = [cv2.imread(str(x)) for x in clip.iterdir() if x.name != path.name]
        inner = np.s_[40:-40, 20:-20]  # a Kinect's colour sees less above and below than its depth
        near = np.abs(made[inner].astype(int) - expected[inner]).mean()
        assert near < 6 and all(near < np.abs(made[inner].astype(int) - x[inner]).mean() for x in others)


def test_all_frames_several_processes_and_a_second_run(root, capsys):
    assert tool.main([str(root), '--all-frames', '--workers', '2']) == 0
    first = {x: x.stat().st_mtime_ns for x in (root / COLOUR).rglob('*.jpg')}
    assert len(first) > 4 and 'frames written, 0 were there' in capsys.readouterr().out
    lost = sorted(first)[0]
    lost.unlink()
    assert tool.main([str(root), '--all-frames', '--workers', '1']) == 0
    assert f'1 frames written, {len(first) - 1} were there' in capsys.readouterr().out
    second = {x: x.stat().st_mtime_ns for x in (root / COLOUR).rglob('*.jpg')}
    assert second.keys() == first.keys() and all(second[x] == first[x] for x in first if x != lost)
    assert not [x for x in (root / COLOUR).rglob('*') if x.is_file() and not x.name.startswith('WRGB-')]


def test_homographies_are_kept_and_belong_to_their_clips(root, monkeypatch):
    tags = warping.clips(root)
    first = warping.homographies(root, tags)
    monkeypatch.setattr(warping, 'fit', lambda *_: pytest.fail('fitted again'))
    assert warping.homographies(root, tags) == first
    for other in (dict(tags=tags[:-1]), dict(tags=tags, seed=1)):
        with pytest.raises(pytest.fail.Exception):
            warping.homographies(root, **other)
    (root / warping.TABLE).write_text('{"cameras": {"S001C001": 3}}')
    with pytest.raises(DataError, match='homographies.json. is no table of homographies'):
        warping.homographies(root, tags)


def test_a_camera_with_too_few_joints_is_said(root, monkeypatch, capsys):
    monkeypatch.setattr(warping, 'LEAST_PAIRS', 90)  # those that stand for two clips have more
    assert tool.main([str(root), '--workers', '1']) == 1
    said = capsys.readouterr()
    assert 'S001C001 has too few joints for a homography' in said.err and '3 of 5 clips lack frames' in said.err
    assert '2 frames written' in said.out


def test_a_list_of_frames_goes_first(root):
    tags = warping.clips(root)
    known = warping.homographies(root, tags)
    tag = next(x for x in tags if x[:8] in known)
    (root / 'nturgbd_flist_clear.txt').write_text(f'{tag}/MDepth-00000002.png\n')
    done = list(warping.warp(root, tags, known))
    assert [x.written for x in done if x.tag == tag] == [1] and sum(x.written for x in done) == 1
    assert (root / COLOUR / tag / 'WRGB-00000002.jpg').is_file()


def test_colour_that_is_missing_short_or_damaged_is_said(root):
    tags = warping.clips(root)
    known = warping.homographies(root, tags)
    sound = {x.tag: x for x in warping.warp(root, tags, known, None)}
    filmed = [x for x in tags if sound[x].written]
    assert filmed and all(not sound[x].problem for x in filmed)
    shutil.rmtree(root / COLOUR)
    shutil.rmtree(root / warping.VIDEOS)
    (root / warping.VIDEOS).mkdir()
    (root / warping.VIDEOS / f'{filmed[0]}_rgb.avi').write_bytes(b'no video')
    (root / warping.VIDEOS / filmed[1]).mkdir()
    found = {x.tag: x.problem for x in warping.warp(root, tags, known, None)}
    assert 'is no video that can be read' in found[filmed[0]] and 'colour ends before' in found[filmed[1]]
    (root / warping.VIDEOS / filmed[1] / 'x-0002.jpg').write_bytes(b'no image')
    (root / warping.VIDEOS / f'{filmed[0]}_rgb.avi').unlink()
    found = {x.tag: x.problem for x in warping.warp(root, tags, known, None)}
    assert 'there is neither the video' in found[filmed[0]] and 'is no image that can be read' in found[filmed[1]]
    assert not [*(root / COLOUR).rglob('*.jpg')] if (root / COLOUR).exists() else True


@pytest.mark.parametrize('arguments, message', [
    (['nowhere'], 'there is no folder'), (['.'], 'has no skeleton file'), (['.', '--frames-per-clip', '0'], 'expected'),
    (['.', '--workers', '0'], 'expected 1 or more'), (['.', '--seed', '-1'], 'expected 1 or more')])
def test_mistakes_in_the_command(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        tool.main(arguments)
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_homographies_alone(root):
    assert tool.main([str(root), '--only-homographies']) == 0 and not (root / COLOUR).exists()
    table = json.loads((root / warping.TABLE).read_text())
    assert table['clips'] == len(warping.clips(root)) and (root / SKELETONS).is_dir()
