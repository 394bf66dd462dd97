"""DINO: a network that says of small crops of an image what its own average says of large ones (Caron et al. 2021).

Shapes: B images, V large crops of each, W crops of each in all, C channels of the backbone, K outputs, N tokens.
"""
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...canvas import Canvas
from ...errors import UserError
from ...registry import MODELS
from ...structures import Features, HumanSample
from ..heads.base import at_least_float32, full_precision
from .base import Shared, View
from .parts import body_parts
from .teacher import TeacherPretext


class WeightNormLinear(nn.Module):
    """A linear layer without bias whose rows have a length of their own, as ``torch.nn.utils.weight_norm`` names it.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        train_length: False keeps every row at length 1.
    """

    def __init__(self, in_channels: int, out_channels: int, train_length: bool = False):
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(out_channels, 1), requires_grad=train_length)
        self.weight_v = nn.Parameter(torch.empty(out_channels, in_channels))
        nn.init.trunc_normal_(self.weight_v, std=0.02)

    def forward(self, x: Tensor, frozen: bool = False) -> Tensor:
        """x (..., C) to (..., K); ``frozen``: no gradient reaches the layer, one goes on through it."""
        length, rows = (self.weight_g.detach(), self.weight_v.detach()) if frozen else (self.weight_g, self.weight_v)
        return F.linear(x, length * F.normalize(rows, dim=1))


class ProjectionHead(nn.Module):
    """DINO's head: three linear layers, length 1, and prototypes.

    Args:
        in_channels: C.
        out_channels: K.
        hidden: width of the first two layers.
        bottleneck: width of the third.
        train_length: see :class:`WeightNormLinear`.
        std: of the first weights. Where layers are narrow, 0.02 lets hardly any of the input through, and the biases
            soon say the same of all images.
    """

    def __init__(self, in_channels: int, out_channels: int, hidden: int = 2048, bottleneck: int = 256,
                 train_length: bool = False, std: float = 0.02):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(in_channels, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(),
                                 nn.Linear(hidden, bottleneck))
        for layer in self.mlp[::2]:
            nn.init.trunc_normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)
        self.last_layer = WeightNormLinear(bottleneck, out_channels, train_length)

    def forward(self, x: Tensor, frozen: bool = False) -> Tensor:
        """x (..., C) to (..., K); ``frozen``: the prototypes learn nothing from it."""
        return self.last_layer(F.normalize(self.mlp(x), dim=-1), frozen)


def _entropy(shares: Tensor) -> Tensor:
    """Of each distribution (..., K), in nats."""
    return -torch.xlogy(shares, shares).sum(-1)


@MODELS.register_module()
class DINOPretext(TeacherPretext):
    """Self-distillation over crops: what the teacher says of a large crop, the network is to say of every other crop.

    The images are pictures of crops (:class:`humanbench.canvas.Canvas`), as the pipeline's ``MultiCrop`` makes them of
    the same ``crops``. Crops of one size go through the backbone as one batch.

    ``centre``, the mean of what the teacher says, moves once a step by the mean over all units of the source, on any
    number of ranks.

    Args:
        in_channels: C.
        crops: groups with ``count`` and ``size``; the first are the large ones.
        out_channels: K.
        hidden: width of the head's first layers.
        bottleneck: width of its last but one.
        head_std: of the first weights of these layers, see :class:`ProjectionHead`.
        momentum: of the teacher, see :class:`.teacher.TeacherPretext`.
        student_temperature: of the network's softmax.
        teacher_temperature: of the teacher's.
        centre_momentum: share of itself that the centre keeps in a step.
        freeze_last_layer: share of the run in which the prototypes stay as they are. (Weight decay shortens them, which
            changes nothing: they are taken at length 1.)
        train_length: whether prototypes have lengths to learn.
        parts: body parts that tokens are clustered into.
        least_foreground: see :func:`.parts.body_parts`.
    """

    def __init__(self, in_channels: int, crops: Sequence[Mapping], out_channels: int = 65536, hidden: int = 2048,
                 bottleneck: int = 256, head_std: float = 0.02, momentum: float = 0.996,
                 student_temperature: float = 0.1, teacher_temperature: float = 0.04, centre_momentum: float = 0.9,
                 freeze_last_layer: float = 0.01, train_length: bool = False, parts: int = 3,
                 least_foreground: float = 0.5):
        super().__init__(in_channels, momentum)
        if parts < 1:
            raise UserError(f'{type(self).__name__} got parts={parts}: expected at least one (SOLIDER: 3).')
        self.parts, self.least_foreground = parts, least_foreground
        self.canvas = Canvas(crops)
        self.student_temperature, self.teacher_temperature = student_temperature, teacher_temperature
        self.centre_momentum, self.freeze_last_layer = centre_momentum, freeze_last_layer
        self.head = ProjectionHead(in_channels, out_channels, hidden, bottleneck, train_length, head_std)
        self.register_buffer('centre', torch.zeros(out_channels))

    def students(self) -> Mapping[str, nn.Module]:
        return dict(head=self.head)

    def views(self, images: Tensor, samples: Sequence[HumanSample], generator: torch.Generator) -> list[View]:
        """A view for each group of crops: (count B, 3, h, w), all images' first crops, then their second ones, ..."""
        return [View(group) for group in self.groups(images, samples)]

    def groups(self, images: Tensor, samples: Sequence[HumanSample]) -> list[Tensor]:
        """Crops by group; an image that is no picture of crops is a large crop itself (in a test).

        Raises:
            UserError: the pipeline has made other crops.
        """
        size = tuple(samples[0].img_shape)
        if not self.training and size != self.canvas.size:
            return [images]
        if size != self.canvas.size:
            raise UserError(f"Source '{samples[0].get('source')}' has images of {size[0]} x {size[1]} pixels; its head "
                            f'expects {self.canvas.size[0]} x {self.canvas.size[1]}, which are the crops '
                            f'{[tuple(x) for x in self.canvas.groups]}. Give MultiCrop in its pipeline the groups that '
                            'the head has as crops.')
        return [torch.cat([images[:, :, top:top + h, left:left + w] for top, left in corners])
                for (_, (h, w)), corners in zip(self.canvas.groups, self.canvas.corners, strict=True)]

    def forward(self, features: Sequence[Features], views: Sequence[View]) -> list[Tensor]:
        """Outputs (count B, K) of each group of crops."""
        frozen = self.progress < self.freeze_last_layer
        return [self.head(self.vector(found), frozen) for found in features]

    @staticmethod
    def vector(features: Features) -> Tensor:
        """What stands for an image (B, C)."""
        return features.pooled if features.cls is None else features.cls

    def loss(self, features: Sequence[Features], samples: Sequence[HumanSample], views: Sequence[View],
             shared: Shared | None = None) -> dict[str, Tensor]:
        """``loss_dino``; ``entropy`` of what the teacher says of a crop, in nats: log K where it says nothing; and
        ``information``, how much more it has over all crops: 0 where the teacher says the same of all."""
        large = self.canvas.groups[0].count
        said = torch.cat([x.unflatten(0, (-1, len(samples))) for x in self(features, views)])  # W, B, K
        taught = self.targets(views, len(samples)).unflatten(0, (large, -1))
        with full_precision(said):
            wanted = ((taught - self.centre) / self.teacher_temperature).softmax(-1)
            told = (at_least_float32(said) / self.student_temperature).log_softmax(-1)
            errors = -torch.einsum('vbk,wbk->vw', wanted, told) / len(samples)
            others = ~torch.eye(*errors.shape, dtype=torch.bool, device=errors.device)  # no crop is asked of itself
            if self.training:
                self.centre.lerp_(taught.mean((0, 1)), 1 - self.centre_momentum)
            entropy = _entropy(wanted).mean()
            information = _entropy(wanted.mean((0, 1))) - entropy
        return dict(loss_dino=errors[others].mean(), entropy=entropy, information=information)

    @torch.no_grad()
    def targets(self, views: Sequence[View], batch: int) -> Tensor:
        """What the teacher says (V B, K) of the large crops, under the condition that they are seen under."""
        view, count = views[0], self.canvas.groups[0].count * batch
        condition = {key: x[:count] if isinstance(x, Tensor) else x for key, x in view.condition.items()}
        features = self.teach(view.images[:count], **condition)
        return at_least_float32(self.teacher['head'](self.vector(features)))

    def labels(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Body parts (B, h, w) as clusters of the teacher's tokens, and which images (B,) have any."""
        return body_parts(self.teach(images).maps[-1], self.parts, generator, self.least_foreground)

    def predict(self, features: Sequence[Features], samples: list[HumanSample],
                views: Sequence[View]) -> list[HumanSample]:
        """Sets ``pred_parts`` (h, w): :meth:`labels` of the images, 0 for the background."""
        labels, _ = self.labels(views[0].images[:len(samples)], torch.Generator().manual_seed(0))
        for sample, found in zip(samples, labels, strict=True):
            sample.pred_parts = found
        return samples
