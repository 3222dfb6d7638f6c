"""The table of objectives: one word apart, killed and gone on with, figures as in the runs' reports."""

import argparse
import json
import multiprocessing
import sys
import time

import numpy as np
import pytest

from benchmarks import objectives
from imaginet_tools.evaluation.report import Report, Row
from imaginet_tools.metrics.detection import Metrics
from imaginet_tools.metrics.estimate import Estimate
from training.command_line import parse_options
from training.run.output_folder import is_finished

RUN = """
import json, pathlib, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index('--output_dir') + 1])
assert sys.argv[-1] == '--resume'
folder.mkdir(parents=True, exist_ok=True)
with open(folder / 'starts', 'a') as file: file.write('x')
time.sleep(float(sys.argv[1]))
(folder / 'report.json').write_text(sys.argv[2])
(folder / 'model').mkdir(exist_ok=True)
(folder / 'finished.txt').write_text('done')
"""
"""Stands for train_selfcon.py: waits and writes the report it was given."""


def report_of(auc: float, options: dict) -> Report:
    counts = {"images": 100, "real": 50, "synthetic": 50, "source_images": 100, "fingerprint": "0"}
    figure = Estimate(auc, auc - 0.1, auc + 0.05)
    rows = [
        Row(detector, condition, "overall", "all", Metrics(50, 50, 100, 0.5, Estimate(auc - 0.02), figure, figure))
        for detector in ("model", "pixel statistics") for condition in objectives.CONDITION_TITLES
    ]
    return Report(
        created="2026-11-24T08:00:00+00:00", versions={}, options=options, data={"splits": {"test": counts}},
        training={"seconds": 600.0, "images_seen": 6400, "history": []}, calibration={}, operating_points=[], figures=rows,
    )


@pytest.fixture
def options(tmp_path):
    return argparse.Namespace(
        data_dir=str(tmp_path / "lab"), out=tmp_path / "out", preset="laptop", epochs=40, seeds=[1, 2], fold=None, cpu_threads=None,
        variants=["selfcon", "supcon", "ce", "selfcon + consistency"], also=["--batch_size", "8"],
    )


def fake_runs(monkeypatch, options, seconds: float = 0.0, auc: dict | None = None):
    def command_of(variant, seed, _):
        report = report_of((auc or {}).get((variant, seed), 0.9), {"fold": options.fold, "data_dir": options.data_dir})
        return [sys.executable, "-c", RUN, str(seconds), json.dumps(report.to_json())]

    monkeypatch.setattr(objectives, "command_of", command_of)


def test_runs_differ_in_nothing_but_the_objective(options):
    given = {variant: parse_options(objectives.command_of(variant, 1, options)[2:]).by_name() for variant in options.variants}
    for variant, values in given.items():
        changed = {name for name in values if values[name] != given["selfcon"][name]}
        assert changed == {"selfcon": set(), "selfcon + consistency": {"consistency"}}.get(variant, {"objective"})
        assert values["epochs"] == 40 and values["batch_size"] == 8 and values["seed"] == 1


def test_reconstructions_get_as_many_steps(options, monkeypatch):
    images = argparse.Namespace(label=np.array([0] * 60 + [1] * 60))
    monkeypatch.setattr(objectives, "load_splits", lambda data, seed: argparse.Namespace(train=images))
    found = parse_options(objectives.command_of("selfcon + reconstructions", 1, options)[2:])
    assert found.views.reconstructions == "small" and found.stage_1.epochs == round(40 * (120 // 8) / (180 // 8))


def test_the_table_holds_the_reports_means(options, monkeypatch):
    auc = {("selfcon", 1): 0.9, ("selfcon", 2): 0.8, ("supcon", 1): 0.7, ("supcon", 2): 0.7}
    options.variants = ["selfcon", "supcon"]
    fake_runs(monkeypatch, options, auc=auc)
    for seed in options.seeds:
        for variant in options.variants:
            objectives.train(variant, seed, options)
    runs = {variant: objectives.reports_of(variant, options) for variant in options.variants}
    lines = objectives.markdown(runs, options).splitlines()
    assert "| selfcon | 2 | 6,400 | 600 | AUC | 0.850 [0.750, 0.900] | 0.850 [0.750, 0.900] | 0.850 [0.750, 0.900] |" in lines
    assert "| supcon | 2 | 6,400 | 600 | balanced accuracy | " + " | ".join(["0.680 [0.680, 0.680]"] * 3) + " |" in lines
    assert sum(line.startswith("| pixel statistics |") for line in lines) == 2
    objectives.draw(runs, options.out / "table.png")
    assert (options.out / "table.png").stat().st_size > 5000


def test_finished_runs_are_kept_and_others_refused(options, monkeypatch):
    fake_runs(monkeypatch, options)
    for _ in range(2):
        objectives.train("ce", 1, options)
    assert (options.out / "ce_seed1" / "starts").read_text() == "x"
    options.fold = "1/3"
    with pytest.raises(SystemExit, match="another fold; give another --out"):
        objectives.reports_of("ce", options)


def test_after_a_kill_it_waits_for_the_run_that_goes_on_and_does_not_start_it_twice(options, monkeypatch):
    fake_runs(monkeypatch, options, seconds=2)
    first = multiprocessing.get_context("fork").Process(target=objectives.train, args=("ce", 1, options))
    first.start()
    starts, waited = options.out / "ce_seed1" / "starts", time.monotonic()
    while not starts.exists() and time.monotonic() - waited < 60:
        time.sleep(0.05)
    first.kill()
    first.join()
    assert not is_finished(options.out / "ce_seed1")
    objectives.train("ce", 1, options)
    assert is_finished(options.out / "ce_seed1") and starts.read_text() == "x"
