"""Crops in other colours."""

from itertools import permutations

import pytest
import torch

from training.options import ContrastiveOptions, TrainingOptions
from training.stages.contrastive import mixed
from training.stages.recolour import recolour

IMAGES = 600
COLOUR = torch.tensor([10, 20, 40], dtype=torch.uint8)


def colours_of(found: torch.Tensor) -> list[tuple[int, ...]]:
    """The one colour of each image, of all its pixels and views."""
    assert (found == found[:, :1, :, :1, :1]).all()
    return [tuple(each) for each in found[:, 0, :, 0, 0].tolist()]


def plain() -> torch.Tensor:
    return COLOUR[:, None, None].expand(IMAGES, 2, 3, 4, 6).contiguous()


def test_channels_are_shuffled_in_all_six_ways_and_half_as_often_inverted():
    torch.manual_seed(0)
    found = colours_of(recolour(plain(), 1.0))
    orders = set(permutations(COLOUR.tolist()))
    assert set(found) == orders | {tuple(255 - value for value in order) for order in orders}
    counts = [found.count(order) + found.count(tuple(255 - value for value in order)) for order in orders]
    assert 60 < min(counts) and max(counts) < 140
    assert 0.42 < sum(min(each) > 200 for each in found) / IMAGES < 0.58


def test_the_share_is_of_the_images_and_the_batch_is_left_as_it_was():
    torch.manual_seed(1)
    given = plain()
    found = colours_of(recolour(given, 0.4))
    shuffled = sum(sorted(each, reverse=each[0] > 200) != list(each) for each in found) / IMAGES
    assert 0.25 < shuffled < 0.42, "0.4, of which a sixth is drawn in the order that they have"
    assert 0.14 < sum(min(each) > 200 for each in found) / IMAGES < 0.26
    assert torch.equal(given, plain()) and recolour(given, 0.0) is given


def test_no_pixel_moves():
    torch.manual_seed(2)
    noise = torch.randint(0, 256, (50, 1, 3, 5, 7), dtype=torch.uint8)
    for before, after in zip(noise[:, 0], recolour(noise, 1.0)[:, 0], strict=True):
        ways = [each[list(order)] for each in (before, 255 - before) for order in permutations(range(3))]
        assert any(torch.equal(after, way) for way in ways)


def test_stage_1_changes_colours_and_nothing_else_of_a_batch():
    torch.manual_seed(3)
    label = torch.arange(IMAGES) % 2
    batch = {"pixels": plain(), "label": label, "family": label - 1}
    found = mixed(batch, ContrastiveOptions(recolour=1.0))
    assert len(set(colours_of(found["pixels"]))) == 12 and found["label"] is label and batch["pixels"] is not found["pixels"]
    assert mixed(batch, ContrastiveOptions()) is batch


@pytest.mark.parametrize("wrong", [-0.1, 1.5])
def test_a_share_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="--recolour .*is a share from 0 to 1"):
        ContrastiveOptions(recolour=wrong)


def test_changed_colours_and_kept_features_do_not_go_together():
    with pytest.raises(ValueError, match="--recolour makes crops anew .*--recolour 0, or --feature_cache none"):
        TrainingOptions.of(backbone="vit_tiny_patch16_224", frozen=True, view_epochs=4, recolour=0.5)
