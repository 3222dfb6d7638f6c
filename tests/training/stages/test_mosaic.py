"""Crops put together of pictures of one kind."""

import pytest
import torch

from training.options import ContrastiveOptions, TrainingOptions
from training.stages import contrastive
from training.stages.mosaic import mosaic

IMAGES, SIDE = 60, 16


def numbered(views: int = 2) -> torch.Tensor:
    """Every pixel of image i is i."""
    return torch.arange(IMAGES, dtype=torch.uint8)[:, None, None, None, None].expand(IMAGES, views, 3, SIDE, SIDE).contiguous()


def kinds() -> torch.Tensor:
    return torch.tensor([-2, -1, 1, 3])[torch.arange(IMAGES) % 4]


def test_each_quarter_is_of_the_same_kind_and_the_first_is_the_images_own():
    torch.manual_seed(0)
    kind, found = kinds(), mosaic(numbered(), kinds(), 1.0)
    assert (kind[found.long()] == kind[:, None, None, None, None]).all()
    assert (found[..., 0, 0] == numbered()[..., 0, 0]).all()
    corners = found[:, 0, 0][:, [0, -1, 0], [-1, 0, -1]]
    assert (corners != torch.arange(IMAGES)[:, None]).float().mean() > 0.8, "14 of 15 partners are others"
    for picture in found[:, 0, 0]:
        inside = picture[SIDE // 4 : -SIDE // 4]
        assert len(picture.unique()) <= 4 and len(inside.diff(dim=1).nonzero()[:, 1].unique()) <= 1, "one cut, down and across"
    assert (found == found[:, :1, :1]).all(), "all views and channels of an image are cut and replaced alike"


def test_pixels_stay_where_they_are():
    torch.manual_seed(1)
    places = torch.arange(SIDE * SIDE, dtype=torch.uint8).view(SIDE, SIDE).expand(IMAGES, 1, 3, SIDE, SIDE).contiguous()
    assert torch.equal(mosaic(places, kinds(), 1.0), places)


def test_about_the_share_asked_for_is_put_together_and_the_batch_is_left_as_it_was():
    torch.manual_seed(2)
    given = numbered()
    changed = [(mosaic(given, torch.zeros(IMAGES), 0.5) != given).flatten(1).any(1).float().mean().item() for _ in range(20)]
    assert 0.4 < sum(changed) / 20 < 0.6 and torch.equal(given, numbered())
    assert mosaic(given, kinds(), 0.0) is given


def test_an_image_that_is_alone_of_its_kind_stays_as_it_is():
    assert torch.equal(mosaic(numbered(), torch.arange(IMAGES), 1.0), numbered())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_stage_1_sees_mosaics_within_origin_and_family(share, monkeypatch):
    seen = []
    monkeypatch.setattr(contrastive, "normalise", lambda rows: seen.append(rows) or rows)

    class Loss:
        def __call__(self, outputs, batch):
            return torch.zeros(()), {}

    class NoGradients:
        def backward(self, loss):
            pass

    label, family = torch.arange(IMAGES) % 2, torch.where(torch.arange(IMAGES) % 2 == 1, torch.arange(IMAGES) // 2 % 3 - 1, -1)
    batch = {"pixels": numbered(1), "label": label, "family": family}
    outputs = (torch.zeros(IMAGES, 2, 4), torch.zeros(IMAGES, 2), torch.zeros(IMAGES, 0))
    contrastive.gradients(NoGradients(), lambda rows: outputs, Loss(), ContrastiveOptions(mosaic=share), batch)
    found = seen[0].long()
    assert (found != torch.arange(IMAGES)[:, None, None, None]).any() == bool(share)
    for column in (label, family):
        assert (column[found] == column[:, None, None, None]).all()


@pytest.mark.parametrize("wrong", [-0.1, 1.5])
def test_a_share_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="--mosaic .*is a share from 0 to 1"):
        ContrastiveOptions(mosaic=wrong)


def test_mosaics_and_kept_features_do_not_go_together():
    options = dict(backbone="vit_tiny_patch16_224", frozen=True, view_epochs=4, mosaic=0.5)
    with pytest.raises(ValueError, match="--feature_cache none"):
        TrainingOptions.of(**options)
    assert TrainingOptions.of(**options, feature_cache="none").stage_1.mosaic == 0.5
