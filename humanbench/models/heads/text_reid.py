"""Text-to-image person re-identification: images and sentences in one space.

Shapes: B images, n sentences, N patch tokens, L words, C channels of the features, D of the common space.
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import UserError
from ...registry import MODELS
from ...structures import Features, HumanSample
from ..losses.semi_hard import semi_hard_ranking
from .base import BaseHead, full_precision


@MODELS.register_module()
class TextReIDHead(BaseHead):
    """Images and captions through one projection, compared by cosine similarity (the recipe of HAP, after LGUR).

    An image is the maximum over its patch tokens, a caption the maximum over its words. One linear layer (a 1x1
    convolution of either) brings both to the common space, and one classifier names the person of either there.

    Args:
        in_channels: C.
        num_identities: training identities.
        text: config of the text encoder; its ``out_channels`` are C.
        feature_channels: D.
        margin: of the ranking loss, :func:`~humanbench.models.losses.semi_hard_ranking`.
        identity_weight: weight of the two cross-entropies, of images and of captions.
        ranking_weight: weight of the ranking loss, the sum of its two directions.
        neck: batch norm of images and of captions, each its own, before the projection. Not in HAP's recipe. Maxima
            over many tokens point in nearly one direction, and those of a BiLSTM are much shorter than those of a
            ViT, which training has to undo first; where it lasts minutes, a neck does it.

    Raises:
        UserError: the text encoder has other channels.
    """
    task = 'text_reid'

    def __init__(self, in_channels: int, num_identities: int, text: dict, feature_channels: int = 384,
                 margin: float = 0.2, identity_weight: float = 1.0, ranking_weight: float = 1.0,
                 neck: bool = False):
        super().__init__(in_channels)
        self.margin, self.identity_weight, self.ranking_weight = margin, identity_weight, ranking_weight
        self.text = MODELS.build(dict(out_channels=in_channels) | dict(text))
        if self.text.out_channels != in_channels:
            raise UserError(f'TextReIDHead: words have {self.text.out_channels} channels and patches {in_channels}, '
                            'but one projection takes both. Leave out_channels of the text encoder away.')
        self.image_neck, self.text_neck = (nn.BatchNorm1d(in_channels) if neck else nn.Identity() for _ in range(2))
        self.projection = nn.Linear(in_channels, feature_channels)
        self.classifier = nn.Linear(feature_channels, num_identities, bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)

    def image_features(self, features: Features) -> Tensor:
        """(B, D) of images."""
        return self._project(features.tokens[-1].amax(1), self.image_neck)

    def text_features(self, sentences: list[str]) -> Tensor:
        """(n, D) of sentences."""
        words, mask = self.text(sentences)
        return self._project(words.masked_fill(~mask[..., None], -torch.inf).amax(1), self.text_neck)

    def _project(self, pooled: Tensor, neck: nn.Module) -> Tensor:
        with full_precision(pooled):
            return self.projection(neck(pooled.to(self.projection.weight.dtype)))

    def forward(self, features: Features, samples: list[HumanSample]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features of the images and of their captions, both (B, D), and their scores for each identity."""
        images = self.image_features(features)
        texts = self.text_features([sample.get('caption') for sample in samples])
        with full_precision(images):
            return images, texts, self.classifier(images), self.classifier(texts)

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """``loss_id_image``, ``loss_id_text``, ``loss_ranking``, and the shares of rightly classified images and
        captions, ``accuracy_image`` and ``accuracy_text``."""
        if not all('caption' in sample for sample in samples):
            raise UserError(f"TextReIDHead trains on pairs of image and caption, but a sample of source "
                            f"'{samples[0].get('source')}' has no caption. Let its dataset read a training split.")
        if isinstance(self.image_neck, nn.BatchNorm1d):
            self.require_statistics(samples)
        images, texts, *scores = self(features, samples)
        identities = torch.stack([sample.gt_identity for sample in samples]).to(images.device).long().reshape(-1)
        losses = dict(loss_ranking=self.ranking_weight * semi_hard_ranking(images, texts, identities, self.margin))
        with full_precision(images):
            for name, logits in zip(('image', 'text'), scores):
                losses[f'loss_id_{name}'] = self.identity_weight * F.cross_entropy(logits, identities)
                losses[f'accuracy_{name}'] = (logits.detach().argmax(1) == identities).float().mean()
        return losses

    def predict(self, features: Features, samples: list[HumanSample]) -> list[HumanSample]:
        """Sets ``pred_feature`` (D,) of the image and ``pred_text_features`` (n, D) of its ``captions``, not
        normalised; of a sample without captions n is 0."""
        images = self.image_features(features).float()
        captions = [list(sample.get('captions', ())) for sample in samples]
        sentences = sum(captions, [])
        texts = self.text_features(sentences).float() if sentences else images[:0]
        for sample, image, own in zip(samples, images, texts.split([len(x) for x in captions])):
            sample.pred_feature, sample.pred_text_features = image, own
        return samples
