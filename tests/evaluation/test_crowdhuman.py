"""CrowdHuman's measures by hand, and the matching against SciPy's assignment."""
import json

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from humanbench.errors import UserError
from humanbench.evaluation import crowdhuman
from humanbench.evaluation.jaccard import SCORES, jaccard

from . import seeded


def write_lines(path, records: list[dict]) -> str:
    path.write_text('\n'.join(json.dumps(x) for x in records) + '\n\n')
    return str(path)


def test_from_files(tmp_path):
    truth, found = seeded.crowdhuman(0)
    paths = write_lines(tmp_path / 'gt.odgt', truth), write_lines(tmp_path / 'dt.odgt', found)
    assert crowdhuman(*paths) == crowdhuman(truth, found)
    (tmp_path / 'list.json').write_text(json.dumps(found))
    assert crowdhuman(paths[0], tmp_path / 'list.json') == crowdhuman(truth, found)


def scene(people: list, found: list, ignored: list = ()) -> tuple[list[dict], list[dict]]:
    """One image of 1000 x 1000; ``found`` holds (box, score)."""
    boxes = [dict(tag='person', fbox=box) for box in people] + [dict(tag='mask', fbox=box) for box in ignored]
    return ([dict(ID='a', gtboxes=boxes)],
            [dict(ID='a', width=1000, height=1000, dtboxes=[dict(box=box, score=score) for box, score in found])])


def test_by_hand():
    """Hit, miss, hit on two people: (recall, precision) (1/2, 1), (1/2, 1/2), (1, 2/3); one false is 1 FPPI."""
    people = [[0, 0, 100, 100], [500, 0, 100, 100]]
    truth, found = scene(people, [(people[0], 0.9), ([800, 800, 50, 50], 0.8), (people[1], 0.75)])
    result = crowdhuman(truth, found)
    assert tuple(result) == ('AP', 'MR', 'JI')
    assert result['AP'] == pytest.approx(0.5 * (1 / 2 + 2 / 3) / 2, abs=1e-6)
    assert result['MR'] == pytest.approx(0.5)  # the first point that reaches each rate is the false one, recall 1/2
    assert result['JI'] == pytest.approx(2 / 3, abs=1e-5)  # all three detections; the best single threshold


def test_ignore_regions():
    """Detections in a region count as nothing; a person hidden in one is not missed by the Jaccard index."""
    people, region = [[0, 0, 100, 100], [520, 520, 50, 50]], [500, 500, 200, 200]
    inside = [([500 + 10 * i, 500, 60, 60], 0.9 - 0.01 * i) for i in range(5)]
    with_region = crowdhuman(*scene(people, [(people[0], 0.5), *inside], [region]))
    assert with_region['JI'] == pytest.approx(1, abs=1e-5)
    assert with_region['MR'] == 0.5
    without = crowdhuman(*scene(people, [(people[0], 0.5), *inside]))
    assert without['JI'] < 0.3 and without['MR'] == 1


def test_boxes_are_clipped_to_the_image():
    """A person half outside is found by a detection of the visible half."""
    assert crowdhuman(*scene([[-100, 0, 200, 100]], [([0, 0, 100, 100], 0.9)]))['JI'] == pytest.approx(1, abs=1e-5)


def test_images_without_boxes_or_detections():
    truth, found = seeded.crowdhuman(0)
    reference = crowdhuman(truth, found)
    empty = [dict(ID='none'), dict(ID='no boxes', gtboxes=[])]
    assert crowdhuman(truth + empty, found)['AP'] == pytest.approx(reference['AP'])  # nobody there, nothing found
    false = dict(ID='none', width=10, height=10, dtboxes=[dict(box=[1, 1, 5, 5], score=0.999)])
    assert crowdhuman(truth + empty, [*found, false])['AP'] < reference['AP']
    nothing = [dict(x, dtboxes=[]) for x in found]
    assert crowdhuman(truth, nothing) == crowdhuman(truth, []) == {'AP': 0, 'MR': 1, 'JI': 0}


@pytest.mark.parametrize('seed', range(4))
def test_matching_is_optimal_at_every_threshold(seed):
    """Incremental matching against an assignment solved anew, in a crowd where greedy matching fails."""
    rng = np.random.default_rng(seed)
    people, found = 12, 40
    iou = np.where(rng.uniform(size=(found, people)) < 0.5, rng.uniform(0.5, 1, (found, people)), 0)
    scores = np.sort(rng.uniform(size=found))[::-1].copy()
    starts = [np.array([0, n]) for n in (found, people, found * people, people * people)]
    none = np.zeros(people, bool)
    sums, counted = jaccard(iou.ravel(), np.zeros(people * people), none, scores, *starts, SCORES)
    for threshold, ratio in zip(SCORES, sums):
        part = iou[scores > threshold]
        rows, columns = linear_sum_assignment(part, maximize=True)
        matched = (part[rows, columns] > 0).sum()
        assert ratio == pytest.approx(matched / (people + len(part) - matched + 1e-6))
    assert (counted == 1).all()


def break_it(kind: str) -> tuple[list[dict], list[dict]]:
    truth, found = seeded.crowdhuman(0)
    if kind == 'unknown':
        found[1]['ID'] = 'elsewhere'
    elif kind == 'twice':
        found[1]['ID'] = found[0]['ID']
    elif kind == 'size':
        del found[0]['width']
    elif kind == 'nan':
        found[0]['dtboxes'][0]['score'] = float('nan')
    elif kind == 'box':
        found[0]['dtboxes'][0]['box'] = [1, 2, 3]
    elif kind == 'nobody':
        truth = [dict(x, gtboxes=[]) for x in truth]
    elif kind == 'layout':
        found = [{'image_id': 1}]
    return truth, found


@pytest.mark.parametrize('kind, message', [
    ('unknown', "'elsewhere' is not in the ground truth"), ('twice', 'more than once'), ('size', 'no width and height'),
    ('nan', 'score: nan'), ('box', 'has 3 numbers; expected 4'), ('nobody', 'nobody'), ('layout', "no 'ID'")])
def test_bad_input(kind, message):
    with pytest.raises(UserError, match=message):
        crowdhuman(*break_it(kind))


def test_bad_file(tmp_path):
    path = tmp_path / 'dt.odgt'
    path.write_text('{"ID": "a", "dtboxes": []}\n{"ID": ')
    with pytest.raises(UserError, match=r'line 2 of .*dt\.odgt is not JSON'):
        crowdhuman([], path)
