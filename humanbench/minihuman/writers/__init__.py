"""One writer per native format; :data:`WRITERS` finds them by dataset id."""
from .aic import AIC
from .base import Writer
from .caltech import Caltech
from .citypersons import CityPersons
from .coco_person_det import COCOPersonDet
from .coco_pose import COCOPose
from .crowdhuman import CrowdHuman
from .cuhk03 import CUHK03
from .ecp import ECP
from .h36m import H36MParsing, H36MPose
from .market1501 import Market1501
from .mpii import MPII
from .msmt17 import MSMT17
from .pa100k import PA100K
from .parsing import ATR, CIHP, LIP
from .peta import PETA
from .rapv2 import RAPv2
from .shanghaitech import ShanghaiTechA, ShanghaiTechB
from .wider import WiderPedestrian, WiderPerson

WRITERS: dict[str, type[Writer]] = {
    'market1501': Market1501, 'msmt17': MSMT17, 'cuhk03': CUHK03,
    'coco_pose': COCOPose, 'h36m_pose': H36MPose, 'aic': AIC, 'mpii': MPII,
    'h36m_parsing': H36MParsing, 'lip': LIP, 'cihp': CIHP, 'atr': ATR,
    'pa100k': PA100K, 'rapv2': RAPv2, 'peta': PETA,
    'crowdhuman': CrowdHuman, 'caltech': Caltech, 'widerperson': WiderPerson, 'coco_person_det': COCOPersonDet,
    'ecp': ECP, 'citypersons': CityPersons, 'wider_pedestrian': WiderPedestrian,
    'shanghaitech_a': ShanghaiTechA, 'shanghaitech_b': ShanghaiTechB,
}
