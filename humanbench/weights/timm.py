"""Weights of timm's plain vision transformers."""
from .vit_layout import State, fold_layer_scale, split_class_position


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
