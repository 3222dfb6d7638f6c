"""What a report holds of robustness: detectors in order, sentences that say what matters, pictures."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from imaginet_tools.evaluation.robustness.report_part import Probes, degradations_of, degraded_of, pictures_of
from imaginet_tools.metrics.detection import Scores
from tests.imaginet_tools.evaluation.simulate import three_generators


@dataclass
class Scored:
    """As ``figures.Scored``, as far as it is used here."""

    detector: object
    condition: str
    scores: Scores
    threshold: float = 0.5

    @property
    def images(self):
        return SimpleNamespace(path=self.scores.source_image)


@pytest.fixture(scope="module")
def scored() -> list[Scored]:
    clean, found = three_generators(200), []
    for name, baseline, shift in (("ours", False, 0.25), ("steady", False, 0.0), ("pixels", True, 0.1)):
        detector = SimpleNamespace(name=name, is_baseline=baseline)
        for condition, times in (("clean", 0), ("jpeg_90", 0.2), ("jpeg_30", 1), ("resize_bicubic_0.5", 1)):
            found.append(Scored(detector, condition, replace(clean, probability=np.clip(clean.probability + times * shift, 0, 1))))
    return [*found, Scored(SimpleNamespace(name="metadata", is_baseline=True), "clean", clean)]


def test_every_detector_that_saw_degraded_images_is_told_of(scored):
    scope = [{"kind": "screenshots", "pictures": 8, "called_synthetic": 0.25, "low": 0.03, "high": 0.65, "median": 0.2}]
    told = degradations_of(degraded_of(scored, {"ours": Probes(scope)}), 20)
    assert list(told["detectors"]) == ["ours", "steady", "pixels"] and told["detectors"]["pixels"]["baseline"]
    text = "\n".join(told["sentences"])
    assert "ours: one AUC over clean and 3 degraded copies" in text and "ours is weakest on" in text
    assert "ours has a bias: JPEG 30 moves the probability of real images by +0.2" in text and "steady has a bias" not in text
    assert "steady changes its answer with the size alone for 0.0% of the pictures" in text
    assert "Out of scope: ours" in text and "25% of 8 screenshots" in text
    files = [file for file, _, _ in pictures_of(told)]
    assert files == ["degradation_curves.png", "degradation_matrix_1.png", "degradation_matrix_2.png"]  # none of the baseline


def test_undegraded_scores_alone_say_nothing_of_robustness(scored):
    clean = [each for each in scored if each.condition == "clean"]
    assert degraded_of(clean, {}) == []
    row = {"kind": "screenshots", "pictures": 8, "called_synthetic": 0.0, "low": 0.0, "high": 0.3, "median": 0.2}
    [alone] = degraded_of(clean, {"ours": Probes([row])})
    told = degradations_of([alone], 20)
    assert told["detectors"]["ours"]["worst"] == [] and [sentence.partition(":")[0] for sentence in told["sentences"]] == ["Out of scope"]
    assert list(pictures_of(told)) == []
