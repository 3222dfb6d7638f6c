"""What `imaginet score` writes is taken by `imaginet evaluate --scores`, of every kind: the same figures, at the model's own threshold."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from imaginet_tools.commands import score
from imaginet_tools.commands.evaluation.evaluate import main
from imaginet_tools.evaluation.report import Report
from imaginet_tools.evaluation.stored.score_files import read_scores
from imaginet_tools.evaluation.stored.score_rows import read_rows, read_threshold
from imaginet_tools.inference.saved_detector import open_detector
from tests.imaginet_tools.evaluation.simulate import picture

MODEL = Path(__file__).parents[3] / "data" / "version_0_1" / "model"
KINDS = ("scores.parquet", "scores.csv", "scores.jsonl", "scores")


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Twelve pictures, and their scores in files of every kind."""
    folder = tmp_path_factory.mktemp("scored")
    for number in range(12):
        place = folder / "pictures" / ("real", "synthetic")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(number, 40, 40)).save(place / f"{number}.png")
    for name in KINDS:
        command = [str(folder / "pictures"), "--model", str(MODEL), "--output", str(folder / name), "--workers", "1", "--device", "cpu"]
        assert score.main(command) == 0
    return folder


def test_every_kind_of_file_gives_the_scores_and_the_threshold_of_the_model(scored):
    detector = open_detector(str(MODEL))
    first = read_scores(str(scored / KINDS[0]))
    files = [str(scored / "pictures" / "/".join(path.split("/")[-2:])) for path in first.path]
    assert first.probability == pytest.approx(detector.scores(files).probability, abs=1e-6)
    for name in KINDS:
        found = read_scores(str(scored / name))
        assert dict(zip(found.path, found.probability, strict=True)) == dict(zip(first.path, first.probability, strict=True)), name
        assert found.threshold == (detector.threshold, detector.operating_point) and found.columns.keys() == first.columns.keys()


def test_a_report_of_them_is_at_the_threshold_of_the_model(scored, tmp_path):
    main([
        "--scores", *(f"{name.replace('.', '-')}={scored / name}" for name in KINDS), "--folder", str(scored / "pictures"), "--no_baselines",
        "--resamples", "5", "--output", str(tmp_path / "report"),
    ])
    report = Report.read(tmp_path / "report" / "report.json")
    detector = open_detector(str(MODEL))
    assert {each.threshold for each in report.detectors} == {detector.threshold} and len(report.detectors) == 4
    assert all(each.threshold_from == f"its operating point {detector.operating_point}" for each in report.detectors)
    assert len({row.metrics.auc.value for row in report.figures if row.kind == "overall"}) == 1


def test_answers_are_never_taken_for_true_labels(scored, tmp_path):
    with pytest.raises(SystemExit, match="was written by imaginet score, so its labels are answers and not the truth; name the images"):
        main(["--scores", str(scored / "scores.parquet"), "--output", str(tmp_path / "report")])


def test_files_of_others_tell_no_threshold_and_broken_ones_are_named(tmp_path):
    pq.write_table(pa.table({"path": ["a", "b"], "score": [0.25, 1.0], "notes": [["x", "y"], None], "error": [None, None]}), tmp_path / "s.parquet")
    rows, names = read_rows(str(tmp_path / "s.parquet"))
    assert rows == [{"path": "a", "score": "0.25", "notes": "x; y", "error": ""}, {"path": "b", "score": "1.0", "notes": "", "error": ""}]
    assert names == ["path", "score", "notes", "error"] and read_threshold(str(tmp_path / "s.parquet")) is None
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "bad.jsonl").write_text('{"path": "a", "score": 0.5}\n[1]\n', encoding="utf-8")
    (tmp_path / "empty").mkdir()
    for name, message in (("bad.parquet", "cannot be read as Parquet"), ("bad.jsonl", "line 2 is no JSON object"), ("empty", "holds no Parquet")):
        with pytest.raises(ValueError, match=message):
            read_scores(str(tmp_path / name))
