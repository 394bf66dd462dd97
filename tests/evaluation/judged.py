"""Which evaluator judged which function, on which inputs.

Evaluators that are installed are asked at every run. What the others said lies in ``judgements.json``; with copies of
their repositories (``tools/speed/_judges.py`` says which, and where) they are asked again by

    python -m tests.evaluation.judged            # writes judgements.json and prints the table of docs/metrics.md
"""
import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import humanbench  # noqa: F401  (its compatibility layer comes before any OpenMMLab import)
from humanbench import catalog, evaluation

from . import installed, seeded

RECORDED = Path(__file__).with_name('judgements.json')
_spec = importlib.util.spec_from_file_location(
    'judges', Path(__file__).parents[2] / 'tools' / 'speed' / '_judges.py')
judges = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(judges)


@dataclass(frozen=True)
class Case:
    """One question to one evaluator.

    Attributes:
        function: of ours.
        judge: of ``judges.JUDGES`` (fetched), or installed.
        label: tells it from other questions to the same judge.
        inputs: makes the arguments of both.
        options: of both.
        ours: what is called where it is not the function alone.
    """
    function: str
    judge: str
    label: str
    inputs: Callable[[], tuple]
    options: Mapping[str, Any] = field(default_factory=dict)
    ours: Callable[..., dict[str, float]] | None = None

    def __str__(self) -> str:
        return f'{self.function}/{self.judge}/{self.label}'

    @property
    def fetched(self) -> bool:
        return self.judge in judges.JUDGES

    def our_answer(self, *inputs: Any) -> dict[str, float]:
        return (self.ours or getattr(evaluation, self.function))(*(inputs or self.inputs()), **self.options)

    def their_answer(self) -> dict[str, float]:
        judge = judges.JUDGES[self.judge] if self.fetched else installed.JUDGES[self.function, self.judge]
        return judge(*self.inputs(), **self.options)


def unknown_as_absent(labels: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    return evaluation.attributes(np.maximum(labels, 0), scores)


def parsed(labels: np.ndarray, predictions: np.ndarray, classes: int) -> dict[str, float]:
    return evaluation.parsing(evaluation.confusion_matrix(labels, predictions, classes))


def counts(labels: np.ndarray, predictions: np.ndarray, classes: int) -> dict[str, float]:
    confusion = evaluation.confusion_matrix(labels, predictions, classes)
    totals = {'hit': np.diag(confusion), 'labelled': confusion.sum(1), 'predicted': confusion.sum(0)}
    return {f'{name} {i}': float(n) for name, row in totals.items() for i, n in enumerate(row)}


def both_thresholds(predictions: np.ndarray, truth: Mapping, second: float) -> dict[str, float]:
    return {**evaluation.pckh(predictions, truth),
            f'mean@{second}': evaluation.pckh(predictions, truth, second)['mean']}


def hidden(seed: int) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = seeded.attributes(seed)
    return np.where(np.random.default_rng(seed).uniform(size=labels.shape) < 0.1, -1, labels), scores


def without_boxes(*inputs: Any) -> tuple[dict, list[dict]]:
    truth, detections = seeded.coco(*inputs)
    return truth, [{key: x for key, x in detection.items() if key != 'bbox'} for detection in detections]


def tied_scores(seed: int, *options: Any) -> tuple[dict, list[dict]]:
    """CityPersons' inputs with boxes of one aspect ratio (0.41) and few different scores."""
    truth, detections = seeded.citypersons(seed, *options)
    return truth, [dict(x, score=round(x['score'], 1)) for x in detections]


def _reid() -> list[Case]:
    runs = [('fast-reid', 0, False, 'cosine', False), ('fast-reid', 1, False, 'euclidean', False),
            ('fast-reid', 2, True, 'euclidean', False), ('fast-reid', 0, False, 'cosine', True),
            ('fast-reid', 1, False, 'euclidean', True), ('torchreid', 3, False, 'cosine', False),
            ('torchreid', 2, True, 'euclidean', False), ('torchreid', 3, False, 'cosine', True)]
    return [Case('reid', judge, f'{seed} {distance}{" tied" * tied}{" rerank" * rerank}',
                 partial(seeded.reid, seed, tied), dict(distance=distance, rerank=rerank))
            for judge, seed, tied, distance, rerank in runs]


def _text() -> list[Case]:
    runs = [('IRRA', 0, False, False), ('IRRA', 1, False, False), ('IRRA', 2, True, False), ('layumi', 3, False, False),
            ('layumi', 4, False, True)]
    return [Case('text_to_image', judge, f'{seed}{" tied" * tied}{" absent people" * absent}',
                 partial(seeded.text_reid, seed, tied, absent)) for judge, seed, tied, absent in runs]


def _person_search() -> list[Case]:
    runs = [(0, True, False), (1, True, False), (2, False, False), (3, False, False), (4, False, True)]
    return [Case('person_search', 'SeqNet', f"{seed}{' galleries' * galleries}{' other cameras' * other}", partial(
        seeded.person_search, seed, galleries), dict(cross_camera=other)) for seed, galleries, other in runs]


def _detection() -> list[Case]:
    runs = [(0, 120, False), (1, 120, True), (2, 15, False)]
    cases = [Case('miss_rate', 'CityPersons', f'{seed} {images} images {subset}{" tied" * tied}', partial(
        seeded.citypersons, seed, images, tied), dict(subset=subset))
        for seed, images, tied in runs for subset in ('reasonable', 'reasonable_small', 'heavy', 'all')]
    subsets = {'reasonable': (50, np.inf, 0.65, np.inf), 'heavy': (50, np.inf, 0.2, 0.65),
               'reasonable_small': (50, 75, 0.65, np.inf), 'all': (20, np.inf, 0.2, np.inf)}
    for i, (subset, limits) in enumerate(subsets.items()):
        for make in (seeded.citypersons, tied_scores):
            ours = partial(evaluation.miss_rate, subset=subset, rules='caltech')
            cases.append(Case(
                'miss_rate', 'MS-DETR', f'{i} {subset}{" tied" * (make is tied_scores)}', partial(make, i),
                dict(zip(('lowest', 'highest', 'least_seen', 'most_seen'), limits)),
                lambda truth, found, ours=ours, **_: ours(truth, found)))
    cases += [Case('crowdhuman', judge, f'{seed}{" tied" * tied}', partial(seeded.crowdhuman, seed, tied))
              for judge, seed, tied in (('CrowdDet', 0, False), ('CrowdDet', 1, True), ('CrowdDet', 2, False),
                                        ('mmdet', 3, False))]
    cases += [Case('heavy_by_crowdhuman', 'PATH Caltech', f'{seed}', partial(seeded.citypersons, seed, 200))
              for seed in (0, 1)]
    runs = [(0, 1, False), (1, 1, True), (2, 3, False), (3, 3, True)]
    return cases + [Case('box_ap', 'pycocotools', f'{seed} {n} categories{" tied" * tied}',
                         partial(seeded.coco, seed, 17, n, tied)) for seed, n, tied in runs]


def _pose() -> list[Case]:
    cases = []
    for seed, joints, categories, tied in ((0, 17, 1, False), (1, 17, 1, True), (2, 14, 1, False), (3, 17, 3, True),
                                           (4, 16, 2, False)):
        sigmas = None if joints == 17 else np.linspace(0.03, 0.1, joints)
        for make in (seeded.coco, without_boxes):
            label = f'{seed} {joints} joints{" tied" * tied}{" no boxes" * (make is without_boxes)}'
            cases.append(Case('keypoint_ap', 'pycocotools', label, partial(make, seed, joints, categories, tied),
                              dict(sigmas=sigmas)))
    sigmas = np.array(catalog.card('aic').sigmas)
    cases += [Case('keypoint_ap', 'xtcocotools', f'{seed} box area', partial(without_boxes, seed, 14, 1, tied),
                   dict(sigmas=sigmas, use_area=False)) for seed, tied in ((5, False), (6, True))]
    cases += [Case('pckh', 'HRNet', f'{seed}{" tied" * tied}', partial(seeded.mpii, seed, tied), {},
                   partial(both_thresholds, second=0.11)) for seed, tied in ((0, False), (1, True))]
    cases += [Case('pckh', 'mmpose', f'{seed}', partial(seeded.mpii, seed), {}, partial(both_thresholds, second=0.1))
              for seed in (2, 3)]
    cases += [Case(name, 'mmpose', f'{seed}', partial(seeded.points, seed, name == 'nme'))
              for name in ('epe', 'nme') for seed in (0, 1)]
    cases += [Case('pose_3d', 'mmpose', f'{seed}', partial(seeded.places, seed)) for seed in (0, 1)]
    return cases + [Case('aic_official', 'AI Challenger', f'{seed}', partial(seeded.aic, seed), dict(sigmas=sigmas))
                    for seed in (0, 1, 2)]


def _others() -> list[Case]:
    cases = [Case('attributes', 'Rethinking_of_PAR', f'{seed}', partial(seeded.attributes, seed)) for seed in (0, 1)]
    cases += [Case('attributes', 'PATH attributes', f'{seed} unknown labels as absent', partial(hidden, seed), {},
                   unknown_as_absent) for seed in (0, 1)]
    cases += [Case('parsing', judge, f'{seed}', lambda seed=seed: (*seeded.parsing(seed), 20), {}, parsed)
              for judge, seed in (('SCHP', 0), ('SCHP', 1), ('PATH parsing', 0), ('PATH parsing', 1), ('mmseg', 2))]
    cases += [Case('part_agreement', 'scikit-learn', f'{seed}', partial(seeded.joint_parts, seed)) for seed in (0, 1)]
    cases += [Case('modality_agreement', 'scikit-learn', f'{seed}', partial(seeded.modalities, seed))
              for seed in (0, 1)]
    cases += [Case('reconstruction', 'PyTorch', f'{seed}', partial(seeded.errors, seed)) for seed in (0, 1)]
    cases.append(Case('confusion_matrix', 'mmseg', '2', lambda: (*seeded.parsing(2), 20), {}, counts))
    return cases + [Case('counting', 'crowdcount-mcnn', f'{seed}', partial(seeded.counts, seed)) for seed in (0, 1)]


CASES = [*_reid(), *_text(), *_person_search(), *_others(), *_pose(), *_detection()]


def difference(case: Case, theirs: Mapping[str, float]) -> float:
    """The largest of all keys that the judge knows."""
    ours = case.our_answer()
    return max(abs(ours[key] - value) for key, value in theirs.items())


def main() -> None:
    said = {str(case): case.their_answer() for case in CASES}
    recorded = {str(case): said[str(case)] for case in CASES if case.fetched}
    RECORDED.write_text(json.dumps(recorded, indent=1) + '\n')
    rows: dict[tuple[str, str], list[Case]] = {}
    for case in CASES:
        rows.setdefault((case.function, case.judge), []).append(case)
    for (function, judge), cases in sorted(rows.items()):
        worst = max(difference(case, said[str(case)]) for case in cases)
        keys = ' '.join(dict.fromkeys(key for case in cases for key in said[str(case)]))
        print(f'| `{function}` | {judge} | {keys if function != "confusion_matrix" else "counts"} | {len(cases)} '
              f'| {worst:.0e} |')


if __name__ == '__main__':
    main()
