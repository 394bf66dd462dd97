"""Metrics: pure functions (arrays, parsed JSON or paths in; a dict of floats out), and thin MMEngine metrics that call
them.

Fractions are in [0, 1], distances in pixels. :data:`VERSIONS` goes into every record: results compare only at the same
version.
"""
from .attribute import AttributeMetric, attributes
from .counting import CountingMetric, counting
from .crowdhuman import CrowdHumanMetric, crowdhuman
from .detection import BoxAPMetric, box_ap
from .miss_rate import MissRateMetric, miss_rate
from .parsing import ParsingMetric, confusion_matrix, parsing
from .pose import epe, keypoint_ap, nme, pckh
from .pose_metrics import EPEMetric, KeypointAPMetric, PCKhMetric
from .reid import ReIDMetric, reid

VERSIONS = {
    'reid': '1', 'attributes': '1', 'confusion_matrix': '1', 'parsing': '1', 'keypoint_ap': '1', 'box_ap': '1',
    'pckh': '1', 'epe': '1', 'nme': '1', 'crowdhuman': '1', 'miss_rate': '1', 'counting': '1'}
"""Version of each function's definition; raised with any change that can change a number."""

__all__ = [
    'VERSIONS', 'AttributeMetric', 'BoxAPMetric', 'CountingMetric', 'CrowdHumanMetric', 'EPEMetric', 'KeypointAPMetric',
    'MissRateMetric', 'PCKhMetric', 'ParsingMetric', 'ReIDMetric', 'attributes', 'box_ap', 'confusion_matrix',
    'counting', 'crowdhuman', 'epe', 'keypoint_ap', 'miss_rate', 'nme', 'parsing', 'pckh', 'reid']
