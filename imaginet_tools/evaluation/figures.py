"""From detectors' answers to figures: rows, tracks, curves, the map of features. Needs neither pictures nor PyTorch."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from scipy.special import softmax
from sklearn.metrics import roc_curve
from tqdm import tqdm

import imaginet
from imaginet_tools.evaluation.embedding_map import embedding_map
from imaginet_tools.evaluation.report import rows_of
from imaginet_tools.evaluation.report_parts import Curves, OpenSet, Row
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Answers, Detector
from imaginet_tools.metrics.attribution import REAL, Track, make_track
from imaginet_tools.metrics.detection import Scores, measure
from imaginet_tools.metrics.groups import KINDS, groups_of
from imaginet_tools.metrics.probability_errors import reliability

LIBRARIES = ("accelerate", "datasets", "numpy", "pillow", "scikit-learn", "torch", "torchvision", "transformers")
MOST_POINTS, HISTOGRAM_BINS = 400, 40


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


def rows_of_all(
    scored: Sequence[Scored], resamples: int, seed: int, kinds: Sequence[str] = KINDS, protocol: str = "content"
) -> list[Row]:
    """The figures of all groups of images; ``kinds`` and ``protocol``: see ``metrics.groups.groups_of``."""
    return [
        row for each in tqdm(scored, desc="Figures", unit="pass", delay=2)
        for row in rows_of(
            each.detector.name, each.condition, each.scores, each.threshold, resamples, seed, each.detector.is_baseline,
            groups_of(each.images.label, columns_of_images(each.images), kinds, protocol),
        )
    ]


def columns_of_images(images: ImageSet) -> dict[str, np.ndarray]:
    """What images may be parted by: name -> str (N,)."""
    return {**images.extra, **{name: getattr(images, name) for name in ("content", "family", "generator", "source_image")}}


def tracks_of_all(scored: Sequence[Scored], resamples: int, seed: int) -> list[Track]:
    """Both tracks under each condition, of every detector that is no baseline."""
    return [track for each in scored if not each.detector.is_baseline for track in tracks_of(each, resamples, seed)]


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
            chances = np.column_stack([1 - answers.probability, answers.probability[:, None] * softmax(values, axis=1)])
            tracks.append(
                make_track(name, condition, true, answer, [REAL, *names], if_synthetic=alone, probability=chances, **common)
            )
    return [replace(track, detector=detector.name) for track in tracks]


def open_sets_of(scored: Sequence[Scored], resamples: int, seed: int) -> list[OpenSet]:
    """Whether detectors reject generators that they do not know; none where all or no synthetic images are of such."""
    found = []
    for each in scored:
        synthetic = each.images.label == 1
        unknown = ~np.isin(each.images.generator, each.detector.generators)[synthetic]
        if each.answers.generator is None or unknown.all() or not unknown.any():
            continue
        strangeness = 1 - softmax(each.answers.generator[synthetic], axis=1).max(1)
        own = Scores(
            unknown.astype(int), np.clip(strangeness, 0, 1), each.images.content[synthetic], each.images.generator[synthetic],
            each.images.source_image[synthetic],
        )
        figures = measure(own, 0.5, resamples, seed)
        found.append(OpenSet(
            each.detector.name, each.condition, figures.n_real, figures.n_synthetic, figures.auc, figures.recall_at_5,
        ))
    return found


def curves_of(scored: Sequence[Scored]) -> list[Curves]:
    """What is drawn of each detector under each condition; none where images are of one class."""
    return [
        curve_of(each.detector.name, each.condition, each.images.label, each.answers.probability, each.detector.is_baseline)
        for each in scored if 0 < each.images.label.mean() < 1
    ]


def curve_of(detector: str, condition: str, label: np.ndarray, probability: np.ndarray, baseline: bool = False) -> Curves:
    """What is drawn of the scores of N images, of both classes: int (N,) labels, float (N,) probabilities of "synthetic"."""
    alarms, recall, _ = roc_curve(label, probability)
    points = np.unique(np.linspace(0, len(alarms) - 1, min(MOST_POINTS, len(alarms))).round().astype(int))
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    real, synthetic = (np.histogram(probability[label == value], edges)[0].tolist() for value in (0, 1))
    return Curves(
        detector, condition, np.column_stack([alarms, recall])[points].tolist(), reliability(label, probability),
        [{"real": one, "synthetic": other} for one, other in zip(real, synthetic, strict=True)], baseline,
    )


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
    found = {}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # what is not there was not used
            continue
    return {**own, **found}
