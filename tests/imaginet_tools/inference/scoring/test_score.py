"""The command: the detector's numbers for whatever is named, every input one row, whenever and however a run is stopped."""

import multiprocessing
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from imaginet_core.parallel import WorkerKilled
from imaginet_core.storage.files import LocationError
from imaginet_tools.commands import score as command
from imaginet_tools.commands.main import main
from imaginet_tools.inference.saved_detector import open_detector
from imaginet_tools.inference.scoring import fetch, network, output
from imaginet_tools.inference.scoring import score as engine
from imaginet_tools.inference.scoring.inputs import list_inputs
from imaginet_tools.inference.scoring.network import NetworkDown
from imaginet_tools.inference.scoring.output import Output
from tests.fuzz.seed_pictures import saved, scene
from tests.imaginet_core.provenance import signed_pictures

ROOT = Path(__file__).resolve().parents[4]
MODEL = ROOT / "tests" / "data" / "version_0_1" / "model"
IMPORTED_ON_OPENING = (
    "imaginet_tools.inference.networks.torch_network", "transformers.conversion_mapping", "transformers.loss.loss_utils",
    "transformers.quantizers.quantizers_utils", "transformers.integrations.finegrained_fp8",
)

@pytest.fixture(scope="module")
def detector():
    return open_detector(MODEL, device="cpu", batch_size=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """60 pictures of several sizes and formats, two that are broken, and a text."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(60):
        kind = ("JPEG", "PNG", "WEBP")[number % 3]
        image = scene(number, 200 + 7 * number, 180 + 5 * number)
        (folder / f"{number:02}.{kind.lower()}").write_bytes(saved(image, kind))
    (folder / "cut.png").write_bytes((folder / "01.png").read_bytes()[:500])
    (folder / "empty").touch()
    (folder / "notes.txt").write_text("no picture")
    return folder


def rows_of(place) -> list[dict]:
    return sorted(pq.read_table(place).to_pylist(), key=lambda row: row["path"])


def run(detector, paths, place, resume=False, workers=1):
    output = Output(str(place), resume)
    return engine.score(list_inputs([str(path) for path in paths], output.is_ours), detector, output, workers)


def assert_same(rows: list[dict], others: list[dict]) -> None:
    """Equal but for the last digits of numbers, which depend on what else is in a batch."""
    assert [row["path"] for row in rows] == [row["path"] for row in others]
    for row, other in zip(rows, others, strict=True):
        assert row == {
            name: pytest.approx(value, abs=1e-5) if isinstance(value, float) else value for name, value in other.items()
        }


@pytest.fixture(scope="module")
def undisturbed(detector, folder, tmp_path_factory) -> list[dict]:
    place = tmp_path_factory.mktemp("undisturbed") / "s.parquet"
    summary = run(detector, [folder], place, workers=2)
    assert (summary.scored, summary.failed, dict(summary.left_out)) == (60, 2, {".txt": 1})
    return rows_of(place)


def test_the_rows_are_the_detector_s_answers(detector, folder, undisturbed):
    assert len(undisturbed) == 62
    files = [row["path"] for row in undisturbed if row["error"] is None]
    answers = detector.scores(files)
    scored = [row for row in undisturbed if row["error"] is None]
    np.testing.assert_allclose([row["probability"] for row in scored], answers.probability, rtol=0, atol=1e-6)
    assert [row["outcome"] for row in scored] == list(answers.outcome)
    best = [detector.generators[number] for number in answers.generator.argmax(1)]
    assert [row["generator"] for row in scored] == best and all(0.5 <= row["generator_probability"] <= 1 for row in scored)
    assert all(row["size"] == os.path.getsize(row["path"]) and len(row["sha256"]) == 64 for row in undisturbed if row["size"])
    failed = {Path(row["path"]).name: row for row in undisturbed if row["error"] is not None}
    assert set(failed) == {"cut.png", "empty"} and all(
        row["probability"] is None and row["outcome"] is None for row in failed.values()
    )
    assert f"{folder}/cut.png cannot be read as an image" in failed["cut.png"]["error"] and failed["cut.png"]["size"] == 500


def test_several_crops_a_picture_and_the_output_inside_the_folder(folder, tmp_path):
    detector = open_detector(MODEL, device="cpu", crops="all")
    shutil.copy(folder / "59.webp", tmp_path / "large.webp")
    run(detector, [tmp_path], tmp_path / "s.parquet")
    [row] = rows_of(tmp_path / "s.parquet")
    assert row["probability"] == pytest.approx(float(detector.scores([tmp_path / "large.webp"]).probability[0]), abs=1e-6)
    (tmp_path / "new.webp").write_bytes((folder / "02.webp").read_bytes())
    summary = run(detector, [tmp_path, tmp_path / "new.webp"], tmp_path / "s.parquet", resume=True)
    assert (summary.before, summary.scored, summary.repeated) == (1, 1, 1)
    assert [Path(row["path"]).name for row in rows_of(tmp_path / "s.parquet")] == ["large.webp", "new.webp"]


def test_the_command_writes_and_tells_and_refuses_in_a_sentence(folder, tmp_path, capsys, undisturbed):
    place = tmp_path / "s.csv"
    arguments = [str(folder), "--model", str(MODEL), "--output", str(place), "--workers", "1", "--device", "cpu"]
    assert command.main(arguments) == 0
    told = capsys.readouterr().out
    assert re.match(r"60 scored, 2 with the reason why not, [\d,.]+ images/s\n", told)
    assert "1 files beside the pictures were left out: 1 .txt" in told and f"Written to {place}" in told
    for more, said in (
        ([], f"{place} exists; give --resume to go on with it, or choose another --output."),
        (
            ["--resume", "--crops", "5"],
            f"{place} was made otherwise: the number of crops was 1 and is 5 now; give what it was made with, "
            "or another --output.",
        ),
    ):
        with pytest.raises(SystemExit) as end:
            command.main([*arguments, *more])
        assert end.value.code == f"imaginet score: {said}"
    with pytest.raises(SystemExit) as end:
        command.main([str(folder), "--model", str(tmp_path), "--output", str(tmp_path / "t.csv")])
    assert "There is no model in" in end.value.code and not list(tmp_path.glob("t.csv*"))


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_what_files_state_has_a_column_where_it_is_asked_for_and_changes_no_score(ending, tmp_path):
    (tmp_path / "in").mkdir()
    image = scene(1, 200, 180)
    (tmp_path / "in" / "a.png").write_bytes(saved(image, "PNG"))
    (tmp_path / "in" / "b.png").write_bytes(signed_pictures.saved("PNG", image, pnginfo=signed_pictures.texts(parameters=signed_pictures.STEPS)))
    (tmp_path / "in" / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    arguments = [str(tmp_path / "in"), "--model", str(MODEL), "--workers", "1", "--device", "cpu", "--output"]
    assert command.main([*arguments, str(tmp_path / f"s.{ending}"), "--provenance"]) == 0
    [table] = Output(str(tmp_path / f"s.{ending}"), resume=True).format.read(tmp_path / f"s.{ending}")
    plain, stated, broken = sorted(table.to_pylist(), key=lambda row: row["path"])
    [line] = stated["provenance"]
    assert line.startswith("generator, PNG text parameters: Stable Diffusion web UI") and not plain["provenance"] and broken["error"]
    assert stated["probability"] == plain["probability"] and not broken["provenance"]
    with pytest.raises(SystemExit, match="whether provenance is read was True and is False now"):
        command.main([*arguments, str(tmp_path / f"s.{ending}"), "--resume"])


@pytest.fixture
def killing(monkeypatch, tmp_path):
    """Lets the reader of an input whose name holds a text be killed, as often as is asked for; gives the setter."""
    read, targets = engine.Reader.__call__, {}

    def read_or_die(self, job):
        for text, times in targets.items():
            marks = [tmp_path / f"{text}.{number}" for number in range(times)]
            if text in Path(job.path).name and (left := [mark for mark in marks if not mark.exists()]):
                left[0].touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return read(self, job)

    monkeypatch.setattr(engine.Reader, "__call__", read_or_die)
    return targets.update


def test_a_reader_that_is_killed_once_costs_nothing(detector, folder, tmp_path, undisturbed, killing):
    killing({"40": 1})
    assert run(detector, [folder], tmp_path / "s.parquet", workers=2).scored == 60
    assert_same(rows_of(tmp_path / "s.parquet"), undisturbed)


def test_a_picture_that_kills_its_reader_alone_too_gets_its_row_and_the_others_theirs(detector, folder, tmp_path, undisturbed, killing):
    killing({"40": 99, "43": 99})
    summary = run(detector, [folder], tmp_path / "s.parquet", workers=2)
    assert (summary.scored, summary.failed) == (58, 4)
    rows = rows_of(tmp_path / "s.parquet")
    killers = [row for row in rows if Path(row["path"]).name[:2] in ("40", "43")]
    assert all("ends the process that reads it, also when it is read alone" in row["error"] for row in killers) and len(killers) == 2
    assert_same([row for row in rows if row not in killers], [row for row in undisturbed if Path(row["path"]).name[:2] not in ("40", "43")])


def test_readers_that_are_killed_again_and_again_are_one_sentence_and_the_work_goes_on(
    detector, folder, tmp_path, undisturbed, killing, monkeypatch
):
    monkeypatch.setattr(engine, "BREAKS", 0)
    killing({"40": 1})
    with pytest.raises(WorkerKilled, match=r"was killed.* With --resume and a smaller --workers it goes on where it was\.$"):
        run(detector, [folder], tmp_path / "s.parquet", workers=2)
    assert list((tmp_path / "s.parquet.parts").glob("part-*"))
    summary = run(detector, [folder], tmp_path / "s.parquet", resume=True, workers=2)
    assert 0 < summary.before < 60
    assert_same(rows_of(tmp_path / "s.parquet"), undisturbed)


def test_where_the_network_fails_the_run_stops_and_goes_on(detector, folder, tmp_path, undisturbed, monkeypatch):
    monkeypatch.setattr(network, "WAITS", (0.01,))
    down = tmp_path / "down"
    read = fetch.content_of_source

    def read_or_fail(source, limits):
        if source.name.startswith("45") and not down.exists():
            raise LocationError(f"{source} cannot be reached (no route to host); check address and network.")
        return read(source, limits)

    monkeypatch.setattr(fetch, "content_of_source", read_or_fail)
    with pytest.raises(NetworkDown, match="cannot be reached .no route.*with --resume when it answers"):
        run(detector, [folder], tmp_path / "s.parquet")
    down.touch()
    summary = run(detector, [folder], tmp_path / "s.parquet", resume=True)
    assert 0 < summary.before < 60
    assert_same(rows_of(tmp_path / "s.parquet"), undisturbed)


def arguments_of(folder, place, *more) -> list[str]:
    return [str(folder), "--model", str(MODEL), *f"--output {place} --workers 1 --device cpu --batch_size 4".split(), *more]


def start(folder, place, *more) -> multiprocessing.Process:
    """The command in a process of its own, whose standard error is the file `told` beside the output.

    It is forked from a server that has imported what the command needs and nothing else: neither are there seconds of imports for
    each, nor threads of the libraries that other tests of this process have used.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *IMPORTED_ON_OPENING])
    process = context.Process(target=score_alone, args=(arguments_of(folder, place, *more), place.with_name("told")))
    process.start()
    return process


def score_alone(arguments: list[str], told: Path) -> None:
    """In a session of its own, as a terminal's, with parts so short that a killed run has some; ends at once with the command."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    torch.set_num_threads(1)
    output.PART_SECONDS = 0.1
    try:
        status = main(["score", *arguments])
    except SystemExit as end:
        status = end.code
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1)


def wait_for_parts(process, place, count: int) -> None:
    deadline = time.monotonic() + 120
    while process.is_alive() and time.monotonic() < deadline and len(list(Path(f"{place}.parts").glob("part-*"))) < count:
        time.sleep(0.01)


def test_ctrl_c_is_one_sentence_and_the_work_goes_on(folder, tmp_path, undisturbed):
    place = tmp_path / "s.parquet"
    process = start(folder, place)
    wait_for_parts(process, place, 2)
    os.killpg(process.pid, signal.SIGINT)
    process.join(60)
    told = (tmp_path / "told").read_text()
    assert process.exitcode == 130 and "Traceback" not in told, told
    assert told.strip().splitlines()[-1] == (
        "imaginet score: interrupted; what is scored is kept; the same command with --resume goes on where it was."
    )
    assert not place.exists()
    assert command.main(arguments_of(folder, place, "--resume")) == 0
    assert_same(rows_of(place), undisturbed)


def test_killed_at_several_moments_and_resumed_every_input_has_one_row(folder, tmp_path, undisturbed):
    place = tmp_path / "s.parquet"
    for kills, parts in enumerate((1, 6)):
        process = start(folder, place, "--resume")
        wait_for_parts(process, place, parts)
        time.sleep(0.03 * kills)
        assert process.is_alive()
        process.kill()
        process.join()
    assert not place.exists()
    assert command.main(arguments_of(folder, place, "--resume")) == 0
    assert_same(rows_of(place), undisturbed)
    assert {file.name for file in tmp_path.iterdir()} == {"s.parquet", "told"}
