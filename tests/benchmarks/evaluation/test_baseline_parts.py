"""Which statistics the baseline's figures rest on."""

import sys

import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.evaluation import baseline_parts
from imaginet_tools.evaluation.detectors import PixelStatisticsDetector
from imaginet_tools.images.data_options import DataOptions
from imaginet_tools.images.splits import load_splits


def test_with_all_statistics_it_is_the_baseline_of_reports_and_without_one_another(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["baseline_parts", "--without", "blockiness_8"])
    baseline_parts.main()
    lines = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")][2:]
    splits = load_splits(DataOptions(config_name="sample", held_out=0.15), 42)
    baseline = PixelStatisticsDetector(splits.train, splits.held_out)
    scores = baseline.scores([splits.test.pixels(index) for index in range(len(splits.test))]).probability
    (name, clean, *_), (left_out, other, *_) = lines
    assert name.strip() == "all" and float(clean.split()[0]) == pytest.approx(roc_auc_score(splits.test.label, scores), abs=6e-4)
    assert left_out.strip() == "without blockiness_8" and other != clean


def test_a_folder_without_images_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["baseline_parts", "--data_dir", str(tmp_path)])
    with pytest.raises(SystemExit, match="benchmarks.evaluation.baseline_parts: "):
        baseline_parts.main()
