"""Ranking loss between images and the sentences that describe them.

Shapes: B pairs, C channels.
"""
import torch
import torch.nn.functional as F
from torch import Tensor


def semi_hard_ranking(images: Tensor, texts: Tensor, identities: Tensor, margin: float = 0.2) -> Tensor:
    """Margin ranking with one random semi-hard negative for each anchor, in both directions.

    An image is an anchor with its own sentence as the positive, and a sentence with its own image. A negative is of
    another person, and semi-hard where it is less similar than the positive, by less than the margin; such an anchor's
    loss is ``margin - positive + negative`` (cosine similarities), that of an anchor without one is 0. (Semi-hard:
    Schroff et al. 2015, arXiv 1503.03832; here as HAP uses it.)

    The draw is from PyTorch's global generator of the CPU, on whatever device the features are.

    Args:
        images, texts: (B, C), pair by pair; not normalised. Computed in float32 at least, whatever autocast says.
        identities: (B,) integer labels.
        margin: above 0.

    Returns:
        () the mean over images plus the mean over sentences.
    """
    draw = torch.rand(2, len(images), len(images)).to(images.device)
    with torch.autocast(images.device.type, enabled=False):
        images, texts = (F.normalize(x if x.dtype == torch.float64 else x.float()) for x in (images, texts))
        similarity, different = images @ texts.T, identities[:, None] != identities[None]
        return sum(_one_direction(x, different, margin, y) for x, y in zip((similarity, similarity.T), draw))


def _one_direction(similarity: Tensor, different: Tensor, margin: float, draw: Tensor) -> Tensor:
    """() mean over the anchors, which are the rows.

    Args:
        similarity: (B, B), of positives on the diagonal.
        different: (B, B) whether it is another person.
        draw: (B, B) random numbers in [0, 1); the highest of a row's candidates is taken.
    """
    violation = margin - similarity.diagonal()[:, None] + similarity
    candidates = different & (violation > 0) & (violation < margin)
    chosen = draw.masked_fill(~candidates, -1).argmax(1, keepdim=True)
    return (violation.gather(1, chosen).squeeze(1) * candidates.any(1)).mean()
