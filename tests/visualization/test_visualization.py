"""Pictures show what samples say: the right pixels change, the right colours appear, nothing is changed in place."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData, PixelData
from PIL import Image

from humanbench import catalog
from humanbench import visualization as vis
from humanbench.errors import UserError
from humanbench.structures import HumanSample
from humanbench.visualization import sheet as sheet_module
from humanbench.visualization.draw import draw_matches
from humanbench.visualization.palette import BOXES, LIMBS, RIGHT_ANSWER, WRONG_ANSWER
from humanbench.visualization.skeleton import limbs

COCO = catalog.card('coco_pose').keypoints


@pytest.fixture
def grey():
    return np.full((240, 320, 3), 128, np.uint8)


def has_color(image, color, tolerance=12):
    return bool((np.abs(image.astype(int) - color).max(-1) <= tolerance).any())


def changed(before, after):
    """(H, W) where a picture differs."""
    return (before != after).any(-1)


def person(x=160.0, y=20.0, size=200.0):
    """A person who faces us, as COCO keypoints: the own left is at the image's right."""
    side = {'left': 1, 'right': -1, 'nose': 0}
    heights = dict(nose=0.08, eye=0.05, ear=0.06, shoulder=0.2, elbow=0.35, wrist=0.5, hip=0.5, knee=0.75, ankle=0.98)
    return np.array(
        [[x + side[name.split('_')[0]] * 0.12 * size, y + heights[name.split('_')[-1]] * size] for name in COCO]
    )


def sample_of(**meta):
    return HumanSample(metainfo=dict(ori_shape=(240, 320), img_shape=(240, 320), **meta))


def samples():
    """One sample with labels and predictions for each task."""
    pose = sample_of(dataset='coco_pose')
    pose.gt_instances = InstanceData(keypoints=torch.tensor(person())[None], keypoints_visible=torch.ones(1, 17))
    pose.pred_instances = InstanceData(keypoints=person()[None] + 3, keypoint_scores=np.ones((1, 17)))
    parsing = sample_of(dataset='lip')
    labels = torch.zeros(1, 240, 320, dtype=torch.uint8)
    labels[:, 40:200, 100:220] = 5
    labels[:, :10] = 255
    parsing.gt_sem_seg, parsing.pred_sem_seg = PixelData(data=labels), PixelData(data=labels.roll(8, 2))
    attribute = sample_of(dataset='pa100k')
    attribute.gt_attributes = torch.tensor([1, 0, -1] + [0] * 23, dtype=torch.int8)
    attribute.pred_attributes = torch.tensor([0.9, 0.8, 0.7] + [0.1] * 23)
    detection = sample_of(dataset='crowdhuman')
    boxes = torch.tensor([[50.0, 60, 150, 200], [180.0, 60, 300, 220]])
    detection.gt_instances = InstanceData(bboxes=boxes, labels=torch.zeros(2, dtype=torch.long))
    detection.ignored_instances = InstanceData(bboxes=torch.tensor([[0.0, 0, 30, 40]]))
    detection.pred_instances = InstanceData(bboxes=boxes + 5, scores=torch.tensor([0.9, 0.2]))
    counting = sample_of(dataset='shanghaitech_a')
    counting.gt_instances = InstanceData(points=torch.tensor([[30.0, 40], [200.0, 120]]))
    counting.pred_count, counting.pred_density = torch.tensor(2.4), torch.rand(30, 40)
    return dict(pose=pose, parsing=parsing, attribute=attribute, detection=detection, counting=counting)


@pytest.mark.parametrize('which', ['gt', 'pred'])
@pytest.mark.parametrize('task', ['pose', 'parsing', 'attribute', 'detection', 'counting'])
def test_draw_sample_draws_every_task_and_leaves_its_input(grey, task, which):
    before = grey.copy()
    drawn = vis.draw_sample(grey, samples()[task], which)
    assert drawn.dtype == np.uint8 and drawn.shape[0] == 240 and np.array_equal(grey, before)
    assert drawn.shape[1] > 320 if task == 'attribute' else changed(grey, drawn).mean() > 0.002


def test_a_sample_without_labels_is_the_image(grey):
    assert np.array_equal(vis.draw_sample(grey, sample_of(), 'gt'), grey)
    assert np.array_equal(vis.draw_sample(grey, sample_of(), 'pred'), grey)


def test_unknown_side(grey):
    with pytest.raises(UserError, match="Did you mean 'pred'"):
        vis.draw_sample(grey, sample_of(), 'predd')


def test_boxes_are_where_they_are_said_to_be(grey):
    drawn = changed(grey, vis.draw_boxes(grey, np.array([[50.0, 60, 150, 200]])))
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    assert (
        abs(rows[0] - 60) <= 2
        and abs(rows[-1] - 200) <= 2
        and abs(columns[0] - 50) <= 2
        and abs(columns[-1] - 150) <= 2
    )
    assert not drawn[70:190, 60:140].any()


def test_neighbouring_people_get_other_colours(grey):
    drawn = vis.draw_boxes(grey, np.array([[10.0, 10, 60, 100], [70.0, 10, 120, 100]]), ['a', 'b'])
    assert has_color(drawn, BOXES[0]) and has_color(drawn, BOXES[1]) and not has_color(drawn, BOXES[2])


@pytest.mark.parametrize(
    'boxes', [np.zeros((0, 4)), np.array([[-50.0, -50, 900, 900]]), np.array([[300.0, 200, 330, 260]])]
)
def test_boxes_outside_and_none(grey, boxes):
    assert vis.draw_boxes(grey, boxes, ['far away'] * len(boxes)).shape == grey.shape
    assert vis.draw_ignored(grey, boxes).shape == grey.shape


def test_left_and_right_limbs_have_their_colours_on_their_side(grey):
    drawn = vis.draw_keypoints(grey, person()[None], np.ones((1, 17)), COCO)
    left, right = drawn[:, 165:], drawn[:, :155]
    assert has_color(left, LIMBS['left_leg']) and has_color(right, LIMBS['right_leg'])
    assert not has_color(right, LIMBS['left_leg']) and not has_color(left, LIMBS['right_leg'])


def test_hidden_keypoints_are_left_out_and_occluded_ones_are_rings(grey):
    visible = np.ones((1, 17))
    visible[0, [13, 14, 15, 16]] = 0
    drawn = changed(grey, vis.draw_keypoints(grey, person()[None], visible, COCO))
    assert not drawn[150:].any() and drawn[:130].any()
    whole = vis.draw_keypoints(grey, person()[None], np.ones((1, 17)), COCO)
    rings = vis.draw_keypoints(grey, person()[None], np.ones((1, 17)), COCO, occluded=np.ones((1, 17), bool))
    assert has_color(whole, LIMBS['face']) and (rings == 255).all(-1).sum() > (whole == 255).all(-1).sum()


def test_a_trunk_is_drawn_without_the_joints_in_its_middle(grey):
    """Halpe names a neck and a hip, and leaves both unlabelled in most people."""
    names = catalog.card('halpe').keypoints
    points, visible = np.concatenate([person(), np.zeros((3, 2))])[None], np.ones((1, 20))
    visible[0, 17:] = 0
    with_them = vis.draw_keypoints(grey, points, visible, names)
    assert np.array_equal(with_them, vis.draw_keypoints(grey, person()[None], np.ones((1, 17)), COCO))
    assert has_color(with_them, LIMBS['torso'])


@pytest.mark.parametrize('dataset', catalog.ids('pose'))
def test_every_skeleton_joins_every_keypoint_and_mirrors(dataset):
    card = catalog.card(dataset)
    joined = limbs(card.keypoints)
    assert {i for a, b, _ in joined for i in (a, b)} == set(range(len(card.keypoints)))
    assert all(group in LIMBS for *_, group in joined)
    swap = {'left': 'right', 'right': 'left'}
    mirrored = {(frozenset((card.flip_indices[a], card.flip_indices[b])),
                 '_'.join(swap.get(part, part) for part in group.split('_'))) for a, b, group in joined}
    assert mirrored == {(frozenset((a, b)), group) for a, b, group in joined}


@pytest.mark.parametrize('dataset', catalog.ids('parsing'))
def test_class_colours_differ_and_are_the_same_in_every_dataset(dataset):
    names = catalog.card(dataset).classes
    colors = vis.class_colors(names)
    assert len({tuple(color) for color in colors[1:]}) >= len(names) - 2 and not colors[0].any()
    face = vis.class_colors(['Face'])[0]
    assert all((color == face).all() for name, color in zip(names, colors) if name.lower() == 'face')


def test_parsing_covers_the_labelled_region_only(grey):
    labels = np.zeros((240, 320), np.uint8)
    labels[40:200, 100:220] = 5
    labels[:10] = 255
    drawn = vis.draw_parsing(grey, labels, catalog.card('lip').classes)
    inside, outside = drawn[60:180, 120:200], drawn[210:, :80]
    assert inside[..., 0].mean() > inside[..., 1].mean() + 40  # upper clothes are red
    assert np.ptp(outside.astype(int), axis=-1).max() == 0 and np.abs(drawn[:9].astype(int) - 128).max() <= 1


def test_parsing_of_another_size_is_brought_to_the_image(grey):
    small = np.zeros((24, 32), np.uint8)
    small[4:20, 10:22] = 5
    large = small.repeat(10, 0).repeat(10, 1)
    names = catalog.card('lip').classes
    assert np.array_equal(vis.draw_parsing(grey, small, names), vis.draw_parsing(grey, large, names))


def test_legend_shows_what_is_present():
    names = catalog.card('lip').classes
    legend = vis.parsing_legend(names, 400, present=[5])
    assert has_color(legend, vis.class_colors(names)[5]) and not has_color(legend, vis.class_colors(names)[9])
    assert vis.parsing_legend(names, 200).shape[0] > vis.parsing_legend(names, 1200).shape[0]


def test_attributes_are_judged_by_their_labels(grey):
    names = ['female', 'hat', 'bag']
    right = vis.draw_attributes(grey, names, np.array([0.9, 0.1, 0.1]), np.array([1, 0, 0]))[:, 320:]
    wrong = vis.draw_attributes(grey, names, np.array([0.1, 0.9, 0.1]), np.array([0, 0, 0]))[:, 320:]
    missed = vis.draw_attributes(grey, names, np.array([0.1, 0.1, 0.1]), np.array([0, 0, 1]))[:, 320:]
    unknown = vis.draw_attributes(grey, names, np.array([0.9, 0.1, 0.1]), np.array([-1, 0, 0]))[:, 320:]
    assert has_color(right, RIGHT_ANSWER) and not has_color(right, WRONG_ANSWER)
    assert has_color(wrong, WRONG_ANSWER) and has_color(missed, WRONG_ANSWER)
    assert not has_color(unknown, RIGHT_ANSWER) and not has_color(unknown, WRONG_ANSWER)


def test_ranking_frames_the_same_person_green(grey):
    query, other = np.full((128, 64, 3), 90, np.uint8), np.full((64, 32, 3), 30, np.uint8)
    strip = vis.draw_ranking(query, [other, other], [True, False], height=120)
    middle = 66 + 12 + 66 + 3  # query, gap, first result, half a gap
    assert has_color(strip[:, :middle], RIGHT_ANSWER, 0) and not has_color(strip[:, middle:], RIGHT_ANSWER, 0)
    assert has_color(strip[:, middle:], WRONG_ANSWER, 0)


def test_points_and_density_are_where_people_are(grey):
    drawn = changed(grey, vis.draw_points(grey, np.array([[200.0, 180.0]])))
    assert drawn[180, 200] and not drawn[60:170].any()
    density = np.zeros((30, 40), np.float32)
    density[20, 30] = 3
    heat = vis.draw_density(grey, density).astype(int)
    assert heat[164, 244].max() > heat[164, 60].max() + 40
    assert vis.draw_density(grey, np.zeros((30, 40))).shape == grey.shape


def test_labels_of_the_network_input_are_brought_to_the_original_image(grey):
    sample = HumanSample(metainfo=dict(ori_shape=(240, 320), img_shape=(480, 640), scale_factor=(2.0, 2.0)))
    sample.gt_instances = InstanceData(bboxes=torch.tensor([[100.0, 120, 300, 400]]))
    sample.pred_instances = InstanceData(bboxes=torch.tensor([[50.0, 60, 150, 200]]), scores=torch.tensor([0.4]))
    assert np.array_equal(vis.draw_sample(grey, sample), vis.draw_boxes(grey, np.array([[50.0, 60, 150, 200]])))
    large = np.full((480, 640, 3), 128, np.uint8)
    assert np.array_equal(vis.draw_sample(large, sample), vis.draw_boxes(large, np.array([[100.0, 120, 300, 400]])))
    drawn = vis.draw_boxes(grey, np.array([[50.0, 60, 150, 200]]), ['0.40'])
    assert np.array_equal(vis.draw_sample(grey, sample, 'pred'), drawn)


def with_boxes(scores, labels=None):
    """A sample with predicted boxes of these scores, and ``labels`` boxes to find; None: nobody knows how many."""
    sample = sample_of()
    corners = torch.tensor([[20.0 * i, 40, 20 * i + 15, 80] for i in range(len(scores))]).reshape(-1, 4)
    sample.pred_instances = InstanceData(bboxes=corners, scores=torch.tensor(scores))
    if labels is not None:
        sample.gt_instances = InstanceData(bboxes=torch.zeros(labels, 4))
    return sample


@pytest.mark.parametrize(('scores', 'labels', 'shown'), [
    ([0.1, 0.3, 0.2, 0.9], 2, [3, 1]), ([0.1, 0.3], 5, [1, 0]), ([0.9, 0.8], 0, []), ([], 3, []),
    ([0.4, 0.6, 0.7], None, [2, 1]), ([0.2, 0.2, 0.2], 2, [0, 1])])
def test_as_many_predicted_boxes_are_shown_as_there_are_labels(grey, scores, labels, shown):
    sample = with_boxes(scores, labels)
    assert vis.shown_boxes(sample).tolist() == shown
    drawn = changed(grey, vis.draw_sample(grey, sample, 'pred'))[60]
    assert [bool(drawn[20 * i]) for i in range(len(scores))] == [i in shown for i in range(len(scores))]


def test_a_cut_out_person_is_drawn_on_the_original_image_from_its_annotation(grey):
    flat = np.concatenate([person(), np.full((17, 1), 2.0)], axis=1)
    raw = dict(bbox=[130.0, 20, 60, 200], keypoints=flat.ravel().tolist())
    sample = HumanSample(
        metainfo=dict(
            dataset='coco_pose', ori_shape=(240, 320), img_shape=(256, 192), raw_ann_info=raw, input_center=np.zeros(2)
        )
    )
    sample.gt_instances = InstanceData(keypoints=torch.zeros(1, 17, 2), keypoints_visible=torch.ones(1, 17))
    whole = vis.draw_keypoints(grey, person()[None], np.ones((1, 17)), COCO)
    assert np.array_equal(vis.draw_sample(grey, sample), whole)
    x1, y1, x2, y2 = region = vis.person_region(grey, sample)
    assert x1 <= 130 and x2 >= 190 and y1 == 0 and y2 == 240
    part = vis.draw_sample(grey, sample, region=region)
    assert part.shape == (y2 - y1, x2 - x1, 3) and has_color(part, LIMBS['left_leg'])
    del sample.gt_instances.keypoints, sample.gt_instances.keypoints_visible
    sample.gt_instances.bboxes = torch.zeros(1, 4)  # boxes of detection come with native boxes, too: of all people
    assert vis.person_region(grey, sample) is None


@pytest.mark.parametrize('task', ['pose', 'parsing', 'detection', 'counting'])
def test_long_side_draws_at_the_wanted_size(grey, task):
    assert vis.draw_sample(grey, samples()[task], long_side=640).shape == (480, 640, 3)


def test_contact_sheet_lays_out_rows_and_keeps_proportions():
    images = [np.full((40 + 30 * i, 50, 3), 40 * i, np.uint8) for i in range(5)]
    sheet = vis.contact_sheet(
        images, ['a caption that is much too long for its cell'] * 5, columns=2, cell=(100, 80), title='T'
    )
    assert sheet.shape[1] == 10 + 2 * 110 and sheet.dtype == np.uint8
    one = vis.contact_sheet([np.zeros((10, 20, 3), np.uint8)], columns=1, cell=(100, 100), gap=0)
    black = (one == 0).all(-1)
    assert black.sum() == 100 * 50 and black[25:75].all()


def test_prediction_sheet_has_every_task(grey):
    examples = {task: [(grey, sample)] * 2 for task, sample in samples().items()}
    crop = np.full((128, 64, 3), 60, np.uint8)
    without = vis.prediction_sheet(examples, width=600)
    sheet = vis.prediction_sheet(
        {**examples, 'reid': [vis.Ranking(crop, [crop] * 3, [True, False, True])]}, width=600, title='All'
    )
    assert sheet.shape[1] == without.shape[1] == 600 and sheet.shape[0] > without.shape[0] + 100
    assert has_color(sheet[without.shape[0]:], WRONG_ANSWER, 0)


def test_a_point_and_where_it_is_found_have_one_color(grey):
    depth = np.linspace(1, 3, grey.shape[0] * grey.shape[1], dtype=np.float32).reshape(grey.shape[:2])
    matches = np.array([[[40, 40], [90, 60]], [[100, 100], [20, 80]]], np.float32)
    image, beside = draw_matches(grey, depth, matches)
    colors = []
    for (x, y), (u, v) in matches.astype(int):
        assert np.array_equal(image[y, x], beside[v, u]) and not np.array_equal(image[y, x], grey[y, x])
        colors.append(tuple(image[y, x]))
    assert colors[0] != colors[1]
    few, _ = draw_matches(grey, depth, matches, most=1)
    assert np.array_equal(few[100, 100], grey[100, 100])


def test_where_there_is_no_depth_nothing_is_found_in_it(grey):
    sheets = []
    for depth in (0.0, 1.0):
        for place in (5.0, 20.0):
            sample = HumanSample(pred_matches=torch.full((3, 2, 2), place), gt_depth=torch.full((1, 30, 40), depth),
                                 pred_view=torch.full((3, 30, 40), 90, dtype=torch.uint8))
            sheets.append(vis.prediction_sheet({'pretext': [(grey, sample)] * 2}, width=600))
    assert np.array_equal(sheets[0], sheets[1]) and not np.array_equal(sheets[2], sheets[3])


def test_the_caption_says_which_predictions_are_shown(grey, monkeypatch):
    captions = []
    monkeypatch.setattr(sheet_module, 'contact_sheet', lambda images, texts, *_, **__: captions.extend(texts) or grey)
    boxes, none, pose = with_boxes([0.1, 0.314, 0.9], 2), with_boxes([0.9], 0), samples()['pose']
    for sample in (boxes, none, pose, samples()['parsing']):
        vis.prediction_sheet({'task': [(grey, sample)]})
    assert captions[0::2] == ['ground truth'] * 4
    assert captions[1::2] == ['prediction: best 2 of 3, score from 0.31', 'prediction: best 0 of 1',
                              'prediction: keypoints of score > 0.3', 'prediction']


@pytest.mark.parametrize('name', ['sheet', 'sheet.pgn', 'sheet.png.txt'])
def test_a_name_that_is_no_picture_is_refused(grey, tmp_path, name):
    with pytest.raises(UserError, match=r'expected the suffix \.png or \.jpg'):
        vis.save_image(grey, tmp_path / name)
    assert not list(tmp_path.iterdir()) and vis.picture_path('a/sheet.JPG').name == 'sheet.JPG'


def test_images_are_written_whole_or_not_at_all(grey, tmp_path, monkeypatch):
    path = vis.save_image(grey, tmp_path / 'new' / 'a.png')
    assert np.array_equal(np.array(Image.open(path)), grey)

    def full_disk(self, name):
        name.write_bytes(b'half')
        raise OSError('no space left on device')
    monkeypatch.setattr(Image.Image, 'save', full_disk)
    with pytest.raises(OSError, match='no space'):
        vis.save_image(grey + 1, path)
    assert np.array_equal(np.array(Image.open(path)), grey) and len(list(path.parent.iterdir())) == 1
