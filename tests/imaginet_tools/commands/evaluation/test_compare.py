"""`imaginet compare` against the figures of both reports, and its refusals."""

import json
import shutil

import pytest
from sklearn.metrics import roc_auc_score

from imaginet_tools.commands.evaluation.compare import main
from imaginet_tools.commands.evaluation.evaluate import main as evaluate
from imaginet_tools.evaluation.comparison.compare_reports import compare_reports
from tests.imaginet_tools.commands.evaluation.test_evaluate import columns_of, rows_of, write


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """a and b on the same images in another order, c on fewer."""
    folder = tmp_path_factory.mktemp("reports")
    for name, rows in (("a", rows_of()), ("b", rows_of(1, 0.8)[::-1]), ("c", rows_of()[:200])):
        evaluate(["--scores", f"model={write(folder / f'{name}.csv', rows)}", "--resamples", "5", "--output", str(folder / name)])
    return folder


def test_differences_are_those_of_the_same_images_whatever_their_order(reports, capsys):
    found = compare_reports(reports / "a", reports / "b", resamples=200)
    label, good = columns_of(rows_of())
    _, poor = columns_of(rows_of(1, 0.8))
    auc = found[0]
    assert (auc.first, auc.second, auc.figure) == ("model (a)", "model (b)", "auc")
    assert auc.value.value == pytest.approx(roc_auc_score(label, good) - roc_auc_score(label, poor)) and auc.value.low > 0
    turned = compare_reports(reports / "b", reports / "a", resamples=200)[0].value
    assert (turned.value, turned.low, turned.high) == pytest.approx((-auc.value.value, -auc.value.high, -auc.value.low))
    assert main([str(reports / "a"), str(reports / "a"), "--resamples", "20"]) == 0
    assert "+0.000" in capsys.readouterr().out


def test_reports_on_other_images_are_refused(reports):
    with pytest.raises(SystemExit, match="on other images, so their figures cannot be compared: .*240 images.*200 images") as caught:
        main([str(reports / "a"), str(reports / "c")])
    assert "\n" not in str(caught.value)


def test_a_folder_without_scores_is_refused(reports, tmp_path):
    (tmp_path / "report.json").write_text((reports / "a" / "report.json").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(SystemExit, match="has no scores.csv, which imaginet evaluate leaves"):
        main([str(tmp_path), str(reports / "a")])
    shutil.copy(reports / "a" / "scores.csv", tmp_path)
    values = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    for row in values["figures"]:
        row["detector"] = "other" if row["kind"] == "overall" else "another"
    (tmp_path / "report.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(SystemExit, match="no detector in common: other, another in the first, model in the second"):
        main([str(tmp_path), str(reports / "a")])
