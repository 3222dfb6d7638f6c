"""What a report of many conditions tells in full, and of which detector its sentences are."""

from dataclasses import replace

import numpy as np
import pytest

from imaginet_core.pictures.degradation_grid.conditions import names_of
from imaginet_tools.evaluation.figures import Scored
from imaginet_tools.evaluation.report_parts import DetectorFacts
from imaginet_tools.evaluation.reports.build_report import Plan, build_report
from imaginet_tools.evaluation.stored.score_files import NoFiles, RecordedScores
from imaginet_tools.evaluation.summary import false_alarm_sentences
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Answers
from tests.imaginet_tools.evaluation.simulate import three_generators


@pytest.fixture(scope="module")
def report():
    """Two detectors under the tiers and JPEG, seventeen conditions; the second calls all synthetic after the tier hard."""
    scores, conditions = three_generators(120), names_of(["clean", "web", "hard", "jpeg"])
    images = ImageSet(
        NoFiles(), scores.label, scores.content, scores.generator, scores.generator, scores.source_image,
        np.arange(120).astype(str), np.zeros(120, bool), title="simulated",
    )
    scored = [
        Scored(RecordedScores(name, 0.5, [], []), condition, images,
               Answers(np.ones(120) if name == "second" and condition.startswith("hard") else scores.probability), 0.5)
        for name in ("first", "second") for condition in conditions
    ]
    return build_report(scored, [DetectorFacts(name, "scores", "", 0.5, "0.5") for name in ("first", "second")], Plan(resamples=2))[0], conditions


def test_of_many_conditions_the_tiers_have_all_tables_and_single_steps_the_whole(report):
    report, conditions = report
    assert len(conditions) == 17
    kinds = {name: {row.kind for row in report.figures if row.condition == name} for name in conditions}
    for name in conditions:
        assert ("generator" in kinds[name]) == (not name.startswith("jpeg_")) and "overall" in kinds[name], name
    assert {(track.detector, track.condition) for track in report.tracks} == {
        (detector, name) for detector in ("first", "second") for name in conditions if not name.startswith("jpeg_")
    }


def test_false_alarms_are_told_of_the_detector_that_raises_them(report):
    told = false_alarm_sentences(report[0].tracks)
    assert len(told) == 4 and all(sentence.startswith("second: False alarms: hard") for sentence in told)
    alone = [replace(track, detector="") for track in report[0].tracks if track.detector == "second"]
    assert all(sentence.startswith("False alarms: hard") for sentence in false_alarm_sentences(alone))
