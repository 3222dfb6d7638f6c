"""The report: nothing is lost on the way to JSON, pages and tables; half-written files are never seen; wrong ones are named."""

import errno
import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imaginet_core.pictures.degradations import CONDITION_TITLES
from imaginet_tools.evaluation.report import SCHEMA, Report, rows_of
from imaginet_tools.evaluation.report_parts import Row
from imaginet_tools.evaluation.summary import false_alarm_sentences
from imaginet_tools.evaluation.tables import markdown_tables, screen_table, track_tables
from imaginet_tools.metrics.attribution import Track, make_track
from imaginet_tools.metrics.calibration import operating_points
from imaginet_tools.metrics.detection import Metrics, Scores
from imaginet_tools.metrics.estimate import Estimate
from imaginet_tools.publish.model_card import card_of
from tests.imaginet_tools.evaluation.simulate import three_generators


def tracks_of(scores: Scores) -> list[Track]:
    """The first track and the generators', where C is never recognised and B was never trained on."""
    origin = np.array(["real", "synthetic"])
    said = origin[(scores.probability >= 0.5).astype(int)]
    named = np.where(said == "real", "real", np.where(scores.generator == "C", "A", scores.generator))
    said_kind = np.where(named == "B", "A", named)
    common = dict(source_image=scores.source_image, resamples=50)
    return [
        make_track("origin", "clean", origin[scores.label], said, list(origin), **common),
        make_track("generator", "clean", scores.generator, said_kind, ["real", "A", "C"], if_synthetic=named, **common),
    ]


@pytest.fixture(scope="module")
def report() -> Report:
    scores, rows = three_generators(), []
    for detector in ("model", "pixel statistics"):
        for condition in CONDITION_TITLES:
            rows += rows_of(detector, condition, scores, 0.5, resamples=50)
    counts = {"images": 240, "real": 120, "synthetic": 120, "source_images": 120, "fingerprint": "0123456789abcdef"}
    return Report(
        created="2026-11-24T08:00:00+00:00", versions={"python": "3.11"},
        options={"output_dir": "runs/é", "seed": 42, "fold": None},
        data={"name": "imaginet", "config": "all", "description": "A small sample.", "splits": {"train": counts, "test": counts}},
        training={
            "seconds": 90.0, "processes": 2, "device": "cpu", "images_seen": 480,
            "history": [{"stage": "contrastive", "epoch": 0, "loss": 1.5, "learning_rate": 0.1, "seconds": 1.0, "images": 480}],
        },
        calibration={"temperature": 2.0, "bias": -0.5, "images": 240},
        operating_points=operating_points(scores.probability, scores.label, "240 images"), figures=rows,
        limits=["It knows A, B and C only."], tracks=tracks_of(scores),
        embedding_map={"method": "PCA", "images": 1, "points": [{"x": 0.0, "y": 1.0, "label": "real", "generator": "real"}]},
        pictures=[{"file": "roc.png", "title": "ROC curves"}],
    )


# rows

def test_every_group_has_a_row_for_each_detector_and_condition(report):
    groups = {("overall", "all"), ("content", "faces"), ("content", "photos"), *(("generator", name) for name in "ABC")}
    assert {(row.kind, row.name) for row in report.figures} == groups
    assert len({(row.detector, row.condition, row.kind, row.name) for row in report.figures}) == len(report.figures) == 2 * 3 * 6


def test_images_of_one_class_are_refused_not_skipped():
    scores = three_generators()
    with pytest.raises(ValueError, match="synthetic images and no others"):
        rows_of("model", "clean", scores.select(scores.label == 1), 0.5, resamples=5)


# files

def test_json_gives_back_an_equal_report(report, tmp_path):
    report.write(tmp_path)
    assert Report.read(tmp_path / "report.json") == report
    values = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert next(iter(values)) == "schema" and values["schema"] == SCHEMA
    assert values["figures"][0]["metrics"]["auc"].keys() == {"value", "low", "high", "reason"}
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == report.to_markdown()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report.json", "report.md"]


def changed(values, path, value=None):
    """A copy of the JSON with one entry set, or removed where ``value`` is None."""
    values = json.loads(json.dumps(values))
    *parents, last = path
    place = values
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return values


@pytest.mark.parametrize("path, value, message", [
    (["schema"], "imaginet-report/0", "not a report of schema imaginet-report/3 .it says 'imaginet-report/0'"),
    (["schema"], None, "it says None"),
    (["calibration"], None, "lacks .'calibration'."),
    (["colour"], "red", "unknown entries .'colour'."),
    (["figures"], "none", "figures are not a list"),
    (["figures", 3, "metrics", "auc"], None, "Figure 3 of the report is not complete .'auc'"),
    (["figures", 0, "metrics", "auc", "value"], None, "Figure 0 .*value"),
    (["figures", 1, "condition"], None, "Figure 1 .*condition"),
    (["figures", 1, "metrics"], "high", "Figure 1"),
    (["figures", 2], "a row", "Figure 2"),
    (["tracks"], "none", "tracks are not a list"),
    (["tracks", 1, "counts"], None, "Track 1 .*counts"),
    (["tracks", 0, "classes", 1, "accuracy"], None, "Track 0 .*accuracy"),
])
def test_wrong_or_missing_entries_are_named_with_the_file(report, tmp_path, path, value, message):
    file = tmp_path / "old.json"
    file.write_text(json.dumps(changed(report.to_json(), path, value)), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        Report.read(file)
    assert str(caught.value).startswith(str(file))


@pytest.mark.parametrize("content", [b'{"schema": "imaginet-rep', b"", b"[]", b"3", b"\xff\xfe"])
def test_what_is_no_report_is_refused_with_the_file_s_name(tmp_path, content):
    file = tmp_path / "broken.json"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="broken.json: "):
        Report.read(file)
    with pytest.raises(FileNotFoundError):
        Report.read(tmp_path / "absent.json")


def test_a_full_disk_leaves_the_earlier_report_whole(report, tmp_path, monkeypatch):
    report.write(tmp_path)
    write_text = Path.write_text

    def full(file, text, **options):
        write_text(file, text[: len(text) // 2], **options)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        replace(report, created="later").write(tmp_path)
    assert Report.read(tmp_path / "report.json") == report
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report.json", "report.md"]


def test_a_reader_never_sees_half_a_report(report, tmp_path):
    report.write_json(tmp_path)
    versions = [replace(report, limits=["x" * 10**6], created="long"), replace(report, created="short")]
    done, read = threading.Event(), set()

    def keep_reading():
        while not done.is_set():
            read.add(Report.read(tmp_path / "report.json").created)
        read.add("finished")

    reader = threading.Thread(target=keep_reading)
    reader.start()
    for number in range(16):
        versions[number % 2].write_json(tmp_path)
    done.set()
    reader.join()
    assert "finished" in read and len(read) > 1  # otherwise an error ended the thread


def test_figures_that_are_no_numbers_are_not_written(report, tmp_path):
    with pytest.raises(ValueError):
        replace(report, calibration={"temperature": float("nan")}).write(tmp_path)
    assert not list(tmp_path.iterdir())


# pages and tables

def cells_of(line):
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def expected_cells(row):
    metrics = row.metrics
    return [
        CONDITION_TITLES[row.condition], row.name, row.detector, f"{metrics.n_real} + {metrics.n_synthetic}",
        str(metrics.balanced_accuracy), str(metrics.auc), str(metrics.average_precision),
    ]


def test_markdown_has_every_row_once(report):
    lines = [cells_of(line) for line in report.to_markdown().splitlines() if line.startswith("|")]
    rows = [line for line in lines if line[0] in CONDITION_TITLES.values() and len(line) == 7]
    assert sorted(rows) == sorted(expected_cells(row) for row in report.figures)
    assert {len(line) for line in lines} == {4, 5, 7}


def test_markdown_has_every_class_of_both_tracks_with_its_share_and_interval(report):
    text = track_tables(report.tracks)
    for track in report.tracks:
        figures = [(each.name, each.images, each) for each in track.classes] + [("mean", "", track)]
        for name, images, each in figures:
            second = f" {each.accuracy_if_synthetic or ''} |" if track.name == "generator" else ""
            assert f"| clean | {name} | {images} | {each.accuracy or ''} |{second}\n" in text + "\n"
    never_seen = report.tracks[1].classes[-1]
    assert never_seen.name == "B" and f"| clean | B | {never_seen.images} |  |  |" in text
    assert text in report.to_markdown()


def test_the_page_shows_its_pictures_and_says_what_the_audit_found(report):
    assert "![ROC curves](roc.png)" in report.to_markdown() and "Not looked for." in report.to_markdown()
    audited = lambda audit: replace(report, data={**report.data, "audit": audit}).to_markdown()
    assert "Not known: too few." in audited({"reason": "too few."})
    found = audited({"sentence": "Format tells all.", "images": {"real": 20, "synthetic": 30}})
    assert "Format tells all. (Cross-validated on 20 real and 30 synthetic training images" in found


def test_the_screen_shows_every_row_once_in_columns(report):
    text = screen_table(report.figures)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for row in report.figures:
        assert lines.count(" ".join(expected_cells(row))) == 1
    assert len([line for line in lines if "[" in line]) == len(report.figures)
    overall = text.split("\n\n")[0].splitlines()
    column = overall[1].index("AUC")
    assert all(line[column - 1] == " " and line[column] != " " for line in overall[3:])


def test_detectors_of_one_group_stand_below_each_other(report):
    lines = screen_table(report.figures).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("clean"))
    assert "model" in lines[first] and "pixel statistics" in lines[first + 1]


def test_other_kinds_and_conditions_are_shown_too_and_bars_do_not_break_the_table(report):
    row = replace(report.figures[0], kind="family", name="a|b", condition="jpeg40")
    for table in (markdown_tables([*report.figures, row]), screen_table([*report.figures, row])):
        assert "By family" in table and "jpeg40" in table
    assert "| jpeg40 | a\\|b | model |" in markdown_tables([row])
    assert "&lt;b&gt;x\\_y" in markdown_tables([replace(row, name="<b>x_y")]) and "<b>x_y" in screen_table([replace(row, name="<b>x_y")])


def test_a_figure_without_interval_is_explained():
    alone = Estimate(0.5, reason="too few")
    row = Row("model", "clean", "overall", "all", Metrics(1, 1, 2, 0.5, alone, alone, alone))
    full = replace(row, metrics=Metrics(9, 9, 9, 0.5, *[Estimate(0.5, 0.4, 0.6)] * 3))
    for table in (markdown_tables, screen_table):
        assert "has no interval" in table([row, full]) and "has no interval" not in table([full])


def test_a_report_without_figures_says_so(report):
    nothing = replace(report, figures=[])
    assert "Nothing was scored." in nothing.to_markdown() and screen_table([]) == "Nothing was scored."
    assert Report.from_json(json.loads(json.dumps(nothing.to_json()))) == nothing


def test_the_page_begins_with_a_summary_and_its_table_and_names_no_folder(report, tmp_path):
    public = replace(report, options={**report.options, "output_dir": str(tmp_path / "a run"), "data_dir": str(tmp_path)})
    page = public.to_markdown()
    assert page.startswith("# Report of a run\n\nOn ") and str(tmp_path.parent) not in page
    before_the_table = page.partition("## Overall")[0].strip().split("\n\n")
    assert len(before_the_table) <= 4 and "has a balanced accuracy of" in before_the_table[1] and "the baseline" not in before_the_table[1]
    assert page.index("## Overall") < page.index("## Limits") < page.index("## Data")
    assert page.count("It knows A, B and C only.") == 1
    assert Report.from_json(json.loads(json.dumps(public.to_json()))).options["data_dir"] == str(tmp_path)  # report.json keeps them


def test_one_content_type_and_one_generator_have_no_tables_of_their_own():
    scores = three_generators()
    scores = scores.select((scores.content == "photos") & ((scores.label == 0) | (scores.generator == "A")))
    rows = [row for condition in CONDITION_TITLES for row in rows_of("model", condition, scores, 0.5, resamples=20)]
    for table in (markdown_tables, screen_table):
        text = table(rows)
        assert "By content type" not in text and "By generator" not in text
        assert "All images are of one content type, photos and one generator, A, so there are no tables by these." in text
        assert sum("[" in line for line in text.splitlines()) <= len(CONDITION_TITLES)
    origin, named = np.array(["real", "synthetic"]), np.array(["real", "A"])
    said, common = (scores.probability >= 0.5).astype(int), dict(source_image=scores.source_image, resamples=20)
    tracks = [
        make_track("origin", "clean", origin[scores.label], origin[said], ["real", "synthetic"], **common),
        make_track("generator", "clean", named[scores.label], named[said], ["real", "A"], if_synthetic=named[np.ones_like(said)], **common),
    ]
    text = track_tables(tracks)
    assert "## By class: origin" in text and "## By class: generator" not in text
    assert "By generator (A) the figures are those by origin." in text


def of_origin(condition: str, flagged: int, real: int = 50) -> Track:
    """A track of 50 real images, some of them called synthetic, and 50 synthetic ones that are found."""
    true = np.array(["real"] * real + ["synthetic"] * 50)
    answer = np.array(["synthetic"] * flagged + ["real"] * (real - flagged) + ["synthetic"] * 50)
    return make_track("origin", condition, true, answer, ["real", "synthetic"], np.arange(len(true)).astype(str), resamples=5)


def test_false_alarms_after_a_degradation_are_one_sentence_on_page_and_card(report):
    tracks = [of_origin("clean", 4), of_origin("jpeg70", 6), of_origin("half_and_back", 30)]
    sentence = (
        "False alarms: after half size and back, 60% (30 of 50) of the real images are called synthetic, of undegraded ones 8% (4 of 50); "
        "an alarm says little about such a picture."
    )
    assert false_alarm_sentences(tracks) == [sentence]
    page = replace(report, tracks=tracks).to_markdown()
    assert sentence in page.partition("## Overall")[0]
    counts = {**report.data["splits"]["train"], "content": {"photos": 240}, "generator": {"A": 120, "real": 120}}
    card = card_of(replace(report, tracks=tracks, data={**report.data, "splits": {"train": counts}}), "a detector", "## Use", []).content
    assert f"## Limits\n\n- {sentence}\n" in card
    assert false_alarm_sentences([of_origin("clean", 4), of_origin("jpeg70", 9)]) == []
    assert false_alarm_sentences([of_origin("clean", 25), of_origin("jpeg70", 20)]) == []  # no worse than before


def test_the_page_holds_limits_thresholds_data_and_options(report):
    page = report.to_markdown()
    limit, fingerprint = "It knows A, B and C only.", "fingerprint 0123456789abcdef"
    for piece in (limit, "A small sample.", fingerprint, '"seed": 42', "1.5 minutes on 2"):
        assert piece in page
    balanced, _, one = report.operating_points
    assert f"call an image synthetic at {balanced['threshold']:.4f} or more" in page
    assert f"- {one['name']}: none ({one['reason']})" in page and one["threshold"] is None


def test_errors_of_probabilities_are_told_for_all_images_and_older_reports_have_none(report):
    section = report.to_markdown().partition("## Probabilities")[2].partition("\n## ")[0]
    overall = [row for row in report.figures if row.kind == "overall"]
    assert section.count("\n| ") == 2 + len(overall)
    for row in overall:
        for name in ("equal_error_rate", "brier_score", "calibration_error"):
            assert str(getattr(row.metrics, name)) in section
    older = json.loads(json.dumps(report.to_json()))
    for figure in older["figures"]:
        for name in ("equal_error_rate", "brier_score", "calibration_error"):
            del figure["metrics"][name]
    assert "## Probabilities" not in Report.from_json(older).to_markdown()


def test_reports_of_the_older_schema_are_read_with_what_they_lack_empty(report):
    older = {**json.loads(json.dumps(report.to_json())), "schema": "imaginet-report/2"}
    for name in ("command", "protocol", "detectors", "gains", "differences", "ranks", "curves", "open_set", "pairs", "mistakes", "degradations"):
        del older[name]
    for track in older["tracks"]:
        for each in track["classes"]:
            del each["auc"]
    assert Report.from_json(older) == report
