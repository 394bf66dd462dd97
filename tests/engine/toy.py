"""A small mixture of two sources that trains in a second: coloured squares whose colour is the identity."""
import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from torch.utils.data import Dataset

from humanbench.errors import DataError
from humanbench.models.data_preprocessor import HumanDataPreprocessor
from humanbench.models.human_model import HumanModel
from humanbench.registry import DATASETS, HOOKS, MODELS
from humanbench.structures import HumanSample


@DATASETS.register_module()
class ToyReader(Dataset):
    """``people`` identities with ``images`` pictures each; the records in ``broken`` cannot be read."""

    def __init__(self, people: int = 6, images: int = 5, broken: tuple = ()):
        self.people, self.images, self.broken = people, images, set(broken)
        self.metainfo = dict(name='toy')

    def __len__(self):
        return self.people * self.images

    def identities(self):
        return np.repeat(np.arange(self.people), self.images)

    def __getitem__(self, index):
        if index in self.broken:
            raise DataError(f'toy/{index}.jpg is broken')
        identity = index // self.images
        colour = np.random.default_rng(identity).integers(60, 200, 3)
        image = np.clip(colour + np.random.randint(-20, 20, (32, 16, 3)), 0, 255).astype(np.uint8)
        sample = HumanSample(metainfo=dict(img_path=f'{index}.jpg', ori_shape=(32, 16), img_shape=(32, 16)))
        sample.gt_identity = torch.tensor(identity)
        return dict(inputs=torch.from_numpy(image).permute(2, 0, 1).contiguous(), data_samples=sample)


@MODELS.register_module()
class DoubleModel(HumanModel):
    """A model of float64: where two runs sum in another order, next to nothing is between them."""

    def __init__(self, **options):
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            super().__init__(**options)
        finally:
            torch.set_default_dtype(before)


@MODELS.register_module()
class DoublePreprocessor(HumanDataPreprocessor):
    """Images for it."""

    def forward(self, data: dict, training: bool = False) -> dict:
        data = super().forward(data, training)
        return data | dict(inputs=data['inputs'].double())


def toy_config(work_dir, steps: int = 6, broken: tuple = (), **overrides) -> Config:
    """A complete training config of two ReID sources with different weights."""
    def source(people: int, weight: float) -> dict:
        return dict(task='reid', head=dict(type='ReIDHead', num_identities=people), batch_size=8, weight=weight,
                    sampler='identity', dataset=dict(type='ToyReader', people=people, broken=broken))

    config = Config(dict(
        model=dict(type='HumanModel', drop_path=0.2, backbone=dict(
            type='HumanViT', img_size=(32, 16), patch_size=8, embed_dim=16, depth=2, num_heads=2)),
        sources=dict(red=source(6, 1.0), blue=source(5, 3.0)),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-2, weight_decay=0.05), clip_norm=1.0),
        param_scheduler=[dict(type='CosineAnnealingLR', T_max=6, by_epoch=False)],
        train_cfg=dict(max_steps=steps),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1),
                           checkpoint=dict(interval=3)),
        work_dir=str(work_dir), default_scope='humanbench', seed=3))
    config.merge_from_dict(overrides)
    return config


@HOOKS.register_module()
class StopAfter(Hook):
    """Interrupts a run, as Ctrl-C would, once ``step`` steps are done."""

    def __init__(self, step: int):
        self.step = step

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if batch_idx + 1 == self.step:
            raise KeyboardInterrupt
