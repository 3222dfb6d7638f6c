"""Transformers' own suites on a small detector. ``test_transformers_suites.py`` runs this file with their tests on the path."""

import functools
import unittest.mock

import torch
from transformers import AutoImageProcessor

from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageProcessor, SelfConModel
from tests.test_configuration_common import ConfigTester
from tests.test_image_processing_common import ImageProcessingTestMixin, prepare_image_inputs
from tests.test_modeling_common import ModelTesterMixin, floats_tensor

NETWORK = {
    "stem_kernel": 3, "stem_stride": 2, "stem_width": 8, "stem_pool": False, "block": "basic", "widths": [8, 8, 16, 16],
    "depths": [1, 1, 1, 1], "projection_size": 16, "classifier_hidden": 8, "families": ["GAN", "SD"], "generators": ["a", "b"],
}


class ModelTester:
    """What the mixin asks of a model's tester."""

    batch_size, image_size, num_channels, is_training = 4, 64, 3, True

    def get_config(self):
        return SelfConConfig(**NETWORK)

    def prepare_config_and_inputs_for_common(self):
        return self.get_config(), {"pixel_values": floats_tensor([self.batch_size, 3, self.image_size, self.image_size])}


class ModelSuite(ModelTesterMixin, unittest.TestCase):
    all_model_classes = (SelfConModel, SelfConForImageClassification)
    has_attentions = test_resize_embeddings = False

    def setUp(self):
        self.model_tester = ModelTester()

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        # the mixin finds out by lists of its own models which want labels
        inputs = super()._prepare_for_class(inputs_dict, model_class, return_labels=return_labels)
        if return_labels and model_class is SelfConForImageClassification:
            inputs["labels"] = torch.zeros(len(inputs["pixel_values"]), dtype=torch.long)
        return inputs

    def test_training(self):
        self.all_model_classes = (SelfConForImageClassification,)  # the trunk alone has no loss
        super().test_training()


class ConfigSuite(unittest.TestCase):
    """Each part of ConfigTester as a test of its own."""


for part in dir(ConfigTester):
    if part.startswith(("create_and_test_", "check_")):
        setattr(ConfigSuite, f"test_{part}", lambda self, part=part: getattr(
            ConfigTester(self, config_class=SelfConConfig, has_text_modality=False, common_properties=[], **NETWORK), part
        )())


class ImageProcessorTester:
    """What the mixin asks of an image processor's tester."""

    batch_size, num_channels, min_resolution, max_resolution = 3, 3, 20, 60
    image_processing_classes = {"pil": SelfConImageProcessor}

    def __init__(self, parent):
        self.parent = parent

    def prepare_image_processor_dict(self):
        return {"crop_size": {"height": 32, "width": 32}}

    def expected_output_image_shape(self, images):
        return 3, 32, 32

    def prepare_image_inputs(self, **options):
        return prepare_image_inputs(self.batch_size, self.min_resolution, self.max_resolution, self.num_channels, **options)


class ImageProcessorSuite(ImageProcessingTestMixin, unittest.TestCase):
    image_processor_tester_class = ImageProcessorTester

    def test_image_processor_save_load_with_autoimageprocessor(self):
        trusting = functools.partial(AutoImageProcessor.from_pretrained, trust_remote_code=True)
        with unittest.mock.patch.object(AutoImageProcessor, "from_pretrained", trusting):
            super().test_image_processor_save_load_with_autoimageprocessor()


del ModelTesterMixin, ImageProcessingTestMixin
