"""`imaginet evaluate` as a user calls it: scores from files, what is refused, thresholds, slices, pairs, and no PyTorch where there is none."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from imaginet_tools.commands.evaluation.evaluate import main
from imaginet_tools.evaluation.report import Report
from tests.imaginet_tools.evaluation.simulate import three_generators


def rows_of(seed=0, noise=0.05):
    """240 lines of scores with all that may be told of images."""
    scores = three_generators(seed=3)
    rng = np.random.default_rng(seed)
    probability = np.clip(scores.probability + noise * rng.standard_normal(240), 0, 1)
    family = {"real": "real", "A": "GAN", "B": "GAN", "C": "SD"}
    return [
        {
            "path": f"{number}.png", "label": "synthetic" if label else "real", "probability": repr(float(value)), "content": content,
            "generator": generator, "family": family[generator], "source_image": source, "platform": "xy"[number % 2],
            "release_date": {"A": "2022", "B": "2022", "C": "2024"}.get(generator, ""), "id": str(number % 40),
            "generator:A": "0.7" if generator == "A" else "0.2", "generator:B": "0.3" if generator == "A" else "0.8",
        }
        for number, (label, value, content, generator, source) in enumerate(
            zip(scores.label, probability, scores.content, scores.generator, scores.source_image, strict=True))
    ]


def write(file, rows):
    with open(file, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(file)


def columns_of(rows):
    label = np.array([row["label"] == "synthetic" for row in rows]).astype(int)
    return label, np.array([float(row["probability"]) for row in rows])


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Of two files of scores, with slices and pairs."""
    folder = tmp_path_factory.mktemp("scores")
    good, poor = write(folder / "good.csv", rows_of()), write(folder / "poor.csv", rows_of(1, 0.8))
    out = folder / "report"
    main(["--scores", good, f"second={poor}", "--by", "platform", "--pairs", "id", "--resamples", "60", "--output", str(out)])
    return out


def test_figures_are_those_of_scikit_learn_in_every_group(report):
    label, probability = columns_of(rows_of())
    rows = rows_of()
    found = {(row.kind, row.name): row.metrics for row in Report.read(report / "report.json").figures if row.detector == "good"}
    assert {kind for kind, _ in found} == {"overall", "content", "family", "generator", "generator, content", "platform", "release_date"}
    content, generator = (np.array([row[name] for row in rows]) for name in ("content", "generator"))
    chosen = {
        ("overall", "all"): np.ones(240, bool), ("content", "faces"): content == "faces",
        ("generator", "A"): (generator == "A") | ((label == 0) & (content == "photos")),
        ("generator, content", "C, faces"): ((generator == "C") | (label == 0)) & (content == "faces"),
        ("platform", "x"): np.arange(240) % 2 == 0,
        ("release_date", "2024"): (generator == "C") | (label == 0),
    }
    for group, own in chosen.items():
        metrics = found[group]
        assert (metrics.n_real, metrics.n_synthetic) == ((label[own] == 0).sum(), label[own].sum()), group
        assert metrics.auc.value == pytest.approx(roc_auc_score(label[own], probability[own]))
        assert metrics.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(label[own], probability[own] >= 0.5))


def test_detectors_are_compared_on_the_same_draws(report):
    read = Report.read(report / "report.json")
    [auc, accuracy] = read.differences
    label, good = columns_of(rows_of())
    _, poor = columns_of(rows_of(1, 0.8))
    assert (auc.first, auc.second, auc.figure, accuracy.figure) == ("good", "second", "auc", "balanced_accuracy")
    assert auc.value.value == pytest.approx(roc_auc_score(label, good) - roc_auc_score(label, poor)) and auc.value.low > 0
    # the intervals of both overlap where that of the difference shows which is better
    assert [(rank.detector, rank.rank.value, rank.best) for rank in read.ranks] == [("good", 1.0, 1.0), ("second", 2.0, 0.0)]
    assert "first minus second" in (report / "report.md").read_text(encoding="utf-8")


def test_pairs_and_generators_that_are_not_known(report):
    read = Report.read(report / "report.json")
    label, probability = columns_of(rows_of())
    shares = [roc_auc_score(label[own], probability[own]) for own in (np.arange(240) % 40 == each for each in range(40)) if len(set(label[own])) == 2]
    assert read.pairs[0].pairs == len(shares) and read.pairs[0].share.value == pytest.approx(np.mean(shares))
    [open_set, _] = read.open_set
    generator = np.array([row["generator"] for row in rows_of()])
    known = np.isin(generator, ["A", "B"])[label == 1]
    largest = np.array([0.7 if each == "A" else 0.8 for each in generator[label == 1]])
    assert (open_set.known, open_set.unknown) == (known.sum(), (~known).sum())
    assert open_set.auc.value == pytest.approx(roc_auc_score(~known, 1 - largest))
    [track, other] = [each for each in read.tracks if each.name == "generator"]
    assert (track.detector, other.detector) == ("good", "second") and track.counts != other.counts
    assert "## By class: generator, second" in (report / "report.md").read_text(encoding="utf-8")
    of_a = next(each for each in track.classes if each.name == "A")
    assert of_a.auc.value == pytest.approx(roc_auc_score(generator == "A", probability * np.where(generator == "A", 0.7, 0.2)))


def test_the_folder_holds_every_score_and_a_table_for_a_paper(report):
    names = {file.name for file in report.iterdir()}
    assert names == {"report.json", "report.md", "report.html", "scores.csv", "table.tex", "roc.png", "det.png", "reliability.png", "confusion.png"}
    with open(report / "scores.csv", newline="", encoding="utf-8") as stream:
        written = list(csv.DictReader(stream))
    assert len(written) == 480
    assert [row["probability"] for row in written[:240]] == [row["probability"] for row in rows_of()]
    table = (report / "table.tex").read_text(encoding="utf-8")
    assert table.count(r"\begin") == table.count(r"\end") == 2 and table.count(r"\\") == 2 + 2 + 3 + 1
    assert r"\textbf{" in table and "photos" in table


def test_everything_works_without_torch(tmp_path):
    file = write(tmp_path / "scores.csv", rows_of())
    code = """
import sys
from importlib.machinery import PathFinder
find_spec, hidden = PathFinder.find_spec, ("torch", "transformers", "accelerate", "torchvision")
PathFinder.find_spec = staticmethod(lambda name, *more: None if name.partition(".")[0] in hidden else find_spec(name, *more))
import imaginet_tools.evaluation.html.page, imaginet_tools.evaluation.robustness.report_part
from imaginet_tools.commands.main import main
sys.exit(main(sys.argv[1:]))
"""
    command = ["evaluate", "--scores", file, "--resamples", "20", "--output", str(tmp_path / "report")]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report" / "table.tex").exists() and "Written to" in done.stdout


def test_the_paper_s_pairing_takes_any_real_image_and_says_so(tmp_path):
    file = write(tmp_path / "scores.csv", rows_of())
    main(["--scores", file, "--protocol", "paper", "--resamples", "5", "--output", str(tmp_path / "report")])
    read = Report.read(tmp_path / "report" / "report.json")
    label, _ = columns_of(rows_of())
    assert {row.metrics.n_real for row in read.figures if row.kind == "generator"} == {(label == 0).sum()}
    assert "compared with all real images, whatever they show" in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")


def test_images_that_thresholds_are_refitted_on_are_in_no_figure(tmp_path):
    rows = [{**row, "probability": repr(float(row["probability"]) / 4)} for row in rows_of()]  # 0.5 would call all real
    main(["--scores", write(tmp_path / "low.csv", rows), "--threshold", "refit", "40", "--resamples", "20", "--output", str(tmp_path / "report")])
    read = Report.read(tmp_path / "report" / "report.json")
    with open(tmp_path / "report" / "scores.csv", newline="", encoding="utf-8") as stream:
        kept = {row["source_image"] for row in csv.DictReader(stream)}
    sources = {row["source_image"] for row in rows}
    assert len(sources - kept) == 40 and read.data["splits"]["excluded"]["source_images"] == 40
    [overall] = [row for row in read.figures if row.kind == "overall"]
    label, probability = columns_of([row for row in rows if row["source_image"] in kept])
    assert overall.metrics.n_real + overall.metrics.n_synthetic == len(label)
    assert overall.metrics.threshold == read.detectors[0].threshold < 0.25
    assert overall.metrics.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(label, probability >= overall.metrics.threshold))
    assert "40 of the source images, which are in no figure" in " ".join(read.limits)


def test_reversed_scores_are_warned_of_and_never_turned_round(tmp_path, capsys):
    rows = [{**row, "probability": repr(1 - float(row["probability"]))} for row in rows_of()]
    main(["--scores", write(tmp_path / "reversed.csv", rows), "--resamples", "20", "--output", str(tmp_path / "report")])
    label, probability = columns_of(rows)
    [overall] = [row for row in Report.read(tmp_path / "report" / "report.json").figures if row.kind == "overall"]
    assert overall.metrics.auc.value == pytest.approx(roc_auc_score(label, probability)) and overall.metrics.auc.value < 0.3
    assert "may be reversed; nothing was turned round" in capsys.readouterr().out


def test_a_generator_with_three_images_has_its_count_and_no_interval(tmp_path):
    rows = [row for row in rows_of() if row["generator"] != "A"] + [row for row in rows_of() if row["generator"] == "A"][:3]
    main(["--scores", write(tmp_path / "few.csv", rows), "--resamples", "20", "--output", str(tmp_path / "report")])
    read = Report.read(tmp_path / "report" / "report.json")
    [few] = [row for row in read.figures if (row.kind, row.name) == ("generator", "A")]
    assert few.metrics.n_synthetic == 3 and few.metrics.auc.low is None and "needs 5" in few.metrics.auc.reason
    assert any("A (" in limit and "3 synthetic" in limit and "say little" in limit for limit in read.limits)


def changed(number, **columns):
    rows = rows_of()
    rows[number] = {**rows[number], **columns}
    return rows


@pytest.mark.parametrize("rows, message", [
    ([row for row in rows_of() if row["label"] == "real"], "holds no synthetic image"),
    (changed(7, probability="nan"), "line 9: the probability of 7.png is nan, not from 0 to 1"),
    (changed(7, probability="1.2"), "line 9: the probability of 7.png is 1.2, not from 0 to 1; logits become"),
    (changed(7, probability="high"), "line 9: the probability of 7.png is 'high', no number"),
    (changed(7, path="6.png"), "1 path.s. more than once, e.g. 6.png"),
    (changed(7, label="LABEL_0"), "LABEL_0, which may mean either"),
    ([{"path": "a", "label": "real"}], "needs a header with the columns path and probability"),
    ([{"path": "a", "probability": "0.5"}], "has no column label"),
])
def test_what_cannot_be_measured_is_refused_in_one_sentence(tmp_path, rows, message):
    with pytest.raises(SystemExit, match=message) as caught:
        main(["--scores", write(tmp_path / "scores.csv", rows), "--output", str(tmp_path / "report")])
    assert "\n" not in str(caught.value) and not (tmp_path / "report").exists()


def test_scores_must_be_of_the_images_that_are_named(tmp_path):
    from PIL import Image

    for label in ("real", "synthetic"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (40, 40), (number, 90, 90)).save(tmp_path / "images" / label / f"{number}.png")
    paths = [f"{label}/{number}.png" for label in ("real", "synthetic") for number in range(3)]
    scored = [{"path": path, "probability": "0.25"} for path in paths]
    command = lambda rows: main([
        "--scores", write(tmp_path / "scores.csv", rows), "--folder", str(tmp_path / "images"), "--output", str(tmp_path / "report"),
        "--resamples", "5", "--store", str(tmp_path / "store"), "--workers", "1",
    ])
    with pytest.raises(SystemExit, match="has no score of 1 of 6 images, e.g. real/0.png"):
        command(scored[1:])
    with pytest.raises(SystemExit, match="names 1 image.s. that are not among those of"):
        command([*scored, {"path": "real/9.png", "probability": "0.5"}])
    assert command([{**row, "path": f"/elsewhere/{row['path']}"} for row in scored]) == 0  # longer paths, as imaginet score writes
    limits = Report.read(tmp_path / "report" / "report.json").limits
    assert any("baseline of pixel statistics needs 10 real source images; there are 3" in limit for limit in limits)


@pytest.mark.parametrize("options, message", [
    (["--by", "colour"], "has no column colour; it has content, family, generator, id, "),
    (["--threshold", "refit", "2000"], "there are not real and synthetic ones left to report"),
    (["--conditions", "jpeg70"], "Scores from a file are of undegraded images"),
])
def test_wishes_that_cannot_be_met_are_refused(tmp_path, options, message):
    with pytest.raises(SystemExit, match=message):
        main(["--scores", write(tmp_path / "scores.csv", rows_of()), "--output", str(tmp_path / "report"), *options])


@pytest.mark.parametrize("options", [["--threshold", "refit"], ["--threshold", "2"], ["--model", "m"], []])
def test_command_lines_that_say_nothing_are_refused_at_once(tmp_path, options, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*options, "--output", str(tmp_path / "report")])
    assert caught.value.code == 2 and "imaginet evaluate: error" in capsys.readouterr().err


def test_report_json_is_json_of_plain_numbers(report):
    values = json.loads((report / "report.json").read_text(encoding="utf-8"))
    assert values["schema"] == "imaginet-report/3" and values["command"].startswith("imaginet evaluate --scores ")
