"""Readers of native formats (one class each) and the transforms that the OpenMMLab family lacks."""
from . import transforms
from .attribute import PA100K, PETA, Market1501Attribute, RAPv1, RAPv2, UAVHumanAttributes
from .attribute_boxes import Parse27k, WIDERAttribute
from .base import HumanDataset
from .counting import ShanghaiTech
from .detection import CocoPersons, CrowdHuman
from .detection_street import Caltech, CityPersons, EuroCityPersons
from .detection_wider import WiderPedestrian, WiderPerson
from .merged import EqualShares, MergedAttributes, MergedDetection, MergedReID
from .multimodal import NTURGBD, NTURGBDParsing
from .own import import_own
from .parsing import ATR, CIHP, LIP, VIP, Human36MParsing, PaperDoll
from .parsing_polygons import DeepFashion2, ModaNet
from .person_search import CUHKSYSU, PRW
from .pose import MPII, AIChallenger, CocoKeypoints, Human36MPose
from .pose_3d import ITOP
from .pose_coco import MHP, Halpe, JRDBPose, PoseTrack18
from .pose_video import AISTPlusPlus, MPIInf3DHP, PennAction, ThreeDPW
from .pretext import LUPerson
from .reid import CUHK03, MSMT17, Market1501
from .reid_folders import PRCC, DGMarket, LaST, LUPersonNL, SenseReID
from .roots import dataset_root
from .text_reid import CUHKPEDES, ICFGPEDES, RSTPReid

READERS = (LUPerson,
           Market1501, MSMT17, CUHK03, LaST, PRCC, DGMarket, LUPersonNL, SenseReID, PA100K, PETA, RAPv2, WIDERAttribute,
           UAVHumanAttributes, Parse27k, Market1501Attribute, CocoKeypoints, AIChallenger, MPII, Human36MPose,
           PoseTrack18, JRDBPose, MHP, Halpe, PennAction, ThreeDPW, MPIInf3DHP, AISTPlusPlus, LIP, CIHP, ATR,
           Human36MParsing, VIP, PaperDoll, DeepFashion2, ModaNet, CrowdHuman, WiderPerson, CocoPersons,
           EuroCityPersons, CityPersons, WiderPedestrian, Caltech, ShanghaiTech, RAPv1, CUHKPEDES, ICFGPEDES,
           RSTPReid, CUHKSYSU, PRW, NTURGBD, NTURGBDParsing, ITOP)

__all__ = ['READERS', 'EqualShares', 'HumanDataset', 'MergedAttributes', 'MergedDetection', 'MergedReID',
           'dataset_root', 'transforms', *(x.__name__ for x in READERS)]

import_own()
