"""Text-to-image person re-identification: every caption asks for the images of the person it describes."""
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from ..errors import UserError
from ..registry import METRICS
from .metric import HumanMetric, numpy, sample_field
from .ranking import Side, rank, score_chunks, side


def text_to_image(text_features: ArrayLike, text_ids: ArrayLike, image_features: ArrayLike,
                  image_ids: ArrayLike) -> dict[str, float]:
    """Retrieval scores of the protocol of CUHK-PEDES, which ICFG-PEDES and RSTPReid follow.

    Every caption ranks all images by cosine similarity; an image of the described person is right, whichever of the
    person's images the caption was written for, and nothing is left out. Equal similarities rank in the order of the
    images. A caption of a person without an image is skipped.

    Args:
        text_features, image_features: (t, C), (g, C); computed in float32.
        text_ids, image_ids: integers (t,), (g,): who it is.

    Returns:
        ``rank1 rank5 rank10``, the share of captions with a right image among the first so many; ``mAP``, of the plain
        mean of the precisions at the right images; ``mAP_trapezoid``, of the area below the curve of precision over
        recall, as HAP's release integrates it.

    Raises:
        UserError: shapes that do not fit, features that are not finite, ids that are not integers, no caption of a
            person with an image.
    """
    texts, images = _side(text_features, text_ids, 0, 'text'), _side(image_features, image_ids, 1, 'image')
    if texts.features.shape[1] != images.features.shape[1]:
        raise UserError(f'text_to_image: text features have {texts.features.shape[1]} dimensions, image features '
                        f'{images.features.shape[1]}. Compare them in the space that both are projected to.')
    vectors = [torch.nn.functional.normalize(x.features) for x in (texts, images)]
    ranked = rank(texts, images, score_chunks(*vectors, 'cosine'))
    if not len(ranked.first):
        raise UserError('text_to_image: no caption is of a person with an image; nothing to score. Do text_ids and '
                        'image_ids belong to the same split?')
    return {**ranked.shares(), 'mAP': float(ranked.precision.mean()), 'mAP_trapezoid': float(ranked.trapezoid.mean())}


def _side(features: ArrayLike, ids: ArrayLike, camera: int, what: str) -> Side:
    """A side of which nothing is left out: its camera, one for all, is not that of the other side."""
    return side(features, ids, np.full(len(ids), camera), f'text_to_image {what}')


@METRICS.register_module()
class TextReIDMetric(HumanMetric):
    """:func:`text_to_image` of ``pred_feature`` (C,) and ``pred_text_features`` (n, C) of samples with a ``pid``.

    Args:
        kwargs: of :class:`~humanbench.evaluation.metric.HumanMetric`.
    """
    function = 'text_to_image'
    ranked = ('rank1', True)
    keys = ('rank1', 'rank5', 'rank10', 'mAP', 'mAP_trapezoid')

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            image, texts = (numpy(sample_field(sample, name, 'TextReIDMetric')).astype(np.float32)
                            for name in ('pred_feature', 'pred_text_features'))
            self.results.append((image, texts, int(sample_field(sample, 'pid', 'TextReIDMetric'))))

    def compute_metrics(self, results: list) -> dict[str, float]:
        images, texts, people = zip(*results)
        return text_to_image(np.concatenate(texts), np.repeat(people, [len(x) for x in texts]), np.stack(images),
                             np.array(people))
