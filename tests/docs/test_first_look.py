"""The notebook runs from top to bottom, as a user would run it, with some model in the place of the demo's."""

import json
import os
import sys

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageProcessor, save
from tests import fresh_process


@pytest.fixture
def small_model(tmp_path):
    torch.manual_seed(0)
    config = SelfConConfig(
        stem_kernel=3, stem_stride=2, stem_width=8, stem_pool=False, block="basic", widths=[8, 8], depths=[1, 1], sub_network_after=1,
        projection_size=8, classifier_hidden=8,
    )
    return save(SelfConForImageClassification(config), SelfConImageProcessor(), tmp_path / "model")


def test_the_notebook_runs_and_shows_counts_pictures_and_scores(repository, small_model, monkeypatch, tmp_path):
    notebook = nbformat.read(repository / "docs" / "first_look.ipynb", as_version=4)
    kernel = [sys.executable, fresh_process.__file__, "run", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (tmp_path / "kernels" / "forked").mkdir(parents=True)
    specification = {"argv": kernel, "display_name": "Python", "language": "python"}
    (tmp_path / "kernels" / "forked" / "kernel.json").write_text(json.dumps(specification))
    [parameters] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert "runs/demo/model" in parameters.source
    parameters.source = f"MODEL = {str(small_model)!r}"
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable), prepend=os.pathsep)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    fresh_process.address()  # or the kernel would start a server of its own
    NotebookClient(notebook, timeout=120, kernel_name="forked", resources={"metadata": {"path": str(repository / "docs")}}).execute()

    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    texts = "\n".join(output.get("data", {}).get("text/plain", "") for output in outputs)
    assert "num_rows: 64" in texts and "realesrgan-x4plus" in texts and "in both splits: 0" in texts
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert "score of synthetic" in texts and "'label': 'synthetic'" in texts
