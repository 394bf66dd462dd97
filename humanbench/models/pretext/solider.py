"""SOLIDER: DINO whose tokens also tell body parts apart, as far as a dial says (Chen et al., CVPR 2023).

Shapes: B images, V large crops of each, n of these with a foreground, C channels, h x w tokens of a crop, P parts.
"""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import UserError, unknown_name
from ...registry import MODELS
from ...structures import Features, HumanSample
from ..heads.base import at_least_float32, full_precision
from .base import Shared, View
from .dino import DINOPretext, ProjectionHead
from .parts import body_parts

DRAWS = ('bernoulli', 'uniform', 'none')


@dataclass(frozen=True)
class PartView(View):
    """Large crops (V B), and behind them those that have a foreground (n) once more, with a body part erased.

    Attributes:
        labels: (n, h, w) body parts of the tokens, 0 for the background; the erased part keeps its label.
        crops: (n,) which of the large crops they are.
    """
    labels: Tensor | None = None
    crops: Tensor | None = None


@MODELS.register_module()
class SOLIDERPretext(DINOPretext):
    """DINO, and a classifier of tokens into body parts that the teacher's own tokens are clustered into.

    Lambda (``semantic``) of 0 or 1 is drawn for every image and given to backbone and teacher; the classifier's error
    counts as much as lambda says. Afterwards one network has features between appearance (0) and semantics (1).

    Args:
        in_channels: C.
        crops: groups with ``count`` and ``size``; the first are the large ones.
        semantic_weight: of the classifier's loss.
        semantic_draw: how lambda is drawn: ``'bernoulli'`` (0 or 1), ``'uniform'`` (between), or ``'none'`` for a
            backbone without controllers, where the classifier always counts.
        train_semantic_head: False leaves the classifier as it was initialised, as the release does by mistake.
        hidden: width of the heads' first layers.
        bottleneck: width of their last but one.
        head_std: of the first weights of these layers.
        arguments: of :class:`.dino.DINOPretext`; ``parts`` is P.
    """

    def __init__(self, in_channels: int, crops: Sequence[Mapping], semantic_weight: float = 1.0,
                 semantic_draw: str = 'bernoulli', train_semantic_head: bool = True, hidden: int = 2048,
                 bottleneck: int = 256, head_std: float = 0.02, **arguments):
        super().__init__(in_channels, crops, hidden=hidden, bottleneck=bottleneck, head_std=head_std, **arguments)
        if semantic_draw not in DRAWS:
            raise unknown_name('semantic_draw of SOLIDER', semantic_draw, DRAWS)
        if semantic_weight < 0:
            raise UserError(f'SOLIDERPretext got semantic_weight={semantic_weight}: expected at least 0 (the paper: '
                            '1).')
        self.semantic_weight, self.semantic_draw = semantic_weight, semantic_draw
        self.semantic_head = ProjectionHead(in_channels, self.parts + 1, hidden, bottleneck, std=head_std)
        if not train_semantic_head:
            self.semantic_head.requires_grad_(False)

    def views(self, images: Tensor, samples: Sequence[HumanSample], generator: torch.Generator) -> list[View]:
        """Large crops with the copies of which one body part is erased (the same part for all), then small crops."""
        large, *small = self.groups(images, samples)
        semantic = self._lambdas(len(samples), generator).to(images.device, non_blocking=True)
        labels, found = self.labels(large, generator)
        erased = int(torch.randint(1, self.parts + 1, (), generator=generator))
        crops = found.nonzero()[:, 0] if not found.is_meta else torch.arange(len(large), device=found.device)
        labels = labels[crops]
        hidden = F.interpolate((labels == erased).float()[:, None], large.shape[-2:], mode='nearest')
        seen = torch.cat([large, large[crops] * (1 - hidden)])
        each = semantic.repeat(len(large) // len(samples))
        first = PartView(seen, self._condition(torch.cat([each, each[crops]])), labels=labels, crops=crops)
        return [first, *(View(x, self._condition(semantic.repeat(len(x) // len(samples)))) for x in small)]

    def labels(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Body parts (B, h, w) of images in the teacher's semantic view of them, and which images have any (B,)."""
        features = self.teach(images, **self._condition(1.0))
        return body_parts(features.maps[-1], self.parts, generator, self.least_foreground)

    def _condition(self, semantic: Tensor | float) -> dict[str, Tensor | float]:
        return {} if self.semantic_draw == 'none' else dict(semantic=semantic)

    def _lambdas(self, batch: int, generator: torch.Generator) -> Tensor:
        drawn = torch.rand(batch, generator=generator)
        return (drawn < 0.5).float() if self.semantic_draw == 'bernoulli' else drawn

    def forward(self, features: Sequence[Features], views: Sequence[PartView]) -> list[Tensor]:
        """Outputs (count B, K) of each group of crops; those with a part erased are not asked."""
        whole = len(views[0].images) - len(views[0].crops)
        return super().forward([features[0].map_tensors(lambda x: x[:whole]), *features[1:]], views)

    def loss(self, features: Sequence[Features], samples: Sequence[HumanSample], views: Sequence[PartView],
             shared: Shared | None = None) -> dict[str, Tensor]:
        """``loss_dino``, ``loss_semantic`` (with its weight), ``entropy``, and ``foreground``: the share of large crops
        that have one."""
        losses = super().loss(features, samples, views, shared)
        count = len(views[0].crops)
        losses['loss_semantic'] = self.semantic_weight * self._semantic(features[0], views[0])
        losses['foreground'] = losses['entropy'].new_tensor(count / (len(views[0].images) - count))
        return losses

    def _semantic(self, features: Features, view: PartView) -> Tensor:
        """Cross-entropy of the tokens' body parts, of crops whole and with a part erased, each as much as lambda says;
        the mean is over all tokens, those of lambda 0 included."""
        tokens = features.maps[-1]
        if not len(view.crops):  # a unit without any foreground
            return tokens.new_zeros(())
        whole = len(view.images) - len(view.crops)
        tokens = torch.cat([tokens[whole:], tokens[view.crops]]).permute(0, 2, 3, 1)
        said = self.semantic_head(tokens)
        with full_precision(said):
            errors = F.cross_entropy(at_least_float32(said).flatten(0, 2), view.labels.repeat(2, 1, 1).flatten(),
                                     reduction='none')
            if 'semantic' not in view.condition:
                return errors.mean()
            weights = view.condition['semantic'][whole:].repeat(2)
            return (errors.view(len(weights), -1).mean(1) * weights).mean()
