"""Detectors of others: whatever order their labels have they give one AUC, or are refused with what to do."""

import http.server
import io
import json
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score
from transformers import ConvNextConfig, ConvNextForImageClassification, ConvNextImageProcessor

from imaginet_tools.evaluation.rivals.open_any import Choice, open_any, split_name
from tests.imaginet_tools.evaluation.simulate import picture

PICTURES = [picture(seed, 40, 40, grain=2.0 + 3 * seed) for seed in range(8)]
LABEL = np.array([0, 1, 0, 1, 1, 0, 1, 0])


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory):
    """Four folders of one small network: labels in both orders, three classes, and names that say nothing."""
    root = tmp_path_factory.mktemp("rivals")
    torch.manual_seed(0)
    config = ConvNextConfig(num_stages=2, hidden_sizes=[8, 8], depths=[1, 1], num_labels=2, image_size=32)
    model = ConvNextForImageClassification(config).eval()
    processor = ConvNextImageProcessor(size={"shortest_edge": 32}, crop_pct=1.0)
    weight, bias = model.classifier.weight.data.clone(), model.classifier.bias.data.clone()

    def save(name, order, labels):
        model.config.id2label = dict(enumerate(labels))
        model.config.label2id = {label: number for number, label in enumerate(labels)}
        model.config.num_labels = len(labels)
        model.classifier = torch.nn.Linear(8, len(labels))
        model.classifier.weight.data, model.classifier.bias.data = weight[order].clone(), bias[order].clone()
        model.save_pretrained(root / name)
        processor.save_pretrained(root / name)
        return str(root / name)

    return {
        "real first": save("a", [0, 1], ["real", "fake"]), "ai first": save("b", [1, 0], ["AI", "human"]),
        "nameless": save("c", [0, 1], ["LABEL_0", "LABEL_1"]),
    }


def probabilities(text, choice=Choice()):
    scorer, facts = open_any(text, choice)
    rows = scorer.rows([scorer.preparation(_file(each), each, "clean") for each in PICTURES])
    return np.array([row["probability"] for row in rows]), facts


def _file(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_three_orders_of_labels_give_one_auc(stand_ins):
    first, facts = probabilities(stand_ins["real first"])
    second, _ = probabilities(stand_ins["ai first"])
    third, told = probabilities(stand_ins["nameless"], Choice(label_map={"LABEL_0": 0, "LABEL_1": 1}))
    assert second == pytest.approx(first, abs=1e-6) and third == pytest.approx(first, abs=1e-6) and np.ptp(first) > 1e-4
    assert len({roc_auc_score(LABEL, each.round(6)) for each in (first, second, third)}) == 1
    turned, _ = probabilities(stand_ins["nameless"], Choice(label_map={"LABEL_0": 1, "LABEL_1": 0}))
    assert turned == pytest.approx(1 - first, abs=1e-6)
    assert facts.kind == "classifier of transformers" and "are read as given" in told.notes[0]
    assert facts.key["model"] != told.key.get("other") and facts.key["precision"] == "float32"


def test_a_classifier_that_is_sent_to_another_process_is_opened_there_by_its_place(stand_ins, monkeypatch, tmp_path):
    place = Path(stand_ins["nameless"])
    monkeypatch.chdir(place.parent)
    scorer, _ = open_any(f"rival={place.name}", Choice(label_map={"LABEL_0": 1, "LABEL_1": 0}))
    sent = pickle.dumps(scorer)
    monkeypatch.chdir(tmp_path)
    opened = pickle.loads(sent)
    assert len(sent) < 2000 and opened.name == "rival" and opened.key("clean") == scorer.key("clean")
    assert opened.rows(PICTURES[:2]) == scorer.rows(PICTURES[:2])


def test_labels_without_names_are_refused_with_what_to_do(stand_ins):
    with pytest.raises(ValueError, match="LABEL_0, LABEL_1, which may mean either .*--label_map"):
        open_any(stand_ins["nameless"], Choice())


def test_the_key_changes_with_the_weights(stand_ins):
    keys = {open_any(stand_ins[name], Choice()).facts.key["model"] for name in ("real first", "ai first")}
    assert len(keys) == 2


MODULE = """
import torch

class Grain(torch.nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(4.0))
        self.outputs = outputs
    def forward(self, batch):
        logit = self.scale * (batch.diff(dim=-1).abs().mean((1, 2, 3)) - 0.05)
        return logit[:, None] if self.outputs == 1 else torch.stack([torch.zeros_like(logit), logit], dim=1)

def transform(picture):
    import numpy as np
    return torch.from_numpy(np.asarray(picture)).permute(2, 0, 1) / 255

def one():
    return Grain(1), transform

def two():
    return Grain(2), transform

def without():
    return Grain(1)

def timm_module():
    import timm
    torch.manual_seed(0)
    return timm.create_model("resnet10t", num_classes=1)

number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "my_rivals.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def test_modules_are_found_by_an_import_path(module):
    grain = np.array([np.abs(np.diff(each.astype(float) / 255, axis=1)).mean() for each in PICTURES])
    expected = 1 / (1 + np.exp(-4 * (grain - 0.05)))
    one, facts = probabilities("grain=my_rivals:one")
    assert one == pytest.approx(expected, abs=1e-6) and (facts.name, facts.kind) == ("grain", "torch module")
    two, _ = probabilities("my_rivals:two", Choice(label_map={"0": 0, "1": 1}))
    assert two == pytest.approx(expected, abs=1e-6)
    timm, _ = probabilities("my_rivals:timm_module")
    assert np.ptp(timm) > 0


@pytest.mark.parametrize("path, message", [
    ("my_rivals:none", "cannot be imported .*PYTHONPATH"), ("not_there.at_all:x", "cannot be imported"),
    ("my_rivals:number", "gives int, no torch.nn.Module"), ("my_rivals:without", "without a transform; return a pair"),
])
def test_modules_that_cannot_be_used_are_refused(module, path, message):
    with pytest.raises(ValueError, match=message):
        open_any(path, Choice())


def test_two_outputs_without_a_label_map_are_refused(module):
    with pytest.raises(ValueError, match="0, 1, which may mean either .*--label_map"):
        probabilities("my_rivals:two")


@pytest.fixture
def service():
    """Answers with brightness: as imaginet serve, or as Inference Endpoints; once it is busy."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            if self.path == "/busy" and len(asked) == 1:
                self.send_error(503)
                return
            bright = float(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).mean() / 255)
            answer = {
                "/score": {"probability": bright}, "/busy": {"probability": bright},
                "/endpoint": [{"label": "fake", "score": bright}, {"label": "real", "score": 1 - bright}],
                "/nameless": [{"label": "LABEL_0", "score": 1 - bright}, {"label": "LABEL_1", "score": bright}],
            }.get(self.path, ["?"])
            self._send(answer)

        def do_GET(self):
            self._send({"status": "ok", "model": "bright", "fingerprint": "abc"})

        def _send(self, answer):
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_addresses_answer_in_both_forms_and_are_asked_again_when_busy(service, monkeypatch):
    monkeypatch.setattr("imaginet_tools.evaluation.rivals.endpoint.WAITS", (0.01,))
    expected = [each.mean() / 255 for each in PICTURES]
    for path, choice in (("/busy", Choice()), ("/score", Choice()), ("/endpoint", Choice()), ("/nameless", Choice(label_map={"LABEL_0": 0, "LABEL_1": 1}))):
        found, facts = probabilities(service + path, choice)
        assert found == pytest.approx(expected)
    assert facts.kind == "HTTP endpoint" and facts.key["model"]["fingerprint"] == "abc" and facts.key["day"] is None
    with pytest.raises(ValueError, match="LABEL_0, LABEL_1, which may mean either .*--label_map"):
        probabilities(f"{service}/nameless")
    with pytest.raises(ValueError, match="neither a probability nor a list"):
        probabilities(f"{service}/else")
    with pytest.raises(ValueError, match="does not answer"):
        probabilities("http://127.0.0.1:9/score")


def test_names_and_places_are_told_apart(tmp_path):
    (tmp_path / "model").mkdir()
    assert split_name("ours=runs/demo/model") == ("ours", "runs/demo/model")
    assert split_name("http://host/score?x=1") == ("http://host/score?x=1",) * 2
    assert split_name(str(tmp_path / "model")) == (f"{tmp_path.name}/model", str(tmp_path / "model"))
    with pytest.raises(FileNotFoundError, match="no folder, no name on the Hub, no import path and no address"):
        open_any("./nothing/there", Choice())
    with pytest.raises(FileNotFoundError, match="has no config.json"):
        open_any(str(tmp_path / "model"), Choice())
