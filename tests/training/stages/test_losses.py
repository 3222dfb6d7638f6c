"""The losses against the reference implementation's numbers, a slow clear version, and at their edges."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from training.stages.losses.selfcon import SelfConLoss
from training.stages.losses.supcon import SupConLoss

REFERENCE = np.load(Path(__file__).parents[2] / "data" / "reference_loss.npz")
CASES = range(4)


def case(i):
    features = torch.tensor(REFERENCE[f"case{i}_features"], requires_grad=True)
    labels = torch.tensor(REFERENCE[f"case{i}_labels"])  # columns: origin, content, family, generator
    return features, labels[:, 0], labels[:, 2]


@pytest.mark.parametrize("i", CASES)
def test_selfcon_matches_the_reference_in_value_and_gradient(i):
    features, origin, family = case(i)
    parts = SelfConLoss()(features, origin, family)
    assert parts.origin.item() == pytest.approx(float(REFERENCE[f"case{i}_origin"]), rel=1e-10)
    assert parts.family.item() == pytest.approx(float(REFERENCE[f"case{i}_family"]), rel=1e-10)
    assert parts.total.item() == pytest.approx(float(REFERENCE[f"case{i}_total"]), rel=1e-10)
    parts.total.backward()
    np.testing.assert_allclose(features.grad.numpy(), REFERENCE[f"case{i}_grad"], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("i", CASES)
def test_supcon_variants_match_the_reference(i):
    features, origin, _ = case(i)
    assert SupConLoss()(features).item() == pytest.approx(float(REFERENCE[f"case{i}_unsupervised"]), rel=1e-10)
    first = SupConLoss(anchors="first_view")(features, origin)
    assert first.item() == pytest.approx(float(REFERENCE[f"case{i}_sub_anchor_only"]), rel=1e-10)
    if f"case{i}_single_view" in REFERENCE:
        trunk = SupConLoss()(features[:, 1:], origin)
        assert trunk.item() == pytest.approx(float(REFERENCE[f"case{i}_single_view"]), rel=1e-10)


def slow_supcon(embeddings, labels, temperature):
    """The formula, pair by pair."""
    rows = [(n, v) for n in range(embeddings.shape[0]) for v in range(embeddings.shape[1])]
    terms = []
    for anchor in rows:
        others = [row for row in rows if row != anchor]
        positives = [row for row in others if labels[row[0]] == labels[anchor[0]]]
        if not positives:
            continue
        logits = {row: float(embeddings[anchor] @ embeddings[row]) / temperature for row in others}
        normaliser = math.log(sum(math.exp(value) for value in logits.values()))
        terms.append(-sum(logits[row] - normaliser for row in positives) / len(positives))
    return sum(terms) / len(terms)


def test_supcon_equals_the_formula_written_out():
    torch.manual_seed(3)
    embeddings = torch.nn.functional.normalize(torch.randn(7, 2, 5, dtype=torch.float64), dim=-1)
    labels = torch.tensor([0, 1, 1, 2, 0, 0, 3])
    assert SupConLoss(0.3)(embeddings, labels).item() == pytest.approx(slow_supcon(embeddings, labels, 0.3))
    one_view = embeddings[:, :1]
    assert SupConLoss(0.3)(one_view, labels).item() == pytest.approx(slow_supcon(one_view, labels, 0.3))


@pytest.mark.parametrize("origin", [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]])
def test_batches_with_no_or_one_or_only_synthetic_images_stay_finite(origin):
    torch.manual_seed(0)
    raw = torch.randn(4, 2, 8, requires_grad=True)
    parts = SelfConLoss()(torch.nn.functional.normalize(raw, dim=-1), torch.tensor(origin), torch.tensor([2, 4, 4, 4]))
    parts.total.backward()
    assert torch.isfinite(parts.total) and torch.isfinite(raw.grad).all()
    if sum(origin) == 0:
        assert parts.family.item() == 0


@pytest.mark.parametrize("images", [1, 3])
def test_no_positive_pair_gives_zero_loss_and_zero_gradient(images):
    raw = torch.randn(images, 1, 8, requires_grad=True)
    loss = SupConLoss()(torch.nn.functional.normalize(raw, dim=-1), torch.arange(images))
    loss.backward()
    assert loss.item() == 0 and (raw.grad == 0).all()


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="temperature"):
        SupConLoss(0)
    with pytest.raises(ValueError, match="anchors"):
        SupConLoss(anchors="trunk")
    with pytest.raises(ValueError, match="embeddings"):
        SupConLoss()(torch.randn(4, 8))
    with pytest.raises(ValueError, match="labels"):
        SupConLoss()(torch.randn(4, 2, 8), torch.zeros(3))
