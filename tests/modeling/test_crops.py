"""Several crops of a picture: where they lie, and that the score is the mean of the crops' own."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import pipeline

from modeling import SelfConImageProcessor, save
from tests.modeling.helpers import pixels, small_model

SIDE = {"height": 64, "width": 64}
SIZES = [(64, 64), (200, 150), (50, 100), (65, 64), (30, 20)]


def positions(height: int, width: int, crops: int) -> list[tuple[int, int]]:
    """Top and left of each crop, read off a picture whose pixels are numbered."""
    numbers = np.arange(height * width, dtype=np.uint16).reshape(height, width)
    processor = SelfConImageProcessor(crop_size=SIDE, crops=crops, do_rescale=False, do_normalize=False)
    seen = processor(np.stack([numbers] * 3), return_tensors="np")
    assert seen["crop_counts"].tolist() == [len(seen["pixel_values"])]
    found = []
    for crop in seen["pixel_values"]:
        top, left = divmod(int(crop[0, 0, 0]), width)
        np.testing.assert_array_equal(crop[0], numbers[top : top + 64, left : left + 64])
        found.append((top, left))
    return found


@pytest.mark.parametrize("height, width, crops, want", [
    (200, 150, 5, [(68, 43), (0, 0), (0, 86), (136, 0), (136, 86)]),
    (64, 150, 5, [(0, 43), (0, 0), (0, 86)]),
    (200, 64, 5, [(68, 0), (0, 0), (136, 0)]),
    (64, 64, 5, [(0, 0)]),
    (200, 150, 2, [(0, 43), (136, 43)]),
    (150, 200, 2, [(43, 0), (43, 136)]),
    (150, 200, 3, [(43, 0), (43, 68), (43, 136)]),
    (164, 164, 9, [(top, left) for top in (0, 50, 100) for left in (0, 50, 100)]),
    (164, 200, 6, [(top, left) for top in (0, 100) for left in (0, 68, 136)]),
    (65, 64, 9, [(0, 0), (1, 0)]),
])
def test_crops_lie_at_centre_and_corners_or_on_a_grid_and_none_is_seen_twice(height, width, crops, want):
    assert positions(height, width, crops) == want


def test_one_crop_is_the_centre_crop_and_nothing_else_is_said():
    array = pixels(90, 130)
    assert set(SelfConImageProcessor(crops=1)(array)) == {"pixel_values"}
    small = SelfConImageProcessor(crops=5)(pixels(100, 40), return_tensors="pt")
    assert small["crop_counts"].tolist() == [1]
    centre = SelfConImageProcessor()(pixels(100, 40), return_tensors="pt")
    torch.testing.assert_close(small["pixel_values"], centre["pixel_values"])


@pytest.mark.parametrize("wrong", [0, -1])
def test_a_number_of_crops_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="crops must be a positive whole number"):
        SelfConImageProcessor(crops=wrong)
    with pytest.raises(ValueError, match="crops must be a positive whole number"):
        SelfConImageProcessor()(pixels(70, 70), crops=wrong)


def test_several_crops_of_a_whole_picture_are_refused():
    with pytest.raises(ValueError, match="do_center_crop=False"):
        SelfConImageProcessor(crops=5)(pixels(70, 70), do_center_crop=False)


def slow_mean(model, array: np.ndarray, crops: int) -> float:
    """Probability of "synthetic" by the mean of the logits of each crop alone."""
    seen = SelfConImageProcessor(crop_size=SIDE, crops=crops)(array, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        return torch.sigmoid(torch.stack([model(crop[None]).logits[0, 1] for crop in seen]).double().mean()).item()


def test_a_saved_number_of_crops_is_used_in_any_batch_and_a_call_may_give_another(tmp_path):
    model = small_model(bias=12.0)
    folder = save(model, SelfConImageProcessor(crop_size=SIDE, crops=5), tmp_path / "detector")
    assert json.loads((folder / "preprocessor_config.json").read_text())["crops"] == 5
    arrays = [pixels(*size, seed=number) for number, size in enumerate(SIZES)]
    want = [slow_mean(model, array, 5) for array in arrays]
    assert max(want) - min(want) > 0.1, "the pictures must differ, or a mix-up would go unseen"

    pictures = [Image.fromarray(array) for array in arrays]
    classify = pipeline("image-classification", model=str(folder), trust_remote_code=True)
    detect = pipeline("synthetic-image-detection", model=str(folder), trust_remote_code=True, crops=5)
    score = lambda answer: next(each["score"] for each in answer if each["label"] == "synthetic")
    np.testing.assert_allclose([score(classify(picture)) for picture in pictures], want, atol=1e-5)
    np.testing.assert_allclose([score(answer) for answer in classify(pictures, batch_size=3)], want, atol=1e-5)
    np.testing.assert_allclose([answer["probability"] for answer in detect(pictures, batch_size=3)], want, atol=1e-5)

    centre, nine = slow_mean(model, arrays[1], 1), slow_mean(model, arrays[1], 9)
    assert min(abs(centre - want[1]), abs(nine - want[1]), abs(nine - centre)) > 1e-3
    assert score(classify(pictures[1], crops=1)) == pytest.approx(centre, abs=1e-5)
    assert detect(pictures[1], crops=9)["probability"] == pytest.approx(nine, abs=1e-5)


def test_everything_said_of_a_picture_is_the_mean_over_its_crops():
    model = small_model(families=["GAN", "SD"], generators=["x", "y", "z"])
    arrays = [pixels(*size) for size in SIZES[:3]]
    inputs = SelfConImageProcessor(crop_size=SIDE, crops=5)(arrays, return_tensors="pt")
    assert inputs["crop_counts"].tolist() == [1, 5, 3]
    with torch.no_grad():
        together, alone = model(**inputs), model(inputs["pixel_values"])
    for name in ("origin_logit", "logits", "sub_logit", "family_logits", "generator_logits", "feature"):
        want = torch.stack([group.mean(0) for group in alone[name].split([1, 5, 3])])
        torch.testing.assert_close(together[name], want, msg=name)
