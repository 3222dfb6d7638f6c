"""Streams in two processes: files of different sizes never hang."""

import json
from pathlib import Path

import datasets
import pytest
from accelerate import Accelerator

from imaginet_tools.images.streamed import is_held_out, load_streamed_splits
from tests.training.in_two_processes import in_two_processes
from tests.training.tiny_data import records, write_split
from training.options import TrainingOptions
from training.presets import PRESETS
from training.views.streamed_batches import StreamedBatches


def options_of(folder: Path, batch_size: int) -> TrainingOptions:
    return TrainingOptions.of(**{
        **PRESETS["laptop"], "streaming": True, "aligned": False, "held_out": 0.2, "num_workers": 1, "crop_size": 32,
        "dataset": str(folder / "data"), "output_dir": str(folder / "run"), "batch_size": batch_size,
    })


def uneven_files(folder: Path) -> list[set[str]]:
    """Two files of 13 and 5 images that train, and as many held-out ones as come by; returns the paths of the former."""
    options, trained = options_of(folder, 4), []
    rows = records("train", 24)
    held_out = [row for row in rows if is_held_out(row["source_image"], options.data.held_out, options.run.seed)]
    assert {row["label"] for row in held_out} == {"real", "synthetic"}
    training = [row for row in rows if not is_held_out(row["source_image"], options.data.held_out, options.run.seed)]
    for number, (part, others) in enumerate([(training[:13], held_out[:2]), (training[13:18], held_out[2:])]):
        write_split(folder / "data", f"train-{number}", part + others)
        trained.append({row["path"] for row in part})
    return trained


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[list[set[str]], list[dict]]:
    """The two files' images, and what each process saw of them in batches of two."""
    folder = tmp_path_factory.mktemp("uneven")
    trained = uneven_files(folder)
    in_two_processes(write_what_it_sees, folder)
    return trained, [json.loads((folder / f"{process}.json").read_text()) for process in (0, 1)]


def test_an_epoch_ends_everywhere_when_one_process_has_no_batch_left(run):
    files, (first, second) = run
    for epoch in ("0", "1", "2"):
        assert len(first[epoch]) == len(second[epoch]) == 2  # five images make two batches of two; none waits for the other


def test_each_process_reads_its_own_file_and_epochs_deal_them_anew(run):
    files, processes = run
    dealt = set()
    for epoch in ("0", "1", "2", "3", "4"):
        seen = [{path for batch in process[epoch] for path in batch} for process in processes]
        dealt.add(tuple(next(number for number, file in enumerate(files) if paths <= file) for paths in seen))
    assert dealt == {(0, 1), (1, 0)}


def test_skipped_batches_leave_the_same_rest_in_both_processes(run):
    _, processes = run
    for process in processes:
        assert process["0 after one"] == process["0"][1:]


def test_a_batch_that_one_process_cannot_fill_is_said_by_both(run):
    _, processes = run
    for process in processes:
        assert "The stream does not fill one batch: a process found fewer than 6 images to train on" in process["too large"]


def write_what_it_sees(folder: Path) -> None:
    """The paths of this process's batches by epoch, and what is said of a batch that is too large, as PROCESS.json."""
    datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN = 0  # see test_streaming.py
    accelerator, options = Accelerator(cpu=True), options_of(folder, batch_size=4)
    assert accelerator.num_processes == 2
    with accelerator.main_process_first():
        splits = load_streamed_splits(options.data, options.run.seed, Path(options.run.output_dir))
    batches = StreamedBatches(accelerator, splits, 1, options)
    seen = {str(number): [batches.paths(batch) for batch in batches.epoch(number)] for number in range(5)}
    seen["0 after one"] = [batches.paths(batch) for batch in batches.epoch(0, skip=1)]
    try:
        next(StreamedBatches(accelerator, splits, 1, options.replace(batch_size=12)).epoch(0))
    except ValueError as error:
        seen["too large"] = str(error)
    accelerator.end_training()
    (folder / f"{accelerator.process_index}.json").write_text(json.dumps(seen))
