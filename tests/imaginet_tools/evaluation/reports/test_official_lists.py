"""Random scores on the official test list: every table counts what the list has, and intervals hold what is true at their rate."""

from collections import Counter

import numpy as np
import pytest

import imaginet
from imaginet_tools.evaluation.figures import Scored
from imaginet_tools.evaluation.report_parts import DetectorFacts
from imaginet_tools.evaluation.reports.build_report import Plan, build_report
from imaginet_tools.evaluation.stored.score_files import NoFiles, RecordedScores
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Answers
from imaginet_tools.metrics.detection import Scores, measure


@pytest.fixture(scope="module")
def records(shared):
    return imaginet.read_list(str(shared / "annotations" / "test_annotations.txt"), imaginet.OFFICIAL)


def images_of(records):
    of = lambda name: np.array([getattr(record, name) for record in records], dtype=str)
    label = np.array([imaginet.LABELS.index(record.label) for record in records])
    return ImageSet(
        NoFiles(), label, of("content"), of("family"), of("generator"), of("source_image"), of("path"), np.zeros(len(label), bool), title="official",
    )


@pytest.mark.parametrize("protocol", ["content", "paper"])
def test_every_table_counts_what_the_list_has(records, protocol):
    images = images_of(records)
    probability = np.random.default_rng(0).random(len(images))
    detector = RecordedScores("random", 0.5, [], [])
    report, _ = build_report(
        [Scored(detector, "clean", images, Answers(probability), 0.5)], [DetectorFacts("random", "scores", "", 0.5, "0.5")],
        Plan(protocol=protocol, resamples=2),
    )
    real = Counter(record.content for record in records if record.label == "real")
    synthetic = [record for record in records if record.label == "synthetic"]
    found = {(row.kind, row.name): (row.metrics.n_real, row.metrics.n_synthetic) for row in report.figures}
    expected = {("overall", "all"): (real.total(), len(synthetic))}
    expected |= {("content", content): (count, sum(each.content == content for each in synthetic)) for content, count in real.items()}
    for kind, key in (
        ("family", lambda each: each.family), ("generator", lambda each: each.generator),
        ("generator, content", lambda each: f"{each.generator}, {each.content}"),
    ):
        for name, count in Counter(map(key, synthetic)).items():
            contents = {each.content for each in synthetic if key(each) == name}
            expected[kind, name] = (real.total() if protocol == "paper" else sum(real[content] for content in contents)), count
    assert found == expected


@pytest.mark.slow
def test_intervals_of_random_scores_hold_one_half_at_their_rate(records):
    """200 drawings of scores for a tenth of the list: 190 of the 95 % intervals should hold 0.5, 182 to 197 in 99 % of such trials."""
    images = images_of(records[::10])
    held = Counter()
    for seed in range(200):
        scores = Scores(images.label, np.random.default_rng(seed).random(len(images)), images.content, images.generator, images.source_image)
        metrics = measure(scores, 0.5, resamples=300, seed=seed)
        held["bootstrap"] += metrics.auc.low <= 0.5 <= metrics.auc.high
        held["delong"] += metrics.auc_delong.low <= 0.5 <= metrics.auc_delong.high
    print(dict(held))
    assert all(182 <= count <= 198 for count in held.values()), held
