"""HCMoCo: pictures, depth and joints of people that agree, as a whole and point by point (Hong et al., CVPR 2022).

Three networks look at a person: the model's backbone at the picture, one of the pretext's own at its depth, a graph
network at its joints. A sample may lack depth or joints: these networks do not look at it then, and whatever needs them
counts nothing for it.

Shapes: B images, V = 3 modalities, N samples of the source, K negatives, S points, J joints, C channels of a backbone,
D channels that are compared, H x W pixels, h x w cells of a backbone's last map.
"""
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import UserError, unknown_name
from ...registry import MODELS
from ...structures import Features, HumanSample, Level
from ..depth import depth_input
from ..heads.base import at_least_float32, full_precision
from ..losses.correspondence import joint_agreement, masked_mean, soft_correspondence, structure_contrast
from ..memory import ModalityBanks
from .base import BasePretext, Shared, View

MODALITIES = ('rgb', 'depth', 'joints')
PAIRS = tuple((a, b) for a in range(3) for b in range(3) if a != b)
"""Which modality is to find which, by number."""
TERMS = ('sample', 'dense', 'joint', 'structure')


@dataclass(frozen=True)
class PersonView(View):
    """A picture, and what else is known of the people in it.

    Attributes:
        depth: (B, 1, H, W) metres, 0 where not known.
        joints: (B, J, 2) x, y in pixels.
        visible: (B, J) bool, which of them the picture shows.
        skeleton: (B, J, 2) x, y of the same joints in the image that the picture is cut from.
        known: (B, J) bool, which of these are known.
        has_rgb: (B,) bool.
        has_depth: (B,) bool.
        index: (B,) number of each sample in its source.
        draws: (K + B * S,) from 0 to 1: what negatives and points are chosen by.
        seed: of what the encoder of depth draws.
    """
    depth: Tensor | None = None
    joints: Tensor | None = None
    visible: Tensor | None = None
    skeleton: Tensor | None = None
    known: Tensor | None = None
    has_rgb: Tensor | None = None
    has_depth: Tensor | None = None
    index: Tensor | None = None
    draws: Tensor | None = None
    seed: int = 0

    @property
    def has_joints(self) -> Tensor:
        """(B,) bool."""
        return self.known.any(1)


@dataclass(frozen=True)
class Seen:
    """What three networks make of people.

    Attributes:
        vectors: (V, B, D) of length 1.
        rgb: (B, D, h, w) the picture point by point.
        depth: (B, D, h, w) the same of the depth.
        joints: (B, J, D) of the graph network.
    """
    vectors: Tensor
    rgb: Tensor
    depth: Tensor
    joints: Tensor


@MODELS.register_module()
class HCMoCoPretext(BasePretext):
    """Contrast between modalities (stage 1, ``terms=('sample',)``), and between their points and joints (stage 2, all).

    * ``sample``: of each sample, the vector of one modality finds that of another among those of random samples, as the
      banks remember them, or of its unit; all six directions.
    * ``dense``: points of the picture find themselves in the depth, and back; what is near is nearly right.
    * ``joint``: pixels at joints are told apart by the graph network's joints.
    * ``structure``: pixels at joints agree with those of the same joint of other people, in both pictures.

    Where the negatives lie is drawn once for a unit, not for each image: the softmax has as many of them, and no image
    shares less with another for it.

    Args:
        in_channels: C of the picture's backbone.
        num_samples: N; the banks have a row for each. None for no banks: of each sample, the vector of one modality
            then finds that of another among those of its unit, and both are trained by it: where a run is too short
            for banks to settle. Where N is many millions, see :class:`.hcmoco_queue.HCMoCoQueuePretext`.
        depth_encoder: config of the network that sees depth.
        joint_encoder: config of the network that sees joints, (B, J, 2) to (B, J, D).
        levels: of the backbone's maps, given by the model; the last is compared (of an HRNet the merged one, at stride
            4). None for one map of C channels.
        terms: of the loss, see above.
        out_channels: D.
        negatives: K.
        points: S.
        temperature: of all similarities.
        bank_momentum: share of itself that a row of the banks keeps.
        root: which joint the others are seen relative to.
        soft: see :func:`..losses.correspondence.soft_correspondence`.
        structure_of_everything: see :func:`..losses.correspondence.structure_contrast`; invisible joints then count as
            if they were there.
        encode_missing: the networks look at an empty depth image, or at no joints, of those who have none, which moves
            their batch statistics.
    """
    reads_levels = True

    def __init__(self, in_channels: int, num_samples: int | None, depth_encoder: Mapping, joint_encoder: Mapping,
                 levels: Sequence[Level] | None = None, terms: Sequence[str] = TERMS, out_channels: int = 128,
                 negatives: int = 16384, points: int = 400, temperature: float = 0.07, bank_momentum: float = 0.5,
                 root: int = 6, soft: bool = True, structure_of_everything: bool = False,
                 encode_missing: bool = False, **options):
        super().__init__(in_channels, **options)
        for term in terms:
            if term not in TERMS:
                raise unknown_name('term of HCMoCoPretext', term, TERMS)
        if temperature <= 0 or negatives < 1 or points < 1:
            raise UserError(f'HCMoCoPretext got temperature={temperature}, negatives={negatives} and points={points}: '
                            'expected numbers above 0 (the paper: 0.07, 16384 and 400).')
        self.terms, self.negatives, self.points = tuple(terms), negatives, points
        self.root, self.encode_missing = root, encode_missing
        self.temperature, self.soft, self.structure_of_everything = temperature, soft, structure_of_everything
        self.depth_encoder, self.joint_encoder = MODELS.build(depth_encoder), MODELS.build(joint_encoder)
        if self.joint_encoder.out_channels != out_channels:
            raise UserError(f'HCMoCoPretext compares {out_channels} channels (out_channels), and its joint_encoder '
                            f'gives joints {self.joint_encoder.out_channels}: expected as many.')
        self.projections = nn.ModuleDict(dict(
            rgb=nn.Linear(in_channels, out_channels), depth=nn.Linear(self.depth_encoder.out_channels, out_channels),
            joints=nn.Linear(out_channels, out_channels)))
        self.mappers = nn.ModuleDict(dict(
            rgb=nn.Conv2d(levels[-1].channels if levels else in_channels, out_channels, 1),
            depth=nn.Conv2d(self.depth_encoder.levels[-1].channels, out_channels, 1)))
        self.banks = ModalityBanks(num_samples, len(MODALITIES), out_channels, bank_momentum) if num_samples else None

    def views(self, images: Tensor, samples: Sequence[HumanSample], generator: torch.Generator) -> list[View]:
        """The pictures as they are, with depth and joints.

        Raises:
            UserError: the pipeline gives no depth, joints or index.
        """
        batch, (height, width) = len(samples), images.shape[-2:]
        draws = torch.rand(self.negatives + batch * self.points, generator=generator).to(images.device)
        seed = int(torch.randint(2**31, (), generator=generator))
        if images.is_meta:  # only the work is looked at
            joints = images.new_zeros(batch, self.joint_encoder.num_joints, 2)
            known, there = joints[..., 0] > 0, joints[:, 0, 0] == 0
            return [PersonView(images, depth=images.new_zeros(batch, 1, height, width), joints=joints, visible=known,
                               skeleton=joints, known=known, has_rgb=there, has_depth=there,
                               index=joints[:, 0, 0].long(), draws=draws, seed=seed)]
        self._require(samples)
        keypoints = [sample.gt_instances for sample in samples]
        return [PersonView(
            images, depth=torch.stack([x.gt_depth for x in samples]),
            joints=torch.cat([x.keypoints for x in keypoints]),
            visible=torch.cat([x.keypoints_visible for x in keypoints]) > 0,
            skeleton=torch.cat([x.skeleton for x in keypoints]),
            known=torch.cat([x.skeleton_visible for x in keypoints]) > 0,
            has_rgb=torch.tensor([bool(x.get('has_rgb', True)) for x in samples], device=images.device),
            has_depth=torch.tensor([bool(x.has_depth) for x in samples], device=images.device),
            index=torch.tensor([x.index for x in samples], device=images.device), draws=draws, seed=seed)]

    def _require(self, samples: Sequence[HumanSample]) -> None:
        lacking = [name for name in ('gt_depth', 'gt_instances', 'index', 'has_depth') if name not in samples[0]]
        if not lacking and 'skeleton' not in samples[0].gt_instances:
            lacking = ['gt_instances.skeleton']
        if lacking:
            raise UserError(f"Source '{samples[0].get('source')}' gives HCMoCoPretext no {', '.join(lacking)}: "
                            'expected a dataset of people with depth and joints, as in '
                            'configs/_base_/sources/ntu_rgbd.py.')
        last = max(sample.index for sample in samples)
        if self.training and self.banks is not None and last >= self.banks.table.shape[1]:
            raise UserError(f"Source '{samples[0].get('source')}' has a record {last}, and its head has banks for "
                            f'{self.banks.table.shape[1]} (num_samples). Set sources.SOURCE.head.num_samples to the '
                            'number of records of all its datasets, which `humanbench datasets check` counts.')

    def forward(self, features: Sequence[Features], views: Sequence[PersonView]) -> Seen:
        """What the three networks make of a batch.

        Args:
            features: the backbone's, of the pictures.
            views: the pictures, with depth and joints.
        """
        view, (picture,) = views[0], features
        pooled, last = self._depth(view, self.depth_encoder)
        nodes = self._joints(view, self.joint_encoder)
        vectors = projected(picture.pooled, pooled, nodes, self.projections)
        return Seen(vectors, self.mappers['rgb'](picture.maps[-1]), self.mappers['depth'](last), unit(nodes))

    def _depth(self, view: PersonView, encoder: nn.Module) -> tuple[Tensor, Tensor]:
        """What an encoder of depth makes of a batch, pooled (B, C) and its last map (B, C, h, w)."""
        which = self._which(view.has_depth)
        if not len(which):
            empty = view.images.new_zeros
            return (empty(len(view.depth), encoder.out_channels),
                    empty(len(view.depth), encoder.levels[-1].channels, 1, 1))
        depth = view.depth[which]
        seen = depth if encoder.sees_metres else depth_input(depth).to(view.images)
        draws = torch.Generator().manual_seed(view.seed)
        found = encoder(seen, dict(task=self.task, generator=draws))
        return tuple(spread(x, which, len(view.depth)) for x in (found.pooled, found.maps[-1]))

    def _joints(self, view: PersonView, encoder: nn.Module) -> Tensor:
        """What a graph network makes of the joints (B, J, D)."""
        which, joints = self._which(view.has_joints), centred(view.skeleton, view.known, self.root).to(view.images)
        if not len(which):
            return joints.new_zeros(*joints.shape[:2], encoder.out_channels)
        return spread(encoder(joints[which]), which, len(joints))

    def _which(self, there: Tensor) -> Tensor:
        """Numbers of the samples that a network looks at, given who has (B,) what it sees."""
        everyone = torch.arange(len(there), device=there.device)
        return everyone if self.encode_missing or there.is_meta else everyone[there]

    def loss(self, features: Sequence[Features], samples: Sequence[HumanSample], views: Sequence[PersonView],
             shared: Shared | None = None) -> dict[str, Tensor]:
        """``loss_rgb_depth`` and five more of that kind, and of stage 2 ``loss_dense``, ``loss_joint_rgb``,
        ``loss_joint_depth`` and ``loss_structure``."""
        seen, view = self(features, views), views[0]
        with full_precision(seen.vectors):
            return self.losses(seen, samples, view)

    def losses(self, seen: Seen, samples: Sequence[HumanSample], view: PersonView) -> dict[str, Tensor]:
        """The losses of what the networks have made of a batch."""
        found = self._sample(seen, view)
        return found | self._points(seen, view) if set(self.terms) - {'sample'} else found

    def _sample(self, seen: Seen, view: PersonView) -> dict[str, Tensor]:
        """Each modality of a sample finds the other ones of it."""
        present = torch.stack([view.has_rgb, view.has_depth, view.has_joints])
        errors = self._errors(seen, present, view)
        if self.training:
            self._remember(seen, present, view.index)
        return {f'loss_{MODALITIES[one]}_{MODALITIES[other]}': masked_mean(error, present[one] & present[other])
                for (one, other), error in zip(PAIRS, errors, strict=True)}

    def _errors(self, seen: Seen, present: Tensor, view: PersonView) -> Iterator[Tensor]:
        """Cross-entropies (B,) of each of :data:`PAIRS`, given which modalities the samples have (V, B)."""
        if self.banks is None:
            return self._errors_in_unit(seen.vectors, present, view.index)
        return self._errors_in_banks(seen.vectors, view)

    def _remember(self, seen: Seen, present: Tensor, index: Tensor) -> None:
        if self.banks is not None:
            self.banks.see(index, seen.vectors, present)

    def _errors_in_banks(self, vectors: Tensor, view: PersonView) -> Iterator[Tensor]:
        """Cross-entropies (B,) of each of :data:`PAIRS`, among random samples as the banks remember them."""
        positives = self.banks.positives(view.index, vectors)
        negatives = self.banks.negatives(view.draws[:self.negatives]).to(vectors)
        for one, other in PAIRS:
            right = (vectors[one] * positives[other]).sum(-1, keepdim=True)
            logits = torch.cat([right, vectors[one] @ negatives[other].T], 1) / self.temperature
            yield logits.logsumexp(1) - logits[:, 0]

    def _errors_in_unit(self, vectors: Tensor, present: Tensor, index: Tensor) -> Iterator[Tensor]:
        """The same among the samples of the unit that have the other modality; one that was drawn twice is not told
        from itself."""
        own = torch.eye(vectors.shape[1], dtype=torch.bool, device=vectors.device)
        others = index[:, None] != index
        for one, other in PAIRS:
            logits = vectors[one] @ vectors[other].T / self.temperature
            logits = logits.masked_fill(~(present[other] & others | own), -torch.inf)
            yield logits.logsumexp(1) - logits.diagonal()

    def _points(self, seen: Seen, view: PersonView) -> dict[str, Tensor]:
        """Points and joints of picture and depth."""
        maps = torch.stack([seen.rgb, resized(seen.depth, seen.rgb.shape[-2:])])
        losses = {}
        if 'dense' in self.terms:
            cells, found = cells_of_depth(view.depth, seen.rgb.shape[-2:], view.draws[self.negatives:].view(
                len(view.index), self.points))
            at, places = self._at(maps, cells), torch.stack([cells // maps.shape[-1], cells % maps.shape[-1]], -1)
            errors = soft_correspondence(*at, places.to(at), self.temperature, self.soft)
            losses['loss_dense'] = masked_mean(errors, found & view.has_depth & view.has_rgb)
        at = self._at(maps, cells_of_joints(view.joints, view.images.shape[-2:], maps.shape[-2:]))
        there = torch.stack([view.has_rgb, view.has_depth])[..., None]
        visible = there & view.visible
        if 'joint' in self.terms:
            losses |= {f'loss_joint_{name}': joint_agreement(pixels, seen.joints, seen_there, self.temperature)
                       for name, pixels, seen_there in zip(('rgb', 'depth'), at, visible, strict=True)}
        if 'structure' in self.terms:
            if self.structure_of_everything:
                visible = there.expand_as(visible)
            losses['loss_structure'] = structure_contrast(at, visible, self.temperature, self.structure_of_everything)
        return losses

    def predict(self, features: Sequence[Features], samples: list[HumanSample],
                views: Sequence[PersonView]) -> list[HumanSample]:
        """Sets ``pred_vectors`` (V, D), ``point_error`` (), the mean distance in pixels between points of the picture
        and where they are found in the depth (not a number without depth), and ``pred_matches`` (S, 2, 2): the points
        and where they are found, x and y in pixels, of ``pred_view`` (3, H, W), the picture as it was seen."""
        seen, view = self(features, views), views[0]
        points, matches, found = self._matches(seen, view)
        errors = torch.linalg.vector_norm(points - matches, dim=-1).mean(1)
        errors = errors.masked_fill(~(found & view.has_depth), torch.nan)
        for number, sample in enumerate(samples):
            sample.set_metainfo(dict(has_joints=bool(view.has_joints[number])))
            sample.pred_vectors, sample.point_error = seen.vectors[:, number], errors[number]
            sample.pred_matches = torch.stack([points[number], matches[number]], 1)
            sample.pred_view = view.images[number]
        return samples

    def _matches(self, seen: Seen, view: PersonView) -> tuple[Tensor, Tensor, Tensor]:
        """Points of the pictures (B, S, 2), where in the depth they are found, among all cells in which depth is known
        (B, S, 2), both x and y in pixels; and which images (B,) have any."""
        height, width = grid = seen.rgb.shape[-2:]
        draws = view.draws[self.negatives:].view(len(view.index), self.points)
        cells, found = cells_of_depth(view.depth, grid, draws)
        at = self._at(torch.stack([seen.rgb, resized(seen.depth, grid)]), cells)[0]
        depth = unit(resized(seen.depth, grid), 1).flatten(2)
        known = F.interpolate(view.depth, grid, mode='nearest').flatten(1) > 0
        best = (at @ depth).masked_fill(~known[:, None], -torch.inf).argmax(-1)
        scale = at.new_tensor([view.images.shape[-1] / width, view.images.shape[-2] / height])
        points, matches = ((torch.stack([x % width, x // width], -1) + 0.5) * scale for x in (cells, best))
        return points, matches, found

    @staticmethod
    def _at(maps: Tensor, cells: Tensor) -> Tensor:
        """Features (2, B, n, D), of length 1, of the maps (2, B, D, h, w) in cells (B, n)."""
        flat = maps.flatten(3)
        return unit(flat.gather(3, cells[None, :, None].expand(2, -1, flat.shape[2], -1)).mT)


def unit(x: Tensor, dim: int = -1) -> Tensor:
    """Vectors along ``dim`` at length 1, in float32 or more."""
    with full_precision(x):
        return F.normalize(at_least_float32(x), dim=dim)


def projected(picture: Tensor, depth: Tensor, nodes: Tensor, projections: Mapping[str, nn.Module]) -> Tensor:
    """Vectors (V, B, D) of length 1 of what encoders make of pictures (B, C), depth (B, C) and joints (B, J, D)."""
    found = dict(rgb=picture, depth=depth, joints=nodes.mean(1))
    return torch.stack([unit(projections[name](found[name])) for name in MODALITIES])


def spread(some: Tensor, which: Tensor, batch: int) -> Tensor:
    """What samples ``which`` (n,) have, (n, ...), among the others of a batch (B, ...), which have zeros."""
    return some if len(some) == batch else some.new_zeros(batch, *some.shape[1:]).index_copy(0, which, some)


def resized(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Maps (B, C, *, *) with (h, w) cells."""
    return maps if maps.shape[-2:] == tuple(size) else F.interpolate(maps, tuple(size), mode='bilinear')


def centred(joints: Tensor, visible: Tensor, root: int) -> Tensor:
    """Joints as the graph network sees them: (B, J, 2) y, x relative to the root, the largest 1; 0 where not visible.

    Where the root itself is not visible, relative to the mean of those that are.

    Args:
        joints: (B, J, 2) x, y in pixels.
        visible: (B, J) bool.
        root: which joint is the root.
    """
    there = visible[..., None].to(joints)
    mean = (joints * there).sum(1) / there.sum(1).clamp(min=1)
    centre = torch.where(visible[:, root, None], joints[:, root], mean)
    found = (joints - centre[:, None]) * there
    return (found / found.abs().amax((1, 2), keepdim=True).clamp(min=1e-6)).flip(-1)


def cells_of_joints(joints: Tensor, size: Sequence[int], grid: Sequence[int]) -> Tensor:
    """The cell (B, J) of a map, row by row, in which each joint lies; the nearest where it is out of the picture.

    Args:
        joints: (B, J, 2) x, y in pixels.
        size: (H, W) of the picture.
        grid: (h, w) of the map.
    """
    scale = joints.new_tensor([grid[1] / size[1], grid[0] / size[0]])
    limit = joints.new_tensor([grid[1] - 1, grid[0] - 1])
    columns, rows = torch.minimum((joints * scale).floor().clamp(min=0), limit).long().unbind(-1)
    return rows * grid[1] + columns


def cells_of_depth(depth: Tensor, grid: Sequence[int], draws: Tensor) -> tuple[Tensor, Tensor]:
    """Random cells (B, S) in which depth is known, any of them as likely; and which images (B,) have such cells.

    Args:
        depth: (B, 1, H, W), 0 where not known.
        grid: (h, w) of the map.
        draws: (B, S) uniform from 0 to 1.
    """
    known = (F.interpolate(depth, tuple(grid), mode='nearest') > 0).flatten(1).cumsum(1)
    count = known[:, -1:]
    chosen = torch.searchsorted(known, (draws * count).long() + 1)
    return chosen.clamp(max=known.shape[1] - 1), count[:, 0] > 0
