"""What the verbs of the benchmark take where nothing is said."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))


@pytest.mark.parametrize('words, flavor', [
    ('plan --weights scratch', None), ('run --weights scratch', None), ('all --weights scratch', None),
    ('report', 'any'), ('validate', 'any'), ('compare a b', 'any')])
def test_training_has_the_real_size_and_reports_whatever_is_there(words, flavor):
    from benchmark import make_parser
    assert make_parser().parse_args(words.split()).flavor == flavor
