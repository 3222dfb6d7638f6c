"""Inference Endpoints: the handler that lies in a saved folder gives the task's answers, and reads nothing of the server's."""

import io

import pytest
from PIL import Image

from modeling import SelfConImageProcessor, save
from tests.modeling.helpers import in_fresh_process, pixels, small_model

USE = """
import base64, json, sys
sys.path.insert(0, sys.argv[1])
from handler import EndpointHandler
from PIL import Image
from transformers import pipeline
content = open(sys.argv[2], "rb").read()
text = base64.b64encode(content).decode()
handler = EndpointHandler(sys.argv[1])
print(json.dumps({
    "task": pipeline("synthetic-image-detection", model=sys.argv[1], trust_remote_code=True)(sys.argv[2]),
    "base64": handler({"inputs": text}), "data": handler({"inputs": "data:image/png;base64," + text}),
    "image": handler({"inputs": Image.open(sys.argv[2])}), "list": handler({"inputs": [text, base64.b64encode(b"no").decode()]}),
    "top": handler({"inputs": text, "parameters": {"top_k": 1}}),
    "path": handler({"inputs": sys.argv[2]}), "long path": handler({"inputs": "/" + "../" * 100 + sys.argv[2]}),
    "nothing": handler({}), "parameters": handler({"inputs": text, "parameters": {"limits": {"private_addresses": True}}}),
    "private": handler({"inputs": "http://127.0.0.1:9/a.png"}), "point": handler({"inputs": text, "parameters": {"operating_point": "x"}}),
}))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("endpoint")
    save(small_model(generators=["a", "b", "c"]), SelfConImageProcessor(), folder / "detector")
    file = io.BytesIO()
    Image.fromarray(pixels(300, 280)).save(file, "PNG")
    (folder / "picture.png").write_bytes(file.getvalue())
    return in_fresh_process(USE, [folder / "detector", folder / "picture.png"], folder)


def test_every_form_of_a_picture_gets_the_tasks_answer(answers):
    assert answers["base64"] == answers["data"] == answers["task"]
    assert answers["image"]["probability"] == pytest.approx(answers["task"]["probability"], abs=1e-7)
    assert answers["list"][0]["probability"] == pytest.approx(answers["task"]["probability"], abs=1e-6)
    assert "it is no JPEG" in answers["list"][1]["error"]
    assert list(answers["top"]["generator"]) == [max(answers["task"]["generator"], key=answers["task"]["generator"].get)]


@pytest.mark.parametrize("request_of, said", [
    ("path", "paths on the server are not read"), ("long path", "paths on the server are not read"), ("nothing", "inputs must be a picture"),
    ("parameters", "parameters may be operating_point"), ("private", "127.0.0.1"), ("point", "no operating point 'x'"),
])
def test_what_must_not_be_or_cannot_be_answered_has_a_sentence(answers, request_of, said):
    assert said in answers[request_of]["error"]
