"""The folder of a run: what is made, gone on with, refused, locked, or left behind."""

import multiprocessing

import pytest

from training.run.output_folder import is_finished, output_folder


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="not empty"), output_folder(str(tmp_path)):
        pass
    assert (tmp_path / "mine.txt").read_text() == "keep"
    with pytest.raises(FileExistsError, match="holds no run to resume"), output_folder(str(tmp_path), resume=True):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_a_new_folder_is_made_with_its_parents_and_not_left_behind_empty(tmp_path):
    with output_folder(str(tmp_path / "new" / "run")) as folder:
        assert folder.is_dir()
    assert not folder.exists()
    with output_folder(str(folder)):
        (folder / "checkpoints").mkdir()
    assert (folder / "checkpoints").is_dir()
    (tmp_path / "empty").mkdir()
    with output_folder(str(tmp_path / "empty")):
        pass
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("left", ["checkpoints", "features"])
def test_an_unfinished_run_is_gone_on_with_and_a_complete_one_is_not(left, tmp_path):
    (tmp_path / left).mkdir()
    with pytest.raises(FileExistsError, match="with --resume"), output_folder(str(tmp_path)):
        pass
    with output_folder(str(tmp_path), resume=True) as folder:
        assert folder == tmp_path and not is_finished(folder)
        (tmp_path / "finished.txt").write_text("done")
    assert is_finished(tmp_path)
    for resume in (False, True):
        with pytest.raises(FileExistsError, match="is complete"), output_folder(str(tmp_path), resume):
            pass


def test_a_file_is_no_folder_and_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("keep")
    with pytest.raises(FileExistsError, match="file is a file; choose another --output"), output_folder(str(tmp_path / "file")):
        pass
    with pytest.raises(OSError, match=r"below cannot be written \(Not a directory\); choose another"):
        with output_folder(str(tmp_path / "file" / "below")):
            pass
    assert (tmp_path / "file").read_text() == "keep"


def hold(folder, entered, leave) -> None:
    with output_folder(folder, resume=True):
        entered.set()
        leave.wait(60)


def test_a_folder_that_another_run_writes_is_refused_until_that_run_ends_however_it_ends(tmp_path):
    context = multiprocessing.get_context("fork")
    entered, leave = context.Event(), context.Event()
    other = context.Process(target=hold, args=(str(tmp_path / "run"), entered, leave))
    other.start()
    assert entered.wait(30)
    for resume in (False, True):
        with pytest.raises(FileExistsError, match="Another run is writing .* right now"), output_folder(str(tmp_path / "run"), resume):
            pass
    other.kill()
    other.join()
    with output_folder(str(tmp_path / "run"), resume=True):
        pass
