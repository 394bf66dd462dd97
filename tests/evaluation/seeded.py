"""Seeded nasty inputs: ties, empty images, ignored boxes. The recorded judgements in the tests belong to these."""
import numpy as np

MPII_NAMES = ['rank', 'rkne', 'rhip', 'lhip', 'lkne', 'lank', 'pelv', 'thor', 'neck', 'head', 'rwri', 'relb', 'rsho',
              'lsho', 'lelb', 'lwri']


def reid(seed: int, tied: bool) -> tuple[np.ndarray, ...]:
    """60 queries, 900 gallery images with junk and distractors. Tied: small integers, so that distances repeat."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(80, 16))
    query_ids, gallery_ids = rng.integers(1, 80, 60), rng.integers(-1, 80, 900)
    query_cams, gallery_cams = rng.integers(0, 6, 60), rng.integers(0, 6, 900)
    query = centres[query_ids] + 1.2 * rng.normal(size=(60, 16))
    gallery = centres[gallery_ids] + 1.2 * rng.normal(size=(900, 16))
    if tied:
        query, gallery = query.round(), gallery.round()
    gallery_ids[gallery_ids == 5] = 6  # queries of person 5 find nobody
    return (query.astype(np.float32), query_ids, query_cams, gallery.astype(np.float32), gallery_ids, gallery_cams)


def attributes(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """200 images of 26 attributes: one never present, one always, an image without any, one without any prediction."""
    rng = np.random.default_rng(seed)
    labels = (rng.uniform(size=(200, 26)) < rng.uniform(0, 0.6, 26)).astype(int)
    scores = np.clip(0.3 * labels + 0.7 * rng.uniform(size=labels.shape), 0, 1)
    labels[:, 3], labels[:, 4], labels[5] = 0, 1, 0
    scores[6], scores[7] = 0, 0.5  # 0.5 is not above the threshold
    return labels, scores


def parsing(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions of 300 x 300 in 20 classes, of which two never occur; 5 % ignored."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 18, (300, 300)).astype(np.uint8)
    predictions = np.where(rng.uniform(size=labels.shape) < 0.6, labels, rng.integers(0, 18, labels.shape))
    labels[rng.uniform(size=labels.shape) < 0.05] = 255
    return labels, predictions.astype(np.uint8)


def coco(seed: int, joints: int = 17, categories: int = 1, tied: bool = False) -> tuple[dict, list[dict]]:
    """40 images with 0 to 5 people: crowds, people without joints, double and lost detections. Tied: a coarse grid."""
    rng = np.random.default_rng(seed)
    truth = dict(images=[dict(id=int(i) + 5) for i in rng.permutation(40)],
                 categories=[dict(id=i + 1, name=str(i)) for i in range(categories)], annotations=[])
    detections = []
    for image in truth['images']:
        for _ in range(int(rng.integers(0, 6))):
            box = rng.uniform((0, 0, 10, 10), (300, 300, 200, 200))
            points = np.column_stack([box[0] + rng.uniform(0, box[2], joints), box[1] + rng.uniform(0, box[3], joints),
                                      rng.integers(0, 3, joints)])
            if tied:
                points[:, :2], box = (points[:, :2] / 10).round() * 10, (box / 20).round() * 20 + 20
            if rng.uniform() < 0.1:
                points[:, 2] = 0
            category = int(rng.integers(1, categories + 1))
            truth['annotations'].append(dict(
                id=len(truth['annotations']) + 1, image_id=image['id'], category_id=category, bbox=box.tolist(),
                area=float(box[2] * box[3] * rng.uniform(0.3, 0.9)), iscrowd=int(rng.uniform() < 0.1),
                keypoints=points.ravel().tolist(), num_keypoints=int((points[:, 2] > 0).sum())))
            for _ in range(int(rng.integers(0, 9))):
                near = points + rng.normal(size=points.shape) * rng.choice([1, 5, 15]) * (1, 1, 0)
                found = box + rng.normal(size=4) * rng.choice([1, 10])
                found[2:] = np.maximum(found[2:], 3)
                if tied:
                    near, found = (near / 10).round() * 10, (found / 20).round() * 20 + (0, 0, 20, 20)
                detections.append(dict(
                    image_id=image['id'], category_id=category if rng.uniform() > 0.1 else int(
                        rng.integers(1, categories + 1)), bbox=found.tolist(), keypoints=near.ravel().tolist(),
                    score=round(float(rng.uniform()), 1 if tied else 4)))
    return truth, detections


def mpii(seed: int, tied: bool = False) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """50 people. Tied: whole pixels and head boxes of a size that puts errors exactly on the threshold."""
    rng = np.random.default_rng(seed)
    target = rng.uniform(1, 600, (16, 2, 50))
    heads = np.stack([rng.uniform(0, 300, (2, 50)), rng.uniform(310, 400, (2, 50))])
    predictions = target.transpose(2, 0, 1) - 1 + rng.normal(0, 60, (50, 16, 2))
    if tied:
        target, predictions = target.round(), target.round().transpose(2, 0, 1) - 1
        predictions[:, :, 0] += rng.integers(0, 3, (50, 16)) * 15
        heads[0], heads[1] = 0, np.array([30, 40])[:, None]  # 0.6 x 50 = 30 pixels; half of it is 15
    names = np.empty((1, 16), object)
    names[0] = [np.array([name]) for name in MPII_NAMES]
    return predictions, dict(pos_gt_src=target, headboxes_src=heads, dataset_joints=names,
                             jnt_missing=(rng.uniform(size=(16, 50)) < 0.2).astype(np.uint8))


def points(seed: int, with_length: bool) -> tuple[np.ndarray, ...]:
    """Predicted and true points of 30 people, 30 % of them not visible; and a length of each person."""
    rng = np.random.default_rng(seed)
    target = rng.uniform(0, 200, (30, 17, 2))
    sides = target + rng.normal(0, 9, target.shape), target, rng.uniform(size=(30, 17)) < 0.7
    return (*sides, rng.uniform(20, 90, 30)) if with_length else sides


def places(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true places (metres) of ITOP's 15 joints of 40 people; most lie nearer than 20 cm."""
    rng = np.random.default_rng(seed)
    target = rng.uniform((-1, -1, 2), (1, 1, 4), (40, 15, 3))
    return target + rng.normal(0, 0.06 + 0.02 * seed, target.shape), target


def counts(seed: int) -> tuple[list[float], list[float]]:
    """True and predicted numbers of people in 40 images: none, a few, thousands."""
    rng = np.random.default_rng(seed)
    true = np.where(rng.uniform(size=40) < 0.2, 0, rng.integers(0, 3000, 40))
    return true.astype(float).tolist(), np.maximum(true + rng.normal(0, 30, 40), 0).tolist()


def aic(seed: int) -> tuple[list[dict], list[dict]]:
    """AI Challenger's ground truth and predictions of 40 images: nobody there, nobody found, people without a visible
    joint, predictions that suit two people."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for image in range(40):
        boxes, people, guesses = {}, {}, {}
        for i in range(int(rng.integers(0, 5))):
            x, y, w, h = rng.integers((0, 0, 40, 80), (300, 300, 200, 300))
            boxes[f'human{i + 1}'] = [int(x), int(y), int(x + w), int(y + h)]
            joints = np.column_stack([x + rng.integers(0, w, 14), y + rng.integers(0, h, 14), rng.integers(1, 4, 14)])
            if rng.uniform() < 0.1:
                joints[:, 2] = 2
            people[f'human{i + 1}'] = joints.ravel().tolist()
            for _ in range(int(rng.integers(0, 3))):
                near = joints + rng.normal(size=joints.shape) * rng.choice([0.5, 2, 8]) * (1, 1, 0)
                guesses[f'human{len(guesses) + 1}'] = near.ravel().tolist()
        if not people and not guesses:
            guesses['human1'] = [0.0] * 42  # their code cannot take an image without either
        truth.append(dict(image_id=f'{image:04d}', human_annotations=boxes, keypoint_annotations=people))
        if image % 7 != 3 or not people:
            found.append(dict(image_id=f'{image:04d}', keypoint_annotations=guesses))
    return truth, found


def crowdhuman(seed: int, tied: bool = False) -> tuple[list[dict], list[dict]]:
    """20 images of up to 11 boxes: masks, ignored people, boxes over the border, images without a detection."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for image in range(20):
        count = int(rng.integers(1, 12))
        boxes = np.column_stack([rng.uniform(-20, 480, count), rng.uniform(-20, 330, count), rng.uniform(20, 80, count),
                                 rng.uniform(60, 200, count)]).round(2)
        if tied:
            boxes = (boxes / 20).round() * 20 + (0, 0, 20, 20)
        kinds = rng.uniform(size=count)
        truth.append(dict(ID=f'im,{image}', gtboxes=[
            dict(tag='person' if kind > 0.15 else 'mask', fbox=box, hbox=[0, 0, 1, 1],
                 extra=dict(ignore=1) if 0.15 < kind < 0.25 else {}) for kind, box in zip(kinds, boxes.tolist())]))
        near = np.repeat(boxes, rng.integers(0, 4, count), axis=0)
        near += rng.normal(size=near.shape) * (8, 8, 6, 12)
        strays = rng.uniform((0, 0, 10, 10), (600, 400, 110, 110), (int(rng.integers(0, 5)), 4))
        near = np.concatenate([near, strays]).round(2)
        if tied:
            near = (near / 20).round() * 20
        near[:, 2:] = np.maximum(near[:, 2:], 20 if tied else 5)
        scores = rng.uniform(size=len(near)).round(1 if tied else 3)
        boxes = [] if image % 7 == 3 else [dict(box=box, score=score, tag=1)
                                          for box, score in zip(near.tolist(), scores.tolist())]
        found.append(dict(ID=f'im,{image}', width=640, height=480, dtboxes=boxes))
    return truth, found


def citypersons(seed: int, images: int = 120, tied: bool = False) -> tuple[dict, list[dict]]:
    """Images of up to 5 people, a quarter of them without; ignored people; visibilities on the subsets' limits."""
    rng = np.random.default_rng(seed)
    truth = dict(images=[dict(id=i + 1, width=640, height=480) for i in range(images)],
                 categories=[dict(id=i) for i in (1, 2, 0)], annotations=[])
    detections = []
    for image in range(1, images + 1):
        for _ in range(int(rng.integers(0, 6)) if image % 4 else 0):
            height = rng.uniform(15, 200)
            box = np.array([*rng.uniform(0, 500, 2), height * 0.41, height])
            if tied:
                box = (box / 10).round() * 10 + 10
            visible = rng.choice([0.1, 0.2, 0.5, 0.65, 0.8, 1]) if tied else rng.uniform(0.05, 1)
            truth['annotations'].append(dict(
                id=len(truth['annotations']) + 1, image_id=image, category_id=1, bbox=box.tolist(), height=box[3],
                vis_ratio=float(visible), iscrowd=0, ignore=int(rng.uniform() < 0.2)))
            for _ in range(int(rng.integers(0, 4))):
                near = box + rng.normal(size=4) * 0.1 * box[3]
                if tied:
                    near = (near / 10).round() * 10
                near[2:] = np.maximum(near[2:], 10)
                detections.append(dict(image_id=image, category_id=1, bbox=near.tolist(),
                                       score=round(float(rng.uniform(0.3, 1)), 1 if tied else 4)))
        for _ in range(int(rng.integers(0, 4))):
            height = rng.uniform(20, 250)
            detections.append(dict(image_id=image, category_id=1, bbox=[*rng.uniform(0, 500, 2), 0.41 * height, height],
                                   score=round(float(rng.uniform(0, 0.9)), 1 if tied else 4)))
    return truth, detections


def text_reid(seed: int, tied: bool, absent: bool = False) -> tuple[np.ndarray, ...]:
    """90 captions of 30 people, 150 images of them and of others. Tied: small integers, so that similarities repeat.

    Args:
        absent: people 0 to 2 have captions and no image.
    """
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(40, 12))
    text_ids, image_ids = np.repeat(np.arange(30), 3), rng.permutation(np.r_[0:30, rng.integers(0, 40, 120)])
    if absent:
        image_ids[image_ids < 3] = 35
    texts = centres[text_ids] + 0.9 * rng.normal(size=(90, 12))
    images = centres[image_ids] + 0.9 * rng.normal(size=(150, 12))
    if tied:
        texts, images = texts.round(), images.round()
    return texts.astype(np.float32), text_ids, images.astype(np.float32), image_ids


def errors(seed: int) -> tuple[np.ndarray]:
    """Squared errors of images, some of them zero."""
    rng = np.random.default_rng(seed)
    return (rng.gamma(2.0, 0.4, 300) * (rng.uniform(size=300) > 0.1),)


def person_search(seed: int, galleries: bool) -> tuple[list[dict], list[dict]]:
    """60 frames of 4 cameras with 1 to 5 people of 12, or nobody's name; lost, double, shifted and weak detections.

    Args:
        galleries: every query has a gallery of its own, of 30 frames, else all frames.
    """
    rng = np.random.default_rng(seed)
    centres, frames = rng.normal(size=(40, 8)), []
    for i in range(60):
        people = rng.permutation(np.r_[1:13, [-1] * 6])[:rng.integers(1, 6)]
        corners = rng.integers((0, 0), (400, 250), (len(people), 2))
        sizes = rng.integers((6, 12), (60, 150), (len(people), 2))
        boxes = np.column_stack([corners, corners + sizes])
        shown = np.flatnonzero(rng.uniform(size=len(people)) < 0.85)
        shown = np.concatenate([shown, rng.choice(len(people), rng.integers(0, 3))])
        found = boxes[shown] + rng.normal(size=(len(shown), 4)) * np.tile(sizes[shown], 2) * 0.08
        looks = [centres[people[x] if people[x] > 0 else rng.integers(13, 40)] for x in shown]
        frames.append(dict(
            id=f'f{i}', camera=i % 4, people=people, boxes=boxes, found=found, scores=rng.uniform(0.35, 1, len(shown)),
            features=_unit(np.array(looks).reshape(-1, 8) + 0.8 * rng.normal(size=(len(shown), 8)))))
    queries = []
    for person in range(1, 13):
        seen = [x for x in frames if person in x['people']]
        for frame in seen[:2]:
            positives = {x['id']: x['boxes'][x['people'] == person][0] for x in seen if x is not frame}
            others = [x['id'] for x in frames if x['id'] != frame['id'] and x['id'] not in positives]
            kept = list(positives)[:6]
            queries.append(dict(
                frame=frame['id'], person=person, feature=_unit(centres[person] + 0.5 * rng.normal(size=8)),
                gallery=[*kept, *rng.permutation(others)[:24].tolist()] if galleries else None,
                positives={x: positives[x] for x in kept} if galleries else None))
    return frames, queries


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def joint_parts(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Parts of joints, and those that were found: background among them."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, 400, p=(0.6, 0.3, 0.1)) + 1
    return truth, np.where(rng.uniform(size=400) < 0.6, truth, rng.integers(0, 4, 400))


def modalities(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors of people in three modalities that agree more or less, some without depth; distances between points."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(60, 1, 8)) + rng.uniform(0.3, 1.2, (1, 3, 1)) * rng.normal(size=(60, 3, 8))
    present = np.stack([np.ones(60, bool), rng.uniform(size=60) < 0.7, np.ones(60, bool)], 1)
    errors = np.where(present[:, 1], rng.uniform(0, 20, 60), np.nan)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), present, errors
