"""Weights of the image half of CLIP (OpenAI's and OpenCLIP's names)."""
import re

import torch

from . import timm
from .vit_layout import State

_PREFIX = 'visual.'
_OPENAI = 'input_resolution'  # an entry that OpenAI's files have beside the weights, and OpenCLIP's lack
_RENAMES = (
    (r'^conv1\.', 'patch_embed.proj.'),
    (r'^positional_embedding$', 'pos_embed'),
    (r'^class_embedding$', 'cls_token'),
    (r'^ln_pre\.', 'norm_pre.'),
    (r'^ln_post\.', 'norm.'),
    (r'^transformer\.resblocks\.', 'blocks.'),
    (r'\.ln_([12])\.', r'.norm\1.'),
    (r'\.attn\.in_proj_', '.attn.qkv.'),
    (r'\.attn\.out_proj\.', '.attn.proj.'),
    (r'\.mlp\.c_fc\.', '.mlp.fc1.'),
    (r'\.mlp\.c_proj\.', '.mlp.fc2.'),
    (r'\.ls_([12])\.gamma$', r'.ls\1.gamma'),
)


def timm_names(state: State) -> State:
    """CLIP names to timm's. The text half is left out; the output projection keeps its name, for nothing takes it."""
    visual = {key.removeprefix(_PREFIX): value for key, value in state.items() if key.startswith(_PREFIX)} or state
    renamed = {_rename(key): value for key, value in visual.items()}
    if 'cls_token' in renamed:
        renamed['cls_token'] = renamed['cls_token'].reshape(1, 1, -1)
    if renamed.get('pos_embed') is not None and renamed['pos_embed'].ndim == 2:
        renamed['pos_embed'] = renamed['pos_embed'][None]
    return renamed


def convert(state: State) -> State:
    """CLIP names to those of our plain ViT. CLIP's patch kernel has no bias: ours gets zeros."""
    renamed = timm_names(state)
    if 'patch_embed.proj.weight' in renamed:
        kernel = renamed['patch_embed.proj.weight']
        renamed.setdefault('patch_embed.proj.bias', torch.zeros(kernel.shape[0], dtype=kernel.dtype))
    return timm.convert(renamed)


def _rename(key: str) -> str:
    for pattern, replacement in _RENAMES:
        key = re.sub(pattern, replacement, key)
    return key


def is_openai(state: State) -> bool:
    """Whether these are weights of OpenAI, whose GELU is the quick one, as far as a file tells.

    Its files say so by their own entries. Of the image half alone it is taken for granted; a whole file without these
    entries is OpenCLIP's.
    """
    return _OPENAI in state or not any(key.startswith('token_embedding') for key in state)


def recognise(state: State) -> bool:
    """Whether these are the keys of CLIP, or of its image half."""
    return any(re.match(r'(visual\.)?transformer\.resblocks\.0\.attn\.in_proj_weight', key) for key in state) and \
        any(key.endswith('conv1.weight') for key in state)


def notes(state: State) -> list[str]:
    """What of these weights has no place in our plain ViT."""
    found = []
    if any(re.match(r'(visual\.)?ln_pre\.', key) for key in state):
        found.append(
            'ln_pre (a norm before the first block) has no place in a plain ViT: outputs differ from the original'
        )
    if recognise(state):
        found.append("OpenAI's CLIP computes quick-GELU, x * sigmoid(1.702 x), and norms with eps 1e-5, the plain ViT "
                     'exact GELU and norms with eps 1e-6')
    return found


def exact_notes(state: State) -> list[str]:
    """What one should know where CLIP's own network takes its weights."""
    kind = 'quick-GELU, as OpenAI computes it' if is_openai(state) else 'exact GELU, as OpenCLIP computes it'
    return [f'the file is read as CLIP with {kind}; set model.backbone.options.act_layer to the other one '
            "('gelu', 'quick_gelu') where that is wrong"]
