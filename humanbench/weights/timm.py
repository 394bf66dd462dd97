"""Weights of timm's vision transformers, for our plain ViT and for timm's own network."""
import torch
from torch import Tensor, nn

from .vit_layout import State, fold_layer_scale, split_class_position

PREFIX = 'network.'
"""Under which a :class:`~humanbench.models.TimmViT` or ``TimmSwin`` keeps timm's network."""


def timm_names(state: State) -> State:
    """The names as they are."""
    return dict(state)


def convert(state: State) -> State:
    """timm names to ours: class position apart, layer scale folded. Unplaceable entries keep their names."""
    return fold_layer_scale(split_class_position(state))


def recognise(state: State) -> bool:
    """Whether these are the keys of a timm ViT."""
    return 'patch_embed.proj.weight' in state and any(key.startswith('blocks.0.attn.qkv.') for key in state)


def notes(state: State) -> list[str]:
    """What of these weights has no place in our plain ViT."""
    found = []
    if any(key.startswith('norm_pre.') for key in state):
        found.append(
            'norm_pre (a norm before the first block) has no place in a plain ViT: outputs differ from the original'
        )
    if 'reg_token' in state:
        found.append('register tokens are ignored: outputs differ from the original')
    if any('.ls1.gamma' in key for key in state):
        found.append('layer scale is folded into attn.proj and mlp.fc2 (the same function)')
    if any(key.startswith('fc_norm.') for key in state):
        found.append('fc_norm belongs to the classifier: the final norm keeps its own values')
    return found


def exact_notes(state: State) -> list[str]:
    """What one should know where timm's own network takes these weights: nothing."""
    return []


def network_names(state: State, module: nn.Module) -> State:
    """timm names to those of a timm network behind our contract, tables brought to its layout; what it has no place for
    keeps its name.

    Args:
        state: by timm's names.
        module: a TimmViT or TimmSwin.
    """
    own = module.network.state_dict()
    table, token = state.get('pos_embed'), state.get('cls_token')
    if table is not None and 'pos_embed' in own and table.shape != own['pos_embed'].shape and token is not None:
        state = _with_class_row(state, module.table_prefix)
    return {f'{PREFIX}{key}' if key in own else key: value for key, value in state.items()}


def _with_class_row(state: State, rows: int) -> State:
    """The position table with so many rows before the grid; with none, the class token carries its position itself
    (the same function)."""
    state = split_class_position(state)
    row: Tensor = state.pop('cls_pos_embed')
    if rows == 0:
        state['cls_token'] = state['cls_token'] + row
    else:
        others = row.new_zeros(1, rows - 1, row.shape[-1])
        state['pos_embed'] = torch.cat([row, others, state['pos_embed']], dim=1)
    return state
