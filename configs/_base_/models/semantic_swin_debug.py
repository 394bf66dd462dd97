"""SOLIDER's Swin at half a million weights: six blocks in four stages, last width 128, windows of 4.

Of everything that trains from nothing at debug size; every head reads its last map, of stride 16.
"""
from humanbench.models import HumanModel, SemanticSwin

model = dict(type=HumanModel, backbone=dict(
    type=SemanticSwin, embed_dims=16, depths=(1, 1, 2, 2), num_heads=(1, 2, 4, 8), window_size=4,
    strides=(4, 2, 2, 1)))
# of a file that does not say its strides: dense heads read a last map of stride 16 at every size
_dense = dict(model=dict(backbone=dict(strides=(4, 2, 2, 1))))
finetuning = dict(pose=_dense, parsing=_dense, detection=_dense, counting=_dense)
