"""JPEG files: their pixels, and those of their first rows alone."""
import cv2
import numpy as np

try:
    import simplejpeg
except ImportError:  # OpenCV gives the same pixels, a little slower
    simplejpeg = None

START, _END = b'\xff\xd8', b'\xff\xd9'
_MARGIN = 2  # rows: the last one of a picture has no colours from below to be smoothed with
_ONE_PASS = (0xC0, 0xC1)  # frames whose rows may be coded one after the other
_OTHER_FRAMES = {*range(0xC2, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SCAN, _UNTOUCHED = 0xDA, 0xA5
_TRAILING = 1024  # bytes at the end of a file in which its last marker is looked for
# complaints of libjpeg about files that it reads: stray bytes between segments, careless headers of some cameras
_HARMLESS = ('extraneous', 'Invalid SOS parameters', 'unknown JFIF revision')


def decode(data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        return simplejpeg.decode_jpeg(data, 'RGB')
    except ValueError as error:
        if not _is_harmless(error) or _END not in data[-_TRAILING:]:  # else it would hide that the end is missing
            raise
    try:
        return simplejpeg.decode_jpeg(data, 'RGB', strict=False)
    except ValueError:  # of a header it forgives nothing
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if picture is None:
            raise
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def decode_top(data: bytes, rows: int) -> np.ndarray:
    """The first ``rows`` rows of a picture, (rows, W, 3): the pixels of :func:`decode`, for their share of its time.

    A decoder works from top to bottom and ends after as many rows as the header says. It gets a copy of the file whose
    header says fewer; the bindings of libjpeg have no other way to tell it. All of the file is decoded where its rows
    are not coded one after the other (progressive files), and where its end is missing, so that a truncated file is an
    error. Damage below these rows is not looked for.

    Raises:
        ValueError: the file is damaged.
    """
    place = _place_of_height(data)
    kept = rows + _MARGIN
    if place is None or kept >= int.from_bytes(data[place:place + 2], 'big'):
        return decode(data)[:rows]
    shorter = bytearray(data)
    shorter[place:place + 2] = kept.to_bytes(2, 'big')
    picture = np.empty((kept, int.from_bytes(data[place + 2:place + 4], 'big'), 3), np.uint8)
    picture[-1] = _UNTOUCHED
    try:
        simplejpeg.decode_jpeg(shorter, 'RGB', buffer=picture)
    except ValueError as error:  # it stops at its first complaint: of rows that follow, when all of these are decoded
        if not _is_harmless(error):
            raise
        if (picture[-1] == _UNTOUCHED).all():  # of what stands before them
            return decode(data)[:rows]
    return picture[:rows]


def size(data: bytes) -> tuple[int, int]:
    """Height and width, as the header says.

    Raises:
        ValueError: it is damaged.
    """
    try:
        return simplejpeg.decode_jpeg_header(data)[:2]
    except ValueError as error:
        if not _is_harmless(error):
            raise
        return simplejpeg.decode_jpeg_header(data, strict=False)[:2]


def _is_harmless(error: ValueError) -> bool:
    return any(words in str(error) for words in _HARMLESS)


def _place_of_height(data: bytes) -> int | None:
    """Where its height stands in a file; None where its rows do not follow each other, or its end is missing."""
    place, components, i = None, b'', len(START)
    if not data.endswith(_END):
        return None
    while data[i:i + 1] == b'\xff':
        kind = data[i + 1:i + 2]
        if kind == b'\xff':  # a byte that fills
            i += 1
            continue
        marker = kind[0] if kind else _SCAN
        if marker in _OTHER_FRAMES:
            return None
        if marker == _SCAN:
            return place if data[i + 4:i + 5] == components else None  # all colours in one scan
        if marker in _ONE_PASS:
            place, components = i + 5, data[i + 9:i + 10]
        i += 2 + int.from_bytes(data[i + 2:i + 4], 'big')
    return None
