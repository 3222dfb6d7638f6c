"""What the classifiers of statistics cost: parts of a real model, timed in turns."""

import sys
import time

import pytest
import torch

from benchmarks.unseen import cost
from modeling import SelfConImageProcessor
from tests.modeling.helpers import small_model


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
    threads = torch.get_num_threads()
    cost.main()
    torch.set_num_threads(threads)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith(f"| {cost.WHOLE} |") and lines[2].endswith("| 100% |") and len(lines) == 5


def test_a_model_without_statistics_is_told_so():
    with pytest.raises(ValueError, match="--statistics_centres 300"):
        cost.parts_of(small_model())
