"""The two tasks of a detector's folder: "image-classification", and "synthetic-image-detection" with the reasons of a verdict."""

import os

import numpy as np
import torch
from PIL import Image, ImageOps
from transformers import ImageClassificationPipeline
from transformers.image_utils import load_image

from .image_processing_selfcon import DEEP_MODES
from .verdict import verdict


class SelfConImageClassificationPipeline(ImageClassificationPipeline):
    """The task "image-classification" as everywhere, ``[{"label": ..., "score": ...}, ...]``, higher score first.

    Args (of the call):
        crops: in how many places a picture larger than one crop is seen (default: the image processor's ``crops``); the mean
            of the logits is the answer. A batch holds ``batch_size`` pictures with all their crops.

    It differs from the built-in one otherwise only in how a picture is read: paths may be ``Path`` objects, and pictures of
    more than 8 bits reach the image processor as they are; the built-in one clips them to white. (Those behind a URL or in
    base64 are read by Transformers and still clipped.) Pictures are turned upright by their EXIF orientation, as everywhere in
    Transformers.
    """

    def _sanitize_parameters(self, crops=None, **parameters):
        preprocess, forward, postprocess = super()._sanitize_parameters(**parameters)
        return preprocess | ({} if crops is None else {"crops": crops}), forward, postprocess

    def preprocess(self, image, timeout=None, **options):
        """Path, URL, base64 string, PIL image, array or tensor -> the model's inputs, for a batch of one."""
        if isinstance(image, os.PathLike):
            image = os.fspath(image)
        if isinstance(image, str) and os.path.isfile(image):
            image = Image.open(image)
        if isinstance(image, Image.Image) and image.mode in DEEP_MODES:
            image = ImageOps.exif_transpose(image)
        elif not isinstance(image, np.ndarray | torch.Tensor):
            image = load_image(image, timeout=timeout)
        return self.image_processor(images=image, return_tensors="pt", **options)

    def check_model_type(self, supported_models):
        """Nothing to check: this class travels with the one model that it is for, which Transformers' list does not know."""


class SyntheticImageDetectionPipeline(SelfConImageClassificationPipeline):
    """The task "synthetic-image-detection": one picture, one verdict as a dict.

    It adds to "image-classification" which threshold was used and what the family and generator classifiers say, which no
    standard task has room for.

    Args (of the call):
        operating_point: name of one of the model's operating points (default: "balanced", and none where the model has none).
        crops: as in "image-classification".
        top_k: name only this many families and generators, the likeliest first (default: all in the model's order).

    Returns:
        dict with ``label`` (the name of a class, "real" or "synthetic" unless ``id2label`` says otherwise), ``probability`` of
        "synthetic" (0..1; calibrated for equally many real and synthetic images if the model was calibrated), ``threshold`` and
        ``operating_point`` that led to the label (0.5 and None if the model has no operating points), and ``family`` and
        ``generator``: names and probabilities given that the image is synthetic (None where there is no such classifier).

    Raises:
        ValueError: if the model has no such operating point, or too few images were held out to set it.
    """

    def _sanitize_parameters(self, operating_point=None, top_k=None, crops=None, timeout=None):
        preprocess, forward, _ = super()._sanitize_parameters(crops=crops, timeout=timeout)
        chosen = {"operating_point": operating_point, "top_k": top_k}
        return preprocess, forward, {name: value for name, value in chosen.items() if value is not None}

    def postprocess(self, model_outputs, operating_point=None, top_k=None):
        """Turns one picture's outputs into the dict described above."""
        logits = {
            name: None if model_outputs.get(name) is None else model_outputs[name][0].float().numpy()
            for name in ("logits", "family_logits", "generator_logits")
        }
        return verdict(config=self.model.config, operating_point=operating_point, top_k=top_k, **logits)
