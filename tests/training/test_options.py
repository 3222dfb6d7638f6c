"""Presets, the schedule against the reference's numbers, and the command line."""

from pathlib import Path

import numpy as np
import pytest

from training.options import TrainingOptions, parse_options, prepare_output_folder
from training.presets import PRESETS
from training.stages.contrastive import learning_rate

SCHEDULE = Path(__file__).parents[1] / "data" / "reference_lr_schedule.txt"


def test_paper_schedule_equals_the_reference():
    options = parse_options(["--preset", "paper"])
    rates = [learning_rate(epoch, options) for epoch in range(options.epochs)]
    np.testing.assert_allclose(rates, np.loadtxt(SCHEDULE), rtol=1e-8)


def test_paper_preset_is_the_published_recipe():
    options = parse_options(["--preset", "paper"])
    assert (options.batch_size, options.learning_rate, options.weight_decay, options.optimizer) == (200, 0.005, 1e-4, "sgd")
    assert (options.crop_size, options.classifier_crop_size, options.views, options.temperature) == (96, 256, "paper", 0.07)
    assert (options.classifier_epochs, options.classifier_learning_rate, options.classifier_weight_decay) == (5, 1e-4, 1e-3)
    assert options.high_pass is None and options.initial_weights == "imagenet" and options.seed == 42


def test_every_preset_is_valid_and_flags_win_over_it():
    for name in PRESETS:
        assert parse_options(["--preset", name]) == TrainingOptions(**PRESETS[name])
    assert parse_options(["--preset", "laptop", "--epochs", "3", "--widths", "8", "8", "8", "8"]).widths == [8, 8, 8, 8]
    assert parse_options(["--no-stem_pool"]).stem_pool is False


@pytest.mark.parametrize("arguments, sentence", [
    (["--batch_size", "0"], "--batch_size must be positive"),
    (["--held_out", "0.9"], "--held_out is a share"),
    (["--push_to_hub"], "--hub_model_id"),
    (["--fold", "5/4"], "--fold is written 2/4"),
    (["--widths", "8", "8"], "same length"),
    (["--ema_decay", "1"], "--ema_decay is a share"),
    (["--embed_chunk", "0"], "--embed_chunk must be positive"),
    (["--embed_chunk", "1"], "--embed_chunk must be at least 2"),
    (["--streaming", "--twins"], "--streaming reads images once as they come, so --twins cannot go with it"),
    (["--device", "abacus"], "invalid choice: 'abacus'"),
])
def test_wrong_values_end_with_one_sentence(arguments, sentence, capsys):
    with pytest.raises(SystemExit):
        parse_options(arguments)
    assert sentence in capsys.readouterr().err


def test_help_is_grouped(capsys):
    with pytest.raises(SystemExit):
        parse_options(["--help"])
    text = capsys.readouterr().out
    for title in ("data:", "network:", "stage 1 (contrastive):", "stage 2 (classifiers):", "Hub:", "presets:"):
        assert title in text


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="not empty"):
        prepare_output_folder(str(tmp_path))
    assert (tmp_path / "mine.txt").read_text() == "keep"
    assert prepare_output_folder(str(tmp_path / "new" / "run")).is_dir()
    with pytest.raises(FileExistsError, match="holds no run to resume"):
        prepare_output_folder(str(tmp_path), resume=True)


def test_an_unfinished_run_is_gone_on_with_and_a_complete_one_is_not(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(FileExistsError, match="with --resume"):
        prepare_output_folder(str(tmp_path))
    assert prepare_output_folder(str(tmp_path), resume=True) == tmp_path
    (tmp_path / "finished.txt").write_text("done")
    for resume in (False, True):
        with pytest.raises(FileExistsError, match="is complete"):
            prepare_output_folder(str(tmp_path), resume)
