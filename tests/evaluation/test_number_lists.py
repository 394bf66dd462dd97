"""Lists of numbers read by compiled code are those that Python reads, bit for bit; anything else is Python's."""
import json

import numpy as np
import pytest

from humanbench.evaluation import keypoint_ap
from humanbench.evaluation.number_lists import loads

from . import seeded


def texts() -> list[str]:
    """Numbers in all lengths and forms: as Python, 32-bit programs and rounding write them."""
    rng = np.random.default_rng(0)
    values = [rng.uniform(-1000, 1000, 3000), rng.uniform(0, 1, 3000), 10.0 ** rng.uniform(-30, 30, 3000),
              rng.uniform(-5000, 5000, 3000).astype(np.float32).astype(float), rng.integers(-10 ** 17, 10 ** 17, 3000),
              rng.integers(-1000, 1000, 3000)]
    found = [repr(x) for row in values for x in row.tolist()]
    for places in range(18):
        found += [f'{x:.{places}f}' for x in rng.uniform(-900, 900, 300).tolist()]
    for i in range(100):  # in the middle between two doubles, and next to it
        found += [f'{2 ** 53 + i}', f'{2 ** 52 + i}.5', f'{2 ** 51 + i}.25', f'{2 ** 51 + i}.75', f'{2 ** 52 + i}.51',
                  f'{2 ** 52 + i}.49', f'{2 ** 54 + 2 * i}.5']
    return [*found, '0', '-0', '0.0', '-0.0', '0.5', '1e5', '1E-5', '1.5e+300', '123456789012345678', '9' * 18,
            '9' * 25]


def test_every_number_is_the_one_that_python_reads():
    numbers = texts()
    lists = [numbers[i:i + 7] for i in range(0, len(numbers), 7)]
    text = '[' + ', '.join('{"a": 1, "n": [' + ' , '.join(x) + '], "b": [2]}' for x in lists) + ']'
    for record, expected in zip(loads(text, 'n'), json.loads(text), strict=True):
        assert isinstance(record['n'], np.ndarray) and (record['a'], record['b']) == (1, [2])
        assert record['n'].tobytes() == np.array(expected['n'], float).tobytes()


@pytest.mark.parametrize('text', [
    '[{"n": [1, 2]}, {"n": []}]', '[{"n": [1, "x"]}]', '[{"n": [[1, 2]]}]', '[{"n": [1, null]}]', '[{"n": [NaN, 1]}]',
    '[{"n": 5}]', '[{"m": [1]}]', '{"n": [1, 2]}', '[{"n": [1], "m": {"n": [2]}}]', '[]', '[{"n": [1]}, 7]', '5',
    '[{"t": "say \\"n\\": [1, 2]", "n": [3]}]', '[{"n": [1], "n": [2]}]', '[{"n": [true]}]', '[{"n": [1]}, {"m": 2}]'])
def test_what_is_not_plainly_numbers_is_left_to_python(text):
    found = loads(text, 'n')
    listed = [dict(x, n=x['n'].tolist()) if isinstance(x, dict) and isinstance(x.get('n'), np.ndarray) else x
              for x in found] if isinstance(found, list) else found
    assert repr(listed) == repr(json.loads(text)) or json.loads(text) == [{'t': 'say "n": [1, 2]', 'n': [3]}] == listed


@pytest.mark.parametrize('number', ['1.2.3', '01', '1.', '.5', '+1', '1 2', '--1', '1e', '0x1', '1_000', '', '-', '1,',
                                    'e5', '1e5.0', '\N{ARABIC-INDIC DIGIT ONE}'])
def test_what_python_refuses_is_refused(number):
    text = f'[{{"n": [1, {number}]}}]'
    with pytest.raises(ValueError, match='Expecting|delimiter|Extra|Illegal'):
        json.loads(text)
    with pytest.raises(ValueError, match='Expecting|delimiter|Extra|Illegal'):
        loads(text, 'n')


def test_scores_from_a_file_are_those_of_its_contents(tmp_path):
    truth, detections = seeded.coco(0)
    (tmp_path / 'found.json').write_text(json.dumps(detections))
    assert keypoint_ap(truth, tmp_path / 'found.json') == keypoint_ap(truth, detections)
