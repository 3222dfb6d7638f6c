"""Outputs: the same rows in every format, whole parts, and a refusal wherever rows would be mixed or lost."""

import json
import resource

import numpy as np
import pyarrow.json as jsonl
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from imaginet_tools.inference.scoring import output as output_file
from imaginet_tools.inference.scoring.output import MADE_BY, Output
from imaginet_tools.inference.scoring.records import SCHEMA

MADE = {"form": 1, "model": "a" * 16, "precision": "fp32", "crops": "all"}


def row(number: int) -> dict:
    return {
        "id": number - 2**62,
        "path": f'folder/{number}\n"é\r, \u2028.jpg',
        "raw_path": None,
        "size": number,
        "sha256": f"{number:064x}",
        "probability": number / 7,
        "outcome": "real",
        "label": "real",
        "family": None,
        "family_probability": None,
        "generator": "a, b",
        "generator_probability": 0.5,
        "notes": ["flat: x", "deep: y"] if number % 2 else [],
        "provenance": ["camera, EXIF: Leica M11", "program, EXIF Software: x, y"] if number % 4 == 1 else [],
        "error": None if number % 3 else "why; not",
    }


def rows_in(place) -> list[dict]:
    """All rows of an output, as the formats' own readers give them."""
    made = Output(str(place), resume=True)
    tables = made.format.read(place) if made.format else [pq.read_table(part) for part in made.parts()]
    return [each for table in tables for each in table.to_pylist()]


def write(place, numbers, resume=False, finish=True, made_by=MADE) -> Output:
    made = Output(str(place), resume)
    made.begin(made_by)
    done = set(made.done().tolist())
    for number in numbers:
        if row(number)["id"] not in done:
            made.add([row(number)])
    if finish:
        made.finish()
    else:
        made.flush()
        made.leave()
    return made


PLACES = ("s.parquet", "s.CSV", "s.jsonl", "folder")


@pytest.mark.parametrize("place", PLACES)
def test_rows_come_back_as_they_were_and_nothing_else_is_left(place, tmp_path, monkeypatch):
    monkeypatch.setattr(output_file, "PART_ROWS", 3)
    write(tmp_path / place, range(10))
    assert rows_in(tmp_path / place) == [row(number) for number in range(10)]
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {place, *([f"{place}.made_by.json"] if place in ("s.CSV", "s.jsonl") else [])}
    if place == "folder":
        assert pq.read_table(tmp_path / place).num_rows == 10  # readers pass over what is no part
        assert {file.name for file in (tmp_path / place).iterdir()} == {f"part-{n:08}.parquet" for n in range(4)} | {MADE_BY}


def test_other_programs_read_what_is_written(tmp_path):
    for place in PLACES[:3]:
        write(tmp_path / place, range(10))
    of_csv = csv.ParseOptions(newlines_in_values=True)
    for table in (
        pq.read_table(tmp_path / PLACES[0]),
        csv.read_csv(tmp_path / PLACES[1], parse_options=of_csv),
        jsonl.read_json(tmp_path / PLACES[2]),
    ):
        assert table.column_names == SCHEMA.names
        assert table.column("id").to_pylist() == [row(number)["id"] for number in range(10)]
        assert table.column("path").to_pylist() == [row(number)["path"] for number in range(10)]
        np.testing.assert_allclose(table.column("probability").to_numpy(), np.arange(10) / 7)


@pytest.mark.parametrize("place", PLACES)
def test_resuming_adds_what_is_missing_once_before_and_after_the_end(place, tmp_path):
    write(tmp_path / place, range(4), finish=False)
    write(tmp_path / place, range(2, 7), resume=True)
    write(tmp_path / place, range(9), resume=True)
    write(tmp_path / place, range(9), resume=True)
    assert sorted(each["size"] for each in rows_in(tmp_path / place)) == list(range(9))


def test_a_run_killed_between_the_file_and_the_removal_of_its_parts(tmp_path, monkeypatch):
    place = tmp_path / "s.parquet"
    monkeypatch.setattr(output_file.shutil, "rmtree", lambda folder: None)
    write(place, range(5))
    monkeypatch.undo()
    assert (tmp_path / "s.parquet.parts").is_dir()
    write(place, range(6), resume=True)
    assert [each["size"] for each in rows_in(place)] == list(range(6)) and not (tmp_path / "s.parquet.parts").exists()


@pytest.mark.parametrize("place", PLACES)
def test_an_output_that_exists_is_refused_and_not_touched(place, tmp_path):
    for finish in (False, True):
        write(tmp_path / place, range(3), resume=finish, finish=finish)
        with pytest.raises(FileExistsError, match=r"exists; give --resume to go on with it, or choose another --output\.$"):
            Output(str(tmp_path / place))
    assert len(rows_in(tmp_path / place)) == 3


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("finish", [False, True])
def test_an_output_of_another_model_is_refused_not_mixed(place, finish, tmp_path):
    write(tmp_path / place, range(3), finish=finish)
    for change, said in (
        ({"model": "b" * 16}, "the model was a{16} and is b{16}"),
        ({"precision": "bf16"}, "precision was fp32 and is bf16"),
    ):
        with pytest.raises(ValueError, match=f"made otherwise: .*{said} now; give what it was made with"):
            write(tmp_path / place, range(5), resume=True, made_by={**MADE, **change})
    write(tmp_path / place, range(5), resume=True)
    assert len(rows_in(tmp_path / place)) == 5


def test_a_stranger_s_file_and_another_ending_are_refused(tmp_path):
    (tmp_path / "s.jsonl").write_text(json.dumps({"id": 1}) + "\n")
    with pytest.raises(ValueError, match="does not tell which model made it"):
        Output(str(tmp_path / "s.jsonl"), resume=True).begin(MADE)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("x")
    with pytest.raises(FileExistsError, match="no output of this command"):
        Output(str(tmp_path / "mine"), resume=True)
    with pytest.raises(ValueError, match="must end with .parquet, .csv, .jsonl"):
        Output(str(tmp_path / "s.xlsx"))
    with pytest.raises(PermissionError, match="cannot be written, as .* is no folder"):
        Output(str(tmp_path / "s.jsonl" / "t.csv"))


def test_two_runs_do_not_write_one_output(tmp_path):
    first = Output(str(tmp_path / "s.csv"))
    first.begin(MADE)
    with pytest.raises(FileExistsError, match="Another process is writing .*s.csv right now"):
        Output(str(tmp_path / "s.csv"), resume=True).begin(MADE)
    first.finish()


@pytest.mark.parametrize("place", PLACES)
def test_a_full_disk_is_one_sentence_and_nothing_is_lost(place, tmp_path, monkeypatch):
    write(tmp_path / place, range(50), finish=False)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # no file may grow beyond this, as where a disk is full
    try:
        with pytest.raises(
            OSError, match=rf"{place} cannot be written \(.*\); make room, then run the same command with --resume\.$"
        ):
            write(tmp_path / place, range(2000), resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    write(tmp_path / place, range(2000), resume=True)
    assert sorted(each["size"] for each in rows_in(tmp_path / place)) == list(range(2000))
    assert not [file for file in tmp_path.rglob(".*")]


def test_a_folder_that_holds_only_what_a_killed_run_left_is_free(tmp_path):
    for resume in (False, True):
        place = tmp_path / f"scores {resume}"
        place.mkdir()
        for name in ("_lock", "._made_by.json.0123abcd.part"):
            (place / name).touch()
        output = Output(str(place), resume)
        output.begin({"model": "m"})
        assert not list(place.glob("*.part"))
        output.leave()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.part").touch()
    with pytest.raises(FileExistsError):
        Output(str(tmp_path / "mine"))
