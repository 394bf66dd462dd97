"""Evaluators that nobody here wrote, run from copies of their repositories on inputs of ours.

Their code is not part of this project. Each copy lies in a folder named after its repository, at the commit that
:data:`JUDGES` states (``git clone https://github.com/JDAI-CV/fast-reid``, and there ``git checkout c9bc3ce``), and
``$HUMANBENCH_JUDGES`` names the folder of them all; ``tests/evaluation/judgements.json`` holds what they said. What
stands between them and a current Python is here, and nothing else: it hands over inputs, and changes words that have
since left the language or NumPy.
"""
import ast
import contextlib
import functools
import importlib.util
import io
import json
import logging
import os
import re
import sys
import tempfile
import types
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

PARTS = ('head', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')


@dataclass(frozen=True)
class Judge:
    """One evaluator.

    Attributes:
        repository, commit, licence: of the copy; ``none`` where the repository states no licence.
        file: what is run.
        shim: what it takes to run it today.
        run: (folder of its repository, inputs of the function it judges) -> scores by our keys.
    """
    repository: str
    commit: str
    file: str
    licence: str
    shim: str
    run: Callable[..., dict[str, float]]

    @property
    def name(self) -> str:
        return self.repository.rpartition('/')[2]

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        place = home(self)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), np.errstate(all='ignore'):
            warnings.simplefilter('ignore')
            return {key: float(value) for key, value in self.run(place, *args, **kwargs).items()}


def home(judge: Judge) -> Path:
    """Where the copy of its repository is."""
    return Path(os.environ.get('HUMANBENCH_JUDGES', 'judges')) / judge.name


def modern(text: str) -> str:
    """Words of old Pythons and NumPys in today's."""
    text = re.sub(r'\bnp\.(float|int|bool)\b', r'\1', text)
    return re.sub(r"([\w\[\]']+)\.keys\(\)\[", r'list(\1.keys())[', text)


def load(path: Path, name: str, text: Callable[[str], str] = modern, **given: Any) -> Any:
    """A file as a module of its own, with some names given to it."""
    module = types.ModuleType(name)
    module.__file__ = str(path)
    vars(module).update(given)
    exec(compile(text(path.read_text(encoding='utf-8')), str(path), 'exec'), vars(module))
    return module


def define(path: Path, name: str, scope: dict[str, Any]) -> Any:
    """One class or function of a file (``Class.method`` too), without running the rest of it."""
    text = modern(path.read_text(encoding='utf-8'))
    found = ast.parse(text[:text.index('\ndef main(')] if '\ndef main(' in text else text)  # Python 2 prints there
    for part in name.split('.'):
        found = next(x for x in found.body if getattr(x, 'name', None) == part)
    exec(compile(ast.Module([found], []), str(path), 'exec'), scope)
    return scope[part]


def stable() -> Any:
    """Ties in the order of the input, as MATLAB has them; NumPy's default leaves that open."""
    sort = np.argsort
    return mock.patch.object(np, 'argsort', lambda a, axis=-1, kind=None: sort(a, axis=axis, kind='stable'))


@contextlib.contextmanager
def modules(**stubs: Any) -> Iterator[None]:
    """Modules that exist meanwhile."""
    with mock.patch.dict(sys.modules, {name: types.SimpleNamespace(**x) for name, x in stubs.items()}):
        yield


def write(folder: str, name: str, records: Any, lines: bool = False) -> str:
    path = Path(folder, name)
    path.write_text('\n'.join(map(json.dumps, records)) if lines else json.dumps(records))
    return str(path)


# ------------------------------------------------------------------------------------------------------- person search
def seqnet(place: Path, frames: Sequence[Mapping], queries: Sequence[Mapping],
           cross_camera: bool = False) -> dict[str, float]:
    import scipy.io
    from sklearn.metrics import average_precision_score
    scope = dict(np=np, osp=os.path, loadmat=scipy.io.loadmat, average_precision_score=average_precision_score,
                 write_json=lambda *_: None)
    path = place / 'eval_func.py'
    define(path, '_compute_iou', scope)
    annotations = [dict(img_name=x['id'], boxes=x['boxes'], cam_id=x['camera'],
                        pids=np.where(x['people'] > 0, x['people'], 5555)) for x in frames]
    gallery = _Sized(annotations=annotations, img_prefix='')
    found = [np.column_stack([x['found'], x['scores']]) for x in frames]
    detect = define(path, 'eval_detection', scope)
    result = {}
    for suffix, named in (('', False), ('_named', True)):
        recall, precision = detect(gallery, [x.tolist() for x in found], labeled_only=named)
        result |= {f'recall{suffix}': recall, f'AP{suffix}': precision}
    by_name = {x['img_name']: x for x in annotations}
    asked = _Sized(annotations=[dict(by_name[x['frame']], pids=x['person'], boxes=np.zeros((1, 4))) for x in queries])
    given = (asked, found, [x['features'] for x in frames], [x['feature'] for x in queries], None, None)
    if queries[0]['gallery'] is None:
        said = define(path, 'eval_search_prw', scope)(gallery, *given, ignore_cam_id=not cross_camera)
    else:
        with tempfile.TemporaryDirectory() as folder:
            gallery.root = folder
            file = Path(folder, 'annotation/test/train_test/TestG100.mat')
            file.parent.mkdir(parents=True)
            scipy.io.savemat(file, {'TestG100': _protocol(queries)})
            said = define(path, 'eval_search_cuhk', scope)(gallery, *given)
    return result | dict(zip(('mAP', 'top1', 'top5', 'top10'), (said['mAP'], *said['accs'])))


class _Sized(types.SimpleNamespace):
    def __len__(self) -> int:
        return len(self.annotations)


def _protocol(queries: Sequence[Mapping]) -> np.ndarray:
    """Queries and galleries as CUHK-SYSU's files hold them."""
    out = np.empty((1, len(queries)), [('Query', object), ('Gallery', object)])
    for i, query in enumerate(queries):
        asked = np.empty((1, 1), [('imname', object), ('idlocate', object)])
        asked[0, 0] = query['frame'], np.zeros((1, 4), np.uint16)
        gallery = np.empty((1, len(query['gallery'])), [('imname', object), ('idlocate', object), ('ishard', object)])
        for j, name in enumerate(query['gallery']):
            box = np.array(query['positives'].get(name, np.empty(0)), float).reshape(1, -1)
            box[:, 2:] -= box[:, :2]
            gallery[0, j] = name, box.astype(np.uint16), 0
        out[0, i] = asked, gallery
    return out


# ---------------------------------------------------------------------------------------------------------------- ReID
def squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum(np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2 * a @ b.T, 0)


def _reid(rank: Path, rerank: Path, query: np.ndarray, ids: np.ndarray, cams: np.ndarray, gallery: np.ndarray,
          gallery_ids: np.ndarray, gallery_cams: np.ndarray, distance: str, reranked: bool) -> tuple:
    kept = gallery_ids != -1  # junk: their data loaders drop it
    gallery, gallery_ids, gallery_cams = gallery[kept], gallery_ids[kept], gallery_cams[kept]
    if distance == 'cosine':
        query, gallery = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (query, gallery))
    if reranked:
        sides = ((query, gallery), (query, query), (gallery, gallery))
        distances = load(rerank, 'rerank').re_ranking(*(np.sqrt(squared(*x)) for x in sides))
    else:
        distances = 1 - query @ gallery.T if distance == 'cosine' else squared(query, gallery)
    with stable():
        return load(rank, 'judge.rank').evaluate_rank(distances, ids, gallery_ids, cams, gallery_cams, max_rank=50,
                                                      use_cython=False)


def fast_reid(folder: Path, *sides: np.ndarray, distance: str = 'cosine', rerank: bool = False) -> dict:
    place = folder / 'fastreid/evaluation'
    cmc, precisions, penalties = _reid(place / 'rank.py', place / 'rerank.py', *sides, distance, rerank)
    return {'mAP': np.mean(precisions), 'mINP': np.mean(penalties), **{f'rank{k}': cmc[k - 1] for k in (1, 5, 10)}}


def torchreid(folder: Path, *sides: np.ndarray, distance: str = 'cosine', rerank: bool = False) -> dict:
    cmc, mean = _reid(folder / 'torchreid/metrics/rank.py', folder / 'torchreid/utils/rerank.py', *sides, distance,
                      rerank)
    return {'mAP': mean, **{f'rank{k}': cmc[k - 1] for k in (1, 5, 10)}}


def irra(folder: Path, *sides: np.ndarray) -> dict:
    """Its scores are in percent."""
    import torch
    texts, text_ids, images, image_ids = (torch.from_numpy(np.asarray(x)) for x in sides)
    similarity = torch.nn.functional.normalize(texts) @ torch.nn.functional.normalize(images).T
    with mock.patch.object(torch, 'argsort', functools.partial(torch.argsort, stable=True)):
        rank = define(folder / 'utils/metrics.py', 'rank', dict(torch=torch))
        cmc, mean, _, _ = rank(similarity, text_ids, image_ids)
    return {**{f'rank{k}': cmc[k - 1] / 100 for k in (1, 5, 10)}, 'mAP': mean / 100}


def layumi(folder: Path, *sides: np.ndarray) -> dict:
    import torch
    texts, text_ids, images, image_ids = sides
    texts, images = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (texts, images))
    scope = dict(np=types.SimpleNamespace(**vars(np) | dict(in1d=np.isin)), torch=torch)
    for name in ('compute_mAP', 'evaluate'):
        define(folder / 'evaluate.py', name, scope)
    found = [scope['evaluate'](text, person, 0, images, image_ids, np.ones(len(images), int))
             for text, person in zip(texts, text_ids)]
    found = [(precision, cmc) for precision, cmc in found if cmc[0] >= 0]
    return {'mAP_trapezoid': np.mean([precision for precision, _ in found]),
            **{f'rank{k}': np.mean([float(cmc[k - 1]) for _, cmc in found]) for k in (1, 5, 10)}}


# ---------------------------------------------------------------------------------------------------------- attributes
def rethinking(folder: Path, labels: np.ndarray, scores: np.ndarray) -> dict:
    class EasyDict(dict):
        __getattr__, __setattr__ = dict.__getitem__, dict.__setitem__

    with modules(easydict=dict(EasyDict=EasyDict)):
        metrics = load(folder / 'metrics/pedestrian_metrics.py', 'metrics').get_pedestrian_metrics
    both = np.ptp(labels, axis=0) == 1
    result = metrics(labels, scores)
    return {'mA': result['ma'], 'mA_present': metrics(labels, scores, index=np.flatnonzero(both))['ma'],
            'accuracy': result['instance_acc'], 'precision': result['instance_prec'],
            'recall': result['instance_recall'], 'f1': result['instance_f1']}


def path_attributes(folder: Path, labels: np.ndarray, scores: np.ndarray) -> dict:
    import torch
    link = types.SimpleNamespace(synchronize=lambda: None, get_world_size=lambda: 1, get_rank=lambda: 0)
    scope = dict(np=np, torch=torch, logging=logging, DatasetEvaluator=object, link=link)
    judge = define(folder / 'PATH/core/solvers/utils/attr_tester_dev.py', 'PedAttrEvaluator', scope)('', None)
    judge.reset()
    judge.process(dict(label=torch.tensor(labels)), dict(pred_logits=torch.logit(torch.tensor(scores))))
    result = judge.evaluate()
    return {'mA': result['ma'], 'accuracy': result['instance_acc'], 'precision': result['instance_prec'],
            'recall': result['instance_recall'], 'f1_per_image': result['instance_f1']}


# ------------------------------------------------------------------------------------------------------------- parsing
def schp(folder: Path, labels: np.ndarray, predictions: np.ndarray, classes: int) -> dict:
    from PIL import Image
    path = folder / 'utils/miou.py'
    scope = dict(np=np, os=os, OrderedDict=OrderedDict, PILImage=Image, LABELS=[], transform_parsing=lambda x, *_: x)
    define(path, 'get_confusion_matrix', scope)
    with tempfile.TemporaryDirectory() as data:
        Path(data, 'val_segmentations').mkdir()
        Path(data, 'val_id.txt').write_text('a\n')
        Image.fromarray(labels).save(Path(data, 'val_segmentations', 'a.png'))
        result = define(path, 'compute_mean_ioU', scope)([predictions], [None], [None], classes, data)
    return {'mIoU': result['Mean IU'] / 100, 'mean_accuracy': result['Mean accuracy'] / 100,
            'pixel_accuracy': result['Pixel accuracy'] / 100}


def path_parsing(folder: Path, labels: np.ndarray, predictions: np.ndarray, classes: int) -> dict:
    scope = dict(np=np, OrderedDict=OrderedDict, DatasetEvaluator=object)
    kind = define(folder / 'PATH/core/solvers/utils/par_tester_dev.py', 'HumParEvaluator', scope)
    judge = kind.__new__(kind)
    vars(judge).update(_class_names=range(classes), _num_classes=classes, _distributed=False, _output_dir=None,
                       _logger=logging.getLogger('judge'))
    judge._conf_matrix = judge.get_confusion_matrix(labels.astype(int), predictions.astype(int), classes, 255)
    result = judge.evaluate()['human_parsing']
    return {'mIoU_present': result['mIoU'] / 100, 'mean_precision': result['mACC'] / 100,
            'pixel_accuracy': result['pACC'] / 100}


# ---------------------------------------------------------------------------------------------------------------- pose
def hrnet(folder: Path, predictions: np.ndarray, truth: Mapping[str, np.ndarray]) -> dict:
    import scipy.io
    scope = dict(np=np, os=os, OrderedDict=OrderedDict, loadmat=scipy.io.loadmat, savemat=scipy.io.savemat)
    evaluate = define(folder / 'lib/dataset/mpii.py', 'MPIIDataset.evaluate', scope)
    with tempfile.TemporaryDirectory() as data:
        Path(data, 'annot').mkdir()
        names = np.array([[str(x[0]) for x in truth['dataset_joints'][0]]], object)
        scipy.io.savemat(f'{data}/annot/gt_valid.mat', {**truth, 'dataset_joints': names})
        config = types.SimpleNamespace(DATASET=types.SimpleNamespace(TEST_SET='valid', ROOT=data))
        result, _ = evaluate(None, config, predictions.copy(), None)
    return {'mean': result['Mean'] / 100, **{part: result[part.capitalize()] / 100 for part in PARTS},
            'mean@0.11': result['Mean@0.1'] / 100}


def ai_challenger(folder: Path, truth: list[dict], predictions: list[dict], sigmas: np.ndarray) -> dict:
    path, scope = folder / 'Evaluation/keypoint_eval/keypoint_eval.py', dict(np=np, json=json)
    for name in ('load_annotations', 'load_predictions', 'compute_oks', 'keypoint_eval'):
        define(path, name, scope)
    with tempfile.TemporaryDirectory() as data:
        said = dict(warning=[])
        annotations = scope['load_annotations'](write(data, 'gt.json', truth), said)
        found = scope['load_predictions'](write(data, 'pred.json', predictions), said)
    assert np.allclose(annotations['delta'], 2 * np.asarray(sigmas)), 'this judge knows its own sigmas only'
    return {'AP_official': scope['keypoint_eval'](found, annotations, said)['score']}


# ----------------------------------------------------------------------------------------------------------- detection
def crowddet(folder: Path, truth: list[dict], found: list[dict], jaccard: bool = True) -> dict:
    with mock.patch.object(sys, 'path', [str(folder / 'lib'), *sys.path]), modules(utils={}):
        sys.modules['utils'].misc_utils = load(folder / 'lib/misc_utils.py', 'misc_utils')
        sys.modules['utils.misc_utils'] = sys.modules['utils'].misc_utils
        spec = importlib.util.find_spec('evaluate')
        assert spec is not None and spec.origin.startswith(str(folder)), f'{folder} is not in reach'
        from evaluate import compute_JI
        from evaluate.APMRToolkits import Database
    with tempfile.TemporaryDirectory() as data:
        database = Database(write(data, 'gt', truth, True), write(data, 'dt', found, True), 'box', None, 0)
    database.compare()
    result = {'AP': database.eval_AP()[0], 'MR': database.eval_MR()[0]}
    return {**result, 'JI': _crowddet_jaccard(compute_JI, truth, found)} if jaccard else result


def _crowddet_jaccard(judge: Any, truth: list[dict], found: list[dict]) -> float:
    class Queue(list):
        put_nowait = list.append

    people = {x['ID']: x['gtboxes'] for x in truth}
    tagged = [dict(x, gtboxes=[dict(box=box['fbox'], tag=1 if box['tag'] == 'person' and not box.get('extra', {}).get(
        'ignore', 0) else -1) for box in people[x['ID']]]) for x in found]
    ratios = []
    for i in range(10):
        queue = Queue()
        judge.compute_JI_with_ignore(queue, json.loads(json.dumps(tagged)), 1e-1 * i, 'box')
        ratios.append(judge.gather(queue)[1])
    return max(ratios)


def path_caltech(folder: Path, truth: dict, detections: list[dict]) -> dict:
    path = folder / 'PATH/core/solvers/utils/peddet_tester_dev.py'
    scope = dict(np=np, json=json, PERSON_CLASSES=['background', 'person'],
                 PetrelHelper=types.SimpleNamespace(open=open))
    define(path, 'Image', scope)
    people, found = defaultdict(list), defaultdict(list)
    for x in truth['annotations']:
        if not x['ignore'] and x['bbox'][3] >= 50 and 0.2 <= x['vis_ratio'] <= 0.65:
            people[x['image_id']].append(dict(tag='person', fbox=x['bbox']))
    for x in detections:
        found[x['image_id']].append(dict(box=x['bbox'], score=x['score']))
    images = [dict(ID=x['id'], width=x['width'], height=x['height']) for x in truth['images']]
    with tempfile.TemporaryDirectory() as data:
        database = define(path, 'Database', scope)(
            write(data, 'gt', [[dict(x, gtboxes=people[x['ID']]) for x in images]], True),
            write(data, 'dt', [dict(x, dtboxes=found[x['ID']]) for x in images], True), 'box', None, 0)
    database.compare()
    precision, _, curves = database.eval_AP()
    return {'MR_heavy_crowdhuman': database.eval_MR(fppiX=curves[-2], fppiY=curves[-1])[0],
            'AP_heavy_crowdhuman': precision}


def citypersons(folder: Path, truth: dict, detections: list[dict], subset: str) -> dict:
    def text(source: str) -> str:
        return re.sub(r'np\.round\((\([^()]+\) / \.\d+)\) \+ 1', r'int(np.round(\1)) + 1', modern(source))

    class Sink(list):
        write = list.append

    place, setup = folder / 'evaluation/eval_script', ('reasonable', 'reasonable_small', 'heavy', 'all').index(subset)
    coco = load(place / 'coco.py', 'coco', text, unicode=str).COCO()
    coco.dataset = json.loads(json.dumps(truth))
    coco.createIndex()
    judge = load(place / 'eval_MR_multisetup.py', 'judge', text).COCOeval(
        coco, coco.loadRes(json.loads(json.dumps(detections))), 'bbox')
    judge.params.imgIds = sorted(coco.getImgIds())
    judge.evaluate(setup)
    judge.accumulate()
    judge.summarize(setup, Sink())
    rates = 1 - judge.eval['TP'][0]  # what summarize averages and prints to two digits
    return {'MR': np.exp(np.log(rates[rates < 2]).mean())}


def ms_detr(folder: Path, truth: dict, detections: list[dict], lowest: float, highest: float, least_seen: float,
            most_seen: float) -> dict:
    """A Python translation of the Caltech toolbox. Occlusion has three grades there, and the first is asked for."""
    judge = load(folder / 'eval/bbGt.py', 'bbGt')
    bounds = dict(labels=['person'], otherLabels=['ignore'], hRng=[lowest, highest], xRng=[5, 635], yRng=[5, 475],
                  vType=['none'])
    people, found, rows = defaultdict(list), defaultdict(list), []
    for x in truth['annotations']:
        hidden = 0 if least_seen <= x['vis_ratio'] <= most_seen else 2
        box = ' '.join(map(repr, map(float, x['bbox'])))
        people[x['image_id']].append(f"{'ignore' if x['ignore'] else 'person'} {box} {hidden} 0 0 0 0 0 0\n")
    for x in detections:
        if lowest / 1.25 <= x['bbox'][3] < highest * 1.25:
            found[x['image_id']].append([*x['bbox'], x['score']])
    with tempfile.TemporaryDirectory() as data, stable():
        for image in truth['images']:
            path = Path(data, 'image.txt')
            path.write_text('% bbGt version=3\n' + ''.join(people[image['id']]))
            rows.append(judge.evalRes(judge.load_gt_bbox(str(path), bounds)[1],
                                      np.array(found[image['id']], float).reshape(-1, 5)))
        recall = judge.compRoc(*zip(*rows), 1, 10.0 ** np.arange(-2, 0.25, 0.25))[-1]
    return {'MR': np.exp(np.log(1 - recall).mean())}


# ------------------------------------------------------------------------------------------------------------ counting
def mcnn(folder: Path, targets: Sequence[float], predictions: Sequence[float]) -> dict:
    import torch

    class Counter:
        cuda = eval = lambda self: self

        def __call__(self, image: torch.Tensor, _: np.ndarray) -> torch.Tensor:
            return image

    class Images(list):
        def get_num_samples(self) -> int:
            return len(self)

    with modules(crowd_count=dict(CrowdCounter=Counter), network=dict(load_net=lambda *_: None)):
        evaluate = load(folder / 'src/evaluate_model.py', 'evaluate_model').evaluate_model
    images = Images(dict(data=torch.tensor([[float(found)]], dtype=torch.float64), gt_density=np.array([[true]]))
                    for true, found in zip(targets, predictions))
    absolute, root = evaluate(None, images)
    return {'MAE': absolute, 'RMSE': root}


_OLD = 'np.float, np.int, np.bool are spelt float, int, bool'
JUDGES = {
    'fast-reid': Judge('JDAI-CV/fast-reid', 'c9bc3ce', 'fastreid/evaluation/rank.py, rerank.py', 'Apache-2.0',
                       f'{_OLD}; junk dropped before, as its data loader does; np.argsort made stable; re-ranking is '
                       'fed Euclidean distances, which it squares', fast_reid),
    'torchreid': Judge('KaiyangZhou/deep-person-reid', 'f8cd150', 'torchreid/metrics/rank.py, utils/rerank.py', 'MIT',
                       'as fast-reid', torchreid),
    'IRRA': Judge('anosorae/IRRA', 'cfc2378', 'utils/metrics.py', 'MIT',
                  'the function rank alone; torch.argsort made stable', irra),
    'layumi': Judge('layumi/Person_reID_baseline_pytorch', '82ff40f', 'evaluate.py', 'MIT',
                    'the functions evaluate and compute_mAP alone; np.in1d is np.isin; texts and images have a camera '
                    'each', layumi),
    'SeqNet': Judge('serend1p1ty/SeqNet', 'edec285', 'eval_func.py', 'MIT',
                    'its functions alone; detections of eval_detection as lists', seqnet),
    'Rethinking_of_PAR': Judge('valencebond/Rethinking_of_PAR', '0baa462', 'metrics/pedestrian_metrics.py', 'none',
                               'a dict with attributes for easydict', rethinking),
    'PATH attributes': Judge('OpenGVLab/HumanBench', 'f3fd3b3', 'PATH/core/solvers/utils/attr_tester_dev.py', 'MIT',
                             'the class PedAttrEvaluator alone, fed logits of the scores, in a world of one process',
                             path_attributes),
    'SCHP': Judge('GoGoDuck912/Self-Correction-Human-Parsing', 'eb84c43', 'utils/miou.py', 'MIT',
                  'compute_mean_ioU alone, with predictions at the size of the labels already', schp),
    'PATH parsing': Judge('OpenGVLab/HumanBench', 'f3fd3b3', 'PATH/core/solvers/utils/par_tester_dev.py', 'MIT',
                          f'the class HumParEvaluator alone; {_OLD}', path_parsing),
    'HRNet': Judge('leoxiaobin/deep-high-resolution-net.pytorch', '6f69e46', 'lib/dataset/mpii.py', 'MIT',
                   'MPIIDataset.evaluate alone', hrnet),
    'AI Challenger': Judge('AIChallenger/AI_Challenger_2017', '52014e0', 'Evaluation/keypoint_eval/keypoint_eval.py',
                           'Apache-2.0', 'x.keys()[i] is spelt list(x.keys())[i]; without main', ai_challenger),
    'CrowdDet': Judge('Purkialo/CrowdDet', 'fa0b55b', 'lib/evaluate (APMRToolkits, compute_JI)', 'MIT',
                      'the Jaccard index in this process, with the ground truth in the records', crowddet),
    'PATH Caltech': Judge('OpenGVLab/HumanBench', 'f3fd3b3', 'PATH/core/solvers/utils/peddet_tester_dev.py', 'MIT',
                          'the classes Image and Database alone, on files of the heavily occluded people',
                          path_caltech),
    'CityPersons': Judge('cvgroup-njust/CityPersons', '839c22f', 'evaluation/eval_script', 'none',
                         f'{_OLD}; int() around a number of steps; unicode is str', citypersons),
    'MS-DETR': Judge('YinghuiXing/MS-DETR', 'a726dcc', 'eval/bbGt.py, a translation of the Caltech toolbox',
                     'Apache-2.0', 'people outside the range of visibility are of its occlusion "heavy"; detections '
                     'outside the range of heights times 1.25 left out before; np.argsort made stable', ms_detr),
    'crowdcount-mcnn': Judge('svishwa/crowdcount-mcnn', 'e04c67f', 'src/evaluate_model.py', 'MIT',
                             'a network that returns the prediction', mcnn)}
