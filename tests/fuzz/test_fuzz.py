"""Damaged pictures and archives cost themselves and nothing else, on every route; the watch over the routes misses nothing."""

import json

import pytest

from tests.fuzz import run as fuzz
from tests.fuzz import watched
from tests.fuzz.misbehaving import LARGE
from tests.fuzz.mutate_archives import mutated_archive
from tests.fuzz.mutate_pictures import mutated
from tests.fuzz.watched import Child, is_ours, is_sentence, judge


@pytest.mark.parametrize("route", ["picture: read", "picture: build"])
def test_what_goes_wrong_in_a_process_is_told_of_its_case(tmp_path, monkeypatch, route):
    monkeypatch.setattr(fuzz, "SECONDS", 2)
    monkeypatch.setattr(watched, "MEMORY", LARGE // 2)
    child = Child("tests.fuzz.misbehaving", tmp_path)
    try:
        faults = fuzz.faults_of(child, route, 0, list(range(6)))
    finally:
        child.kill()
    assert sorted((fault.number, fault.kind) for fault in faults) == [(1, "crash"), (2, "hang"), (3, "memory"), (4, "foreign")]


def test_a_case_depends_on_its_numbers_alone():
    assert mutated(5, 17) == mutated(5, 17) and mutated(5, 17).content != mutated(6, 17).content
    first, again = mutated_archive(5, 17), mutated_archive(5, 17)
    assert (first.story, len(first.content)) == (again.story, len(again.content))


def test_a_run_goes_on_where_it_was_stopped(tmp_path):
    journal = fuzz.Journal(tmp_path, seed=3)
    journal.note("picture: read 0", "picture: read", 2, 0.1, [])
    journal.note("picture: build 0", "picture: build", 2, 0.1, [fuzz.Fault(1, "picture: build", "lost", "gone")])
    with open(tmp_path / "journal.jsonl", "a") as file:
        file.write('{"name": "picture: verify 0", "see')  # what a kill amid a line leaves
    again = fuzz.Journal(tmp_path, seed=3)
    assert again.done == journal.done and [fault["kind"] for fault in again.faults()] == ["lost"]
    assert (tmp_path / again.faults()[0]["input"]).read_bytes() == mutated(3, 1).content
    assert json.loads((tmp_path / "faults.jsonl").read_text())["seed"] == 3
    with pytest.raises(ValueError, match="seed 3"):
        fuzz.Journal(tmp_path, seed=4)


def test_foreign_errors_are_told_from_our_sentences():
    from imaginet_core.pictures.decode import decode

    with pytest.raises(ValueError) as ours:
        decode(b"no picture")
    assert is_ours(ours.value)
    for foreign in (lambda: int("x"), lambda: b"\xff".decode(), lambda: [][1]):
        with pytest.raises(Exception) as raised:
            foreign()
        assert not is_ours(raised.value) and judge(raised.value)[0] == "foreign"
    assert is_sentence("a.jpg is no image; replace it.", ("a.jpg",))
    assert not is_sentence("it is no image", ("a.jpg",)) and not is_sentence("cannot read <_io.BytesIO object at 0x7f20e69906d0>")
    assert not is_sentence("Traceback (most recent call last)") and not is_sentence("")


def check(journal, folder):
    assert not journal.faults(), "\n".join([journal.table(), *fuzz.groups(journal.faults(), folder)])


def test_some_pictures_and_archives(tmp_path):
    check(fuzz.run(25, 3, 7, tmp_path), tmp_path)


@pytest.mark.slow
def test_ten_thousand_pictures_and_two_hundred_archives(tmp_path):
    check(fuzz.run(10_000, 200, 2026, tmp_path), tmp_path)
