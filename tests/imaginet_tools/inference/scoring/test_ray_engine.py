"""Scoring with Ray: the rows of the engine for one machine, and each once whatever is killed."""

import os
import pickle
import signal
from pathlib import Path

import pyarrow as pa
import pytest

ray = pytest.importorskip("ray")

from benchmarks import ray_exactly_once  # noqa: E402
from imaginet_tools.commands import score as command  # noqa: E402
from imaginet_tools.inference.saved_detector import open_detector  # noqa: E402
from imaginet_tools.inference.scoring import ray_engine  # noqa: E402
from imaginet_tools.inference.preparation import Preparation  # noqa: E402
from imaginet_tools.inference.scoring.inputs import Input, list_inputs  # noqa: E402
from imaginet_tools.inference.scoring.work import Summary  # noqa: E402
from tests.imaginet_tools.inference.scoring.test_score import assert_same, rows_of  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return ray_exactly_once.write_model(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """300 pictures, one of them broken and one missing, and a text."""
    folder = tmp_path_factory.mktemp("all") / "pictures"
    ray_exactly_once.write_pictures(folder, 300)
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.mark.slow  # Ray in the process of the tests may end it
def test_the_rows_are_those_of_the_engine_for_one_machine(model, pictures, tmp_path, capsys):
    for engine in ("local", "ray"):
        place = f"{tmp_path}/{engine}.parquet"
        arguments = ["--model", str(model), "--output", place, "--workers", "1", "--device", "cpu", "--engine", engine]
        assert command.main([str(pictures), *arguments]) == 0
        told = capsys.readouterr().out
        assert "297 scored, 3 with the reason why not" in told and "left out: 1 .txt" in told
    assert_same(rows_of(tmp_path / "ray.parquet"), rows_of(tmp_path / "local.parquet"))


def test_rows_that_were_lost_are_asked_for_again_and_those_that_come_twice_are_written_once():
    inputs = [Input(str(number), "file", "", str(number)) for number in range(10)]
    rows = {
        each.id: {**dict.fromkeys(ray_engine.SCHEMA.names), "id": each.id, "path": each.path, "left_out": False}
        for each in inputs
    }
    asked = []

    class Forgetful:
        def run(self, some):
            asked.append([int(each.path) for each in some])
            yield [rows[each.id] for each in some[::2]] * 2

    written = [row["path"] for some in ray_engine._once_each(Forgetful(), inputs[:4], Summary()) for row in some]
    assert sorted(written) == ["0", "1", "2", "3"] and asked == [[0, 1, 2, 3], [1, 3], [3]]
    with pytest.raises(ValueError, match="Ray lost 1 inputs, e.g. 7; run the same command with --resume"):
        list(ray_engine._once_each(Forgetful(), inputs, Summary()))


class Killed(ray_engine.Reader):
    """A reader that one picture ends."""

    def __call__(self, job):
        if Path(job.path).name.startswith("000007"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(job)


def test_what_ended_its_reader_is_read_in_a_process_apart_and_has_its_reason(pictures, monkeypatch):
    monkeypatch.setattr(ray_engine, "_is_repeated", lambda: True)
    inputs = list(list_inputs([str(pictures / f"{number:06}.jpg") for number in range(5, 10)], lambda path: False))
    task = ray_engine.ReadTask(Killed(Preparation((256, 256))), None)
    found = [pickle.loads(each) for each in task(pa.table({"input": [pickle.dumps(each) for each in inputs]})).column("prepared").to_pylist()]
    assert [each.path for each in found] == [each.path for each in inputs]
    assert [each.prepared.error is None for each in found] == [True, True, False, True, True]
    assert "ends the process that reads it, also when it is read alone" in found[2].prepared.error


@pytest.mark.slow  # Ray in the process of the tests may end it
def test_a_picture_that_ends_its_readers_costs_only_itself(model, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_engine, "Reader", Killed)
    place = f"{tmp_path}/s.parquet"
    arguments = ["--model", str(model), "--output", place, "--device", "cpu", "--engine", "ray"]
    assert command.main([str(pictures), *arguments]) == 0
    rows = rows_of(place)
    [killer] = [row for row in rows if Path(row["path"]).name.startswith("000007")]
    assert len(rows) == 300 and "ends the process that reads it" in killer["error"] and sum(row["error"] is not None for row in rows) <= 4


@pytest.mark.slow  # Ray in the process of the tests may end it
def test_a_cluster_that_is_not_there_is_one_sentence(model, pictures, tmp_path):
    arguments = ["--model", str(model), "--output", f"{tmp_path}/s.parquet", "--engine", "ray", "--ray_address", "127.0.0.1:1"]
    with pytest.raises(SystemExit) as end:
        command.main([str(pictures), *arguments])
    assert "There is no Ray cluster at 127.0.0.1:1" in str(end.value.code) and str(end.value.code).count("\n") == 0


def test_a_model_of_the_driver_is_named_so_that_others_find_it(model, monkeypatch, tmp_path):
    monkeypatch.chdir(model.parent)
    monkeypatch.setattr(ray_engine.ray, "cluster_resources", lambda: {"CPU": 4.0, "GPU": 2.0})
    detector = open_detector("model", device="cpu")
    reader = ray_engine.Reader(detector.preparation)
    pipeline = ray_engine._Pipeline(detector, reader, None, None, None)
    assert pipeline.detector[0] == (str(model), "auto", None)
    assert pipeline.shares == (2, 4, {"num_cpus": 1}, {"num_gpus": 1})
    assert ray_engine._Pipeline(detector, reader, None, "cpu", None).shares == (4, 4, {"num_cpus": 0.2}, {"num_cpus": 0.8})
    assert ray_engine.shares_of_cluster(1, None).actors == 1
    monkeypatch.chdir(tmp_path)  # where an actor may run
    assert ray_engine.ScoreActor(*pipeline.detector).scorer.detector.name == "model"


@pytest.mark.slow
def test_a_worker_a_node_and_the_driver_are_killed_and_every_picture_has_one_row(tmp_path):
    result = ray_exactly_once.run(tmp_path / "run", 4000, part_seconds=0.2)
    ray_exactly_once.check(result.rows, 4000)
    assert result.killed["driver"] < 4000
