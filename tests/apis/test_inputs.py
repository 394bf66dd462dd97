"""Pictures from wherever they may be, and what is said where there are none."""
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from humanbench.apis.inputs import CUT_OFF, Video, box_array, media_of, read_boxes
from humanbench.errors import DataError, UserError


def picture(seed: int = 0, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Smooth colours, which survive a video."""
    coarse = np.random.default_rng(seed).integers(0, 255, (3, 4, 3), np.uint8)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


def write_video(path: Path, frames: int, codec: str = 'MJPG') -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 10, (64, 48))
    for i in range(frames):
        writer.write(picture(i)[..., ::-1])
    writer.release()
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two images, one of them deeper, a video, and something else."""
    (tmp_path / 'in' / 'deep').mkdir(parents=True)
    Image.fromarray(picture(1)).save(tmp_path / 'in' / 'b.png')
    Image.fromarray(picture(2)).save(tmp_path / 'in' / 'deep' / 'a.JPG', quality=95)
    write_video(tmp_path / 'in' / 'c.avi', 4)
    (tmp_path / 'in' / 'notes.txt').write_text('notes')
    return tmp_path / 'in'


def names(inputs) -> list[str]:
    return [x.name for media in media_of(inputs) for x in media.pictures()]


def test_names_of_pictures_from_everywhere(folder):
    frames = [f'c.avi#{i}' for i in range(4)]
    assert names(folder) == ['b.png', *frames, 'deep/a.JPG'] == names(str(folder))
    assert names(folder / 'b.png') == ['b.png'] and names(folder / 'c.avi') == frames
    assert names(str(folder / '*.*')) == ['b.png', *frames]
    assert names(str(folder / '**' / '*.JPG')) == ['deep/a.JPG']
    assert names([folder / 'b.png', picture(), folder / 'deep']) == ['b.png', '1', 'a.JPG']
    assert sum(len(x) for x in media_of(folder)) == 6


def test_pixels(folder):
    (png, *frames, jpg), array = [x for media in media_of(folder) for x in media.pictures()], picture(5)
    assert np.array_equal(png.image, picture(1)) and np.abs(jpg.image.astype(int) - picture(2)).mean() < 4
    for i, frame in enumerate(frames):
        assert frame.frame == i and frame.time == pytest.approx(i / 10)
        # control: a frame is nearer to its own picture, in RGB, than to the next one or to itself in BGR
        others = picture(i + 1), picture(i)[..., ::-1]
        distances = [np.abs(frame.image.astype(int) - x).mean() for x in (picture(i), *others)]
        assert distances[0] < 8 < 2 * distances[0] + 8 < min(distances[1:])
    given, = next(media_of(array)).pictures()
    assert given.image is array


@pytest.mark.parametrize('orientation', range(1, 9))
def test_pictures_are_upright(tmp_path, orientation):
    image, exif = Image.fromarray(picture(3)), Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / 'a.png', exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / 'a.png')))
    found, = next(media_of(tmp_path / 'a.png')).pictures()
    assert np.array_equal(found.image, upright)
    assert np.array_equal(found.image, picture(3)) == (orientation == 1)


def test_a_video_that_is_cut_off_gives_the_frames_so_far(tmp_path):
    whole = write_video(tmp_path / 'whole.avi', 30)
    (tmp_path / 'cut.avi').write_bytes(whole.read_bytes()[:whole.stat().st_size // 2])
    found = []
    with pytest.raises(DataError, match=r'cut.avi. ends after \d+ of 30 frames'):
        for frame in Video(tmp_path / 'cut.avi', 'cut.avi').pictures():
            found.append(frame)
    assert 5 < len(found) < 30 - CUT_OFF
    assert len(list(Video(whole, 'whole.avi').pictures())) == 30  # control


def test_a_trimmed_video_is_whole(tmp_path, caplog):
    """The header of an MP4 counts frames that an edit list hides, too."""
    for name, wrong in (('a.mp4', False), ('a.avi', True)):
        video = Video(write_video(tmp_path / name, 12, 'mp4v' if name == 'a.mp4' else 'MJPG'), name)
        video.__dict__['header'] = (40, 10.0)
        if wrong:
            with pytest.raises(DataError, match='ends after 12 of 40'):
                list(video.pictures())
        else:
            assert len(list(video.pictures())) == 12


def test_times_are_those_of_the_file(tmp_path, monkeypatch):
    class Stamped:
        """Four frames: the camera was slow after the second, and the last has no time."""
        stamps = [0.0, 40.0, 500.0, 0.0]

        def __init__(self, path):
            self.place = -1

        def isOpened(self):  # noqa: N802
            return True

        def read(self):
            self.place += 1
            return self.place < 4, np.zeros((8, 8, 3), np.uint8)

        def get(self, key):
            return {cv2.CAP_PROP_POS_MSEC: self.stamps[min(self.place, 3)], cv2.CAP_PROP_FRAME_COUNT: 4,
                    cv2.CAP_PROP_FPS: 25}[key]

        def release(self):
            pass

    monkeypatch.setattr(cv2, 'VideoCapture', Stamped)
    assert [x.time for x in Video(tmp_path / 'a.mkv', 'a').pictures()] == [0.0, 0.04, 0.5, 0.5]


def test_pictures_of_one_name_are_called_by_their_folders(tmp_path):
    for camera in ('left', 'right'):
        (tmp_path / camera).mkdir()
        Image.fromarray(picture(1)).save(tmp_path / camera / '1.png')
    write_video(tmp_path / 'right' / '2.avi', 1)
    assert names([tmp_path / 'left', tmp_path / 'right']) == ['left/1.png', 'right/1.png', '2.avi#0']
    assert names([tmp_path / 'left/1.png', tmp_path / 'right/*.png']) == ['left/1.png', 'right/1.png']
    assert names([tmp_path / 'left']) == ['1.png']


@pytest.mark.parametrize('content', [b'', b'no video', b'\0\0\0\x18ftypmp42' + bytes(400)])
def test_no_video(tmp_path, content):
    (tmp_path / 'a.mp4').write_bytes(content)
    media, = media_of(tmp_path)
    assert len(media) == 0
    with pytest.raises(DataError, match='a.mp4. cannot be read'):
        next(media.pictures())


def test_wrong_inputs(tmp_path):
    (tmp_path / 'empty').mkdir()
    for inputs, message in {
        'nowhere.jpg': "no 'nowhere.jpg'",
        str(tmp_path / 'empty'): 'has nothing to look at. Expected files that end in .jpg',
        'nowhere/*.png': 'has nothing to look at', 5: 'got int; expected a path',
    }.items():
        with pytest.raises(UserError, match=message):
            names(inputs)
    for shape, kind in (((4, 4, 3), float), ((4, 4), np.uint8), ((4, 4, 4), np.uint8), ((0, 4, 3), np.uint8)):
        with pytest.raises(UserError, match='expected an RGB image'):
            names([np.zeros(shape, kind)])
    with pytest.raises(UserError, match='input 1 is a float'):
        names([picture(), 0.5])


def test_boxes(tmp_path):
    file = tmp_path / 'boxes.json'
    file.write_text('{"a.jpg": [[1, 2, 3.5, 4]], "b.jpg": []}')
    found = read_boxes(file)
    assert found['a.jpg'].tolist() == [[1, 2, 3.5, 4]] and found['b.jpg'].shape == (0, 4)
    for text in ('', '[[1, 2, 3, 4]]', '{"a.jpg": [[1, 2, 3]]}', '{"a.jpg": [1, 2, 3, 4]}', '{"a.jpg": [[3, 2, 1, 4]]}',
                 '{"a.jpg": [[1, 2, NaN, 4]]}', '{"a.jpg": [[1, 2, 3, 4, 5, 6, 7, 8]]}', '{"a.jpg": [["a", 2, 3, 4]]}',
                 '{"a.jpg": 3}', '{"a.jpg": {"x": 1}}'):
        file.write_text(text)
        with pytest.raises(UserError, match='boxes.json'):
            read_boxes(file)
    with pytest.raises(UserError, match='nowhere'):
        read_boxes(tmp_path / 'nowhere')
    assert box_array(np.array([[1, 2, 3, 4]]), 'here').dtype == np.float32
