"""From detectors and images to a report: every figure under every condition, with intervals."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
from accelerate import Accelerator

import imaginet
from imaginet_core.pictures.degradations import CONDITIONS
from imaginet_tools.evaluation.embedding_map import embedding_map
from imaginet_tools.evaluation.predict import predict
from imaginet_tools.evaluation.report import Report, rows_of
from imaginet_tools.evaluation.report_parts import Row
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Answers, Detector
from imaginet_tools.metrics.attribution import REAL, Track, make_track
from imaginet_tools.metrics.calibration import operating_points
from imaginet_tools.metrics.detection import Scores

LIBRARIES = ("accelerate", "datasets", "numpy", "pillow", "scikit-learn", "torch", "torchvision", "transformers")


@dataclass(frozen=True)
class Scored:
    """One detector's answers for images under one condition.

    Attributes:
        detector: whose answers.
        condition: a name in ``degradations.CONDITIONS``.
        images: N images.
        answers: for them.
        threshold: at or above it an image is called synthetic.
    """

    detector: Detector
    condition: str
    images: ImageSet
    answers: Answers
    threshold: float

    @property
    def scores(self) -> Scores:
        """The probabilities with what is known of the images."""
        images = self.images
        return Scores(images.label, self.answers.probability, images.content, images.generator, images.source_image)

    @property
    def is_synthetic(self) -> np.ndarray:
        """bool (N,): what the detector calls the images."""
        return self.answers.probability >= self.threshold


def evaluate(
    detectors: Sequence[Detector], images: ImageSet, conditions: Sequence[str] = tuple(CONDITIONS),
    held_out: ImageSet | None = None, resamples: int = 1000, seed: int = 0, accelerator: Accelerator | None = None, workers: int = 0,
) -> Report:
    """How good detectors are on images.

    Args:
        detectors: at least one, each with a name of its own.
        images: real and synthetic ones, none of which trained a detector.
        conditions: names in ``degradations.CONDITIONS``.
        held_out: images that thresholds are fitted on, for detectors that have none.
        resamples: of the 95 % bootstrap intervals over source images.
        seed: of these.
        accelerator, workers: see ``imaginet_tools.evaluation.predict.predict``.

    Raises:
        ValueError: for images of one class only, two detectors of one name, a detector without threshold where there are no
            held-out images, or an image that cannot be read.
    """
    names = [detector.name for detector in detectors]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"An evaluation needs detectors with names of their own, got {', '.join(names) or 'none'}.")
    points, thresholds, limits = [], {}, []
    for detector in detectors:
        thresholds[detector.name] = detector.threshold
        if detector.threshold is None:
            own = fit_thresholds(detector, held_out, accelerator, workers)
            points, thresholds[detector.name] = points + own, own[0]["threshold"]
            limits.append(f"The threshold of {detector.name} was fitted on {own[0]['fitted_on']}.")
    scored = [
        each for detector in detectors
        for each in score(detector, images, conditions, thresholds[detector.name], accelerator, workers)
    ]
    parts = {"held_out": held_out, "test": images}
    return Report(
        created=datetime.now(UTC).isoformat(timespec="seconds"), versions=versions_of(LIBRARIES),
        options={"detectors": names, "conditions": list(conditions), "resamples": resamples, "seed": seed},
        data={
            "name": images.title, "description": "",
            "splits": {name: describe_split(part) for name, part in parts.items() if part is not None},
        },
        training=None, calibration=None, operating_points=points, figures=rows_of_all(scored, resamples, seed), limits=limits,
        tracks=tracks_of_all(scored, resamples, seed), embedding_map=map_of(scored, seed),
    )


def fit_thresholds(detector: Detector, held_out: ImageSet | None, accelerator: Accelerator | None, workers: int) -> list[dict]:
    """A detector's operating points (see ``metrics.calibration``) on held-out images. Raises ValueError where there are none."""
    if held_out is None:
        raise ValueError(f"The detector {detector.name} has no threshold; give held-out images to fit one on.")
    probability = predict(detector, held_out, "clean", accelerator, workers, "held-out images").probability
    points = operating_points(probability, held_out.label, f"{len(held_out)} held-out images, without degradation")
    return [{**point, "detector": detector.name} for point in points]


def score(
    detector: Detector, images: ImageSet, conditions: Sequence[str], threshold: float, accelerator: Accelerator | None = None,
    workers: int = 0, part: str = "test images",
) -> list[Scored]:
    """A detector's answers for images under each condition; every process of the accelerator calls it."""
    return [
        Scored(detector, condition, images, predict(detector, images, condition, accelerator, workers, part), threshold)
        for condition in conditions
    ]


def rows_of_all(scored: Sequence[Scored], resamples: int, seed: int) -> list[Row]:
    """The figures of all groups of images."""
    return [
        row for each in scored
        for row in rows_of(
            each.detector.name, each.condition, each.scores, each.threshold, resamples, seed, each.detector.is_baseline
        )
    ]


def tracks_of_all(scored: Sequence[Scored], resamples: int, seed: int) -> list[Track]:
    """Both tracks under each condition, of the first detector that is no baseline."""
    first = next((each.detector for each in scored if not each.detector.is_baseline), None)
    return [track for each in scored if each.detector is first for track in tracks_of(each, resamples, seed)]


def tracks_of(scored: Scored, resamples: int, seed: int) -> list[Track]:
    """Both tracks; the second one by family and by generator, as far as the detector tells them."""
    images, detector, answers, synthetic = scored.images, scored.detector, scored.answers, scored.is_synthetic
    common = {"source_image": images.source_image, "resamples": resamples, "seed": seed}
    origins = np.array(imaginet.LABELS)
    condition = scored.condition
    tracks = [make_track("origin", condition, origins[images.label], origins[synthetic.astype(int)], list(origins), **common)]
    kinds = ("family", detector.families, answers.family), ("generator", detector.generators, answers.generator)
    for name, names, values in kinds:
        if values is not None:
            alone = np.array(names)[values.argmax(1)]
            true, answer = getattr(images, name), np.where(synthetic, alone, REAL)
            tracks.append(make_track(name, condition, true, answer, [REAL, *names], if_synthetic=alone, **common))
    return tracks


def map_of(scored: Sequence[Scored], seed: int) -> dict | None:
    """The map of the first detector's features of undegraded images; None where no detector gives features of such."""
    for each in scored:
        if each.condition == "clean" and each.answers.feature is not None:
            return embedding_map(each.answers.feature, each.images.label, each.images.generator, seed)
    return None


def describe_split(images: ImageSet) -> dict:
    """Counts and fingerprint of images, for a report's ``data``."""
    return {**images.counts(), "fingerprint": images.fingerprint()}


def versions_of(libraries: Sequence[str]) -> dict[str, str]:
    """Versions of Python, the data set and libraries, for a report."""
    own = {"python": platform.python_version(), "imaginet data set": str(imaginet.VERSION)}
    return {**own, **{name: version(name) for name in libraries}}
