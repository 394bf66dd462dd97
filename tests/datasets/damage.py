"""Ways to damage a file of a dataset: what a broken download, another release or a hostile archive may hold."""
import io
import json
import pickle
import random
import re
import shutil
import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
from PIL import Image

IMAGES = ('.jpg', '.jpeg', '.png', '.bmp')
DEEP = 100_000
WEIRD = (None, True, '', 'x', -1, 0, 7, 10 ** 6, 2 ** 31, 2 ** 63, 10 ** 30, 10 ** 400, -10 ** 400, 1e308, -1e308,
         float('nan'), float('inf'), -float('inf'), 0.5, 1e-320, [], {}, [[1]], [1, 2], {'a': 1}, [None] * 3, 'nan',
         '12', '\ud800', 'a\0b', 'a\nb', '/etc/passwd', '../../outside/secret', 'a/../../x', '.', '/', 'x' * 5000)
WORDS = ('-1', '0', '99999999999999999999', '9' * 5000, '1e308', 'nan', 'inf', '0x10', '1_0', '٣', '²', '/etc/passwd',
         '../../outside/secret', 'a/../x', '.', 'a\0b', '\ufeff', '\u2028', 'x' * 5000, '')
MATRICES = (float('nan'), float('inf'), -1.0, 0.0, 1e308, 2.0 ** 62, 'text', '', np.zeros((0, 0)), np.zeros((0, 2)),
            np.ones((1, 3)), np.ones((2, 2, 2)), np.full((3, 2), np.nan), np.array([[1 + 2j]]), np.uint8(255),
            np.int64(-2 ** 63), {'a': 1}, '../../outside/secret', '/etc/passwd', 'a\nb')
FORMS = (('JPEG', 'L'), ('JPEG', 'CMYK'), ('JPEG', 'RGB'), ('PNG', 'P'), ('PNG', '1'), ('PNG', 'RGBA'), ('PNG', 'LA'),
         ('PNG', 'I;16'), ('GIF', 'P'), ('TIFF', 'F'), ('TIFF', 'RGB'), ('WEBP', 'RGB'), ('BMP', 'RGB'), ('PPM', 'L'),
         ('ICO', 'RGB'))
FILE_NAMES = ('x', '-1', '0000', '9' * 30 + '_c1', '9' * 30 + '_1', 'a\nb', '\udcff', '²_c²s1', '٣_c٣', '_', '1_' * 60)


class Damage:
    """One damage of one file.

    Args:
        root: folder of the dataset.
        outside: a folder beside it, which nobody may read.
        rng: decides.
    """

    def __init__(self, root: Path, outside: Path, rng: random.Random):
        self.root, self.outside, self.rng = root, outside, rng

    def apply(self, path: Path) -> str:
        """Damage a file of the dataset; says how."""
        kinds = _KINDS.get(path.suffix.lower(), ())
        for _ in range(20):
            kind = self.rng.choice(kinds if kinds and self.rng.random() < 0.65 else _ANY)
            whole = path.read_bytes()
            try:
                kind(self, path)
            except (ValueError, TypeError, LookupError, ArithmeticError, sqlite3.Error, struct.error, OSError,
                    AttributeError):
                _remove(path)  # such a value cannot be written: another one
                path.write_bytes(whole)
                continue
            if path.is_symlink() or not path.is_file() or path.read_bytes() != whole:
                return kind.__name__.strip('_')
        path.write_bytes(whole + b'\xff')  # there is little in an empty file that could be damaged
        return 'byte'

    # ------------------------------------------------------------------------------------------- any file
    def truncate(self, path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[:self.rng.randrange(len(data) + 1)])

    def flip(self, path: Path) -> None:
        data = bytearray(path.read_bytes())
        most = min(len(data), 400) if self.rng.random() < 0.5 else len(data)  # headers decide most
        for _ in range(self.rng.choice((1, 1, 2, 4, 20))):
            data[self.rng.randrange(most)] = self.rng.randrange(256)
        path.write_bytes(data)

    def insert(self, path: Path) -> None:
        data, at = path.read_bytes(), self.rng.randrange(path.stat().st_size + 1)
        path.write_bytes(data[:at] + self.rng.choice((b'\0', b'\xff\xfe', b'\n', b'[', b'\x80' * 9)) + data[at:])

    def zeros(self, path: Path) -> None:
        data = bytearray(path.read_bytes())
        start = self.rng.randrange(len(data))
        data[start:] = bytes(len(data) - start)  # a download that was never written to its end
        path.write_bytes(data)

    def replace(self, path: Path) -> None:
        path.write_bytes(self.rng.choice((b'', b'\0' * 300, b'<html>not found</html>', bytes(range(256)) * 9, b'{}',
                                          b'[]', b'null', b'\n\n', b'\x1f\x8b\x08' + b'\0' * 99, b'\xff\xfea\0')))

    def folder(self, path: Path) -> None:
        path.unlink()
        path.mkdir()

    def file_for_folder(self, path: Path) -> None:
        folder = self.rng.choice([x for x in path.parents if self.root in x.parents] or [path])
        _remove(folder)
        folder.write_text('x')

    def link_out(self, path: Path) -> None:
        secret = self.outside / f'secret{path.suffix}'
        path.rename(secret)
        path.symlink_to(secret)

    def link_nowhere(self, path: Path) -> None:
        path.unlink()
        path.symlink_to(self.rng.choice((path.name, '/nonexistent/x', '..')))

    def gone(self, path: Path) -> None:
        path.unlink()

    # ------------------------------------------------------------------------------------------- JSON, lists
    def json_value(self, path: Path) -> None:
        lines = path.suffix == '.odgt'
        data = [json.loads(x) for x in path.read_text().splitlines()] if lines else json.loads(path.read_text())
        holder = [data]
        for _ in range(self.rng.choice((1, 1, 3))):
            self._change(holder, WEIRD)
        data = holder[0] if holder else None
        path.write_text('\n'.join(map(json.dumps, data)) if lines else json.dumps(data))

    def json_deep(self, path: Path) -> None:
        text = path.read_text()
        at = self.rng.choice([x.end() for x in re.finditer(r'[:\[,] ?', text[:5000])] or [0])
        one = self.rng.choice(('[', '{"a":'))
        path.write_text(text[:at] + one * DEEP + text[at:])

    def json_number(self, path: Path) -> None:
        text = path.read_text()
        found = self.rng.choice(list(re.finditer(r'-?\d+\.?\d*', text)))
        new = self.rng.choice(('1e999', '-1e400', '9' * 5000, 'NaN', '-Infinity', '""'))
        path.write_text(text[:found.start()] + new + text[found.end():])

    def word(self, path: Path) -> None:
        text = path.read_text()
        found = self.rng.choice(list(re.finditer(r'[^\s,/_.]+|[^\s,]+', text)))
        path.write_text(text[:found.start()] + self.rng.choice(WORDS) + text[found.end():])

    def lines(self, path: Path) -> None:
        lines = path.read_text().splitlines()
        at = self.rng.randrange(len(lines))
        lines[at:at + 1] = self.rng.choice(([], [lines[at]] * 2, [lines[at] + ' 1'], [lines[at].split()[0]], [
            self.rng.choice(WORDS)], [lines[at] * 2000]))
        path.write_text('\n'.join(lines))

    # ------------------------------------------------------------------------------------------- MATLAB, pickle, SQLite
    def mat_value(self, path: Path) -> None:
        data = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith('__')}
        for _ in range(self.rng.choice((1, 1, 3))):
            self._change(data, MATRICES)
        stream = io.BytesIO()
        scipy.io.savemat(stream, data, do_compression=self.rng.random() < 0.5)
        path.write_bytes(stream.getvalue())

    def mat_old(self, path: Path) -> None:
        """A file of version 4, of an absurd size."""
        size = self.rng.choice((10 ** 4, 10 ** 5, 2 ** 31 - 1))
        kind = self.rng.choice((0, 10, 1, 51, 2, 52, 9999, -1))
        name = self.rng.choice((b'x\0', b'annot2\0', b'peta\0'))
        path.write_bytes(struct.pack('<5i', kind, size, size, self.rng.choice((0, 1)), len(name)) + name + b'\0' * 64)

    def mat_bomb(self, path: Path) -> None:
        """A megabyte that unpacks to one number after the other, a gigabyte of them; its checksum is right."""
        chunk, times = bytes(1 << 24), 64
        count = len(chunk) * times
        inside = struct.pack('<2I 4I 4I 4I 2I', 14, count + 56, 6, 8, 6, 0, 5, 8, count // 8, 1, 1, 1, ord('x'), 0, 9,
                             count)
        stream = zlib.compressobj(1, wbits=-15)
        packed = stream.compress(inside) + stream.flush(zlib.Z_FULL_FLUSH)
        packed += (stream.compress(chunk) + stream.flush(zlib.Z_FULL_FLUSH)) * times + stream.flush()
        low, high = zlib.adler32(inside) & 0xffff, zlib.adler32(inside) >> 16
        packed = b'\x78\x01' + packed + struct.pack('>I', (high + count * low) % 65521 << 16 | low)
        path.write_bytes(b'MATLAB 5.0 MAT-file'.ljust(124) + b'\0\1IM' + struct.pack('<2I', 15, len(packed)) + packed)

    def pickle_value(self, path: Path) -> None:
        holder = [pickle.loads(path.read_bytes(), encoding='latin1')]
        for _ in range(self.rng.choice((1, 1, 3))):
            self._change(holder, (*WEIRD[:-9], *MATRICES))
        path.write_bytes(pickle.dumps(holder[0] if holder else None, self.rng.choice((2, 4))))

    def pickle_program(self, path: Path) -> None:
        path.write_bytes(self.rng.choice((
            b'cos\nsystem\n(S"true"\ntR.', b'\x80\x04\x8e' + struct.pack('<Q', 2 ** 60), b'(' * DEEP + b'.',
            b'\x80\x02' + b']' * DEEP + b'a' * (DEEP - 1) + b'.', b'\x80\x02r' + struct.pack('<I', 2 ** 31 - 1) + b'.',
            b'\x8b' + struct.pack('<i', -5) + b'.', b'c_codecs\nencode\n(X\x01\0\0\0aX\x03\0\0\0hextR.',
            b'cnumpy\nndarray\n(K\x05\x85\x8a\x05\0\0\0\0\x40\x85tR.',
            b'cnumpy\nndarray\n(\x8a\x05\0\0\0\0\x40\x85tR.', b'cnumpy\nndarray\n)\x81.',
            b'c_codecs\nencode\n' * 40 + b'C\x01a' + b'X\x03\0\0\0hex\x86R' * 40 + b'.',  # each call doubles it
            b'\x80\x02}(K\x01\x85' + b'2\x86' * 60 + b'K\x01u.', laughs(list), laughs(tuple))))

    def sqlite_value(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as database, database:
            table = self.rng.choice([x for x, in database.execute("SELECT name FROM sqlite_master WHERE type='table'")])
            column = self.rng.choice([x[1] for x in database.execute(f'PRAGMA table_info("{table}")')])
            value = self.rng.choice((None, 'x', -1, 0, 2 ** 62, 1e308, float('inf'), b'\xff\0', 'a\0b', '/etc/passwd',
                                     '../../outside/secret', '', 3.7, 'a\nb', "CAST(x'ff' AS TEXT)"))
            if isinstance(value, str) and value.startswith('CAST'):
                database.execute(f'UPDATE "{table}" SET "{column}" = {value}')
            else:
                few = ' WHERE rowid % 3 = 1' if self.rng.random() < 0.5 else ''
                database.execute(f'UPDATE "{table}" SET "{column}" = ?{few}', (value,))

    def sqlite_scheme(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as database, database:
            table = self.rng.choice([x for x, in database.execute("SELECT name FROM sqlite_master WHERE type='table'")])
            database.execute(f'ALTER TABLE "{table}" RENAME TO old')
            endless = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x AS pedestrianID FROM c'
            for statement in self.rng.choice((
                    [], [f'CREATE VIEW "{table}" AS {endless}'], [f'CREATE TABLE "{table}" (a)'],
                    [f'CREATE TABLE "{table}" AS SELECT * FROM old UNION ALL SELECT * FROM old'])):
                database.execute(statement)

    # ------------------------------------------------------------------------------------------- HDF5
    def h5_value(self, path: Path) -> None:
        """Another array, or something that is none, or that leads out, under the name of one."""
        with h5py.File(path, 'r+') as file:
            name = self.rng.choice([x for x in file if x != 'id'])
            old = file[name][()]
            del file[name]
            how = self.rng.randrange(12)
            if how == 0:
                file[name] = h5py.ExternalLink(str(self.outside / 'secret.h5'), name)
            elif how == 1:
                file[name] = h5py.SoftLink(f'/{name}')
            elif how == 2:
                file.create_group(name)
            elif how == 3:
                file.create_dataset(name, shape=old.shape, dtype='u1', external=[(str(self.outside / 'secret'), 0, 6)])
            elif how == 4:
                layout = h5py.VirtualLayout(old.shape, old.dtype)
                layout[...] = h5py.VirtualSource(str(self.outside / 'secret.h5'), name, old.shape)
                file.create_virtual_dataset(name, layout)
            elif how == 5:
                file.create_dataset(name, (2 ** 40, *old.shape[1:]), old.dtype, chunks=(1, *old.shape[1:]))
            elif how == 6:
                file[name] = self.rng.choice(['text', b'\xff', 3, np.nan])
            elif how == 7:
                file.create_dataset(name, data=['text'] * len(old), dtype=h5py.string_dtype())
            elif how == 8:
                file.create_dataset(name, dtype='f4', shape=None, data=h5py.Empty('f4'))
            elif how != 9:  # at 9 it is gone
                file[name] = self._other_array(old)

    # ------------------------------------------------------------------------------------------- images
    def picture(self, path: Path) -> None:
        """Another mode, form or orientation, under the same name."""
        image, stream = Image.open(path), io.BytesIO()
        image.load()
        form, mode = self.rng.choice(FORMS)
        if mode == 'I;16':
            image = Image.fromarray(np.asarray(image.convert('L')).astype(np.uint16) * 257)
        else:
            image = image.convert(mode).resize(self.rng.choice((image.size,) * 5 + ((1, 1), (3000, 1), (1, 3000))))
        exif = Image.Exif()
        exif[0x0112] = self.rng.randrange(10)
        image.save(stream, form, **({'exif': exif} if form in ('JPEG', 'PNG', 'WEBP') else {}))
        path.write_bytes(stream.getvalue())

    def bomb(self, path: Path) -> None:
        """Headers that claim what nobody has memory for, and one that a few bytes do unpack to."""
        width, height = self.rng.choice(((2 ** 31 - 1,) * 2, (60000, 60000), (2 ** 31 - 1, 1), (0, 5), (9000, 9000)))
        kind = self.rng.choice((0, 2, 3))
        packed = zlib.compress(bytes(9000 * (1 + 9000 * (3 if kind == 2 else 1))), 1) if width == 9000 else b'\0'
        png = b'\x89PNG\r\n\x1a\n' + b''.join(
            struct.pack('>I', len(x) - 4) + x + struct.pack('>I', zlib.crc32(x)) for x in (
                b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, kind, 0, 0, 0), b'PLTE' + bytes(768 * (kind == 3)),
                b'IDAT' + packed, b'IEND'))
        stream = io.BytesIO()
        Image.new('RGB', (16, 16)).save(stream, 'JPEG')
        jpeg = bytearray(stream.getvalue())
        at = jpeg.index(b'\xff\xc0') + 5
        jpeg[at:at + 4] = b'\xff\xff\xff\xff'
        bmp = b'BM' + struct.pack('<IIIIiiHHIIiiII', 100, 0, 54, 40, 2 ** 30, 2 ** 30, 1, 24, 0, 0, 0, 0, 0, 0)
        gif = b'GIF89a\xff\xff\xff\xff\x80\0\0' + bytes(6) + b',' + bytes(4) + b'\xff\xff\xff\xff\0\x02\x02L\x01\0;'
        ppm = b'P6 100000 100000 255\n' + bytes(60)
        path.write_bytes(self.rng.choice((png, png, bytes(jpeg), bmp, gif, ppm)))

    def rename(self, path: Path) -> None:
        path.rename(path.with_name(f'{self.rng.choice(FILE_NAMES)}{path.suffix}'))

    # ------------------------------------------------------------------------------------------- values
    def _change(self, value: Any, weird: tuple) -> None:
        """Replace or remove something, anywhere within a value; shallow places are as likely as deep ones."""
        found: dict[int, list] = {}
        for depth, container, key in _places(value, 0):
            found.setdefault(depth, []).append((container, key))
        container, key = self.rng.choice(found[self.rng.choice(sorted(found))])
        old, roll = container[key], self.rng.random()
        if isinstance(container, dict) and roll < 0.15:
            del container[key]
        elif isinstance(container, dict) and roll < 0.25:
            container['extra'] = deepcopy(self.rng.choice(weird))
        elif isinstance(container, list) and roll < 0.15:
            del container[key]
        elif isinstance(container, list) and roll < 0.25:
            container.insert(key, deepcopy(old))
        elif isinstance(old, np.ndarray) and old.size and old.dtype.kind in 'biuf' and roll < 0.6:
            container[key] = self._other_array(old)
        else:
            new = deepcopy(self.rng.choice(weird))  # what is put in may be changed next
            container[key] = np.asarray(new) if isinstance(container, np.ndarray) and not isinstance(
                new, dict) else new

    def _other_array(self, old: np.ndarray) -> np.ndarray:
        new = old.astype(np.float64) if self.rng.random() < 0.7 else old.copy()
        how = self.rng.randrange(6)
        if how == 0:
            return new[:-1]
        if how == 1:
            return new.T
        if how == 2:
            return np.concatenate([new, new])
        number = self.rng.choice((np.nan, np.inf, -1, 0, 1e9, 1e308) if new.dtype.kind == 'f' else (0, 1))
        new.flat[self.rng.randrange(new.size)] = number
        return new


def _places(value: Any, depth: int) -> Iterator[tuple[int, Any, Any]]:
    """(depth, container, key) of all that is in a value."""
    if isinstance(value, dict):
        parts = [(value, key) for key in value]
    elif isinstance(value, list):
        parts = [(value, i) for i in range(len(value))]
    elif isinstance(value, np.ndarray) and value.dtype.names:
        parts = [(value[name], i) for name in value.dtype.names for i in np.ndindex(value.shape)]
    elif isinstance(value, np.ndarray) and value.dtype == object:
        parts = [(value, i) for i in np.ndindex(value.shape)]
    else:
        return
    for container, key in parts:
        yield depth, container, key
        yield from _places(container[key], depth + 1)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def laughs(kind: type) -> bytes:
    """Lists of two, fifty deep, in the places of all arrays: each is one, twice."""
    value: Any = [1.0]
    for _ in range(50):
        value = kind([value, value])
    return pickle.dumps(dict(poses2d=[value], campose_valid=[value], keypoints3d_optim=value, keypoints2d=value), 2)


_Kind = Callable[[Damage, Path], None]
_ANY: tuple[_Kind, ...] = (Damage.truncate, Damage.truncate, Damage.flip, Damage.flip, Damage.insert, Damage.zeros,
                           Damage.replace, Damage.folder, Damage.file_for_folder, Damage.link_out, Damage.link_nowhere,
                           Damage.gone)
_JSON = (Damage.json_value,) * 6 + (Damage.json_number, Damage.json_deep, Damage.word)
_MATLAB = (Damage.mat_value,) * 10 + (Damage.mat_old, Damage.mat_old, Damage.mat_bomb)
_IMAGE = (Damage.picture, Damage.picture, Damage.bomb, Damage.rename)
_KINDS: dict[str, tuple[_Kind, ...]] = {
    '.json': _JSON, '.odgt': _JSON, '.txt': (Damage.word, Damage.word, Damage.lines),
    '.skeleton': (Damage.word, Damage.word, Damage.lines), '.h5': (Damage.h5_value,) * 6 + (Damage.flip,) * 6,
    '.mat': _MATLAB, '.vbb': _MATLAB,
    '.pkl': (Damage.pickle_value,) * 3 + (Damage.pickle_program,),
    '.sqlite3': (Damage.sqlite_value, Damage.sqlite_value, Damage.sqlite_scheme), **dict.fromkeys(IMAGES, _IMAGE)}
