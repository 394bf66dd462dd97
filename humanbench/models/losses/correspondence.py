"""Losses between two pictures of the same people, point by point and joint by joint (HCMoCo, CVPR 2022).

All features are of length 1.

Shapes: B images, S points, J joints, V modalities, C channels.
"""
import torch
import torch.nn.functional as F
from torch import Tensor


def soft_correspondence(first: Tensor, second: Tensor, points: Tensor, temperature: float,
                        soft: bool = True) -> Tensor:
    """Points of one picture are found in the other, and back: two cross-entropies (B,), means over the points, summed.

    What is near the right point is nearly as right: the target of a point is the softmax of the negative distances
    from it.

    Args:
        first: (B, S, C) features at the points in one picture.
        second: (B, S, C) features at the same points in the other.
        points: (B, S, 2) where they are, in cells of the feature map.
        temperature: of the similarities.
        soft: False makes the point itself the only right one.
    """
    similar = first @ second.mT / temperature  # B, S of the first, S of the second
    if soft:
        wanted = (-torch.cdist(points, points, compute_mode='donot_use_mm_for_euclid_dist')).softmax(-1)
    else:
        wanted = torch.eye(points.shape[1], dtype=similar.dtype, device=similar.device).expand_as(similar)
    wanted = wanted.to(similar)
    there, back = similar.log_softmax(-1), similar.mT.log_softmax(-1)
    return -((wanted * there).sum(-1) + (wanted * back).sum(-1)).mean(-1)


def joint_agreement(pixels: Tensor, joints: Tensor, visible: Tensor, temperature: float) -> Tensor:
    """Features at joints are told apart by the features of the joints themselves: mean cross-entropy over the visible
    joints; zero where there is none.

    Args:
        pixels: (B, J, C) features of the picture at the joints.
        joints: (B, J, C) features of the joints.
        visible: (B, J) bool.
        temperature: of the similarities.
    """
    similar = pixels @ joints.mT / temperature
    wanted = torch.arange(similar.shape[1], device=similar.device).expand(similar.shape[:2])
    errors = F.cross_entropy(similar.flatten(0, 1), wanted.flatten(), reduction='none')
    return masked_mean(errors, visible.flatten())


def structure_contrast(features: Tensor, valid: Tensor, temperature: float, everything: bool = False) -> Tensor:
    """The same joint of different people and modalities agrees, different joints do not (supervised contrast).

    Each joint is compared with all others of the batch; those with its name are the right ones. Mean over the joints
    that have any right one.

    Args:
        features: (V, B, J, C) of the pictures at the joints.
        valid: (V, B, J) bool: joints that are there; others are neither compared nor compared with.
        temperature: of the similarities.
        everything: as the release: a joint is compared with itself, too, and with joints that are not there, and these
            count in the mean, with nothing.
    """
    modalities, batch, joints, _ = features.shape
    flat, there = features.flatten(0, 2), valid.flatten()
    name = torch.arange(joints, device=flat.device).repeat(modalities * batch)
    itself = torch.eye(len(flat), dtype=torch.bool, device=flat.device)
    right = (name[:, None] == name) & ~itself & there & there[:, None]
    similar = flat @ flat.T / temperature
    if not everything:
        similar = similar.masked_fill(itself | ~there, -torch.inf)
        similar = torch.where(there[:, None], similar, 0.0)  # rows that are left out below, kept finite
    errors = -(similar.log_softmax(-1).masked_fill(~right, 0.0)).sum(-1) / right.sum(-1).clamp(min=1)
    return errors.mean() if everything else masked_mean(errors, right.any(-1))


def masked_mean(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean of the chosen ones (n,); zero, with a gradient of zero, where there is none."""
    return values.masked_fill(~chosen, 0.0).sum() / chosen.sum().clamp(min=1)
