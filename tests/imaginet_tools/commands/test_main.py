"""The command line as a whole: what it names, one name for one option, and how every command ends."""

import os
import subprocess
import sys

import pytest

from imaginet_tools.commands import errors, main
from tests.imaginet.trees import write_tree
from training.command_line import make_parser, parse_options


def run(repository, *arguments, module=None, **settings):
    start = ["-m", module] if module else ["imaginet.py"]
    return subprocess.run(
        [sys.executable, *start, *map(str, arguments)], cwd=repository, capture_output=True, text=True, timeout=120, **settings,
    )


def test_every_command_is_named_with_what_it_does_and_has_a_help(capsys):
    assert main.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, what in main.COMMANDS.items():
        assert f"  {name}" in shown and what in shown
        with pytest.raises(SystemExit) as end:
            main.main([name, "--help"])
        assert end.value.code == 0 and f"usage: imaginet {name}" in capsys.readouterr().out


@pytest.mark.parametrize("module", [None, "imaginet_tools.commands.main"])
def test_the_command_has_the_same_help_however_it_is_started(repository, module):
    done = run(repository, "--help", module=module)
    assert done.returncode == 0 and done.stdout == main.usage() + "\n"
    done = run(repository, "polish", module=module)
    assert done.returncode == 2 and done.stderr.startswith("imaginet has no command polish.") and main.usage() in done.stderr


@pytest.mark.parametrize("command", ["audit", "perturb", "export"])
@pytest.mark.parametrize("name", ["--output", "--out", "--output_dir"])
def test_the_folder_is_called_output_and_its_earlier_names_work(command, name, tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SystemExit) as end:
        main.main([command, *([] if command == "export" else ["--sample"]), name, str(tmp_path / "file" / "folder")])
    assert f"imaginet {command}: " in str(end.value.code) and "file" in str(end.value.code)
    with pytest.raises(SystemExit):
        main.main([command, "--help"])
    shown = capsys.readouterr().out
    assert "--output FOLDER" in shown and "--out " not in shown and "--output_dir" not in shown


def test_training_calls_it_output_too(capsys):
    assert parse_options(["--output", "runs/x"]) == parse_options(["--output_dir", "runs/x"])
    assert "--output_dir" not in make_parser().format_help()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to run as root, to become a user who may not write"
)
@pytest.mark.parametrize("command", ["audit", "perturb"])
def test_a_folder_that_may_not_be_written_is_said_before_any_work(command, monkeypatch):
    monkeypatch.setattr(f"imaginet_tools.commands.{command}.collect_images", lambda options: pytest.fail("images were read"))
    try:
        os.seteuid(65534)
        with pytest.raises(SystemExit, match=f"imaginet {command}: /usr/made.* may not be written here"):
            main.main([command, "--sample", "--output", "/usr/made"])
    finally:
        os.seteuid(0)


def test_what_a_user_can_mend_is_one_sentence_without_secrets():
    with pytest.raises(SystemExit) as end, errors.in_one_sentence("doctor"):
        raise ConnectionError("http://me:secret@example.org/images.zip cannot be reached")
    assert end.value.code == "imaginet doctor: http://***@example.org/images.zip cannot be reached"
    with pytest.raises(ZeroDivisionError), errors.in_one_sentence("doctor"):
        1 / 0  # a fault of ours keeps its traceback


def test_a_package_that_is_not_there_is_one_sentence_with_what_to_install(monkeypatch):
    def find(name):
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")

    monkeypatch.setattr(main, "find_command", find)
    with pytest.raises(SystemExit) as end:
        main.main(["audit", "--sample"])
    assert end.value.code == (
        "imaginet audit: No module named 'sklearn'; pip install \"imaginet[all]\" brings what every command needs."
    )


def test_an_interrupted_command_says_what_becomes_of_its_work(capsys):
    with pytest.raises(SystemExit) as end, errors.in_one_sentence("perturb", "the same command goes on where it was"):
        raise KeyboardInterrupt
    assert end.value.code == 130
    assert capsys.readouterr().err == "imaginet perturb: interrupted; the same command goes on where it was.\n"


def test_a_reader_that_ends_early_is_no_error(repository, tmp_path):
    command = [sys.executable, "imaginet.py", "doctor", "--data_dir", str(write_tree(tmp_path / "raw"))]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, cwd=repository, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(writer)
    assert done.returncode == 1 and done.stderr == ""
