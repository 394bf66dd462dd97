"""Small networks and random samples that the tests of the models share, as the fixture ``make``."""
import sys

import pytest
import torch

import humanbench.models  # noqa: F401  (registers)
from humanbench.models.memory import StepMemory
from humanbench.registry import MODELS
from humanbench.structures import HumanSample, InstanceData, PixelData

VIT = dict(type='HumanViT', img_size=64, patch_size=16, embed_dim=32, depth=3, num_heads=2)
# source -> the smallest config of its head
HEADS = {
    'market1501': dict(type='ReIDHead', num_identities=4),
    'pa100k': dict(type='AttributeHead', num_attributes=5),
    'market1501_hap': dict(type='LinearReIDHead', num_identities=4),
    'market1501_hap_lem': dict(type='LocalEnhancedReIDHead', num_identities=4),
    'pa100k_hap': dict(type='LinearAttributeHead', num_attributes=5),
    'coco_pose': dict(type='PoseHead', num_keypoints=6, channels=32),
    'lip': dict(type='ParsingHead', num_classes=4, channels=16),
    'h36m_parsing': dict(type='OCRParsingHead', num_classes=4, channels=16, key_channels=8),
    'nturgbd_parsing': dict(type='PixelParsingHead', num_classes=4, channels=8, class_weights=(0.5, 2.0, 1.0, 1.5)),
    'crowdhuman': dict(type='DetectionHead', num_points=8, num_patterns=1, embed_dims=16, num_layers=2, num_heads=2,
                       feedforward_channels=32, point_init='grid', query_content='sampled', residual_scale=0.1),
    'citypersons': dict(type='CSPHead', fused_channels=8, channels=8, groups=2),
    'shanghaitech_a': dict(type='CountingHead', channels=16, loss='gaussian'),
    'rstpreid': dict(type='TextReIDHead', num_identities=4, feature_channels=24, text=dict(
        type='TextEncoder', folder='minihuman', weights='scratch', frozen=False)),
    'itop_side': dict(type='Pose3DHead', num_keypoints=6, channels=8, layers=2, anchors=(0.25, 0.75)),
    'prw': dict(type='PersonSearchHead', num_identities=4, queue_size=6, embed_dims=8, samples=64, region=4, scalar=3.0,
                proposals=dict(sizes=(16, 32), kept=(12, 8))),
}
_DECODER = dict(img_size=(64, 32), decoder_dim=16, decoder_depth=2, decoder_heads=2)
_CROPS = dict(crops=[dict(count=2, size=(64, 32)), dict(count=3, size=(32, 16))], out_channels=24, hidden=16,
              bottleneck=8)
_MODALITIES = dict(
    out_channels=16, negatives=12, points=10, temperature=0.2, root=2,
    depth_encoder=dict(VIT, embed_dim=16, depth=1),
    joint_encoder=dict(type='SemGCN', skeleton=(1, 2, -1, 2, 3, 2), channels=16, layers=1))
PRETEXTS = {
    'luperson': dict(type='HAPPretext', **_DECODER), 'plain': dict(type='MAEPretext', **_DECODER),
    'dino': dict(type='DINOPretext', **_CROPS), 'solider': dict(type='SOLIDERPretext', semantic_draw='none', **_CROPS),
    'ntu_rgbd': dict(type='HCMoCoPretext', num_samples=40, **_MODALITIES),
    'ntu_queued': dict(type='HCMoCoQueuePretext', momentum=0.9, **_MODALITIES),
    'ntu_labelled': dict(type='HCMoCoParsingPretext', num_samples=40, **_MODALITIES,
                         parsing=dict(type='PixelParsingHead', num_classes=4, channels=8))}
SIZES = {'market1501': (64, 32), 'pa100k': (64, 48), 'coco_pose': (64, 48), 'lip': (64, 64), 'h36m_parsing': (48, 64),
         'nturgbd_parsing': (64, 64), 'ntu_labelled': (64, 64), 'ntu_queued': (64, 64),
         'crowdhuman': (64, 80), 'citypersons': (64, 80), 'shanghaitech_a': (64, 64), 'market1501_hap': (64, 32),
         'market1501_hap_lem': (64, 32), 'pa100k_hap': (64, 48), 'luperson': (64, 32), 'plain': (64, 32),
         'dino': (96, 64), 'solider': (96, 64), 'ntu_rgbd': (64, 64), 'rstpreid': (64, 32), 'itop_side': (64, 48),
         'prw': (64, 80)}
TASKS = {'market1501': 'reid', 'pa100k': 'attribute', 'coco_pose': 'pose', 'lip': 'parsing', 'h36m_parsing': 'parsing',
         'nturgbd_parsing': 'parsing', 'ntu_labelled': 'pretext', 'ntu_queued': 'pretext',
         'crowdhuman': 'detection', 'citypersons': 'detection', 'shanghaitech_a': 'counting', 'market1501_hap': 'reid',
         'market1501_hap_lem': 'reid', 'pa100k_hap': 'attribute', 'luperson': 'pretext', 'plain': 'pretext',
         'dino': 'pretext', 'solider': 'pretext', 'ntu_rgbd': 'pretext', 'rstpreid': 'text_reid',
         'itop_side': 'pose_3d', 'prw': 'person_search'}
CAPTIONS = ('A woman in a red dress.', 'The man wears a blue shirt, black jeans and white sneakers. He carries a bag.',
            'A girl who has long hair.', 'This old man is dressed in a grey overcoat and brown boots.')


def model(sources=tuple(HEADS), projector: str | None = 'LadderProjector', vit: dict | None = None, seed: int = 0,
          **options):
    """A human model with the heads of these sources."""
    torch.manual_seed(seed)
    projectors = None if projector is None else {TASKS[source]: dict(type=projector) for source in sources}
    options = dict(backbone=VIT | (vit or {})) | options
    return MODELS.build(dict(
        type='HumanModel', heads={source: (HEADS | PRETEXTS)[source] for source in sources},
        projectors=projectors, **options))


def samples(source: str, count: int = 8, size: tuple[int, int] | None = None, first: int = 0) -> list[HumanSample]:
    """Random labels, as a loader gives them, of records from ``first`` on."""
    height, width = size or SIZES[source]
    return [_sample(source, index, height, width) for index in range(first, first + count)]


def _sample(source: str, index: int, height: int, width: int) -> HumanSample:
    sample = HumanSample(metainfo=dict(
        source=source, task=TASKS[source], img_shape=(height, width), ori_shape=(2 * height + 1, 3 * width),
        input_size=(width, height), input_center=(100.0, 80.0), input_scale=(2.0 * width, 2.0 * height),
        flip_indices=[1, 0, 3, 2, 4, 5]))
    if TASKS[source] == 'reid':
        sample.gt_identity = torch.tensor(index // 2 % 4)
    elif TASKS[source] == 'text_reid':
        sample.gt_identity = torch.tensor(index // 2 % 4)
        sample.set_metainfo(dict(caption=CAPTIONS[index // 2 % 4], captions=list(CAPTIONS[:index % 3])))
    elif TASKS[source] == 'attribute':
        sample.gt_attributes = torch.randint(-1, 2, (5,)).to(torch.int8)
    elif TASKS[source] in ('pose', 'pretext'):
        count = 6 if source == 'coco_pose' or source.startswith('ntu_') else 17
        sample.gt_instances = InstanceData(
            keypoints=torch.rand(1, count, 2) * torch.tensor([width - 1.0, height - 1.0]),
            keypoints_visible=(torch.rand(1, count) < 0.8).float())
        if source.startswith('ntu_'):  # every third one has no depth
            has_depth = index % 3 < 2
            depth = 1 + torch.rand(1, height, width)
            sample.gt_depth = depth * (torch.rand(1, height, width) < 0.6) * has_depth
            sample.set_metainfo(dict(index=index, has_depth=has_depth))
            sample.gt_instances.skeleton = 300 * torch.rand(1, count, 2)
            sample.gt_instances.skeleton_visible = (torch.rand(1, count) < 0.9).float()
        if source == 'ntu_labelled' and index % 2:
            sample.gt_sem_seg = _bands(index, height, width)
    elif TASKS[source] == 'pose_3d':
        points, depths = torch.rand(1, 6, 2) * torch.tensor([width - 1.0, height - 1.0]), 2.5 + torch.rand(1, 6)
        sample.mean_depth = torch.tensor(3.0)
        sample.gt_instances = InstanceData(
            keypoints=points, keypoints_visible=(torch.rand(1, 6) < 0.8).float(),
            keypoints_3d=torch.cat([points * depths[..., None] / 300, depths[..., None]], 2))
        sample.set_metainfo(dict(warp=(2.0, 0.0, -3.0, 0.0, 2.0, 5.0), camera=(160.0, 120.0, 285.0)))
    elif TASKS[source] == 'detection':
        corners = torch.rand(index % 3 + 1, 2, 2).sort(1).values * torch.tensor([width, height])
        labels = torch.zeros(len(corners), dtype=torch.long)
        sample.gt_instances = InstanceData(bboxes=corners.flatten(1), labels=labels)
    elif TASKS[source] == 'person_search':
        corners = torch.rand(index % 3 + 2, 2, 2).sort(1).values * torch.tensor([width, height])
        identities = torch.randperm(5)[:len(corners)] - 1
        sample.gt_instances = InstanceData(bboxes=corners.flatten(1), labels=0 * identities, identities=identities)
        sample.set_metainfo(dict(queries=[dict(bbox=[3.0, 2.0, 20.0, 50.0])] * (index % 3), scale_factor=(1.0, 0.5)))
    elif TASKS[source] == 'counting':
        sample.gt_instances = InstanceData(points=torch.rand(index + 1, 2) * torch.tensor([width - 1.0, height - 1.0]))
    else:
        sample.gt_sem_seg = _bands(index, height, width)
    return sample


def _bands(index: int, height: int, width: int) -> PixelData:
    """Four classes one below the other."""
    rows = torch.arange(height).view(1, -1, 1) * 4 // height
    return PixelData(data=((rows + index).expand(1, height, width) % 4).to(torch.uint8).clone())


def unit(source: str, count: int = 8, size: tuple[int, int] | None = None, seed: int = 0, first: int = 0) -> dict:
    """A unit as the engine hands it to the data preprocessor."""
    torch.manual_seed(seed)
    height, width = size or SIZES[source]
    images = [torch.randint(0, 256, (3, height, width), dtype=torch.uint8) for _ in range(count)]
    return dict(inputs=images, data_samples=samples(source, count, size, first))


def losses(network, data: dict) -> dict[str, torch.Tensor]:
    """Losses of a unit."""
    return network(**network.data_preprocessor(data, True), mode='loss')


def remember(network) -> None:
    """Enter what a unit has seen into the tables of the heads, as the engine does after a step."""
    for memory in (x for x in network.modules() if isinstance(x, StepMemory)):
        memory.enter([memory.take()])


def total(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """The loss of a unit as the engine adds it up."""
    return sum(value for name, value in outputs.items() if 'loss' in name)


@pytest.fixture
def make():
    """The functions of this file: ``make.model``, ``make.unit``, ``make.losses``, ``make.total``."""
    return sys.modules[__name__]


@pytest.fixture(params=HEADS)
def source(request) -> str:
    """Every source in turn, one for each head."""
    return request.param
