"""A detector's answers for a set of images: the same as for each one alone, in their order, however many processes share them."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from imaginet_core.pictures.degradations import jpeg
from imaginet_tools.evaluation.detectors import TorchDetector
from imaginet_tools.evaluation.predict import predict
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.splits import load_splits
from imaginet_tools.inference.detector import Answers, Detector
from modeling import SelfConImageProcessor
from tests.modeling.helpers import small_model

KINDS = {"families": ["GAN", "SD"], "generators": ["smooth", "chequered"]}


@pytest.fixture(scope="module")
def images(tiny_dataset):
    return load_splits(DataOptions(dataset=str(tiny_dataset), held_out=0.25), seed=42).train


def detector(crops: int = 1, **changes) -> TorchDetector:
    return TorchDetector(small_model(**KINDS), SelfConImageProcessor(crop_size={"height": 32, "width": 32}, crops=crops), **changes)


def test_one_pass_gives_all_that_the_model_tells_of_each_image(images):
    own = detector()
    own.model.config.temperature, own.model.config.bias = 2.0, 0.5
    got = predict(own, images, "jpeg70")
    assert got.feature.dtype == np.float32 and got.feature.shape == (len(images), 16)
    for index in (0, 17, len(images) - 1):
        inputs = own.processor(jpeg(images.pixels(index), 70), return_tensors="pt")
        with torch.no_grad():
            alone = own.model(**inputs)
            _, feature = own.model.encode(inputs["pixel_values"])
        assert got.logit[index] == pytest.approx(alone.origin_logit.item(), rel=1e-4, abs=1e-5)
        assert got.probability[index] == pytest.approx(alone.logits.softmax(1)[0, 1].item(), abs=1e-5)
        for name, want in (("family", alone.family_logits), ("generator", alone.generator_logits), ("feature", feature)):
            np.testing.assert_allclose(getattr(got, name)[index], want[0].detach().numpy(), rtol=1e-4, atol=1e-5, err_msg=name)
    assert len(np.unique(got.logit)) > len(images) // 2  # the images differ, so order is seen
    few = predict(own, images.select(np.arange(3)), "jpeg70", workers=2)
    np.testing.assert_allclose(few.logit, got.logit[:3], rtol=1e-5, atol=1e-6)
    pictures = [jpeg(images.pixels(index), 70) for index in range(3)]
    np.testing.assert_allclose(own.scores(pictures).logit, few.logit, rtol=1e-6, atol=1e-6)


def test_several_crops_are_one_image_and_the_batch_holds_fewer_images(images):
    own, few = detector(crops=5), images.select(np.arange(8))  # of 48 × 48
    assert own.batch_size == 1 and detector(crops=2).batch_size == 2 and detector().batch_size == 4
    got = predict(own, few, "clean")
    assert got.logit.shape == (8,) and got.feature.shape == (8, 16)
    for index in range(8):
        crops = own.processor(few.pixels(index), return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            alone = torch.cat([own.model(crop[None]).origin_logit for crop in crops])
        assert len(alone) == 5 and alone.std() > 1e-4
        assert got.logit[index] == pytest.approx(alone.mean().item(), rel=1e-6, abs=1e-6)


def test_what_the_model_has_no_classifier_for_is_absent(images):
    own = detector()
    own.model.family_classifier = None
    got = predict(own, images.select(np.arange(3)), "clean")
    assert got.family is None and got.generator.shape == (3, 2)


class Brightness(Detector):
    """A detector that takes pictures as they are."""

    name, threshold = "brightness", 0.5

    def scores(self, pictures):
        return Answers(np.array([picture.mean() / 255 for picture in pictures]))


def test_a_detector_that_only_takes_pictures_is_given_them(images):
    got = predict(Brightness(), images, "clean")
    want = [images.pixels(index).mean() / 255 for index in range(len(images))]
    np.testing.assert_allclose(got.probability, want)
    assert (got.family, got.feature, got.logit) == (None, None, None)


@pytest.mark.slow
def test_two_processes_give_the_answers_of_one_in_the_same_order(tiny_dataset, repository, tmp_path):
    module = "tests.imaginet_tools.evaluation.predict_processes"
    launch = {1: [], 2: ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]}
    found = {}
    for processes, prefix in launch.items():
        file = tmp_path / f"{processes}.npz"
        command = [sys.executable, *prefix, "-m", module, str(tiny_dataset), str(file)]
        done = subprocess.run(
            command, cwd=repository, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.split()[-1] == str(processes)
        found[processes] = dict(np.load(file))
    for name, values in found[1].items():
        assert len(values) == 36
        np.testing.assert_allclose(found[2][name], values, rtol=1e-4, atol=1e-5, err_msg=name)
