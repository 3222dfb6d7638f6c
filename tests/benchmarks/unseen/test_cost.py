"""What the classifiers of statistics cost: parts of a real model, timed in turns."""

import sys
import time

import pytest
import torch

from benchmarks.unseen import cost
from modeling import SelfConImageProcessor
from tests.modeling.helpers import small_model


@pytest.fixture(autouse=True)
def threads_as_they_were(monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)


def test_a_part_that_takes_longer_is_said_to(monkeypatch):
    used = iter(range(1000))
    monkeypatch.setattr(time, "process_time", lambda: float(next(used)))
    calls = []
    parts = {"quick": calls.append, "slow": lambda pixels: (calls.append(pixels), [next(used) for _ in range(3)])}
    assert cost.least_seconds(parts, torch.zeros(2, 3, 8, 8), rounds=3) == {"quick": 0.5, "slow": 2.0}
    assert len(calls) == 2 * (3 + 1)  # one round warms up


def test_every_part_of_a_saved_detector_is_timed(tmp_path, monkeypatch, capsys):
    small_model(statistics_centres=3, detail_relations=True).save_pretrained(tmp_path)
    SelfConImageProcessor().save_pretrained(tmp_path)
    monkeypatch.setattr(sys, "argv", ["cost", str(tmp_path)])
    monkeypatch.setattr(cost, "SIDE", 64)
    cost.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith(f"| {cost.WHOLE} |") and lines[2].endswith("| 100% |") and len(lines) == 5


def test_a_model_without_statistics_and_a_wrong_folder_are_told_in_one_sentence(tmp_path, monkeypatch):
    small_model().save_pretrained(tmp_path)
    for folder, words in ((tmp_path, "no classifier of statistics.*--statistics_centres 300"), (tmp_path / "no", "benchmarks.unseen.cost: ")):
        monkeypatch.setattr(sys, "argv", ["cost", str(folder)])
        with pytest.raises(SystemExit, match=words):
            cost.main()
