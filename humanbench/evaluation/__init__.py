"""Metrics: pure functions (arrays, parsed JSON or paths in; a dict of floats out), and thin MMEngine metrics that call
them.

Fractions are in [0, 1], distances in pixels. :data:`VERSIONS` goes into every record: results compare only at the same
version. ``docs/metrics.md`` has the definitions, and who checked them.
"""
from .attribute import AttributeMetric, attributes
from .counting import CountingMetric, counting
from .crowdhuman import CrowdHumanMetric, crowdhuman
from .detection import BoxAPMetric, box_ap
from .metric import VERSIONS
from .miss_rate import MissRateMetric, miss_rate
from .parsing import ParsingMetric, confusion_matrix, parsing
from .person_search import PersonSearchMetric, person_search
from .pose import epe, keypoint_ap, nme, pckh
from .pose_3d import Pose3DMetric, pose_3d
from .pose_metrics import EPEMetric, KeypointAPMetric, PCKhMetric
from .pretext import (
    ModalityMetric,
    PartMetric,
    ReconstructionMetric,
    modality_agreement,
    part_agreement,
    reconstruction,
)
from .reid import ReIDMetric, reid
from .text_reid import TextReIDMetric, text_to_image
from .variants import aic_official, heavy_by_crowdhuman

__all__ = [
    'AttributeMetric', 'BoxAPMetric', 'CountingMetric', 'CrowdHumanMetric', 'EPEMetric', 'KeypointAPMetric',
    'MissRateMetric', 'ModalityMetric', 'PCKhMetric', 'ParsingMetric', 'PartMetric', 'PersonSearchMetric',
    'Pose3DMetric', 'ReIDMetric', 'ReconstructionMetric', 'TextReIDMetric', 'VERSIONS', 'aic_official', 'attributes',
    'box_ap', 'confusion_matrix', 'counting', 'crowdhuman', 'epe', 'heavy_by_crowdhuman', 'keypoint_ap', 'miss_rate',
    'modality_agreement', 'nme', 'parsing', 'part_agreement', 'pckh', 'person_search', 'pose_3d', 'reconstruction',
    'reid', 'text_to_image']
