"""Detectors to evaluate: a torch model with its image processor, and the baseline that it must beat."""

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from imaginet_core.detection.crops import ALL
from imaginet_core.detection.verdict import calibrated_probability
from imaginet_core.pictures.pixel_statistics import statistics
from imaginet_tools.evaluation.pixel_baseline import PixelStatistics
from imaginet_tools.evaluation.predict import BATCH_SIZE, gather, iterate_prepared
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Answers, Detector
from imaginet_tools.inference.networks.torch_network import batch_size_on
from imaginet_tools.metrics.calibration import balanced_threshold


class TorchDetector(Detector):
    """A detector from a model and its image processor, as the caller loaded them.

    Temperature, bias, threshold and names of classes are those of ``model.config`` at the time of use.

    Args:
        model: returns ``origin_logit`` (B,), ``sub_logit``, ``family_logits``, ``generator_logits`` and ``feature`` for what the processor makes
            of pictures; put into eval mode when it is used.
        processor: makes a dict of tensors of one picture; with ``crops`` above 1 all answers are the mean over a picture's crops.
        name: in tables.
    """

    def __init__(self, model: nn.Module, processor, name: str = "model"):
        self.model, self.processor, self.name = model, processor, name

    @property
    def batch_size(self) -> int:
        if self.processor.crops == ALL:
            return 1
        return max(1, batch_size_on(next(self.model.parameters()).device) // self.processor.crops)

    @property
    def threshold(self) -> float | None:
        points = self.model.config.operating_points
        return points[0]["threshold"] if points else None

    @property
    def families(self) -> list[str]:
        return self.model.config.families

    @property
    def generators(self) -> list[str]:
        return self.model.config.generators

    def scores(self, pictures: list[np.ndarray]) -> Answers:
        return self.scores_of_prepared([self.prepare(picture) for picture in pictures])

    def prepare(self, picture: np.ndarray) -> dict[str, torch.Tensor]:
        return dict(self.processor(picture, return_tensors="pt"))

    def scores_of_prepared(self, prepared: list[dict[str, torch.Tensor]]) -> Answers:
        self.model.eval()
        device = next(self.model.parameters()).device
        inputs = {name: torch.cat([each[name] for each in prepared]).to(device) for name in prepared[0]}
        with torch.no_grad():
            output = self.model(**inputs)
        logit = output.origin_logit.float().cpu().numpy().astype(np.float64)
        family, generator, feature, sub_logit = (
            None if values is None else values.float().cpu().numpy()
            for values in (output.family_logits, output.generator_logits, output.feature, output.sub_logit)
        )
        return Answers(calibrated_probability(logit, self.model.config), family, generator, feature, logit, sub_logit=sub_logit)


class PixelStatisticsDetector(Detector):
    """The baseline: a logistic regression on a dozen plain pixel statistics, trained on the given images.

    Args:
        train: images that it learns from.
        held_out: images that its threshold is fitted on.
        accelerator, workers: see ``imaginet_tools.evaluation.predict.predict``.
        name: in tables.
    """

    is_baseline = True
    batch_size = BATCH_SIZE

    def __init__(
        self, train: ImageSet, held_out: ImageSet, accelerator: Accelerator | None = None, workers: int = 0,
        name: str = "pixel statistics",
    ):
        self.name = name
        features, of_held_out = (
            self.features(images, accelerator, workers, part) for images, part in ((train, "training images"), (held_out, "held-out images"))
        )
        self.classifier = PixelStatistics().fit(features, train.label)
        self.threshold = balanced_threshold(self.classifier.probabilities(of_held_out), held_out.label)

    def features(self, images: ImageSet, accelerator: Accelerator | None, workers: int, part: str = "images") -> np.ndarray:
        """Pixel statistics (``imaginet_core.pictures.pixel_statistics``) of N images: float64 (N, 13), in their order."""
        batches = iterate_prepared(images, "clean", self.prepare, BATCH_SIZE, f"{self.name} of {part}", accelerator, workers)
        return np.concatenate([gather(np.stack(batch), accelerator) for batch in batches])

    def scores(self, pictures: list[np.ndarray]) -> Answers:
        return self.scores_of_prepared([self.prepare(picture) for picture in pictures])

    def prepare(self, picture: np.ndarray) -> np.ndarray:
        return statistics(picture)

    def scores_of_prepared(self, prepared: list[np.ndarray]) -> Answers:
        return Answers(self.classifier.probabilities(np.stack(prepared)))
