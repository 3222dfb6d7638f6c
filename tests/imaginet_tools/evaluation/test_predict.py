"""What a model says of a set of images: the same as of each one alone, in their order."""


import numpy as np
import pytest
import torch
from accelerate import Accelerator

from imaginet_core.pictures.degradations import jpeg
from imaginet_tools.evaluation.predict import predict, predict_logits
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.splits import load_splits
from modeling import SelfConImageProcessor
from tests.modeling.helpers import small_model

KINDS = {"families": ["GAN", "SD"], "generators": ["smooth", "chequered"]}


@pytest.fixture(scope="module")
def images(tiny_dataset):
    return load_splits(DataOptions(dataset=str(tiny_dataset), held_out=0.25), seed=42).train


def test_one_pass_gives_all_that_the_model_says_of_each_image(images):
    accelerator, model = Accelerator(cpu=True), small_model(**KINDS)
    processor = SelfConImageProcessor(crop_size={"height": 32, "width": 32})
    got = predict(accelerator, model, processor, images, "jpeg70", workers=0)
    assert got.feature.dtype == np.float32 and got.feature.shape == (len(images), 16)
    for index in (0, 17, len(images) - 1):
        with torch.no_grad():
            alone = model(**processor(jpeg(images.pixels(index), 70), return_tensors="pt"))
        _, feature = model.encode(processor(jpeg(images.pixels(index), 70), return_tensors="pt")["pixel_values"])
        assert got.origin[index] == pytest.approx(alone.origin_logit.item(), rel=1e-4, abs=1e-5)
        for name, want in (("family", alone.family_logits), ("generator", alone.generator_logits), ("feature", feature)):
            np.testing.assert_allclose(getattr(got, name)[index], want[0].detach().numpy(), rtol=1e-4, atol=1e-5, err_msg=name)
    np.testing.assert_array_equal(predict_logits(accelerator, model, processor, images, "jpeg70", workers=0), got.origin)
    assert len(np.unique(got.origin)) > len(images) // 2  # the images differ, so order is seen


def test_several_crops_are_one_image_and_the_batch_holds_fewer_images(images):
    model, processor = small_model(**KINDS), SelfConImageProcessor(crop_size={"height": 32, "width": 32}, crops=5)  # of 48 × 48
    accelerator, few = Accelerator(cpu=True), images.select(np.arange(8))
    got = predict(accelerator, model, processor, few, "clean", workers=0)
    assert got.origin.shape == (8,) and got.feature.shape == (8, 16)
    for index in range(8):
        crops = processor(few.pixels(index), return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            alone = torch.cat([model(crop[None]).origin_logit for crop in crops])
        assert len(alone) == 5 and alone.std() > 1e-4
        assert got.origin[index] == pytest.approx(alone.mean().item(), rel=1e-6, abs=1e-6)


def test_what_the_model_has_no_classifier_for_is_absent(images):
    model = small_model(**KINDS)
    model.family_classifier = None
    got = predict(Accelerator(cpu=True), model, SelfConImageProcessor(), images.select(np.arange(3)), "clean", workers=0)
    assert got.family is None and got.generator.shape == (3, 2)
