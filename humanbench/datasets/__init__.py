"""Readers of native formats (one class each) and the transforms that the OpenMMLab family lacks."""
from . import transforms
from .attribute import PA100K, PETA, RAPv2
from .base import HumanDataset
from .counting import ShanghaiTech
from .detection import CocoPersons, CrowdHuman
from .detection_street import Caltech, CityPersons, EuroCityPersons
from .detection_wider import WiderPedestrian, WiderPerson
from .parsing import ATR, CIHP, LIP, Human36MParsing
from .pose import MPII, AIChallenger, CocoKeypoints, Human36MPose
from .pose_coco import MHP, Halpe, JRDBPose, PoseTrack18
from .pose_video import AISTPlusPlus, MPIInf3DHP, PennAction, ThreeDPW
from .reid import CUHK03, MSMT17, Market1501
from .roots import dataset_root

READERS = (Market1501, MSMT17, CUHK03, PA100K, PETA, RAPv2, CocoKeypoints, AIChallenger, MPII, Human36MPose,
           PoseTrack18, JRDBPose, MHP, Halpe, PennAction, ThreeDPW, MPIInf3DHP, AISTPlusPlus, LIP, CIHP, ATR,
           Human36MParsing, CrowdHuman, WiderPerson, CocoPersons,
           EuroCityPersons, CityPersons, WiderPedestrian, Caltech, ShanghaiTech)

__all__ = ['READERS', 'HumanDataset', 'dataset_root', 'transforms', *(x.__name__ for x in READERS)]
