"""The folder of a run: what is made, gone on with, or refused."""

import pytest

from training.run.output_folder import prepare_output_folder


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="not empty"):
        prepare_output_folder(str(tmp_path))
    assert (tmp_path / "mine.txt").read_text() == "keep"
    assert prepare_output_folder(str(tmp_path / "new" / "run")).is_dir()
    with pytest.raises(FileExistsError, match="holds no run to resume"):
        prepare_output_folder(str(tmp_path), resume=True)


def test_an_unfinished_run_is_gone_on_with_and_a_complete_one_is_not(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(FileExistsError, match="with --resume"):
        prepare_output_folder(str(tmp_path))
    assert prepare_output_folder(str(tmp_path), resume=True) == tmp_path
    (tmp_path / "finished.txt").write_text("done")
    for resume in (False, True):
        with pytest.raises(FileExistsError, match="is complete"):
            prepare_output_folder(str(tmp_path), resume)
