"""Runs that are killed, run out of disk, or blow up: what is left, and that resuming gives what an uninterrupted run gives."""

import errno
import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from tests.forked import part_from_parent
from tests.training.small_runs import small_run
from training.reconstructions.autoencoder import train_small
from training.run import checkpoints as module
from training.run.checkpoints import RunState
from training.stages import contrastive


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """With another number of threads sums are taken in another order; a forked process can have but one, as its parent's are gone."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Finished(NamedTuple):
    """A run that nothing disturbed."""

    folder: Path
    weights: dict[str, torch.Tensor]
    state: RunState
    places: list[Path]
    seconds: float

    def copy(self, folder: Path) -> Path:
        """Its folder once more, which a test may go on with or damage."""
        return Path(shutil.copytree(self.folder, folder, dirs_exist_ok=True))


def finished(dataset: Path, folder: Path, **changes) -> Finished:
    start = time.monotonic()
    weights, state, checkpoints = small_run(dataset, folder, **changes)
    return Finished(folder, weights, state, checkpoints._all(), time.monotonic() - start)


@pytest.fixture(scope="module")
def whole(tiny_dataset, tmp_path_factory) -> Finished:
    """With all its checkpoints."""
    return finished(tiny_dataset, tmp_path_factory.mktemp("whole"), checkpoints_kept=100)


@pytest.fixture(scope="module")
def short(tiny_dataset, tmp_path_factory) -> Finished:
    """Two epochs of stage 1 alone."""
    return finished(tiny_dataset, tmp_path_factory.mktemp("short"), **SHORT)


SHORT = {"epochs": 2, "classifier_epochs": 0, "checkpoint_every": 100}


def learned(state) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in state.history]


def in_child(dataset, folder, changes, pipe):
    part_from_parent()
    weights, state, _ = small_run(dataset, folder, **changes)
    torch.save(weights, folder / "weights.pt")
    pipe.send(learned(state))


def killed_after(seconds, dataset, folder, **changes):
    """Starts a run and kills it; returns its history if it was done before."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=in_child, args=(dataset, folder, changes, sender))
    child.start()
    child.join(seconds)
    if child.is_alive():
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        return None
    assert child.exitcode == 0
    return receiver.recv()


def test_a_run_killed_at_random_moments_and_resumed_ends_bit_for_bit_as_an_uninterrupted_one(tiny_dataset, tmp_path, whole):
    folder, rng, kills, history = tmp_path / "killed", random.Random(time.time_ns()), 0, None
    folder.mkdir()
    moments = [whole.seconds * rng.uniform(0.1, 0.5) for _ in range(4)]
    print("killed after", moments)
    while history is None:
        history = killed_after(moments[kills] if kills < len(moments) else 300, tiny_dataset, folder)
        kills += history is None
    assert kills >= 1
    assert history == learned(whole.state)
    after = torch.load(folder / "weights.pt", weights_only=True)
    assert set(after) == set(whole.weights)
    for name in whole.weights:
        assert torch.equal(after[name], whole.weights[name]), name


def test_resuming_does_not_depend_on_where_the_checkpoint_lies(tiny_dataset, tmp_path, whole):
    """From checkpoints in the middle of an epoch, at its end, in either stage."""
    assert len(whole.places) == 11 and whole.state.steps == 32
    for place in (whole.places[number] for number in (2, 4, 7, 9)):
        folder = tmp_path / place.name / "checkpoints"
        folder.mkdir(parents=True)
        os.symlink(place, folder / place.name)
        again, history, _ = small_run(tiny_dataset, folder.parent, checkpoints_kept=100)
        assert all(torch.equal(again[name], whole.weights[name]) for name in whole.weights), place
        assert learned(history) == learned(whole.state)


@pytest.mark.parametrize("changes", [
    {"max_grad_norm": 0.02}, {"embed_chunk": 4, "consistency": True}, {"crop_cache": "cache", "crop_cache_epochs": 2},
    {"objective": "ce", "ema_decay": None, "reconstructions": "small"},
])
def test_every_way_of_training_is_resumed_exactly(tiny_dataset, tmp_path, changes, monkeypatch):
    """From the middle of stage 1 and of stage 2."""
    monkeypatch.setattr("training.reconstructions.reconstructions.train_small", partial(train_small, steps=3))
    if "crop_cache" in changes:
        changes = {**changes, "crop_cache": str(tmp_path / "cache")}
    changes = {**changes, "epochs": 2, "classifier_epochs": 1, "checkpoint_every": 2, "checkpoints_kept": 100}
    weights, state, checkpoints = small_run(tiny_dataset, tmp_path / "run", **changes)
    for stage in ("contrastive", "classifiers"):
        place = next(
            place for place in checkpoints._all() if json.loads((place / "state.json").read_text())["run"]["stage"] == stage
        )
        folder = tmp_path / stage / "checkpoints"
        folder.mkdir(parents=True)
        os.symlink(place, folder / place.name)
        again, history, _ = small_run(tiny_dataset, folder.parent, **changes)
        assert all(torch.equal(again[name], weights[name]) for name in weights), stage
        assert learned(history) == learned(state)


def test_a_kill_while_an_old_checkpoint_is_removed_leaves_a_run_that_can_go_on(tiny_dataset, tmp_path, monkeypatch):
    real = module.shutil.rmtree

    def killed(place, **keywords):
        if place.name == "being-removed":
            (place / "state.json").unlink()
            raise KeyboardInterrupt
        real(place, **keywords)

    monkeypatch.setattr(module.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        small_run(tiny_dataset, tmp_path, checkpoints_kept=1)
    monkeypatch.setattr(module.shutil, "rmtree", real)
    _, state, _ = small_run(tiny_dataset, tmp_path, checkpoints_kept=1)
    assert state.steps == 32 and not (tmp_path / "checkpoints" / "being-removed").exists()


def test_the_last_ones_and_the_best_of_each_stage_are_kept(tiny_dataset, tmp_path, monkeypatch):
    losses = iter([5.0, 1.0, 4.0, 3.0, 2.0, 6.0, 7.0, 8.0, 8.0, 0.5, 0.7, 0.9])  # the ninth: end of stage 1
    monkeypatch.setattr("training.stages.held_out_loss.HeldOutViews.loss", lambda *_: next(losses))
    _, _, checkpoints = small_run(tiny_dataset, tmp_path / "run", checkpoints_kept=2)
    kept = {json.loads((place / "state.json").read_text())["held_out_loss"] for place in checkpoints._all()}
    assert {1.0, 0.5} <= kept and len(checkpoints._all()) == 4


def test_changed_options_are_named_and_refused_unless_accepted(tiny_dataset, tmp_path, whole):
    whole.copy(tmp_path)
    with pytest.raises(ValueError, match=r"--learning_rate was 0.001 and is 0.5; --temperature was 0.07 and is 0.1"):
        small_run(tiny_dataset, tmp_path, learning_rate=0.5, temperature=0.1)
    small_run(tiny_dataset, tmp_path, learning_rate=0.5, accept_changed_options=True)
    small_run(tiny_dataset, tmp_path, checkpoint_every=50, num_workers=1, bootstrap=3)  # these change nothing


def test_options_that_a_checkpoints_version_did_not_have_count_as_the_recipes(tiny_dataset, tmp_path, whole):
    whole.copy(tmp_path)
    for file in tmp_path.glob("checkpoints/*/state.json"):
        stored = json.loads(file.read_text())
        del stored["options"]["view_epochs"]
        file.write_text(json.dumps(stored))
    with pytest.raises(ValueError, match=r"made otherwise: --view_epochs was 0 and is 3\. Give"):
        small_run(tiny_dataset, tmp_path, view_epochs=3)
    small_run(tiny_dataset, tmp_path)


def test_other_images_are_refused(tiny_dataset, tmp_path, whole):
    whole.copy(tmp_path)
    with pytest.raises(ValueError, match="training images are others"):
        small_run(tiny_dataset, tmp_path, held_out=0.3, accept_changed_options=False)


@pytest.mark.parametrize("file", ["state.json", "model.safetensors", "optimizer.bin", "average.pt", "random_states_0.pkl"])
def test_a_corrupted_checkpoint_is_named(tiny_dataset, tmp_path, file, short):
    place = short.copy(tmp_path) / short.places[-1].relative_to(short.folder)
    (place / file).write_bytes((place / file).read_bytes()[:20])
    with pytest.raises(ValueError, match=f"{place} cannot be read .* move it away and run the same command again"):
        small_run(tiny_dataset, tmp_path, **SHORT)


def test_a_full_disk_stops_the_run_with_the_last_checkpoint_intact(tiny_dataset, tmp_path, monkeypatch, whole):
    real, calls = torch.save, []

    def full_after_two(thing, file, *arguments, **keywords):
        if str(file).endswith("average.pt"):
            calls.append(file)
            if len(calls) > 2:
                raise OSError(errno.ENOSPC, "No space left on device")
        real(thing, file, *arguments, **keywords)

    monkeypatch.setattr(module.torch, "save", full_after_two)
    with pytest.raises(OSError, match=r"No space left on device.*step-000000006, is intact. Make room on the disk"):
        small_run(tiny_dataset, tmp_path / "full")
    monkeypatch.setattr(module.torch, "save", real)
    assert sorted(place.name for place in (tmp_path / "full" / "checkpoints").iterdir()) == ["step-000000003", "step-000000006"]
    after, *_ = small_run(tiny_dataset, tmp_path / "full")
    assert all(torch.equal(after[name], whole.weights[name]) for name in whole.weights)


def test_a_loss_that_is_not_finite_stops_the_run_with_step_files_and_state(tiny_dataset, tmp_path, monkeypatch):
    real, calls = contrastive.gradients, []

    def broken_at_the_fifth(*arguments):
        calls.append(1)
        terms = real(*arguments)
        return {**terms, "origin": float("nan")} if len(calls) == 5 else terms

    monkeypatch.setattr(contrastive, "gradients", broken_at_the_fifth)
    with pytest.raises(FloatingPointError, match=r"epoch 1, step 0 \(origin nan.*Images of the batch: train/\w+/\d+.png") as raised:
        small_run(tiny_dataset, tmp_path)
    place = tmp_path / "checkpoints" / "not-finite-at-step-000000004"
    assert str(place) in str(raised.value)
    assert len((place / "batch_of_process_0.txt").read_text().split()) == 8 and (place / "model.safetensors").is_file()
    monkeypatch.setattr(contrastive, "gradients", real)
    small_run(tiny_dataset, tmp_path)  # and it can be resumed
