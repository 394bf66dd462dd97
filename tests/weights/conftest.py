"""Small networks with random weights, and the layouts in which other projects publish theirs."""
import pytest
import timm
import torch

from humanbench.models.backbones import HumanViT

WIDTH, DEPTH, HEADS, PATCH, SIZE = 32, 3, 2, 8, 32


@pytest.fixture(autouse=True)
def one_seed():
    torch.manual_seed(0)


@pytest.fixture
def make_timm():
    def make(**changes):
        settings = dict(img_size=SIZE, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, num_classes=0,
                        global_pool='', dynamic_img_size=True, init_values=None) | changes
        model = timm.models.VisionTransformer(**settings).eval()
        with torch.no_grad():  # timm starts biases, class token and layer scale at constants: a swap would go unseen
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        return model
    return make


@pytest.fixture
def make_vit():
    def make(**changes):
        settings = dict(img_size=SIZE, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS) | changes
        return HumanViT(**settings).eval()
    return make


@pytest.fixture
def final_tokens():
    """Class token and patch tokens after the last norm, (B, 1 + N, C)."""
    def run(model, images):
        with torch.no_grad():
            if isinstance(model, HumanViT):
                features = model(images)
                return torch.cat([features.cls[:, None], features.tokens[-1]], dim=1)
            return model.forward_features(images)
    return run
