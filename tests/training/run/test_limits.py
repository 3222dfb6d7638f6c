"""What a report says the model has never seen, from options and data."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest

import imaginet
from imaginet_core.pictures import degradations
from imaginet_tools.images.splits import Splits
from training.run.limits import damage_seen, limits_of
from training.views.recipes import VIEWS


def splits(generators, test_generators=None, contents=("photos",)):
    """Splits of which only generators and content types matter."""
    def images(names):
        return SimpleNamespace(generator=np.array(["real", *names]), content=np.array([contents[0]] * (len(names) + 1)))
    test = None if test_generators is None else images(test_generators)
    return Splits(images(generators), None, test, list(contents), [], list(generators), "A small set.")


def text(*arguments, fold=None):
    return " ".join(limits_of(splits(*arguments), "robust", False, fold))


def test_generators_and_contents_of_imaginet_that_training_lacked_are_named():
    said = text(["ProGAN", "mine"], ["ProGAN"])
    assert "knows these generators: ProGAN, mine." in said
    lacking = "StyleGAN-XL, StyleGAN3, SD v2.1, SDXL v1.0, Animagine XL, Midjourney, DALL·E 3"
    assert f"Of ImagiNet's generators it has never seen: {lacking}." in said
    assert "Of ImagiNet's content types it has never seen: paintings, faces, uncategorized." in said


def test_with_all_of_imaginet_nothing_is_called_unseen():
    generators = [name for name in imaginet.OFFICIAL.generators.values() if name != "real"]
    said = " ".join(limits_of(splits(generators, generators, imaginet.CONTENTS), "paper", False, None))
    assert "never seen" not in said and "Scored without" not in said


def test_generators_that_are_only_scored_are_named():
    assert "Scored without any training image: the generators FLUX, Z." in text(["A"], ["Z", "A", "FLUX"])


def test_folds_and_missing_tests_are_said():
    assert "nothing was scored" in text(["A"]) and "Fold 2/4" in text(["A"], ["A"], fold="2/4")
    assert "A small set." in text(["A"])


@pytest.mark.parametrize("views, consistency, resized", [("paper", False, False), ("robust", False, True), ("paper", True, True)])
def test_scoring_after_resizing_is_marked_where_training_never_resized(views, consistency, resized):
    said = damage_seen(views, consistency)
    assert ("without having been trained on that" in said) != resized
    assert "no other codecs" in said


@pytest.mark.parametrize("views", VIEWS)
def test_what_is_said_of_the_views_is_what_they_do(views, monkeypatch):
    done = set()

    def noted(name, plain, image, *rest):
        done.add((name, *rest[:1]))
        return plain(image, *rest)

    for name in ("jpeg", "webp", "gaussian_blur", "gaussian_noise", "resize"):
        monkeypatch.setattr(degradations, name, functools.partial(noted, name, getattr(degradations, name)))
    image = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    view = VIEWS[views][0](64)
    for seed in range(500):
        view(image, np.random.default_rng(seed))
    words = damage_seen(views, consistency=False)
    kinds = {name for name, *_ in done}
    assert ("resize" in kinds) == ("shrinking" in words) and {"jpeg", "webp", "gaussian_blur", "gaussian_noise"} <= kinds
    qualities = [value for name, value in done if name in ("jpeg", "webp")]
    assert f"quality {min(qualities)} to {max(qualities)}" in words
