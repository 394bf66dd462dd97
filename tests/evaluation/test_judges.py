"""Every function against evaluators that nobody here wrote, on nasty inputs."""
import json
import re
from functools import cache
from pathlib import Path

import pytest

from humanbench import evaluation

from .judged import CASES, RECORDED, difference, judges

SAID = json.loads(RECORDED.read_text())
TABLE = Path(__file__).parents[2] / 'docs' / 'metrics.md'
TOLERANCE = 1e-7  # some judges add up in 32 bits; the others differ by 1e-15
BY_NAME = {str(case): case for case in CASES}


@cache
def said(name: str) -> dict[str, float]:
    return SAID[name] if BY_NAME[name].fetched else BY_NAME[name].their_answer()


@pytest.mark.parametrize('case', CASES, ids=str)
def test_we_say_what_the_judge_says(case):
    assert difference(case, said(str(case))) < TOLERANCE


@pytest.mark.parametrize('case', [case for case in CASES if case.fetched], ids=str)
def test_what_is_written_down_is_what_the_judge_says(case):
    if not judges.home(judges.JUDGES[case.judge]).is_dir():
        pytest.skip(f'no copy of {judges.JUDGES[case.judge].repository} at $HUMANBENCH_JUDGES')
    assert case.their_answer() == pytest.approx(SAID[str(case)], abs=1e-12)


def test_every_function_has_a_judge():
    assert {case.function for case in CASES} == set(evaluation.VERSIONS)
    assert set(SAID) == {str(case) for case in CASES if case.fetched}


@pytest.mark.parametrize('function', sorted(evaluation.VERSIONS))
def test_other_inputs_have_other_scores(function):
    """Or a judge's agreement would mean nothing: the judgement of one input is wrong for another."""
    own = [case for case in CASES if case.function == function]
    inputs = {str(case): said(str(case)) for case in own if case.judge == own[0].judge}
    assert len(inputs) > 1 or function in ('confusion_matrix',)
    for a, b in zip(list(inputs)[1:], inputs):
        shared = inputs[a].keys() & inputs[b].keys()
        assert any(abs(inputs[a][key] - inputs[b][key]) > 1e-4 for key in shared), f'{a} and {b} score alike'


def test_the_table_in_the_documentation_lists_them_all():
    rows = {tuple(re.findall(r'\| `(\w+)` \| ([^|]+) \|', line)[0]) for line in TABLE.read_text().splitlines()
            if re.match(r'\| `\w+` \| [^|]+ \|.*e[-+]', line)}
    assert {(function, judge.strip()) for function, judge in rows} == {(case.function, case.judge) for case in CASES}


@pytest.mark.parametrize('name', judges.JUDGES)
def test_the_documentation_says_where_a_judge_is(name):
    judge = judges.JUDGES[name]
    assert f'{judge.repository} @ {judge.commit}' in TABLE.read_text()
