"""A run in a folder of its own: failed ones are named, finished ones are left alone, steps are those of the batches."""

import argparse
import sys

import numpy as np
import pytest

from benchmarks.trainings.resumed import finish_run, steps_per_epoch
from training.options import TrainingOptions

FINISHES = "import pathlib, sys; folder = pathlib.Path(sys.argv[-2]); folder.mkdir(); (folder / 'finished.txt').write_text('done')"


def test_a_finished_run_is_left_alone_and_its_seconds_are_told_once(tmp_path):
    command = [sys.executable, "-c", FINISHES]
    assert finish_run(tmp_path / "run", command, "program", "a run") > 0
    assert finish_run(tmp_path / "run", [sys.executable, "-c", "raise SystemExit(3)"], "program", "a run") is None


def test_a_run_that_fails_ends_the_program_with_its_folder(tmp_path):
    with pytest.raises(SystemExit, match="^program: the run in .*run failed .*the same command goes on"):
        finish_run(tmp_path / "run", [sys.executable, "-c", "raise SystemExit(3)"], "program", "a run")


def test_reconstructions_are_rows_of_their_own():
    images = argparse.Namespace(label=np.array([0] * 50 + [1] * 30))
    plain = TrainingOptions.of(batch_size=10)
    assert steps_per_epoch(plain, images) == 8
    assert steps_per_epoch(plain.replace(reconstructions="small"), images) == 13
