"""From detectors and images to a report: every figure under every condition, with intervals."""

from collections.abc import Sequence
from datetime import UTC, datetime

from accelerate import Accelerator

from imaginet_core.pictures.degradations import CONDITIONS
from imaginet_tools.evaluation.figures import Scored, curves_of, describe_split, map_of, rows_of_all, tracks_of_all, versions_of
from imaginet_tools.evaluation.predict import predict
from imaginet_tools.evaluation.report import Report
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Detector
from imaginet_tools.metrics.calibration import operating_points

LIBRARIES = ("accelerate", "datasets", "numpy", "pillow", "scikit-learn", "torch", "torchvision", "transformers")


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
        tracks=tracks_of_all(scored, resamples, seed), embedding_map=map_of(scored, seed), curves=curves_of(scored),
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
