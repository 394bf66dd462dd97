"""HAP: masks that follow the human body, and two of them whose class tokens agree (Yuan et al., NeurIPS 2023).

Shapes: B images, V = 2 views, U units of the source in a step, C channels.
"""
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import UserError
from ...registry import MODELS
from ...structures import Features, HumanSample
from ..heads.base import at_least_float32, full_precision
from ..losses.contrastive import info_nce
from .base import Shared, View
from .mae import MAEPretext


@MODELS.register_module()
class HAPPretext(MAEPretext):
    """Reconstruction of two views under masks of blocks and body parts, and alignment of their class tokens.

    An image's class token under one mask is to be told from those of all images of the step under the other mask: of
    all units of the source, wherever they run, as far as the engine shares them (:class:`.base.Shared`).

    Args:
        in_channels: C.
        gamma: weight of the alignment; 0 leaves it out, the second view stays.
        temperature: of its softmax; the loss is scaled by twice that.
        arguments: of :class:`.mae.MAEPretext`.
    """
    MASKING: Mapping = dict(ratio=0.5, kind='block', parts=True)
    num_views = 2

    def __init__(self, in_channels: int, gamma: float = 0.05, temperature: float = 0.2, **arguments):
        super().__init__(in_channels, **arguments)
        if gamma < 0 or temperature <= 0:
            raise UserError(f'HAPPretext got gamma={gamma} and temperature={temperature}; expected a weight of at '
                            'least 0 and a temperature above 0 (the paper: 0.05 and 0.2).')
        self.gamma, self.temperature = gamma, temperature
        self.shares_keys = gamma > 0

    def keys(self, features: Sequence[Features]) -> Tensor:
        """Class tokens (V, B, C) of length 1.

        Raises:
            UserError: the backbone gives this task no class token.
        """
        if features[0].cls is None:
            raise UserError("HAPPretext aligns class tokens, but the backbone has none for task 'pretext'. Set its "
                            "class_token_tasks to None, or to a list with 'pretext' in it; or gamma=0.")
        tokens = torch.stack([found.cls for found in features])
        with full_precision(tokens):
            return F.normalize(at_least_float32(tokens), dim=-1)

    def loss(self, features: Sequence[Features], samples: Sequence[HumanSample], views: Sequence[View],
             shared: Shared | None = None) -> dict[str, Tensor]:
        """``loss_reconstruction`` and ``loss_alignment`` (with its weight)."""
        losses = super().loss(features, samples, views)
        if self.gamma:
            losses['loss_alignment'] = self.gamma * self._alignment(self.keys(features), shared)
        return losses

    def _alignment(self, queries: Tensor, shared: Shared | None) -> Tensor:
        """Cross-entropy of the first view's tokens among the second's, and of the second's among the first's."""
        batch, unit = queries.shape[1], 0 if shared is None else shared.unit
        keys = queries.detach()[None] if shared is None else shared.keys.to(queries)
        positives = unit * batch + torch.arange(batch, device=queries.device)
        with full_precision(queries):
            both = [info_nce(queries[view], keys[:, 1 - view].flatten(0, 1), positives, self.temperature)
                    for view in (0, 1)]
        return 2 * self.temperature * sum(both)
