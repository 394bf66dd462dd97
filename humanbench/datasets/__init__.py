"""Readers of native formats (one class each) and the transforms that the OpenMMLab family lacks."""
from . import transforms
from .attribute import PA100K, PETA, RAPv2
from .base import HumanDataset
from .counting import ShanghaiTech
from .detection import Caltech, CrowdHuman
from .parsing import ATR, CIHP, LIP, Human36MParsing
from .pose import MPII, AIChallenger, CocoKeypoints, Human36MPose
from .reid import CUHK03, MSMT17, Market1501
from .roots import dataset_root

READERS = (Market1501, MSMT17, CUHK03, PA100K, PETA, RAPv2, CocoKeypoints, AIChallenger, MPII, Human36MPose, LIP, CIHP,
           ATR, Human36MParsing, CrowdHuman, Caltech, ShanghaiTech)

__all__ = ['READERS', 'HumanDataset', 'dataset_root', 'transforms', *(x.__name__ for x in READERS)]
