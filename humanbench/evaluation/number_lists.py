"""JSON in which most of the text is numbers: the lists under one key are cut out and read by compiled code.

Five in six bytes of a file of keypoints are coordinates, for each of which Python's parser makes an object. Here they
become one array, bit for bit the numbers that Python reads; whatever is not plainly a list of numbers, one in each
record, is left to Python's parser altogether.
"""
import json
import re
from typing import Any

import numpy as np
from numba import njit

POWERS = 10.0 ** np.arange(23)
"""Powers of ten that a double holds exactly."""
LONGEST = 18
"""Digits of a number that fit a 64-bit integer with certainty; longer ones are Python's."""


@njit(nogil=True, cache=True, inline='always')
def _quotient(digits: int, power: float) -> float:
    """digits / power, correctly rounded, for digits beyond the 53 bits of a double.

    Double-double arithmetic: what the quotient of the upper part leaves over is computed exactly (Dekker's product) and
    divided again. The error of that is 2^-100 of the value, far less than a fraction of 18 digits can come near the
    middle between two doubles without being there.
    """
    upper = float(digits >> 11 << 11)
    lower = float(digits & 2047)
    first = upper / power
    split = 134217729.0 * first
    high = split - (split - first)
    low = first - high
    split = 134217729.0 * power
    power_high = split - (split - power)
    power_low = power - power_high
    product = first * power
    missing = ((high * power_high - product) + high * power_low + low * power_high) + low * power_low
    return first + ((upper - product) - missing + lower) / power


@njit(nogil=True, cache=True)
def _read(text: np.ndarray, values: np.ndarray, left: np.ndarray) -> tuple[int, int]:
    """Read the numbers of a text, between commas.

    Args:
        text: (n,) uint8.
        values: filled.
        left: (values, 3) filled with place, begin and end of the numbers that are Python's to read.

    Returns:
        How many values, and how many are left; -1 for the first where there is anything but numbers.
    """
    count, rest, at, n = 0, 0, 0, len(text)
    while at < n:
        while at < n and (text[at] == 32 or text[at] == 10 or text[at] == 13 or text[at] == 9):
            at += 1
        begin = at
        negative = at < n and text[at] == 45
        if negative:
            at += 1
        digits, length, after, exponent = 0, 0, -1, False
        start = at
        while at < n and text[at] != 44 and text[at] > 32:
            c = text[at]
            if 48 <= c <= 57:
                if not exponent:
                    length += 1
                    if length <= LONGEST:
                        digits = digits * 10 + (c - 48)
                    if after >= 0:
                        after += 1
            elif c == 46 and after < 0 and not exponent and at > start:
                after = 0
            elif (c == 101 or c == 69) and not exponent and length > 0:
                exponent = True
            elif not ((c == 43 or c == 45) and exponent and (text[at - 1] == 101 or text[at - 1] == 69)):
                return -1, 0
            at += 1
        if length == 0 or after == 0 or (text[start] == 48 and length > 1 and after != length - 1):
            return -1, 0  # no digit, nothing behind the point, a leading zero
        if exponent or length > LONGEST or after > 22:
            left[rest, 0], left[rest, 1], left[rest, 2] = count, begin, at
            rest += 1
        else:
            power = POWERS[max(after, 0)]
            value = digits / power if digits <= 9007199254740992 else _quotient(digits, power)
            values[count] = -value if negative and (digits > 0 or after > 0) else value  # -0 is the integer 0
        count += 1
        while at < n and text[at] != 44:
            if text[at] > 32:
                return -1, 0
            at += 1
        at += 1
    return count, rest


def _numbers(text: str, count: int) -> np.ndarray | None:
    """(count,) float64 of a text of numbers between commas, or None where it is anything else."""
    if not text.isascii():
        return None
    values, left = np.empty(count), np.empty((count, 3), np.int64)
    found, rest = _read(np.frombuffer(text.encode(), np.uint8), values, left)
    if found != count:
        return None
    try:
        for place, begin, end in left[:rest].tolist():
            values[place] = float(text[begin:end])
    except ValueError:
        return None
    return values


def loads(text: str, key: str) -> Any:
    """``json.loads(text)``, in which the lists of numbers under ``key`` may be float64 arrays.

    They are where the text is a list of objects that have one each; else nothing differs.
    """
    pieces = re.split(rf'(?<!\\)"{re.escape(key)}"\s*:\s*\[([^\[\]{{}}"]*)\]', text)
    lists = pieces[1::2]
    counts = [x.count(',') + 1 for x in lists]
    numbers = _numbers(','.join(lists), sum(counts)) if lists else None
    records = json.loads(f'"{key}":null'.join(pieces[::2])) if numbers is not None else None
    if not isinstance(records, list) or len(records) != len(lists) or not all(
            isinstance(x, dict) and x.get(key, 0) is None for x in records):
        return json.loads(text)
    end = 0
    for record, size in zip(records, counts):
        record[key] = numbers[end:end + size]
        end += size
    return records
