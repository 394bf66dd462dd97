"""Files as the datasets hold them: JPEG, PNG, JSON, MATLAB, pickles, text. Written whole or not at all, equal bytes
for equal contents."""
import io
import json
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import scipy.io

from ...files import replacing

JPEG_QUALITY = 92

# A MATLAB 5 file begins with 116 bytes of text, in which SciPy states the time of writing. A fixed text instead makes
# the file a function of its contents.
_MAT_TEXT = b'MATLAB 5.0 MAT-file, Platform: MiniHuman'.ljust(116)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes beside the final name first, so that ``path`` never holds a part of ``data``."""
    with replacing(path, durable=False) as beside:  # the edition's folder is renamed when all of it is there
        beside.write_bytes(data)


def _encode(extension: str, image: np.ndarray, parameters: list[int]) -> bytes:
    if image.ndim == 3:
        image = image[..., ::-1]
    ok, data = cv2.imencode(extension, np.ascontiguousarray(image), parameters)
    assert ok, f'cannot encode {image.shape} {image.dtype} as {extension}'
    return data.tobytes()


def write_image(path: Path, image: np.ndarray) -> None:
    """An RGB picture (H, W, 3) or a label map (H, W), uint8, or depth (H, W), uint16; PNG or JPEG by the name."""
    parameters = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == '.jpg' else []
    write_bytes(path, _encode(path.suffix, image, parameters))


def write_json(path: Path, value: Any) -> None:
    """``value`` as one line of JSON; NumPy scalars and arrays become numbers and lists."""
    write_bytes(path, json.dumps(value, default=lambda x: x.tolist()).encode())


def write_pickle(path: Path, value: Any) -> None:
    """Arrays and plain values, in the protocol of Python 2."""
    write_bytes(path, pickle.dumps(value, protocol=2))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """A text file, one entry per line."""
    write_bytes(path, ''.join(f'{x}\n' for x in lines).encode())


def write_mat(path: Path, variables: Mapping[str, np.ndarray]) -> None:
    """A MATLAB 5 file (compressed). Object arrays become cells, structured arrays structs."""
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, dict(variables), do_compression=True)
    write_bytes(path, _MAT_TEXT + buffer.getvalue()[len(_MAT_TEXT):])


def write_h5(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """An HDF5 file (compressed); one piece for each row of an array of images."""
    import h5py
    with replacing(path, durable=False) as beside, h5py.File(beside, 'w') as file:
        for name, values in arrays.items():
            pieces = (1, *values.shape[1:]) if values.ndim == 3 and values[0].size > 10_000 else None
            file.create_dataset(name, data=values, chunks=pieces, compression='gzip', shuffle=True)


def cells(values: Iterable[Any], shape: tuple[int, int] = (-1, 1)) -> np.ndarray:
    """A MATLAB cell array: a column unless ``shape`` says otherwise."""
    values = list(values)
    out = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        out[i] = value
    return out.reshape(shape)


def struct(**fields: Any) -> np.ndarray:
    """A 1 x 1 MATLAB struct."""
    out = np.empty((1, 1), dtype=[(name, object) for name in fields])
    out[0, 0] = tuple(fields.values())
    return out


def column(values: Iterable[int], dtype: type = np.uint16) -> np.ndarray:
    """Numbers as an (n, 1) column, the shape in which MATLAB users store lists of indices."""
    return np.asarray(list(values), dtype).reshape(-1, 1)
