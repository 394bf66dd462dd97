"""The head that brings images and captions to one space, and its ranking loss."""
import pytest
import torch
import torch.nn.functional as F

from humanbench.engine.optim import LayerDecayConstructor
from humanbench.errors import UserError
from humanbench.models.losses import semi_hard_ranking
from humanbench.registry import MODELS
from humanbench.structures import Features


def unit_vectors(*degrees: float) -> torch.Tensor:
    """Vectors in the plane: cosines are plain to see."""
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack([angle.cos(), angle.sin()], 1)


# ------------------------------------------------------------------------------------------------ ranking

def by_definition(images, texts, identities, margin):
    """Losses that the draw can give, one anchor after the other: for each direction and anchor the list of them."""
    similarity = F.normalize(images) @ F.normalize(texts).T
    found = []
    for rows in (similarity, similarity.T):
        for i, row in enumerate(rows):
            possible = [margin - row[i] + row[j] for j in range(len(row)) if identities[j] != identities[i]
                        and row[i] - margin < row[j] < row[i]]
            found.append([float(x) for x in possible])
    return found


@pytest.mark.parametrize('margin', [0.2, 0.6])
def test_ranking_is_the_mean_of_one_semi_hard_negative_each(margin):
    generator = torch.Generator().manual_seed(1)
    images, texts = (torch.randn(10, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    texts = images + 0.5 * texts
    identities = torch.tensor([0, 0, 1, 1, 2, 2, 3, 4, 5, 6])
    possible = by_definition(images, texts, identities, margin)
    draws = torch.stack([semi_hard_ranking(images, texts, identities, margin) for _ in range(4000)])
    expected = sum(sum(x) / len(x) for x in possible if x) / 10
    assert any(len(x) > 1 for x in possible)
    assert float(draws.mean()) == pytest.approx(expected, abs=4 * float(draws.std()) / len(draws) ** 0.5 + 1e-9)
    assert draws.min() >= sum(min(x) for x in possible if x) / 10 - 1e-9
    assert draws.max() <= sum(max(x) for x in possible if x) / 10 + 1e-9 and len(draws.unique()) > 3


def test_ranking_by_hand():
    """The image at 0 degrees has its text at 0; that of another at 20 is semi-hard (cos 0.940), one at 180 is not."""
    images, texts = unit_vectors(0, 90, 180), unit_vectors(0, 20, 180)
    cos = float(torch.cos(torch.deg2rad(torch.tensor(20.0, dtype=torch.float64))))
    loss = semi_hard_ranking(images, texts, torch.tensor([0, 1, 2]), 0.2)
    # of the images only the first has one; of the texts none: the second has the first image nearer than its own, which
    # is hard and not semi-hard, and the others' negatives are far
    assert float(loss) == pytest.approx((0.2 - 1 + cos) / 3)


def test_the_same_person_is_no_negative_and_nobody_else_no_loss():
    images, texts = unit_vectors(0, 5, 10), unit_vectors(0, 5, 10)
    assert semi_hard_ranking(images, texts, torch.tensor([3, 3, 3])) == 0
    assert semi_hard_ranking(images, texts, torch.tensor([3, 4, 5])) > 0


def test_the_draw_follows_the_seed_of_the_unit():
    generator = torch.Generator().manual_seed(1)
    images, texts = (torch.randn(16, 4, generator=generator) for _ in range(2))
    texts, identities = images + 0.4 * texts, torch.arange(16)

    def run(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return semi_hard_ranking(images, texts, identities, 0.5)
    assert torch.equal(run(3), run(3)) and len({float(run(x)) for x in range(8)}) > 4


def test_ranking_gradient_is_finite_and_brings_pairs_together():
    generator = torch.Generator().manual_seed(0)
    images, texts = (torch.randn(12, 4, generator=generator, requires_grad=True) for _ in range(2))
    identities, before = torch.arange(12), F.cosine_similarity(images, texts).mean()
    optimizer = torch.optim.SGD([images, texts], 1.0)
    for _ in range(200):
        optimizer.zero_grad()
        loss = semi_hard_ranking(images, texts, identities, 0.5)
        if loss.requires_grad and loss > 0:
            loss.backward()
            optimizer.step()
    assert torch.isfinite(images).all() and F.cosine_similarity(images, texts).mean() > before + 0.3


# ------------------------------------------------------------------------------------------------ head

def head(make, **options):
    torch.manual_seed(0)
    config = make.HEADS['rstpreid']
    return MODELS.build(config | dict(in_channels=8, **options)).eval()


def features(batch: int = 8) -> Features:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(batch, 6, 8, generator=generator)
    return Features(maps=[], tokens=[torch.zeros(batch, 6, 8), tokens], cls=torch.full((batch, 8), 99.0),
                    pooled=tokens.mean(1), grid=(3, 2))


def test_maxima_go_through_one_projection(make):
    built, x = head(make), features()
    images = built.image_features(x)
    torch.testing.assert_close(images, built.projection(x.tokens[-1].amax(1)))
    words, mask = built.text(list(make.CAPTIONS))
    expected = torch.stack([own[there].amax(0) for own, there in zip(words, mask)])
    torch.testing.assert_close(built.text_features(list(make.CAPTIONS)), built.projection(expected))
    assert not mask.all()  # some are padded


def test_losses_are_what_they_say(make):
    built, x, samples = head(make, identity_weight=0.5, ranking_weight=2.0), features(), make.samples('rstpreid', 8)
    torch.manual_seed(5)
    outputs = built.loss(x, samples)
    images, texts = built.image_features(x), built.text_features([sample.caption for sample in samples])
    identities = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    torch.manual_seed(5)
    torch.testing.assert_close(outputs['loss_ranking'], 2 * semi_hard_ranking(images, texts, identities, 0.2))
    for name, found in (('image', images), ('text', texts)):
        logits = found @ built.classifier.weight.T
        torch.testing.assert_close(outputs[f'loss_id_{name}'], F.cross_entropy(logits, identities) / 2)
        assert outputs[f'accuracy_{name}'] == (logits.argmax(1) == identities).float().mean()


def test_predictions_are_of_the_image_and_of_each_caption(make):
    built, x, samples = head(make), features(), make.samples('rstpreid', 8)
    found = built.predict(x, samples)
    for sample, image in zip(found, built.image_features(x)):
        assert torch.equal(sample.pred_feature, image) and sample.pred_text_features.shape == (len(sample.captions), 24)
        for own, text in zip(sample.pred_text_features, sample.captions):
            torch.testing.assert_close(own, built.text_features([text])[0], atol=1e-5, rtol=1e-4)
    for sample in samples:
        sample.set_metainfo(dict(captions=[]))
    assert all(sample.pred_text_features.shape == (0, 24) for sample in built.predict(x, samples))


def test_a_neck_centres_images_and_captions(make):
    built, x, samples = head(make, neck=True).train(), features(), make.samples('rstpreid', 8)
    pooled = x.tokens[-1].amax(1)
    normed = (pooled - pooled.mean(0)) / (pooled.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(built.image_features(x), built.projection(normed), atol=1e-5, rtol=1e-4)
    built.loss(x, samples)
    with pytest.raises(UserError, match='batch_size of 2'):
        built.loss(features(1), samples[:1])


def test_what_does_not_fit(make):
    with pytest.raises(UserError, match='words have 16 channels and patches 8'):
        head(make, text=make.HEADS['rstpreid']['text'] | dict(out_channels=16))
    samples = make.samples('rstpreid', 2)
    for sample in samples:
        del sample.caption
    with pytest.raises(UserError, match="source 'rstpreid' has no caption"):
        head(make).loss(features(2), samples)


def test_learning_rates_of_the_recipe(make):
    """The image encoder at a tenth; frozen words at none."""
    network = make.model(('rstpreid',), projector=None)
    network.freeze([f'heads.rstpreid.text.network.{name}' for name, _ in network.heads[
        'rstpreid'].text.network.named_parameters()])
    groups = LayerDecayConstructor({}, dict(backbone_multiplier=0.1)).groups(network, 1e-3, 0.0)
    rates = {id(p): group['lr'] for group in groups for p in group['params']}
    for name, p in network.named_parameters():
        expected = None if '.text.network.' in name else 1e-4 if name.startswith('backbone') else 1e-3
        assert rates.get(id(p)) == (expected and pytest.approx(expected)), name
