"""One writer per native format; :data:`WRITERS` finds them by dataset id."""
from .aic import AIC
from .aist import AIST
from .base import Writer
from .caltech import Caltech
from .citypersons import CityPersons
from .clothes_items import DeepFashion2, ModaNet
from .coco_person_det import COCOPersonDet
from .coco_pose import COCOPose
from .coco_style import MHP, Halpe
from .crowdhuman import CrowdHuman
from .cuhk03 import CUHK03
from .dgmarket import DGMarket
from .ecp import ECP
from .h36m import H36MParsing, H36MPose
from .hardhc import WIDERAttribute
from .itop import ITOP
from .jrdb import JRDB
from .kinect import NTURGBD, NTURGBDParsing
from .last import LaST
from .luperson import LUPerson
from .luperson_nl import LUPersonNL
from .market1501 import Market1501
from .market1501_attribute import Market1501Attribute
from .mpi_inf_3dhp import MPIInf3DHP
from .mpii import MPII
from .msmt17 import MSMT17
from .pa100k import PA100K
from .parse27k import Parse27k
from .parsing import ATR, CIHP, LIP, VIP, PaperDoll
from .penn_action import PennAction
from .person_search import CUHKSYSU, PRW
from .peta import PETA
from .posetrack import PoseTrack
from .prcc import PRCC
from .rap_v1 import RAPv1
from .rapv2 import RAPv2
from .sensereid import SenseReID
from .shanghaitech import ShanghaiTechA, ShanghaiTechB
from .text_reid import CUHKPEDES, ICFGPEDES, RSTPReid
from .threedpw import ThreeDPW
from .uav_human_attr import UAVHumanAttributes
from .wider import WiderPedestrian, WiderPerson

WRITERS: dict[str, type[Writer]] = {
    'market1501': Market1501, 'msmt17': MSMT17, 'cuhk03': CUHK03, 'last': LaST, 'prcc': PRCC, 'dgmarket': DGMarket,
    'luperson_nl': LUPersonNL, 'luperson': LUPerson, 'sensereid': SenseReID,
    'coco_pose': COCOPose, 'h36m_pose': H36MPose, 'aic': AIC, 'mpii': MPII,
    'posetrack': PoseTrack, 'jrdb': JRDB, 'mhp': MHP, 'penn_action': PennAction, 'halpe': Halpe, 'threedpw': ThreeDPW,
    'mpi_inf_3dhp': MPIInf3DHP, 'aist': AIST,
    'h36m_parsing': H36MParsing, 'lip': LIP, 'cihp': CIHP, 'atr': ATR,
    'vip': VIP, 'paper_doll': PaperDoll, 'deepfashion2': DeepFashion2, 'modanet': ModaNet,
    'pa100k': PA100K, 'rapv2': RAPv2, 'peta': PETA, 'hardhc': WIDERAttribute, 'uav_human_attr': UAVHumanAttributes,
    'parse27k': Parse27k, 'market1501_attribute': Market1501Attribute,
    'crowdhuman': CrowdHuman, 'caltech': Caltech, 'widerperson': WiderPerson, 'coco_person_det': COCOPersonDet,
    'ecp': ECP, 'citypersons': CityPersons, 'wider_pedestrian': WiderPedestrian,
    'shanghaitech_a': ShanghaiTechA, 'shanghaitech_b': ShanghaiTechB,
    'rap_v1': RAPv1,
    'cuhk_pedes': CUHKPEDES, 'icfg_pedes': ICFGPEDES, 'rstpreid': RSTPReid,
    'cuhk_sysu': CUHKSYSU, 'prw': PRW,
    'ntu_rgbd': NTURGBD, 'nturgbd_parsing': NTURGBDParsing, 'itop_side': ITOP,
}
