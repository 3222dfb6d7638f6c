"""The demo around its training, which tests/training runs at its smallest size: what it uses, shows and leaves alone."""

import sys

from examples import demo
from modeling import SelfConImageProcessor, save
from tests import fresh_process
from tests.modeling.helpers import small_model


def test_the_demo_scores_held_out_pictures_in_a_fresh_process_and_ends_with_where_all_lies(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["examples/demo.py", "--output_dir", "runs/demo"])
    monkeypatch.setattr(demo, "train", lambda output: save(small_model(), SelfConImageProcessor(), output / "model"))
    monkeypatch.setattr(demo.subprocess, "run", lambda command, cwd, env, **_: fresh_process.run(command[1:], cwd, env))
    demo.main()
    said = capsys.readouterr().out
    assert "not ImagiNet" in said and "text-to-image" in said
    scored = [line for line in said.splitlines() if "synthetic 0." in line or "synthetic 1." in line]
    assert len(scored) == 8 and {line.split()[0] for line in scored} == {"photos", "paintings", "faces", "uncategorized"}
    assert [line.split(":")[0] for line in said.splitlines()[-5:-1]] == ["Model", "Report", "Picture grid", "Your own data"]
    assert "--data_dir FOLDER" in said.splitlines()[-1]
    assert (tmp_path / "runs/demo/classified.png").read_bytes().startswith(b"\x89PNG")


def test_an_earlier_demo_is_left_alone(tmp_path):
    earlier = tmp_path / "demo"
    assert demo.free_folder(earlier) == earlier
    earlier.mkdir()
    assert demo.free_folder(earlier) == earlier
    (earlier / "report.md").write_text("mine")
    assert demo.free_folder(earlier) == tmp_path / "demo-2"
    (tmp_path / "demo-2").write_text("a file")
    assert demo.free_folder(earlier) == tmp_path / "demo-3"
