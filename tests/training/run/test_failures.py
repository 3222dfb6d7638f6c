"""How a run that cannot go on ends: what is said, by which process, and with which exit status."""

import pytest

from training.run import failures
from training.run.failures import one_sentence


def ending(error: BaseException, capsys) -> tuple[int, str]:
    """Exit status and words of a program that ends by the error."""
    with pytest.raises(SystemExit) as ended, one_sentence("program.py"):
        raise error
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize("error", [ValueError("The widths are wrong."), OSError("The disk is full."), FileExistsError("It is there.")])
def test_what_a_user_can_mend_is_one_sentence(error, capsys):
    assert ending(error, capsys) == (1, f"program.py: {error}\n")


def test_an_interrupted_run_says_how_to_go_on(capsys):
    status, words = ending(KeyboardInterrupt(), capsys)
    assert status == 130 and words.count("\n") == 1 and "with --resume goes on" in words


@pytest.mark.parametrize("words", ["(pid 7) is killed by signal: Killed. ", "(pid(s) 7, 8) exited unexpectedly"])
def test_a_killed_loading_process_is_told_in_a_sentence(words, capsys):
    status, said = ending(RuntimeError(f"DataLoader worker {words}"), capsys)
    assert status == 1 and said.count("\n") == 1 and "was killed" in said and "--num_workers" in said
    with pytest.raises(RuntimeError), one_sentence("program.py"):
        raise RuntimeError("Caught RuntimeError in DataLoader worker process 0.")


def test_an_error_of_ours_keeps_its_traceback():
    for error in (RuntimeError("gloo"), KeyError("name"), AssertionError()):
        with pytest.raises(type(error)), one_sentence("program.py"):
            raise error


def test_a_process_that_lost_the_others_names_them_and_lets_the_first_speak_first(monkeypatch, capsys):
    waited = []
    monkeypatch.setattr(failures.time, "sleep", waited.append)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert ending(RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer"), capsys)[0] == 1 and not waited
    monkeypatch.setenv("RANK", "1")
    status, words = ending(RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer"), capsys)
    assert (status, words, waited) == (1, "program.py: Another process of this run ended; what it said tells why.\n", [3.0])
    with pytest.raises(RuntimeError, match="shapes"), one_sentence("program.py"):
        raise RuntimeError("the shapes do not fit")
