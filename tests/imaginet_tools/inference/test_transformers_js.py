"""An ONNX export in transformers.js: the same logits of the same crops, from the same files.

Needs Node and @huggingface/transformers (`npm install --ignore-scripts @huggingface/transformers`) in the clone, or in the folder
node_modules that IMAGINET_NODE_MODULES names.
"""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest

from imaginet_tools.inference.networks.self_test import self_test_crops
from imaginet_tools.inference.networks.network import Logits
from imaginet_tools.inference.saved_detector import open_detector

SCRIPT = """
import { PreTrainedModel, Tensor, env } from '@huggingface/transformers';
import { readFileSync } from 'node:fs';
const [folder, pixels, dtype] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = '/';
const model = await PreTrainedModel.from_pretrained(folder, { dtype, local_files_only: true, device: 'cpu' });
const answer = await model({ pixels: new Tensor('uint8', new Uint8Array(readFileSync(pixels)), [8, 256, 256, 3]) });
console.log(JSON.stringify(Object.fromEntries(Object.entries(answer).map(([name, value]) => [name, value.tolist()]))));
"""


@pytest.fixture(scope="module")
def in_node(repository, tmp_path_factory):
    """(folder of an export, crops, dtype) -> what transformers.js says, by output, and what it wrote on stderr."""
    modules = os.environ.get("IMAGINET_NODE_MODULES", repository / "node_modules")
    if shutil.which("node") is None:
        pytest.skip("needs Node, which is not installed")
    if not os.path.isdir(f"{modules}/@huggingface/transformers"):
        pytest.skip("needs @huggingface/transformers: not in node_modules, and IMAGINET_NODE_MODULES names no other folder")
    folder = tmp_path_factory.mktemp("node")
    (folder / "node_modules").symlink_to(modules)
    (folder / "score.mjs").write_text(SCRIPT)

    def score(export, crops: np.ndarray, dtype: str) -> tuple[dict, str]:
        (folder / "pixels").write_bytes(crops.tobytes())
        done = subprocess.run(["node", "score.mjs", export, folder / "pixels", dtype], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr

    return score


@pytest.mark.parametrize("model, precision", [("version 0.1", "fp32"), ("laptop", "fp32"), ("laptop", "int8")])
def test_transformers_js_gives_the_same_logits(model, precision, exported, in_node):
    folder = exported(model, "onnx", precision)[0]
    crops = self_test_crops((256, 256))
    found, said = in_node(folder, crops, precision)
    expected = open_detector(folder).network(crops)
    for name in Logits._fields:
        values = getattr(expected, name)
        assert (values is None) == (name not in found)
        if values is not None:
            np.testing.assert_allclose(found[name], values, rtol=1e-3, atol=1e-3 * np.abs(values).max(), err_msg=name)
    assert "Unknown model" not in said
