"""The network's part of scoring, as a plain class that every engine wraps: prepared inputs in, rows out."""

from collections.abc import Sequence

from imaginet_tools.inference.preparation import Prepared
from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.inference.scoring.records import PreparedInput, rows_of


class Scorer:
    """Scores prepared inputs with a detector."""

    def __init__(self, detector: SavedDetector):
        self.detector = detector

    def __call__(self, inputs: Sequence[PreparedInput]) -> list[dict]:
        """Rows as ``records.SCHEMA`` names them, in the order of the inputs."""
        detector = self.detector
        answers = detector.scores_of_prepared([each.prepared for each in inputs])
        labels = [detector.label_of(probability) for probability in answers.probability]
        return rows_of(inputs, answers, labels, detector.families, detector.generators)


def crops_of(prepared: Prepared) -> int:
    """How many crops a prepared picture has."""
    return 0 if prepared.crops is None else len(prepared.crops)
