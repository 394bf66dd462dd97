"""Log-average miss rate by hand; ``test_judges`` has it against two evaluators."""
import numpy as np
import pytest

from humanbench.errors import UserError
from humanbench.evaluation import miss_rate

from . import seeded


def person(x: float, height: float = 100, **more) -> dict:
    return dict(image_id=1, category_id=1, bbox=[x, 100, 0.41 * height, height], **more)


def city(*people: dict, images: int = 1000) -> dict:
    return dict(images=[dict(id=i + 1, width=640, height=480) for i in range(images)], categories=[dict(id=1)],
                annotations=[dict(x, id=i) for i, x in enumerate(people)])


def test_by_hand():
    """Two of four people found, then 100 false ones in 1000 images, then the third: miss 1/2, 1/4 from 0.1 FPPI."""
    truth = city(*(person(x, vis_ratio=1) for x in (100, 200, 300, 400)))
    found = [person(100, score=0.9), person(200, score=0.8), person(300, score=0.2)]
    found += [dict(person(500, score=0.5), image_id=i) for i in range(2, 102)]
    assert miss_rate(truth, found)['MR'] == pytest.approx((0.5 ** 4 * 0.25 ** 5) ** (1 / 9))


@pytest.mark.parametrize('subset, height, visible, counts', [
    ('reasonable', 50, 0.65, True), ('reasonable', 49.9, 1, False), ('reasonable', 50, 0.64, False),
    ('reasonable_small', 75, 0.65, True), ('reasonable_small', 75.1, 1, False), ('heavy', 50, 0.2, True),
    ('heavy', 50, 0.65, True), ('heavy', 50, 0.66, False), ('heavy', 50, 0.19, False), ('all', 20, 0.2, True),
    ('all', 19, 1, False)])
def test_limits_of_the_subsets(subset, height, visible, counts):
    """Whether missing this person raises the miss rate of another, who is found and always counts."""
    sure = person(100, dict(reasonable_small=60).get(subset, 100), vis_ratio=0.4 if subset == 'heavy' else 0.9)
    truth = city(sure, person(300, height, vis_ratio=visible))
    result = miss_rate(truth, [dict(sure, score=0.9)], subset)['MR']
    assert result == pytest.approx(0.5 if counts else 0)


def test_ignored_people_and_detections_of_a_wrong_height():
    truth = city(person(100, vis_ratio=1), person(200, vis_ratio=1), person(300, vis_ratio=1, ignore=1),
                 person(500, vis_ratio=1, iscrowd=1), images=50)
    inside = [person(x, score=0.9) for x in (300, 305, 500, 505)]
    found = [person(100, score=0.5), *inside, person(400, 39.9, score=0.95)]
    assert miss_rate(truth, found, rules='caltech')['MR'] == pytest.approx(0.5)
    found.append(person(400, 40, score=0.95))  # 50 / 1.25: counts, and is false
    assert miss_rate(truth, found, rules='caltech')['MR'] == pytest.approx((1 ** 2 * 0.5 ** 7) ** (1 / 9))


def test_visible_part_as_a_box():
    by_box = city(person(100, vis_bbox=[100, 100, 41, 30]), person(300, vis_bbox=[0, 0, 0, 0]))
    by_share = city(person(100, vis_ratio=0.3), person(300, vis_ratio=1))
    found = [person(300, score=0.9)]
    for subset in ('reasonable', 'heavy', 'all'):
        assert miss_rate(by_box, found, subset) == miss_rate(by_share, found, subset)
    with pytest.raises(UserError, match="neither 'vis_ratio' nor 'vis_bbox'"):
        miss_rate(city(person(100)), found)


def test_rules_of_caltech():
    """People at the border are ignored; true boxes get an aspect ratio of 0.41; nothing is found before a detection."""
    edge = city(person(100, vis_ratio=1), person(4, vis_ratio=1), images=200)
    found = [person(100, score=0.9)]
    assert miss_rate(edge, found)['MR'] == pytest.approx(0.5)
    assert miss_rate(edge, found, rules='caltech')['MR'] == 0
    wide = city(dict(person(100, vis_ratio=1), bbox=[100, 100, 100, 100]), images=200)
    inner = [dict(found[0], bbox=[129.5, 100, 41, 100])]
    assert (miss_rate(wide, inner)['MR'], miss_rate(wide, inner, rules='caltech')['MR']) == (1, 0)

    few = city(person(100, vis_ratio=1), person(200, vis_ratio=1), images=10)
    late = [person(400, score=0.9), person(100, score=0.8)]  # a false one first: 0.1 FPPI before anybody is found
    assert miss_rate(few, late)['MR'] == pytest.approx(0.5)  # CityPersons' script reads the last recall there
    assert miss_rate(few, late, rules='caltech')['MR'] == pytest.approx((1 ** 4 * 0.5 ** 5) ** (1 / 9))


def test_nothing_found():
    truth, _ = seeded.citypersons(0)
    assert miss_rate(truth, []) == {'MR': 1}


def test_other_categories_take_no_part():
    truth, detections = seeded.citypersons(0)
    more = [dict(x, category_id=2, score=1.0) for x in detections]
    assert miss_rate(truth, detections + more) == miss_rate(truth, detections)


@pytest.mark.parametrize('change, message', [
    (dict(subset='resonable'), "Did you mean 'reasonable'"), (dict(rules='kitti'), 'Unknown rules'),
    (dict(score=np.nan), 'score: nan'), (dict(image_id=999), '999 is not in the ground truth'),
    (dict(category_id=7), 'category 7'), (dict(bbox=[1, 2]), 'has 2 numbers')])
def test_bad_input(change, message):
    truth, detections = seeded.citypersons(0, 20)
    options = {k: v for k, v in change.items() if k in ('subset', 'rules')}
    detections[2] = {**detections[2], **change}
    with pytest.raises(UserError, match=message):
        miss_rate(truth, detections, **options)


def test_nobody_to_find():
    truth, detections = seeded.citypersons(0, 20)
    for annotation in truth['annotations']:
        annotation['ignore'] = 1
    with pytest.raises(UserError, match='nobody'):
        miss_rate(truth, detections)
    with pytest.raises(UserError, match='category 1'):
        miss_rate(dict(truth, categories=[dict(id=3)]), detections)
