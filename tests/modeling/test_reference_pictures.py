"""Whole pictures: file, image processor, network and pipeline against the reference's own test path."""

import numpy as np
import pytest
from PIL import Image

from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageClassificationPipeline, SelfConImageProcessor
from tests.reference_weights import reference_pictures, reference_state


@pytest.fixture(scope="module")
def classify():
    model = SelfConForImageClassification(SelfConConfig(sub_classifier=False)).eval()
    model.load_state_dict(reference_state(tame=True))
    return SelfConImageClassificationPipeline(model=model, image_processor=SelfConImageProcessor(), task="image-classification")


@pytest.mark.parametrize("name", [name for name, (array, _) in reference_pictures().items() if array is not None])
def test_made_pictures_get_the_references_probability(classify, name):
    array, probability = reference_pictures()[name]
    answer = classify(Image.fromarray(array))
    assert answer[0]["label"] == "synthetic" and answer[0]["score"] == pytest.approx(probability, rel=0, abs=1e-5)


@pytest.mark.slow  # made pictures above get them by the same way
def test_lab_pictures_get_the_references_probabilities(classify, shared):
    lab = {name: probability for name, (array, probability) in reference_pictures().items() if array is None}
    assert len(lab) == 4
    answers = classify([str(shared / "lab" / name) for name in lab], batch_size=2)
    np.testing.assert_allclose([answer[0]["score"] for answer in answers], list(lab.values()), rtol=0, atol=1e-5)
