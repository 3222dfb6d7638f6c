"""The whole script at the smallest size: one process, two processes, and what it says when it cannot run."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image
from torch.multiprocessing import ProcessExitedException
from transformers import pipeline

from imaginet_tools.evaluation.report import Report
from tests.fresh_process import FreshProcess
from tests.training.in_two_processes import in_two_processes
from train_selfcon import load, main
from training.options import TrainingOptions
from training.simulation import pool
from training.simulation.fitting import fit
from training.views.recipes import TURNED_UPRIGHT, VIEWS

SMALLEST = [
    "--preset", "laptop", "--stem_width", "8", "--widths", "8", "8", "--depths", "1", "1", "--sub_network_after", "1",
    "--crop_size", "32", "--epochs", "3", "--warmup_epochs", "1", "--batch_size", "8", "--classifier_crop_size", "48", "--classifier_epochs", "1", "--num_workers", "0",
    "--held_out", "0.25", "--bootstrap", "50", "--cpu_threads", "1", "--statistics_networks", "0",
]
CONDITIONS = ("clean", "jpeg70", "half_and_back")


def train(*arguments: str) -> None:
    """Runs the script in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train_selfcon.py", *SMALLEST, *arguments])
        main()


@pytest.fixture
def as_it_was():
    """What a run sets for its process is taken back."""
    threads = torch.get_num_threads()
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("views", VIEWS)
def test_the_views_recipe_says_whether_pictures_are_turned_upright(tiny_dataset, views):
    splits = load(TrainingOptions().replace(dataset=str(tiny_dataset), views=views))
    assert {images.turn_upright for images in (splits.train, splits.held_out, splits.test)} == {TURNED_UPRIGHT[views]}


def test_one_run_from_images_to_a_pipeline(tiny_dataset, tmp_path, capsys, monkeypatch, as_it_was):
    monkeypatch.setattr("imaginet_tools.audit.classifier.TREES", 10)  # for the shortcuts of the training images
    output = tmp_path / "run"
    monkeypatch.setattr(pool, "fit", lambda shape, crops, seed: fit(shape, crops, seed, steps=2))
    train("--dataset", str(tiny_dataset), "--output_dir", str(output), "--statistics_networks", "1")
    assert len(list((output / "simulated").rglob("*.safetensors"))) == 1  # too few images are held out to tell with others what is a guess
    done = capsys.readouterr()

    # what the user sees
    assert "36 images to train on, 12 held out, 17 to score; 1 process(es) on cpu" in done.out
    assert "Initial weights: random." in done.out and f"Model: {output / 'model'}" in done.out
    for line in ("Overall", "By content type", "By generator", "pixel statistics", "after JPEG 70", "after half size and back"):
        assert line in done.out
    assert re.search(r"contrastive: 100%.*12/12 \[.*<.*loss \d+\.\d+, \d+ images/s, \d+% waiting for data", done.err)

    # the report
    report = Report.read(output / "report.json")
    assert report.options["epochs"] == 3 and report.training["processes"] == 1
    assert [row["stage"] for row in report.training["history"]] == ["contrastive"] * 3 + ["classifiers"]
    splits = {name: entry["images"] for name, entry in report.data["splits"].items()}
    assert splits == {"train": 36, "held_out": 12, "test": 17} and report.calibration["images"] == 12
    balanced, five_percent = report.operating_points[0], report.operating_points[1]
    assert balanced["name"] == "balanced" and balanced["n_real"] == balanced["n_synthetic"] == 6
    assert five_percent["threshold"] is None and "needs 59" in five_percent["reason"]
    overall = [row for row in report.figures if row.kind == "overall"]
    detectors = ("model", "pixel statistics")
    assert [(row.detector, row.condition) for row in overall] == [(name, where) for name in detectors for where in CONDITIONS]
    for row in overall:
        assert (row.metrics.n_real, row.metrics.n_synthetic) == (9, 8)
        auc = row.metrics.auc
        assert auc.reason or 0 <= auc.low <= auc.value <= auc.high <= 1
    assert {row.name for row in report.figures if row.kind == "generator"} == {"smooth", "chequered"}
    page = (output / "report.md").read_text(encoding="utf-8")
    for words in ("| clean | all | model | 9 + 8 |", "held-out training images", "One training run with one seed"):
        assert words in page
    for name in ("training_views", "training", "roc", "scores", "mistakes"):
        with Image.open(output / f"{name}.png") as drawn:
            assert min(drawn.size) > 200

    # started again, it is not trained again
    train("--dataset", str(tiny_dataset), "--output_dir", str(output), "--resume")
    assert capsys.readouterr().out == f"The run in {output} is complete; nothing is left to do.\n"

    # the model folder, with its own code; that it needs none of ours is what tests/modeling/test_pipeline.py shows of any folder
    stored = json.loads((output / "model" / "preprocessor_config.json").read_text(encoding="utf-8"))
    assert stored["turn_upright"] is TURNED_UPRIGHT[report.options["views"]]
    picture = tmp_path / "picture.png"
    Image.effect_noise((70, 50), 60).save(picture)
    classify = pipeline("image-classification", model=str(output / "model"), trust_remote_code=True)
    assert type(classify.model).__module__.startswith("transformers_modules.")
    answer = classify(str(picture))
    scores = {entry["label"]: entry["score"] for entry in answer}
    assert set(scores) == {"real", "synthetic"} and sum(scores.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.slow  # tests/training/stages/test_stages.py has two processes that learn, tests/test_configs.py two that a launcher starts
def test_two_processes_score_every_image_once(repository, tiny_dataset, tmp_path):
    output = tmp_path / "run"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "train_selfcon.py", *SMALLEST]
    done = subprocess.run(
        [*command, "--dataset", str(tiny_dataset), "--output_dir", str(output)], cwd=repository,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, timeout=180,
    )
    assert done.returncode == 0, done.stderr
    report = Report.read(output / "report.json")
    assert report.training["processes"] == 2 and "2 process(es) on cpu" in done.stdout
    for row in report.figures:
        if row.kind == "overall":
            assert (row.metrics.n_real, row.metrics.n_synthetic, row.metrics.n_source_images) == (9, 8, 9)
    assert done.stdout.count("Overall") == 1 and (output / "model" / "model.safetensors").is_file()


def test_a_run_that_cannot_start_ends_with_one_sentence_and_touches_nothing(tiny_dataset, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(SystemExit) as end:
        train("--dataset", str(tiny_dataset), "--output_dir", str(tmp_path))
    assert end.value.code != 0 and f"train_selfcon.py: The output folder {tmp_path} is not empty" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_of_two_processes_that_cannot_go_on_one_says_why(tmp_path, capfd):
    with pytest.raises(ProcessExitedException, match="exit code 1"):
        in_two_processes(train, "--dataset", str(tmp_path / "none"), "--output_dir", str(tmp_path / "run"))
    said = capfd.readouterr().err
    assert said.count("train_selfcon.py: ") == 1
    assert f"train_selfcon.py: Couldn't find any data file at {tmp_path / 'none'}" in said
    assert not (tmp_path / "run").exists()


def test_an_interrupted_run_ends_with_one_sentence_and_can_be_resumed(repository, tiny_dataset, tmp_path):
    output = tmp_path / "run"
    command = ["train_selfcon.py", *SMALLEST, "--epochs", "10000", "--checkpoint_every", "2", "--no-aligned"]
    command += ["--dataset", tiny_dataset, "--output_dir", output]
    with open(os.devnull, "r+") as nothing, open(tmp_path / "said", "w") as said:
        running = FreshProcess(command, repository, {**os.environ, "HF_HUB_OFFLINE": "1"}, [nothing, nothing, said])
    deadline = time.monotonic() + 120
    while not list(output.glob("checkpoints/step-*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    words = (tmp_path / "said").read_text()
    assert words.splitlines()[-1] == (
        "train_selfcon.py: Interrupted. The same command with --resume goes on from the last checkpoint."
    )
    assert "Traceback" not in words
