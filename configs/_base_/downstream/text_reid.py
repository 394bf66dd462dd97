"""Text-to-image ReID as HAP finetunes for it (the head of LGUR, simplified).

Where a value is from: H HAP, D reasoned. BERT is read from a local folder of Hugging Face's files (`config.json`,
`vocab.txt` or `tokenizer.json`, `model.safetensors`); another place than here is said by
`--cfg-options sources.DATASET.head.text.folder=FOLDER`.
"""
from mmengine.config import read_base

from humanbench.evaluation import TextReIDMetric
from humanbench.models import TextEncoder, TextReIDHead

with read_base():
    from ..debug import *
    from ..models.vit_b import *
    from ..pipelines.text_reid import *

text_reid_head = dict(
    type=TextReIDHead, feature_channels=384, margin=0.2,  # H
    text=dict(type=TextEncoder, folder='data/bert-base-uncased', max_length=64))  # H; length D
text_reid_evaluator = dict(type=TextReIDMetric)

model.backbone.update(class_token_tasks=('reid', 'text_reid'))  # H: the patches attend to it
train_cfg = dict(max_steps=1, precision='bf16')  # each config counts; bf16 D
schedule = dict(policy='step', milestones=(20 / 60, 40 / 60, 50 / 60), factors=0.1)  # H
optim_wrapper = dict(
    optimizer=dict(type='Adam', lr=1e-3),  # H
    paramwise_cfg=dict(backbone_multiplier=0.1))  # H: 1e-4 for the image encoder; BERT is frozen
protocols = dict(full=dict(), partial=dict(), head=dict())  # H: full

debug_text_reid = dict(
    debug_finetune, train_cfg=dict(max_steps=480, precision='fp32'), optim_wrapper=dict(
        debug_finetune['optim_wrapper'], optimizer=dict(_delete_=True, type='AdamW', lr=2e-3, weight_decay=0.05),
        paramwise_cfg=dict(_delete_=True, backbone_multiplier=1.0)))
