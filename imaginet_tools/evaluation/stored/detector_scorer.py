"""Any detector as a scorer whose rows can be stored."""

import base64

import numpy as np

from imaginet_tools.inference.detector import Detector
from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.inference.scoring.made_by import made_by


class Unprepared:
    """The pictures themselves; of an undegraded one the file's bytes where a detector reads files itself."""

    def __init__(self, files: bool):
        self.files = files

    def __call__(self, content: bytes, pixels: np.ndarray, condition: str):
        return content if self.files and condition == "clean" else pixels


class PreparedBySaved:
    """What a saved detector needs of a picture, turned upright or not as it wants them."""

    def __init__(self, detector: SavedDetector):
        self.preparation, self.turn_upright = detector.preparation, detector.preparation.turn_upright

    def __call__(self, content: bytes, pixels: np.ndarray, condition: str):
        prepared = self.preparation.prepare(pixels)
        if prepared.error is not None:
            raise ValueError(prepared.error)
        return prepared


class DetectorScorer:
    """Rows of a detector: probability, and its classes of synthetic pictures. Whoever unpickles it opens the detector again, and the key
    is that of what was opened.

    Args:
        detector: a saved one of ours, or any other that answers for pictures.
        key: of any other detector, what its scores depend on beside picture and condition, such as a hash of its weights.

    Raises:
        ValueError: for a detector that is no saved one of ours, without a key.
    """

    def __init__(self, detector: Detector, key: dict | None = None):
        self.detector, self.name = detector, detector.name
        saved = isinstance(detector, SavedDetector)
        if not saved and not key:
            raise ValueError(f"{self.name} is no saved detector, so its stored scores need a key, such as a hash of its weights.")
        self.batch_size = detector.batch_size if saved else getattr(detector, "batch_size", 16)
        self.preparation = PreparedBySaved(detector) if saved else Unprepared(getattr(detector, "reads_files", False))
        self._answer = detector.scores_of_prepared if saved else detector.scores
        if saved:
            key = {name: value for name, value in made_by(detector).items() if name not in ("operating_point", "threshold", "form")}
        self.facts = dict(key or {})

    def __reduce__(self):
        return _reopen, (type(self), self.detector, None if isinstance(self.detector, SavedDetector) else self.facts)

    def key(self, condition: str) -> dict:
        return {**self.facts, "condition": condition}

    def rows(self, prepared: list) -> list[dict]:
        answers = self._answer(prepared)
        if len(answers.probability) != len(prepared):
            raise ValueError(f"it gave {len(answers.probability)} answers for {len(prepared)} pictures")
        if not ((answers.probability >= 0) & (answers.probability <= 1)).all():
            raise ValueError(f"it gave the probability {answers.probability.min()} to {answers.probability.max()}, not from 0 to 1")
        columns = {"probability": answers.probability, "family": answers.family, "generator": answers.generator}
        return [
            {name: column[number].tolist() for name, column in columns.items() if column is not None} for number in range(len(prepared))
        ]


class NetworkFeatureScorer(DetectorScorer):
    """Rows of what a saved detector's network sees in a picture, for maps of few images: ``feature``, float16 in base64."""

    def key(self, condition: str) -> dict:
        return {**super().key(condition), "rows": "feature"}

    def rows(self, prepared: list) -> list[dict]:
        feature = self._answer(prepared).feature
        if feature is None:
            raise ValueError("it gives no features")
        return [{"feature": base64.b64encode(each.astype(np.float16).tobytes()).decode()} for each in feature]


def _reopen(kind: type, detector: Detector, key: dict | None) -> DetectorScorer:
    return kind(detector, getattr(detector, "key", key))


def feature_of_row(row: dict) -> np.ndarray:
    """float32 (feature size,) of a row of :class:`NetworkFeatureScorer`."""
    return np.frombuffer(base64.b64decode(row["feature"]), dtype=np.float16).astype(np.float32)
