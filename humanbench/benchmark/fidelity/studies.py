"""What is tested of each method."""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from .study import OWN, Claim, Pair, Row, Study, Variant

FINETUNING = ('full', 'partial', 'head')


def _rows(first: str, second: str, protocols: Sequence[str]) -> tuple[Pair, ...]:
    return tuple(Pair(x, (first, x), (second, x)) for x in protocols)


def _protocols(row: str, *pairs: tuple[str, str]) -> tuple[Pair, ...]:
    return tuple(Pair(f'{a} \N{MINUS SIGN} {b}', (row, a), (row, b)) for a, b in pairs)


_ALL = (*FINETUNING, 'direct')
_PATH_CLAIMS = (
    Claim('PATH against scratch', 'Finetuning from PATH leads training from scratch on the tasks of the pretraining',
          _rows('path', 'scratch', FINETUNING), groups=('in', 'out')),
    Claim('Unseen task', 'It leads on crowd counting too, which the pretraining never saw',
          _rows('path', 'scratch', FINETUNING), groups=('unseen', )),
    Claim('With against without projector', 'Projectors between backbone and heads help',
          _rows('path', 'no_projector', _ALL)),
    Claim('A projector per task against one for all', 'Projectors help because each task has its own',
          _rows('path', 'one_projector', _ALL)),
    Claim('Hierarchical sharing against sharing the backbone alone',
          'Datasets of a task do better with one projector together than with one each',
          _rows('path', 'projector_per_dataset', _ALL)),
    Claim('Partial against head against full', 'The protocols rank as in the paper (PATH, ViT-B), dataset by dataset',
          _protocols('path', ('full', 'partial'), ('full', 'head'), ('partial', 'head')), as_published=True),
)


def path() -> Study:
    """PATH: do projectors help, and which; does pretraining; how do protocols rank."""
    from humanbench.engine.launch import load_config
    recipe = 'path/path_debug.py'
    sources = list(load_config(recipe).sources)
    variants = {
        'path': Variant(),
        'no_projector': Variant(options={'model.projector': None}),
        'one_projector': Variant(options={f'sources.{x}.head.projector': 'shared' for x in sources}),
        'projector_per_dataset': Variant(options={f'sources.{x}.head.projector': x for x in sources}),
    }
    datasets = ('market1501', 'coco_pose', 'lip', 'pa100k', 'crowdhuman', 'shanghaitech_a')
    return Study(recipe, variants, datasets, FINETUNING, _PATH_CLAIMS, 500)


_HAP_PROTOCOLS = ('full', )  # HAP's authors finetune everything
_HAP_CLAIMS = (
    Claim('HAP against scratch', 'Finetuning from HAP leads training from scratch',
          _rows('hap', 'scratch', _HAP_PROTOCOLS)),
    Claim('MAE against scratch', 'So does finetuning from MAE with its usual settings',
          _rows('mae', 'scratch', _HAP_PROTOCOLS)),
    Claim('HAP against MAE', 'HAP leads MAE', _rows('hap', 'mae', _HAP_PROTOCOLS)),
    Claim('Large crops against small ones', 'Crops of 80 % of the image and more lead those of 20 % and more',
          _rows('hap', 'crop_20', _HAP_PROTOCOLS)),
    Claim('Half masked against three quarters', 'Masking half of the patches leads masking three quarters',
          _rows('hap', 'ratio_75', _HAP_PROTOCOLS)),
    Claim('Blocks against single patches', 'Masked blocks lead masked single patches, both without body parts',
          _rows('blocks', 'random_only', _HAP_PROTOCOLS)),
    Claim('With against without body parts', 'Masking body parts first helps', _rows('hap', 'blocks', _HAP_PROTOCOLS)),
    Claim('With against without alignment', 'Aligning the class tokens of two masks helps',
          _rows('hap', 'no_alignment', _HAP_PROTOCOLS)),
    Claim('Whole parts of every image against the released draw', 'Masks as the figure shows them lead those of the '
          'code, which guides about two images of a unit', _rows('hap', 'released', _HAP_PROTOCOLS)),
)


def hap() -> Study:
    """HAP: each part of it against the same without, finetuned with few labels.

    The rate of the finetuning was chosen on MSMT17, which is not part of the study, to suit pretrained and first
    weights alike; its lengths are such that scratch, of which alone this was tried, is off the floor
    (docs/fidelity_hap.md).
    """
    # a quarter of what MiniHuman has at this size: 16 of 64 people, 143 of 572 and 338 of 1,350 crops
    labels = dict(market1501=128, mpii=143, pa100k=338)
    flavors = ('mae', 'crop_20', 'ratio_75', 'blocks', 'random_only', 'no_alignment', 'released')
    return Study('hap/hap_debug.py', {'hap': Variant()} | {x: Variant(x) for x in flavors},
                 tuple(labels), _HAP_PROTOCOLS, _HAP_CLAIMS, 600, {'': labels},
                 {'optim_wrapper.paramwise_cfg.backbone_multiplier': 0.5},
                 dict(market1501=240, mpii=1000, pa100k=1000))


LAMBDAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_DIAL = ('market1501', 'lip', 'crowdhuman')
_FULL, _LIGHT = ('full', ), ('partial', )
_SOLIDER_CLAIMS = (
    Claim('SOLIDER against scratch', 'Finetuning from SOLIDER leads training from scratch',
          _rows('solider', 'scratch', _FULL)),
    Claim('DINO against scratch', 'So does finetuning from DINO', _rows('dino', 'scratch', _FULL)),
    Claim('SOLIDER against DINO', 'SOLIDER, with the lambda of each task, leads DINO',
          _rows('solider', 'dino', _FULL)),
    Claim('Body parts, ReID', 'Telling body parts apart costs ReID', _rows('dino', 'clustering', _FULL),
          datasets=('market1501', )),
    Claim('Body parts, other tasks', 'It helps tasks of parts and people', _rows('clustering', 'dino', _FULL),
          datasets=('pa100k', 'lip', 'crowdhuman')),
    Claim('With against without the dial', 'Controllers and a lambda for each task lead body parts without',
          _rows('solider', 'clustering', _FULL)),
    Claim('The dial, ReID', 'ReID is better at lambda 0 than at 1',
          _rows('lambda 0.0', 'lambda 1.0', _LIGHT), datasets=('market1501', )),
    Claim('The dial, parsing and detection', 'Parsing and detection are better at lambda 1 than at 0',
          _rows('lambda 1.0', 'lambda 0.0', _LIGHT), datasets=('lip', 'crowdhuman')),
)


def solider() -> Study:
    """SOLIDER: its parts one after the other, and one checkpoint of it at six positions of the dial.

    Length and rate of the finetuning were chosen on MSMT17, which is not part of the study.
    """
    rows = {'solider': Row('solider:{}', protocols=_FULL)} | {
        f'lambda {x}': Row(f'solider:{{}}@semantic={x}', _DIAL, _LIGHT) for x in LAMBDAS}
    own = {x: Variant(x, rows={x: Row('solider:{}', protocols=_FULL)}) for x in ('dino', 'clustering')}
    return Study('solider/solider_swin-t_debug.py', own | {'solider': Variant(rows=rows)},
                 ('market1501', 'pa100k', 'lip', 'crowdhuman'), (*_FULL, *_LIGHT), _SOLIDER_CLAIMS, 400,
                 finetuning={'optim_wrapper.paramwise_cfg.backbone_multiplier': 1.0}, finetune_steps=400,
                 backbone='semantic_swin_debug', dial='solider')


_DEPTH = ('nturgbd_parsing', 'itop_side')
_HCMOCO_CLAIMS = (
    Claim('Stage 2 against scratch', 'Finetuning from HCMoCo leads training from scratch',
          _rows('stage 2', 'scratch', _FULL)),
    Claim('Stage 1 against scratch', 'So does finetuning from its first stage', _rows('stage 1', 'scratch', _FULL)),
    Claim('Stage 2 against stage 1', 'Points and joints help beside whole samples',
          _rows('stage 2', 'stage 1', _FULL)),
    Claim('Stage 2 against as much of stage 1', 'That is not because it is trained longer',
          _rows('stage 2', 'sample only', _FULL)),
    Claim('Soft against hard', 'Points do better when near is nearly right', _rows('stage 2', 'hard', _FULL)),
    Claim('With against without structure', 'The agreement of joints over people helps',
          _rows('stage 2', 'no structure', _FULL)),
    Claim('Points of unseen people, stage 2', 'After stage 2, points of the picture are found in the depth',
          _rows('stage2', 'sample_only', (OWN, )), 'point_error'),
    Claim('Points of unseen people, soft', 'They are found better when near is nearly right',
          _rows('stage2', 'hard', (OWN, )), 'point_error'),
    Claim('Unseen people', 'Stage 2 finds people in other modalities at least as well as as much of stage 1',
          _rows('stage2', 'sample_only', (OWN, )), 'rank1'),
    Claim('Labels of colours for depth', 'A head that has seen labels of pictures alone parses depth, by what agrees',
          _rows('rgb_to_depth', 'rgb_to_depth_alone', (OWN, )), 'mIoU'),
    Claim('Labels of depth for colours', 'And the other way round',
          _rows('depth_to_rgb', 'depth_to_rgb_alone', (OWN, )), 'mIoU'),
    Claim('One of two modalities', 'A head that has learnt from both parses both better than either alone',
          tuple(Pair(f'without {x}', ('both', OWN), (f'both, {y}_alone', OWN))
                for x, y in (('depth', 'colours'), ('colours', 'depth'))), 'mIoU'),
    Claim('What the way costs', 'Labels of the modality that is read lead those of the other',
          tuple(Pair(f'read {x}', (f'{x}_to_{x}', OWN), (f'{y}_to_{x}', OWN))
                for x, y in (('rgb', 'depth'), ('depth', 'rgb'))), 'mIoU'),
)


def hcmoco() -> Study:
    """HCMoCo: its stages and their parts with few labels and many, and labels of one modality for another.

    What follows stage 1 takes 200 steps; with fewer labels finetuning takes as many steps as with all.
    """
    def rows(name: str) -> dict[str, Row]:
        return {name: Row('hcmoco:{}', weights_of=dict.fromkeys(_DEPTH, 'hcmoco:{}@modality=depth'))}

    variants = {'stage1': Variant(rows=rows('stage 1')), 'stage2': Variant('stage2', rows=rows('stage 2'))}
    variants |= {x: Variant(x, rows=rows(x.replace('_', ' '))) for x in ('hard', 'no_structure', 'sample_only')}
    variants['both'] = Variant(rows=None, config='hcmoco/hcmoco_parsing_debug.py')
    variants |= {x: Variant(x, rows=None, config='hcmoco/hcmoco_parsing_debug.py') for x in (
        'rgb_to_depth', 'depth_to_rgb', 'rgb_to_rgb', 'depth_to_depth', 'rgb_to_depth_alone', 'depth_to_rgb_alone')}
    variants = {name: x if name == 'stage1' else replace(x, after='stage1', steps=200) for name, x in variants.items()}
    datasets = ('parsing/h36m_parsing_hrnet', 'parsing/nturgbd_parsing_depth', 'pose_3d/itop_side')
    labels = {'100 %': dict(h36m_parsing=320, nturgbd_parsing=240, itop_side=343),
              '20 %': dict(h36m_parsing=64), '10 %': dict(h36m_parsing=32, nturgbd_parsing=24, itop_side=34),
              '1 %': dict(h36m_parsing=3)}
    return Study('hcmoco/hcmoco_debug.py', variants, tuple(f'downstream/{x}.py' for x in datasets), _FULL,
                 _HCMOCO_CLAIMS, 300, labels,
                 finetune_steps=dict(h36m_parsing=300, nturgbd_parsing=300, itop_side=250))


STUDIES: Mapping[str, Callable[[], Study]] = dict(path=path, hap=hap, solider=solider, hcmoco=hcmoco)
