"""Thresholds as the paper fits them: scikit-learn's regression on the logit, on images that stay in the figures, and told so."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from imaginet_tools.commands.evaluation.evaluate import main
from imaginet_tools.evaluation.report import Report
from imaginet_tools.evaluation.reports.paper_threshold import find_calibration_list, fit_paper_threshold, read_calibration_list
from tests.imaginet_tools.commands.evaluation.test_evaluate import columns_of, rows_of, write


@pytest.mark.parametrize("seed", range(4))
def test_the_threshold_is_that_of_a_regression_on_the_logit_whatever_the_calibration(seed):
    rng = np.random.default_rng(seed)
    label = np.r_[0, 1, rng.integers(0, 2, 78)]
    values = 2 + 3 * rng.standard_normal(80) + 3 * label
    fit = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(values[:, None], label)
    expected = -fit.intercept_[0] / fit.coef_[0, 0]
    assert logit(fit_paper_threshold(expit(values), label)) == pytest.approx(expected, abs=1e-3)
    # another temperature and bias move the threshold with the scores, so the answers stay
    assert logit(fit_paper_threshold(expit(values / 4 - 1), label)) == pytest.approx(expected / 4 - 1, abs=1e-3)


def test_scores_that_tell_nothing_have_no_threshold():
    label = np.array([0, 0, 1, 1])
    for probability, of, message in (
        ([0.9, 0.8, 0.2, 0.3], label, "real ones score as high"), ([0.5] * 4, label, "one score"), ([0.1, 0.2, 0.3, 0.4], label * 0, "one class"),
    ):
        with pytest.raises(ValueError, match=message):
            fit_paper_threshold(np.array(probability), of)
    assert 0.2 < fit_paper_threshold(np.array([0.0, 0.2, 0.6, 1.0]), label) < 0.6  # parted without a mistake, and logits that are infinite


def test_the_paper_s_own_lists_are_read(shared, tmp_path):
    folder = shared / "annotations"
    for name, count, within in (
        ("test_calibration", 80, "test_all"), ("annotations_calib_corvi", 48, "annotations_corvi"), ("annotations_calib_practical", 24, None),
    ):
        listed = read_calibration_list(str(folder / f"{name}.txt"))
        assert len(listed) == count
        if within:
            assert listed <= read_calibration_list(str(folder / f"{within}.txt"))
    assert find_calibration_list(str(tmp_path), str(folder)) == str(folder / "test_calibration.txt")
    assert find_calibration_list(str(tmp_path), None) is None


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Scores whose best threshold is not 0.5, and a list of 60 of their images."""
    folder = tmp_path_factory.mktemp("paper")
    rows = [{**row, "probability": repr(float(row["probability"]) / 4)} for row in rows_of()]
    (folder / "calibration.txt").write_text("".join(f"./{row['path']},{int(row['label'] == 'synthetic')}\n" for row in rows[:60]), encoding="utf-8")
    main([
        "--scores", write(folder / "low.csv", rows), "--protocol", "paper", "--calibration_list", str(folder / "calibration.txt"),
        "--resamples", "50", "--output", str(folder / "report"),
    ])
    return rows, folder / "report"


def test_it_stands_beside_the_own_threshold_and_the_images_stay_in_the_figures(made):
    rows, folder = made
    read, (label, probability) = Report.read(folder / "report.json"), columns_of(rows)
    fit = LogisticRegression(C=1e10).fit(logit(np.clip(probability[:60], 1e-12, 1))[:, None], label[:60])
    called = fit.predict(logit(np.clip(probability, 1e-12, 1))[:, None])
    generator = np.array([row["generator"] for row in rows])
    found = {(each.kind, each.name): each for each in read.paper_thresholds}
    own = {(row.kind, row.name): row.metrics for row in read.figures}
    for group, chosen in ((("overall", "all"), label >= 0), (("generator", "A"), (generator == "A") | (label == 0))):
        accuracy = found[group].balanced_accuracy
        assert accuracy.value == pytest.approx(balanced_accuracy_score(label[chosen], called[chosen]), abs=1e-9)
        assert accuracy.low < accuracy.value < accuracy.high
        assert own[group].balanced_accuracy.value < accuracy.value - 0.2  # 0.5 calls all real
        assert own[group].auc.value == pytest.approx(roc_auc_score(label[chosen], probability[chosen]))
    assert {each.calibration_images for each in found.values()} == {60} and own["overall", "all"].n_real == (label == 0).sum()
    for name in ("report.md", "report.html"):
        text = (folder / name).read_text(encoding="utf-8")
        assert "has seen the test set" in text and "comparable; it has seen these images" in text


def test_what_cannot_be_fitted_so_is_refused_or_said(tmp_path, capsys):
    file = write(tmp_path / "scores.csv", rows_of())
    (tmp_path / "other.txt").write_text("elsewhere/1.png,1\nelsewhere/2.png,0\n", encoding="utf-8")
    (tmp_path / "one.txt").write_text("0.png,1\n", encoding="utf-8")
    run = lambda *options: main(["--scores", file, "--resamples", "5", "--output", str(tmp_path / "report"), *options])
    with pytest.raises(SystemExit, match="None of the 2 images of the calibration list is among those of .*elsewhere/1.png"):
        run("--protocol", "paper", "--calibration_list", str(tmp_path / "other.txt"))
    run("--protocol", "paper", "--calibration_list", str(tmp_path / "one.txt"))
    assert "cannot be fitted as the paper does: the 1 images of the list that are scored are of one class only" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        run("--calibration_list", str(tmp_path / "one.txt"))
    assert caught.value.code == 2 and "needs --protocol paper" in capsys.readouterr().err
