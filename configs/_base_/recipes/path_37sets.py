"""PATH's sources: its 37 datasets under 25 heads, and what is tested of them without finetuning.

In PATH, CrowdHuman and the five other detection datasets share one head; here each of the two sources has its own.
"""
from mmengine.config import read_base

from humanbench.datasets import (CIHP, CUHK03, LIP, MSMT17, PA100K, AIChallenger, CocoKeypoints, CrowdHuman,
                                 Human36MParsing, Human36MPose, Market1501, MergedAttributes, RAPv2)
from humanbench.evaluation import (AttributeMetric, CrowdHumanMetric, EPEMetric, KeypointAPMetric, ParsingMetric,
                                   ReIDMetric)

with read_base():
    from ..sources.aic import *
    from ..sources.aist import *
    from ..sources.attr_4sets import *
    from ..sources.attr_rapv2_pa100k import *
    from ..sources.cihp import *
    from ..sources.coco_pose import *
    from ..sources.crowdhuman import *
    from ..sources.deepfashion2 import *
    from ..sources.det_5sets import *
    from ..sources.h36m_parsing import *
    from ..sources.h36m_pose import *
    from ..sources.halpe import *
    from ..sources.jrdb import *
    from ..sources.lip import *
    from ..sources.luperson_nl import *
    from ..sources.mhp import *
    from ..sources.modanet import *
    from ..sources.mpi_inf_3dhp import *
    from ..sources.paper_doll import *
    from ..sources.penn_action import *
    from ..sources.posetrack import *
    from ..sources.reid_3sets import *
    from ..sources.reid_dgmarket_prcc_last import *
    from ..sources.threedpw import *
    from ..sources.vip import *

sources = dict(
    coco_pose=coco_pose, aic=aic, posetrack=posetrack, jrdb=jrdb, mhp=mhp, penn_action=penn_action, threedpw=threedpw,
    halpe=halpe, mpi_inf_3dhp=mpi_inf_3dhp, h36m_pose=h36m_pose, aist=aist,
    h36m_parsing=h36m_parsing, lip=lip, cihp=cihp, vip=vip, paper_doll=paper_doll, deepfashion2=deepfashion2,
    modanet=modanet, attr_rapv2_pa100k=attr_rapv2_pa100k, attr_4sets=attr_4sets,
    reid_3sets=reid_3sets, reid_dgmarket_prcc_last=reid_dgmarket_prcc_last, luperson_nl=luperson_nl,
    crowdhuman=crowdhuman, det_5sets=det_5sets)

# the same images in a step as PATH's, in smaller units, which 8 to 64 ranks can share evenly (`humanbench plan --cut`)
_parts = dict(
    coco_pose=4, aic=4, posetrack=4, jrdb=4, mhp=2, penn_action=2, threedpw=2, mpi_inf_3dhp=2, h36m_pose=2, aist=2,
    h36m_parsing=2, lip=2, cihp=3, vip=2, paper_doll=3, deepfashion2=4, modanet=4)
for _name, _count in _parts.items():
    _source = sources[_name]
    _source.update(batch_size=_source.batch_size // _count, slots=_source.slots * _count)

_attributes = dict(type=MergedAttributes, pipeline=attribute_test_pipeline, space=['rapv2', 'pa100k'])

# id: source whose head is tested, batch size, metric, data
_tests = dict(
    coco_pose=('coco_pose', 32, KeypointAPMetric, dict(type=CocoKeypoints, split='val', pipeline=pose_test_pipeline)),
    aic=('aic', 32, KeypointAPMetric, dict(type=AIChallenger, split='val', pipeline=pose_test_pipeline)),
    h36m_pose=('h36m_pose', 32, EPEMetric, dict(type=Human36MPose, split='test', pipeline=pose_test_pipeline)),
    h36m_parsing=('h36m_parsing', 32, ParsingMetric,
                  dict(type=Human36MParsing, split='test', pipeline=parsing_test_pipeline)),
    lip=('lip', 32, ParsingMetric, dict(type=LIP, split='val', pipeline=parsing_test_pipeline)),
    cihp=('cihp', 32, ParsingMetric, dict(type=CIHP, split='val', pipeline=parsing_test_pipeline)),
    rapv2=('attr_rapv2_pa100k', 32, AttributeMetric, dict(_attributes, datasets=[dict(type=RAPv2, split='test')])),
    pa100k=('attr_rapv2_pa100k', 32, AttributeMetric, dict(_attributes, datasets=[dict(type=PA100K, split='test')])),
    market1501=('reid_3sets', 32, ReIDMetric, dict(type=Market1501, split='test', pipeline=reid_test_pipeline)),
    msmt17=('reid_3sets', 32, ReIDMetric, dict(type=MSMT17, split='test', pipeline=reid_test_pipeline)),
    cuhk03=('reid_3sets', 32, ReIDMetric, dict(type=CUHK03, split='test', pipeline=reid_test_pipeline)),
    crowdhuman=('crowdhuman', 1, CrowdHumanMetric,
                dict(type=CrowdHuman, split='val', pipeline=detection_test_pipeline)))
evaluations = {name: dict(source=source, batch_size=batch_size, evaluator=dict(type=metric), dataset=dataset)
               for name, (source, batch_size, metric, dataset) in _tests.items()}
evaluations['crowdhuman']['evaluator']['score_threshold'] = 0.05
