"""What stage 1 minimises, by one word of the options; consistency against a slow version."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator

from training.options import ContrastiveOptions
from training.stages.contrastive_loss import Outputs, Stage1Loss, trained_parts
from training.stages.losses.consistency import ConsistencyLoss
from training.stages.losses.selfcon import SelfConLoss
from training.stages.losses.supcon import SupConLoss

IMAGES, VIEWS = 10, 2


@pytest.fixture(scope="module")
def accelerator():
    return Accelerator(cpu=True)


def outputs_of(images: int = IMAGES, views: int = 1) -> Outputs:
    rng = torch.Generator().manual_seed(0)
    rows = images * views
    embeddings = F.normalize(torch.randn(rows, 2, 8, generator=rng, dtype=torch.float64), dim=2)
    draw = lambda width: torch.randn(rows, width, generator=rng, dtype=torch.float64)
    return Outputs(embeddings, draw(2), draw(3))


def batch_of(images: int = IMAGES) -> dict[str, torch.Tensor]:
    label = torch.arange(images) % 2
    return {"label": label, "family": torch.where(label == 1, torch.arange(images) // 2 % 3, -1)}


def loss_of(accelerator, outputs, **options):
    loss, terms = Stage1Loss(accelerator, ContrastiveOptions(**options))(outputs, batch_of())
    assert loss.item() == pytest.approx(sum(terms.values()))
    return loss.item(), terms


def test_selfcon_is_the_loss_of_the_paper_and_supcon_that_of_the_trunk_alone(accelerator):
    outputs, batch = outputs_of(), batch_of()
    expected = SelfConLoss()(outputs.embeddings, batch["label"], batch["family"]).total.item()
    assert loss_of(accelerator, outputs)[0] == pytest.approx(expected)
    trunk, synthetic = outputs.embeddings[:, 1:], batch["label"] == 1
    expected = (SupConLoss()(trunk, batch["label"]) + SupConLoss()(trunk[synthetic], batch["family"][synthetic])).item()
    assert loss_of(accelerator, outputs, objective="supcon")[0] == pytest.approx(expected)


def test_ce_is_the_cross_entropy_of_the_same_labels_and_nothing_else(accelerator):
    outputs, batch = outputs_of(), batch_of()
    expected = {
        "cross_entropy": np.mean([
            -F.logsigmoid(logit if label else -logit).item()
            for logits, label in zip(outputs.origin, batch["label"], strict=True) for logit in logits
        ]),
        "family_cross_entropy": np.mean([
            -F.log_softmax(logits, 0)[family].item() for logits, family in zip(outputs.family, batch["family"], strict=True) if family >= 0
        ]),
    }
    assert loss_of(accelerator, outputs, objective="ce")[1] == pytest.approx(expected)


def test_in_stage_1_learns_what_the_loss_depends_on():
    contrastive, origin = ["encoder", "head", "sub_heads"], ["classifier", "sub_classifier"]
    assert trained_parts(ContrastiveOptions()) == contrastive
    assert trained_parts(ContrastiveOptions(cross_entropy_weight=0.5)) == contrastive + origin
    assert trained_parts(ContrastiveOptions(objective="ce")) == ["encoder", *origin, "family_classifier"]
    assert trained_parts(ContrastiveOptions(objective="ce", consistency=True)) == [*contrastive, *origin, "family_classifier"]


def test_the_degraded_view_is_a_further_positive_and_held_to_the_same_answer(accelerator):
    outputs, batch = outputs_of(views=VIEWS), batch_of()
    loss, terms = loss_of(accelerator, outputs, consistency=True, consistency_weight=0.5, cross_entropy_weight=1.0)
    four = outputs.embeddings.reshape(IMAGES, VIEWS * 2, 8)  # of one image: sub-network and trunk of the picture, of its copy
    contrastive = SelfConLoss()(four, batch["label"], batch["family"])
    assert terms["origin"] == pytest.approx(contrastive.origin.item()) and terms["family"] == pytest.approx(contrastive.family.item())
    apart = []
    for image in range(IMAGES):
        one, other = 2 * image, 2 * image + 1
        cosine = outputs.embeddings[one, 1] @ outputs.embeddings[other, 1]
        p, q = (torch.stack([1 - x, x]) for x in (outputs.origin[row, 1].sigmoid() for row in (one, other)))
        divergence = ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 2
        apart.append((1 - cosine + divergence).item())
    assert terms["consistency"] == pytest.approx(0.5 * np.mean(apart))


def test_consistency_is_nothing_for_the_same_answer_and_has_a_gradient_else():
    loss, same = ConsistencyLoss(), F.normalize(torch.ones(3, 2, 4), dim=2)
    assert loss(same, torch.full((3, 2), 0.7)).item() == pytest.approx(0, abs=1e-6)
    logits = torch.tensor([[0.0, 2.0]], requires_grad=True)
    loss(same[:1], logits).backward()
    assert logits.grad[0, 0] < 0 < logits.grad[0, 1]  # a step down the gradient brings the two together


def test_a_batch_without_synthetic_images_has_a_loss_and_gradients(accelerator):
    outputs = outputs_of()
    embeddings = outputs.embeddings.clone().requires_grad_()
    batch = {"label": torch.zeros(IMAGES, dtype=torch.int64), "family": torch.full((IMAGES,), -1)}
    for objective in ("selfcon", "supcon", "ce"):
        given = Outputs(embeddings, outputs.origin.clone().requires_grad_(), outputs.family)
        loss, terms = Stage1Loss(accelerator, ContrastiveOptions(objective=objective))(given, batch)
        loss.backward()
        assert np.isfinite(loss.item()) and all(np.isfinite(list(terms.values())))
