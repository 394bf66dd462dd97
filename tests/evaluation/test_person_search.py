"""Person search by hand, and against a slow evaluator that follows the protocol's words."""
import numpy as np
import pytest

from humanbench.errors import UserError
from humanbench.evaluation import person_search

from . import seeded

ONE, TWO = [0.0, 0, 100, 200], [300.0, 0, 400, 200]
RIGHT, WRONG = [1.0, 0.0], [0.0, 1.0]


def frame(id: str, people: list, found: list, features: list, scores: list | None = None, **more) -> dict:
    boxes = [ONE, TWO][:len(people)]
    return dict(id=id, boxes=np.array(boxes, float).reshape(-1, 4), people=np.array(people, int),
                found=np.array(found, float).reshape(-1, 4), features=np.array(features, float).reshape(-1, 2),
                scores=np.array([0.9] * len(found) if scores is None else scores), **more)


def query(id: str, **more) -> dict:
    return dict(frame=id, person=1, feature=np.array(RIGHT), **more)


def test_by_hand():
    frames = [frame('asked', [1], [ONE], [RIGHT]),                             # its own frame does not count
              frame('a', [1, -1], [ONE, TWO], [[0.9, 0], [0.95, 0]]),          # the stranger ranks first
              frame('b', [2, 1], [ONE, [0, 300, 9, 310]], [[0.5, 0], [0.7, 0]]),  # the person was not found
              frame('c', [1], [ONE, [5, 0, 105, 200]], [[0.8, 0], [0.85, 0]])]  # found twice: the second is right
    said = person_search(frames, [query('asked')])
    # ranking: .95 wrong, .9 right, .85 right, .8 wrong, ...: precisions 1/2 and 2/3, in two of three frames
    assert said['mAP'] == pytest.approx((1 / 2 + 2 / 3) / 2 * 2 / 3)
    assert (said['top1'], said['top5'], said['top10']) == (0, 1, 1)
    # of 6 people 5 are found; 7 detections of one score, 5 of them right
    assert said['recall'] == pytest.approx(5 / 6) and said['AP'] == pytest.approx(5 / 6 * 5 / 7)
    assert said['recall_named'] == pytest.approx(4 / 5) and said['AP_named'] == pytest.approx(4 / 5 * 4 / 7)


def test_a_gallery_leaves_out_what_is_not_in_it():
    frames = [frame('asked', [1], [ONE], [RIGHT]), frame('a', [1], [ONE], [[0.5, 0]]), frame('b', [2], [ONE], [RIGHT])]
    assert person_search(frames, [query('asked')])['mAP'] == 0.5
    assert person_search(frames, [query('asked', gallery=['a'])])['mAP'] == 1
    shifted = {'a': [60.0, 0, 160, 200]}  # where the protocol has the person, whatever the labels say
    assert person_search(frames, [query('asked', gallery=['a', 'b'], positives=shifted)])['mAP'] == 0


def test_small_people_need_less_overlap():
    """Of 10 x 10 pixels: 100 / 400."""
    def said(box: list, shift: float) -> float:
        moved = [box[0] + shift, box[1], box[2] + shift, box[3]]
        other = dict(frame('a', [1], [moved], [RIGHT]), boxes=np.array([box], float))
        return person_search([frame('asked', [1], [ONE], [RIGHT]), other], [query('asked')])['mAP']

    assert (said([0, 0, 10, 10], 5.9), said([0, 0, 10, 10], 6.1)) == (1, 0)  # IoU 4.1 / 15.9 = .26, 3.9 / 16.1 = .24
    assert (said([0, 0, 100, 200], 33.2), said([0, 0, 100, 200], 33.5)) == (1, 0)  # .5016, .4981


def test_weak_detections_do_not_exist():
    frames = [frame('asked', [1], [ONE], [RIGHT]), frame('a', [1], [ONE], [RIGHT], [0.5])]
    assert person_search(frames, [query('asked')])['mAP'] == 1
    said = person_search(frames, [query('asked')], score_threshold=0.51)
    assert said['mAP'] == 0 and said['recall'] == 0.5


def test_other_cameras():
    frames = [frame('asked', [1], [ONE], [RIGHT], camera=1), frame('a', [1], [ONE], [[0.1, 0]], camera=1),
              frame('b', [1], [ONE], [[0.9, 0]], camera=2), frame('c', [], [ONE], [[0.5, 0]], camera=3)]
    assert person_search(frames, [query('asked')])['mAP'] == pytest.approx((1 + 2 / 3) / 2)
    assert person_search(frames, [query('asked')], cross_camera=True)['mAP'] == 1
    asked = [query('asked'), dict(query('b'), person=1), dict(query('asked'), person=9)]  # 9 is nowhere: skipped
    assert person_search(frames, asked, cross_camera=True)['mAP'] == person_search(
        frames, asked[:2], cross_camera=True)['mAP'] < 1


# ------------------------------------------------------------------------------------------- a slow independent judge
def iou(a, b) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inter = max(width, 0) * max(height, 0)
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


def precision_at_each_right_one(ranked: list[tuple[float, bool]]) -> float:
    values = []
    for score, right in ranked:
        if right:
            above = [hit for other, hit in ranked if other >= score]
            values.append(sum(above) / len(above))
    return sum(values) / len(values) if values else 0.0


def slow(frames: list, queries: list) -> dict[str, float]:
    by_id, precisions, ranks = {x['id']: x for x in frames}, [], []
    for asked in queries:
        names = [x for x in (asked['gallery'] or by_id) if x != asked['frame']]
        ranked, present, found = [], 0, 0
        for name in names:
            other = by_id[name]
            if asked['positives'] is None:
                box = next((b for b, p in zip(other['boxes'], other['people']) if p == asked['person']), None)
            else:
                box = asked['positives'].get(name)
            present += box is not None
            mine = sorted(((float(feature @ asked['feature']), tuple(at)) for at, feature, score in zip(
                other['found'], other['features'], other['scores']) if score >= 0.5), reverse=True)
            taken = False
            for similarity, at in mine:
                right = False
                if box is not None and not taken:
                    w, h = box[2] - box[0], box[3] - box[1]
                    right = taken = iou(at, box) >= min(0.5, w * h / ((w + 10) * (h + 10)))
                ranked.append((similarity, right))
            found += taken
        ranked.sort(reverse=True)
        precisions.append(precision_at_each_right_one(ranked) * found / present)
        ranks.append([float(any(right for _, right in ranked[:k])) for k in (1, 5, 10)])
    return dict(mAP=np.mean(precisions), **dict(zip(('top1', 'top5', 'top10'), np.mean(ranks, 0))))


@pytest.mark.parametrize('galleries', [False, True])
@pytest.mark.parametrize('seed', range(5, 9))
def test_the_slow_judge_says_the_same(seed, galleries):
    frames, queries = seeded.person_search(seed, galleries)
    ours, theirs = person_search(frames, queries), slow(frames, queries)
    assert {key: ours[key] for key in theirs} == pytest.approx(theirs, abs=1e-6)
    assert 0.1 < theirs['mAP'] < 0.9
    mirrored = [dict(x, features=-x['features']) for x in frames]  # the control: who is nearest is farthest now
    assert person_search(mirrored, queries)['mAP'] < theirs['mAP'] / 2


@pytest.mark.parametrize('change, message', [
    (lambda f, q: f[1].update(scores=np.ones(3)), "frame 'a' has 1 found boxes, 3 scores"),
    (lambda f, q: f[1].update(people=np.array([1, 2, 3])), 'for 3 people'),
    (lambda f, q: f[1].update(features=np.array([[np.nan, 1]])), 'not finite'),
    (lambda f, q: q[0].update(feature=np.ones(3)), 'has 3 channels; expected 2'),
    (lambda f, q: q[0].update(frame='x'), "names the frame 'x', of which there are no detections"),
    (lambda f, q: q[0].update(gallery=['a', 'y']), "names the frame 'y'"),
    (lambda f, q: q[0].update(person=7), 'no query whose person is in a frame'),
    (lambda f, q: f.append(f[1]), 'a')])
def test_what_cannot_be_scored(change, message):
    def inputs() -> tuple[list, list]:
        return [frame('asked', [1], [ONE], [RIGHT]), frame('a', [1], [ONE], [RIGHT])], [query('asked')]

    assert person_search(*inputs())['mAP'] == 1
    frames, queries = inputs()
    change(frames, queries)
    with pytest.raises(UserError, match=message):
        person_search(frames, queries)


def test_nothing_found_at_all():
    frames = [frame('asked', [1], [], []), frame('a', [1], [], [])]
    for x in frames:
        x['features'] = np.empty((0, 2))
    assert set(person_search(frames, [query('asked')]).values()) == {0.0}
