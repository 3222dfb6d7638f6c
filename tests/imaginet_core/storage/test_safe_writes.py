"""Files and folders that appear whole or not at all, also where a process is killed; locks between processes."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from imaginet_core.errors import first_line
from imaginet_core.storage.safe_writes import lock_or_refuse, new_folder, read_lock, remove_parts, write_aside, write_lock


def started(code: str, *arguments) -> subprocess.Popen:
    """A process that runs ``code`` after the imports of this file and has said "ready"."""
    head = "import sys, time, os\nfrom imaginet_core.storage.safe_writes import *\n"
    process = subprocess.Popen(
        [sys.executable, "-c", head + textwrap.dedent(code), *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_file_is_replaced_when_the_new_one_is_complete(tmp_path):
    file = tmp_path / "below" / "report.json"
    with write_aside(file) as aside:
        aside.write_text("old")
    with write_aside(file, durable=True) as aside:
        aside.write_text("new")
        assert file.read_text() == "old" and aside.parent == file.parent
    assert file.read_text() == "new" and os.listdir(file.parent) == ["report.json"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "report.json"
    file.write_text("old")
    with pytest.raises(RuntimeError), write_aside(file) as aside:
        aside.write_text("ha")
        raise RuntimeError
    with pytest.raises(KeyboardInterrupt), write_aside(file):
        raise KeyboardInterrupt
    assert file.read_text() == "old" and os.listdir(tmp_path) == ["report.json"]


def test_a_link_keeps_leading_to_the_file_that_is_replaced(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    with write_aside(tmp_path / "link.json") as aside:
        aside.write_text("new")
    assert (tmp_path / "link.json").is_symlink() and (tmp_path / "real.json").read_text() == "new"


def test_a_file_has_the_rights_of_any_new_file_and_a_name_may_be_long(tmp_path):
    (tmp_path / "plain").write_text("")
    with write_aside(tmp_path / ("é" * 120)) as aside:
        aside.write_text("")
    assert (tmp_path / ("é" * 120)).stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_killed_process_leaves_the_old_file_whole(tmp_path):
    file = tmp_path / "report.json"
    file.write_text("old")
    process = started("""
        with write_aside(sys.argv[1]) as aside:
            aside.write_text("half of it")
            print("ready", flush=True)
            time.sleep(60)
    """, file)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert file.read_text() == "old"
    assert len(os.listdir(tmp_path)) == 2
    remove_parts(tmp_path)
    assert os.listdir(tmp_path) == ["report.json"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "export"
    with pytest.raises(RuntimeError), new_folder(folder) as aside:
        (aside / "a").write_text("a")
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    folder.mkdir()  # an empty one is as good as none
    with new_folder(folder) as aside:
        (aside / "a").write_text("a")
        assert os.listdir(folder) == []
    assert (folder / "a").read_text() == "a" and os.listdir(tmp_path) == ["export"]


def test_a_folder_that_holds_something_is_refused_before_any_work_and_stays(tmp_path):
    (tmp_path / "mine").write_text("mine")
    for taken in (tmp_path, tmp_path / "mine"):
        with pytest.raises(FileExistsError, match="is not empty; choose another"), new_folder(taken):
            pytest.fail("no work was to begin")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_link_to_an_empty_folder_is_filled_where_it_leads_to(tmp_path):
    (tmp_path / "volume").mkdir()
    (tmp_path / "link").symlink_to("volume")
    with new_folder(tmp_path / "link") as aside:
        (aside / "a").write_text("a")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "volume" / "a").read_text() == "a"


def test_a_mounted_disk_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr("os.path.ismount", lambda folder: str(folder) == str(tmp_path / "volume"))
    with pytest.raises(ValueError, match="give a new folder inside it"), new_folder(tmp_path / "volume"):
        pytest.fail("no work was to begin")


def test_a_folder_of_a_killed_process_is_replaced_and_one_being_written_is_refused(tmp_path):
    folder = tmp_path / "export"
    process = started("""
        with new_folder(sys.argv[1]) as aside:
            (aside / "left").write_text("half")
            print("ready", flush=True)
            time.sleep(60)
    """, folder)
    try:
        with pytest.raises(FileExistsError, match="Another process is writing"), new_folder(folder):
            pytest.fail("no work was to begin")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not folder.exists()
    with new_folder(folder) as aside:
        assert os.listdir(aside) == []
        (aside / "a").write_text("a")
    assert os.listdir(folder) == ["a"] and os.listdir(tmp_path) == ["export"]


def test_a_lock_is_refused_with_its_sentence_and_free_once_its_holder_is_gone(tmp_path):
    process = started("lock = lock_or_refuse(sys.argv[1], '')\nprint('ready', flush=True)\ntime.sleep(60)", tmp_path / "lock")
    with pytest.raises(FileExistsError, match="^Somebody is at it$"):
        lock_or_refuse(tmp_path / "lock", "Somebody is at it")
    process.send_signal(signal.SIGKILL)
    process.wait()
    lock_or_refuse(tmp_path / "lock", "").release()


def test_many_read_and_one_writes(tmp_path):
    file = tmp_path / "in_use"
    file.write_bytes(b"")  # as locks of another kind left it
    reader = started("lock = read_lock(sys.argv[1])\nprint('ready', flush=True)\ntime.sleep(60)", file)
    with read_lock(file):
        assert write_lock(file, wait=False) is None
    assert write_lock(file, wait=False) is None
    reader.send_signal(signal.SIGKILL)
    reader.wait()
    with write_lock(file, wait=False) as held:
        assert write_lock(file, wait=False) is None
        held.release()
    assert os.listdir(tmp_path) == ["in_use"]


def test_a_read_lock_outlives_the_children_of_its_process(tmp_path):
    code = """
        lock = read_lock(sys.argv[1])
        child = os.fork()
        if child == 0:
            del lock
            sys.exit(0)
        os.waitpid(child, 0)
        print("ready", flush=True)
        time.sleep(60)
    """
    reader = started(code, tmp_path / "in_use")
    try:
        assert write_lock(tmp_path / "in_use", wait=False) is None
    finally:
        reader.kill()
        reader.wait()


def test_the_first_line_of_an_error():
    assert first_line(ValueError("\n  cut short  \nat byte 7")) == "cut short"
    assert first_line(TimeoutError()) == "TimeoutError"
