"""Presets, the schedule against the reference's numbers, and the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.command_line import parse_options
from training.options import TrainingOptions
from training.presets import PRESETS
from training.stages.contrastive import learning_rate

SCHEDULE = Path(__file__).parents[1] / "data" / "reference_lr_schedule.txt"


def test_paper_schedule_equals_the_reference():
    options = parse_options(["--preset", "paper"]).stage_1
    rates = [learning_rate(epoch, options) for epoch in range(options.epochs)]
    np.testing.assert_allclose(rates, np.loadtxt(SCHEDULE), rtol=1e-8)


def test_paper_preset_is_the_published_recipe():
    options = parse_options(["--preset", "paper"])
    stage_1, stage_2, network = options.stage_1, options.stage_2, options.network
    assert (stage_1.batch_size, stage_1.learning_rate, stage_1.weight_decay, stage_1.optimizer) == (200, 0.005, 1e-4, "sgd")
    assert (stage_1.crop_size, stage_2.classifier_crop_size, options.views.views, stage_1.temperature) == (96, 256, "paper", 0.07)
    assert (stage_2.classifier_epochs, stage_2.classifier_learning_rate, stage_2.classifier_weight_decay) == (5, 1e-4, 1e-3)
    assert network.high_pass is None and network.initial_weights == "imagenet" and options.run.seed == 42


def test_every_preset_is_valid_and_flags_win_over_it():
    for name in PRESETS:
        assert parse_options(["--preset", name]) == TrainingOptions.of(**PRESETS[name])
    assert parse_options(["--preset", "laptop", "--epochs", "3", "--widths", "8", "8", "8", "8"]).network.widths == [8, 8, 8, 8]
    assert parse_options(["--no-stem_pool"]).network.stem_pool is False


@pytest.mark.parametrize("arguments, sentence", [
    (["--batch_size", "0"], "--batch_size must be positive"),
    (["--held_out", "0.9"], "--held_out is a share"),
    (["--push_to_hub"], "--hub_model_id"),
    (["--fold", "5/4"], "--fold is written 2/4"),
    (["--widths", "8", "8"], "same length"),
    (["--ema_decay", "1"], "--ema_decay is a share"),
    (["--embed_chunk", "0"], "--embed_chunk must be positive"),
    (["--embed_chunk", "1"], "--embed_chunk must be at least 2"),
    (["--streaming", "--twins"], "--streaming reads images once as they come, so --reconstructions cannot go with it"),
    (["--frozen"], "--frozen is for a network with --backbone"),
    (["--backbone", "test_vit", "--lora_rank", "4"], "--lora_rank is for a network with --frozen"),
    (["--backbone", "test_vit", "--frozen"], "'none' would keep random ones"),
    (["--view_epochs", "8", "--crop_cache", "windows"], "--crop_cache has nothing to save"),
    (["--device", "abacus"], "invalid choice: 'abacus'"),
    (["--crop", "3"], "ambiguous option: --crop could match"),
    (["--no_such", "3"], "unrecognized arguments: --no_such 3"),
    (["--epochs", "many"], "argument --epochs: invalid int value: 'many'"),
])
def test_wrong_values_end_with_one_sentence(arguments, sentence, capsys):
    with pytest.raises(SystemExit):
        parse_options(arguments)
    assert sentence in capsys.readouterr().err


def test_help_is_grouped(capsys):
    with pytest.raises(SystemExit):
        parse_options(["--help"])
    text = capsys.readouterr().out
    for title in ("data:", "network:", "views:", "stage 1 (contrastive):", "scoring:", "run:", "stage 2 (classifiers):", "Hub:", "presets:"):
        assert title in text


def test_options_of_either_answer_have_a_no_form_whatever_the_preset():
    assert parse_options(["--preset", "laptop", "--no-aligned"]).views.aligned is False
    assert parse_options(["--preset", "paper", "--aligned"]).views.aligned is True
    assert parse_options(["--no-hub_private"]).hub.hub_private is False


def test_a_stream_is_not_aligned_unless_that_is_asked_for(capsys):
    assert parse_options(["--preset", "laptop", "--streaming"]).views.aligned is False
    with pytest.raises(SystemExit):
        parse_options(["--streaming", "--aligned"])
    assert "so --aligned cannot go with it" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--reconstructions", "--twins"])
def test_reconstructions_have_their_earlier_name_too_and_a_default_of_the_bare_option(flag):
    assert parse_options([flag]).views.reconstructions == "small"
    assert parse_options([flag, "me/autoencoder", "--epochs", "3"]).views.reconstructions == "me/autoencoder"


def test_what_a_frozen_backbone_says_is_kept_where_it_says_it_again():
    keeps = ["--preset", "foundation"]
    assert parse_options(keeps).keeps_features
    for others in (["--feature_cache", "none"], ["--view_epochs", "0"], ["--lora_rank", "4"], ["--simulate"], ["--streaming"], ["--no-frozen"]):
        assert not parse_options([*keeps, *others]).keeps_features


def test_names_may_be_abbreviated():
    assert parse_options(["--mixed", "bf16", "--epoch", "3"]).run.mixed_precision == "bf16"


def test_reports_and_checkpoints_hold_options_flat_by_the_names_that_they_always_had(repository):
    """Against the options of a run before they had groups."""
    stored = TrainingOptions.of(reconstructions="small").as_dict()
    earlier = (repository / "tests" / "data" / "option_names.txt").read_text().split()
    assert set(earlier) <= stored.keys() and stored["twins"] == "small"
    assert stored == json.loads(json.dumps(stored))


def test_what_does_not_change_the_result_may_change_between_a_run_and_its_resumption():
    names = TrainingOptions().names_that_change_the_result()
    assert {"learning_rate", "dataset", "twins", "mixed_precision"} <= names
    assert not {"output_dir", "num_workers", "checkpoint_every", "bootstrap", "push_to_hub"} & names
    assert "num_workers" in TrainingOptions.of(streaming=True).names_that_change_the_result()


def test_an_unknown_name_is_refused():
    with pytest.raises(TypeError, match="no option epoch"):
        TrainingOptions.of(epoch=3)
