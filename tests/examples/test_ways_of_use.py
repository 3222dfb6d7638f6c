"""The short files for each way of use run as their first lines say."""

import importlib

import pytest
from PIL import Image

from examples import load_the_sample, perturb_and_audit, score_one_picture, stream, train_on_your_own_folder
from modeling import SelfConImageProcessor, save
from tests.modeling.helpers import small_model
from training.command_line import parse_options

NAMES = ("load_the_sample", "stream", "train_on_your_own_folder", "score_one_picture", "perturb_and_audit")


@pytest.mark.parametrize("name", NAMES)
def test_each_says_how_it_is_run_and_is_short(name, repository):
    module = importlib.import_module(f"examples.{name}")
    assert f"python examples/{name}.py" in module.__doc__
    assert len((repository / "examples" / f"{name}.py").read_text().splitlines()) < 40


def test_the_sample_is_loaded_and_counted(capsys):
    load_the_sample.main()
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("train: ") and said[1].startswith("test: ") and "real" in said[1]
    assert "'label': " in said[2] and "pixels'" in said[2]


def test_a_stream_comes_in_batches(capsys):
    stream.main([])
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 4 and all("(16, 3, 64, 64)" in line for line in said)


def test_training_on_a_folder_is_a_command_line_that_the_trainer_takes(tmp_path, monkeypatch, capsys):
    started = []
    monkeypatch.setattr(
        train_on_your_own_folder.subprocess, "run",
        lambda command, cwd: started.append(command) or type("Done", (), {"returncode": 0}),
    )
    assert train_on_your_own_folder.main([str(tmp_path / "mine"), str(tmp_path / "run"), "--epochs", "3"]) == 0
    options = parse_options(started[0][started[0].index("train_selfcon.py") + 1 :])
    assert options.data.data_dir == str(tmp_path / "mine") and options.run.output_dir == str(tmp_path / "run")
    assert options.run.resume and options.stage_1.epochs == 3
    assert "score_one_picture.py" in capsys.readouterr().out


def test_one_picture_is_scored_through_the_pipeline(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    save(small_model(), SelfConImageProcessor(), tmp_path / "model")
    Image.effect_noise((70, 50), 60).convert("RGB").save(tmp_path / "picture.png")
    score_one_picture.main([str(tmp_path / "model"), str(tmp_path / "picture.png")])
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith(f"{tmp_path / 'picture.png'}: synthetic with a probability of ") and 0 <= float(said.split()[-1]) <= 1


def test_pictures_are_audited_before_and_after_the_perturbation(tmp_path, monkeypatch, capsys):
    """The audit itself, a minute of fitting, is tested in its own room."""
    monkeypatch.setattr(perturb_and_audit, "audit", lambda images, limit: images)
    monkeypatch.setattr(perturb_and_audit, "screen", lambda images: f"audit of {images.title}, {len(images)} images")
    perturb_and_audit.main([str(tmp_path / "perturbed")])
    before, _, copies, _, after = capsys.readouterr().out.splitlines()
    assert before.endswith(" 64 images") and after.endswith(" 64 images") and before != after
    assert copies == f"64 perturbed copies are in {tmp_path / 'perturbed'}:"
    assert (tmp_path / "perturbed" / "metadata.csv").is_file()


@pytest.mark.parametrize("module", [train_on_your_own_folder, score_one_picture, perturb_and_audit])
def test_without_arguments_each_says_what_it_needs(module):
    with pytest.raises(SystemExit, match="python examples/"):
        module.main([])
