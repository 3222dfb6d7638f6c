"""Answers under many conditions: the same as condition by condition, with each image decoded once."""

import numpy as np
import pytest

from imaginet_core.pictures.pixel_statistics import statistics
from imaginet_tools.evaluation.predict import predict
from imaginet_tools.evaluation.robustness.predict_grid import predict_grid
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.images.splits import load_splits
from imaginet_tools.inference.detector import Answers, Detector

CONDITIONS = ["clean", "jpeg_30", "noise_100", "resize_bicubic_0.5", "hard_screenshot", "half_and_back"]


@pytest.fixture(scope="module")
def images(tiny_dataset):
    return load_splits(DataOptions(dataset=str(tiny_dataset), held_out=0.25), seed=42).train.select(np.arange(6))


class Plain(Detector):
    """A number of each picture's pixels, as a probability."""

    name, threshold = "plain", 0.5

    def scores(self, pictures):
        return Answers(np.array([statistics(picture)[:3].sum() % 1 for picture in pictures]), feature=np.ones((len(pictures), 5)))


class Preparing(Plain):
    batch_size = 4

    def prepare(self, picture):
        return statistics(picture)

    def scores_of_prepared(self, prepared):
        return Answers(np.stack(prepared)[:, :3].sum(1) % 1, logit=np.stack(prepared)[:, 0])


@pytest.mark.parametrize("detector", [Plain(), Preparing()])
def test_the_grid_gives_what_each_condition_gives(detector, images):
    together = predict_grid(detector, images, CONDITIONS)
    assert list(together) == CONDITIONS
    for condition in CONDITIONS:
        alone = predict(detector, images, condition)
        np.testing.assert_array_equal(together[condition].probability, alone.probability, err_msg=condition)
        assert together[condition].feature is None
    assert len({together[condition].probability.tobytes() for condition in CONDITIONS}) == len(CONDITIONS)


def test_each_image_is_decoded_once_and_worker_processes_change_nothing(images, monkeypatch):
    decoded = []
    whole = ImageSet.pixels
    monkeypatch.setattr(ImageSet, "pixels", lambda self, index: decoded.append(index) or whole(self, index))
    here = predict_grid(Preparing(), images, CONDITIONS)
    assert decoded == list(range(len(images)))
    apart = predict_grid(Preparing(), images, CONDITIONS, workers=1)
    for condition in CONDITIONS:
        np.testing.assert_array_equal(here[condition].logit, apart[condition].logit)


def test_an_unknown_condition_is_refused(images):
    with pytest.raises(ValueError, match="no condition 'fog'"):
        predict_grid(Plain(), images, ["clean", "fog"])
