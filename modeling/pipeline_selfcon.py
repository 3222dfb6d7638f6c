"""The two tasks of a detector's folder: "image-classification", and "synthetic-image-detection" with the reasons of a verdict."""

import types
from dataclasses import replace

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import ImageClassificationPipeline
from transformers.utils import logging

from .heat_map import WINDOW, HeatMap, LocalLogits, heat_map_of, local_logits
from .picture_notes import Note
from .picture_reader import read_picture
from .picture_sources import LIMITS, Limits, PictureError
from .verdict import calibrated_probability, verdict

logger = logging.get_logger(__name__)
LOGGED = ("transparent", "truncated", "flat")
"""Notes of pictures whose score is easily misunderstood; the task whose answer has no room for notes logs them."""


class SelfConImageClassificationPipeline(ImageClassificationPipeline):
    """The task "image-classification" as everywhere, ``[{"label": ..., "score": ...}, ...]``, higher score first.

    A picture is a path (str or ``Path``), bytes, a file, an http(s) address, base64, a PIL image, an array or a tensor. All are
    read by ``picture_reader``, so that a picture gets the same score in whatever way it comes. Where a viewer sees something else
    than the detector (transparency, a file that is cut off), or there is too little detail to judge, a warning is logged.

    Args (of the call):
        crops: in how many places a picture larger than one crop is seen (default: the image processor's ``crops``); the mean
            of the logits is the answer. A batch holds ``batch_size`` pictures with all their crops.
        timeout: seconds for a picture behind an address, in all (default: that of ``limits``).
        limits: what a picture may cost, see ``picture_sources.Limits``, or a dict of those that differ from the default, such as
            ``{"pixels": 50_000_000}`` or ``{"private_addresses": True}``.
        on_error: what becomes of a picture that cannot be read: "raise" its ``PictureError`` (default for a single picture), or
            "answer" with ``[{"label": None, "score": None, "error": sentence}]`` (default for several, so that the others get
            theirs).
    """

    def __call__(self, inputs, on_error=None, **options):
        """See the class; several pictures are a list, a generator or a data set."""
        if on_error is None and "on_error" not in self._preprocess_params:
            several = isinstance(inputs, (list, Dataset, types.GeneratorType))  # as Transformers tells them
            on_error = "answer" if several else "raise"
        return super().__call__(inputs, **options, **({} if on_error is None else {"on_error": on_error}))

    def _sanitize_parameters(self, crops=None, limits=None, on_error=None, **parameters):
        preprocess, forward, postprocess = super()._sanitize_parameters(**parameters)
        if on_error not in (None, "raise", "answer"):
            raise ValueError(f'on_error must be "raise" or "answer", got {on_error!r}.')
        limits = replace(LIMITS, **limits) if isinstance(limits, dict) else limits
        reading = {"crops": crops, "limits": limits, "on_error": on_error}
        return preprocess | {name: value for name, value in reading.items() if value is not None}, forward, postprocess

    def preprocess(self, image, timeout=None, limits: Limits = LIMITS, on_error: str = "raise", heatmap: bool = False, **options):
        """One picture -> the model's inputs for a batch of one, and ``reading``: its name, notes and error (a sentence or None), and with
        ``heatmap`` all its pixels."""
        limits = limits if timeout is None else replace(limits, seconds=timeout)
        size, crops = self.image_processor.crop_size, options.get("crops", self.image_processor.crops)
        try:
            seen = (size["height"], size["width"]) if crops == 1 and not heatmap else None
            picture = read_picture(image, turn=self.image_processor.turn_upright, crop=seen, limits=limits)
            pixels, notes = picture.pixels, [note._asdict() for note in picture.notes]  # Transformers takes tuples apart
            reading = {"name": picture.name, "notes": notes, "error": None} | ({"pixels": pixels} if heatmap else {})
        except PictureError as error:
            if on_error == "raise":
                raise
            pixels, reading = np.zeros((1, 1, 3), np.uint8), {"name": error.name, "notes": [], "error": str(error)}
        inputs = self.image_processor(images=pixels, input_data_format="channels_last", return_tensors="pt", **options)
        return {**inputs, "reading": reading}

    def _forward(self, model_inputs):
        reading = model_inputs.pop("reading")  # of a batch a list of them
        return {**super()._forward(model_inputs), "reading": reading}

    def postprocess(self, model_outputs, **parameters):
        """One picture's outputs -> its answer."""
        reading = model_outputs["reading"]
        if reading["error"]:
            return [{"label": None, "score": None, "error": reading["error"]}]
        for note in reading["notes"]:
            if note["name"] in LOGGED:
                logger.warning("%s: %s, %s", reading["name"], note["name"], note["detail"])
        return super().postprocess(model_outputs, **parameters)

    def check_model_type(self, supported_models):
        """Nothing to check: this class travels with the one model that it is for, which Transformers' list does not know."""


class SyntheticImageDetectionPipeline(SelfConImageClassificationPipeline):
    """The task "synthetic-image-detection": one picture, one verdict as a dict.

    It adds to "image-classification" which threshold was used, what the family and generator classifiers say and what should be
    known of the picture, which no standard task has room for.

    Args (of the call):
        operating_point: name of one of the model's operating points (default: "balanced", and none where the model has none).
        top_k: name only this many families and generators, the likeliest first (default: all in the model's order).
        heatmap: say where the picture looks synthetic, too, from a second pass over the whole of it, whatever ``crops`` says.
        crops, timeout, limits, on_error: as in "image-classification".

    Returns:
        dict with ``label`` (the name of a class, "real" or "synthetic" unless ``id2label`` says otherwise), ``probability`` of
        "synthetic" (0..1; calibrated for equally many real and synthetic images if the model was calibrated), ``log_odds``,
        ``threshold`` and ``operating_point`` that led to the label (0.5 and None if the model has no operating points),
        ``outcome``, the label or "uncertain" where it would be a guess (see ``verdict.is_uncertain``), ``family`` and
        ``generator``: names and probabilities given that the image is synthetic (None where there is no such classifier),
        ``notes``: a list of {"name", "detail", "share"}, see ``picture_notes``, and ``error``: None, or the sentence that refuses
        the picture, with None for all of the above. With ``heatmap`` also ``heat_map``, a ``heat_map.HeatMap``: local scores at the
        picture's size, an overlay and the strongest regions; None for a picture that is refused.

    Raises:
        ValueError: if the model has no such operating point, or too few images were held out to set it.
    """

    def _sanitize_parameters(self, operating_point=None, top_k=None, heatmap=None, **parameters):
        preprocess, forward, _ = super()._sanitize_parameters(**parameters)
        chosen = {"operating_point": operating_point, "top_k": top_k, "heatmap": heatmap}
        reading = {} if heatmap is None else {"heatmap": heatmap}
        return preprocess | reading, forward, {name: value for name, value in chosen.items() if value is not None}

    def postprocess(self, model_outputs, operating_point=None, top_k=None, heatmap=False):
        """Turns one picture's outputs into the dict described above."""
        logits = {
            name: None if model_outputs.get(name) is None else model_outputs[name][0].float().numpy()
            for name in ("logits", "family_logits", "generator_logits")
        }
        reading = model_outputs["reading"]
        notes = [Note(**note) for note in reading["notes"]]
        answer = verdict(config=self.model.config, operating_point=operating_point, top_k=top_k, notes=notes, **logits)
        if reading["error"]:
            answer = dict.fromkeys(answer)
        answer |= {"notes": reading["notes"], "error": reading["error"]}
        if heatmap:
            answer["heat_map"] = None if reading["error"] else self.heat_map(reading["pixels"], answer["threshold"])
        return answer

    def heat_map(self, pixels: np.ndarray, threshold: float) -> HeatMap:
        """Where a picture looks synthetic: uint8 RGB (H, W, 3), upright -> local scores, with regions cut out at ``threshold``."""
        size = self.image_processor.crop_size
        probability = lambda logits: calibrated_probability(logits, self.model.config)
        return heat_map_of(self._local_logits, probability, pixels, (size["height"], size["width"]), threshold)

    def _local_logits(self, pixels: np.ndarray) -> LocalLogits:
        classifier = self.model.classifier

        def classify(features: np.ndarray) -> np.ndarray:
            return classifier(torch.from_numpy(features).to(next(classifier.parameters())))[:, 0].float().cpu().numpy()

        inputs = self.image_processor(
            images=pixels, input_data_format="channels_last", return_tensors="pt", do_center_crop=False, crops=1
        )
        with torch.inference_mode(), self.device_placement():
            features = self.model.encoder(inputs.to(self.device)["pixel_values"]).maps[-1][0].float().cpu().numpy()
            return local_logits(features, classify, pixels.shape[:2], WINDOW, halves=self.model.config.backbone is None)
