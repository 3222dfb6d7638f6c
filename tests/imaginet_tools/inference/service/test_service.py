"""The service as its users meet it: over HTTP, many at once, with what they send wrong, and while it is stopped."""

import asyncio
import base64
import hashlib
import json
import os
import re
import signal
import socket
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from imaginet_tools.commands.main import main
from imaginet_tools.commands.serving.listen import listen
from imaginet_tools.inference.saved_detector import open_detector
from imaginet_tools.inference.service import reasons
from imaginet_tools.inference.service.app import ServiceOptions, make_app
from modeling import SelfConImageProcessor, save
from tests.fresh_process import FreshProcess
from tests.imaginet_core.provenance.signed_pictures import STEPS, Authority, exif, picture, saved, texts
from tests.modeling.helpers import small_model

ROOT = Path(__file__).resolve().parents[4]
MODEL = ROOT / "tests" / "data" / "version_0_1" / "model"
PICTURES = sorted((ROOT / "sample" / "images").rglob("*.jpg"))[:6]
TOKEN = "secret"


class Served:
    """A service in a process of its own."""

    def __init__(self, *options: str, **environment: str):
        command = ["-m", "imaginet_tools.commands.main", "serve", "--model", MODEL, "--port", "0", *options]
        reader, writer = os.pipe()
        self._said = open(reader)
        with open(os.devnull) as nothing, open(writer, "w") as output:
            self.process = FreshProcess(command, ROOT, {**os.environ, **environment}, [nothing, output, 2])
        self.address = re.search(r"http://[\d.:]+", self._said.readline())[0]

    def ask(self, path: str = "/score", body: bytes | None = None, kind: str = "image/jpeg", token: str | None = TOKEN) -> tuple[int, dict | str]:
        """Status and JSON (or text)."""
        headers = {} if body is None else {"Content-Type": kind, **({"Authorization": f"Bearer {token}"} if token else {})}
        request = urllib.request.Request(self.address + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                status, text = response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        return status, json.loads(text) if text.startswith("{") else text

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def service():
    served = Served("--max_bytes", "300000", "--urls", IMAGINET_TOKEN=TOKEN)
    yield served
    if served.process.poll() is None:
        assert served.stop() == 0


@pytest.fixture(scope="module")
def own_model(tmp_path_factory) -> str:
    """A model with this version's code, which gives heat maps."""
    folder = tmp_path_factory.mktemp("model") / "detector"
    return str(save(small_model(generators=["a", "b"]).eval(), SelfConImageProcessor(), folder))


@pytest.fixture(scope="module")
def in_process(own_model):
    """A client of a service in this process, whose heat maps are of pictures up to 400 by 400."""
    with TestClient(make_app(open_detector(own_model, device="cpu"), ServiceOptions(map_pixels=160_000))) as client:
        yield client


@pytest.fixture(scope="module")
def expected() -> list[float]:
    return open_detector(MODEL, device="cpu").scores(PICTURES).probability.tolist()


def form_of(content: bytes) -> tuple[bytes, str]:
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return head + content + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"


def json_of(content: bytes) -> tuple[bytes, str]:
    return json.dumps({"image": base64.b64encode(content).decode()}).encode(), "application/json"


@pytest.mark.parametrize("form", [lambda content: (content, "image/jpeg"), form_of, json_of], ids=["bytes", "form", "base64"])
def test_a_picture_gets_the_detectors_whole_answer_in_every_form(service, expected, form):
    content = PICTURES[0].read_bytes()
    status, answer = service.ask("/score", *form(content))
    assert status == 200, answer
    assert answer["probability"] == pytest.approx(expected[0], abs=1e-6)
    assert (answer["sha256"], answer["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    assert answer["label"] in ("real", "synthetic") and answer["outcome"] in ("real", "synthetic", "uncertain")
    assert answer["generators"] == sorted(answer["generators"], key=lambda kind: -kind["probability"]) != []
    assert answer["model"]["engine"] == "torch" and len(answer["model"]["fingerprint"]) == 16


def test_many_at_once_get_their_own_answers_in_common_batches(service, expected):
    contents = [file.read_bytes() for file in PICTURES]
    with ThreadPoolExecutor(24) as clients:
        answers = list(clients.map(lambda number: service.ask(body=contents[number % 6]), range(60)))
    assert [status for status, _ in answers] == [200] * 60
    for number, (_, answer) in enumerate(answers):
        assert answer["probability"] == pytest.approx(expected[number % 6], abs=1e-6)
    _, metrics = service.ask("/metrics")
    batches, pictures = (float(re.search(rf"imaginet_batch_pictures_{name} ([\d.e+]+)", metrics)[1]) for name in ("count", "sum"))
    assert pictures >= 60 and batches < pictures / 2
    assert float(re.search(r'imaginet_requests_total{status="200"} ([\d.e+]+)', metrics)[1]) >= 60


def test_what_a_file_states_stands_beside_the_score_and_changes_no_bit_of_it(in_process, monkeypatch):
    image = picture(3, 96)
    plain, stated = saved("PNG", image), saved("PNG", image, pnginfo=texts(parameters=STEPS), exif=exif({0x010F: "Leica", 0x0110: "M11"}))
    signed = Authority().sign(plain, "PNG")
    answers = [in_process.post("/score", content=content).json() for content in (plain, stated, signed)]
    assert len({(answer["probability"], answer["log_odds"], answer["outcome"]) for answer in answers}) == 1
    assert answers[0]["provenance"]["entries"] == [] and "proves nothing" in answers[0]["provenance"]["worth"]
    assert [each["generator"] for each in answers[1]["provenance"]["entries"]] == ["Stable Diffusion web UI", None]
    assert answers[2]["provenance"]["c2pa"]["state"] == "valid" and "heat_map" not in answers[2]
    unread = in_process.post("/score", content=signed, params={"provenance": False}).json()
    assert "provenance" not in unread and unread["log_odds"] == answers[0]["log_odds"]
    monkeypatch.setattr(reasons, "read_provenance", lambda *given, **options: time.sleep(0.5))
    monkeypatch.setattr(reasons.Reasons, "provenance", slow_provenance)
    late = in_process.post("/score", content=stated).json()
    assert late["log_odds"] == answers[0]["log_odds"] and "took longer than 0.1 seconds" in late["provenance"]["error"]


async def slow_provenance(self, content, read=reasons.Reasons.provenance):
    """As it is where a request may take a fifth of a second."""
    self.seconds, before = 0.2, self.seconds
    try:
        return await read(self, content)
    finally:
        self.seconds = before


def test_a_heat_map_is_the_detector_s_and_changes_no_bit_of_the_score(in_process, own_model):
    content = saved("PNG", picture(5, 300))
    plain, mapped = (in_process.post("/score", content=content, params={"heatmap": asked}).json() for asked in (False, True))
    assert "heat_map" not in plain and mapped["log_odds"] == plain["log_odds"]
    expected = open_detector(own_model, device="cpu").heat_map(content).as_dict()
    assert mapped["heat_map"]["overlay_png"] == expected["overlay_png"] and mapped["heat_map"]["width"] == 300
    assert mapped["heat_map"] == json.loads(json.dumps(expected))


def test_heat_maps_that_cannot_be_are_refused_in_one_sentence(in_process, monkeypatch):
    large = saved("PNG", picture(5, 401))
    refused = in_process.post("/score", content=large, params={"heatmap": True})
    assert refused.status_code == 422 and refused.json()["detail"].startswith("No heat map: the picture") and "160,000" in refused.text
    assert in_process.post("/score", content=large).status_code == 200
    assert in_process.post("/score", content=large, params={"heatmap": "perhaps"}).status_code == 422
    monkeypatch.setattr(reasons, "MOST_MAPS", 0)
    assert in_process.post("/score", content=saved("PNG", picture(5, 100)), params={"heatmap": True}).status_code == 429

    def check(network):
        raise ValueError("Heat maps need the saved model; this export for onnx gives scores alone.")

    monkeypatch.setattr(reasons, "check_heat_maps", check)
    refused = in_process.post("/score", content=large, params={"heatmap": True})
    assert refused.status_code == 422 and "this export for onnx gives scores alone" in refused.json()["detail"]


@pytest.mark.parametrize("body, kind, status, said", [
    (b"", "image/jpeg", 400, "is empty"),
    (b"no picture at all", "image/jpeg", 422, "it is no JPEG"),
    (b"x" * 300_001, "image/jpeg", 413, "limit of 300,000 bytes"),
    (b"x" * 500_000, "application/json", 413, "limit of"),
    (b"{", "application/json", 400, "no JSON"),
    (b'{"image": "!"}', "application/json", 400, "no base64"),
    (b'{"picture": 1}', "application/json", 400, 'must hold "image"'),
    (b"a", "text/plain", 415, "not text/plain"),
])
def test_what_cannot_be_scored_is_refused_in_one_sentence(service, body, kind, status, said):
    answered, answer = service.ask("/score", body, kind)
    assert answered == status and said in answer["detail"] and "\n" not in answer["detail"]
    assert service.ask("/health")[1]["status"] == "ok"


def test_it_describes_itself(service):
    _, description = service.ask("/openapi.json")
    assert set(description["paths"]) == {"/score", "/health", "/metrics"}
    assert set(description["paths"]["/score"]["post"]["requestBody"]["content"]) == {
        "application/octet-stream", "multipart/form-data", "application/json",
    }


def test_addresses_are_fetched_where_that_is_allowed_but_never_private_ones_and_a_token_is_asked_for(service, in_process):
    body = json.dumps({"url": f"{service.address}/health"}).encode()
    assert service.ask("/score", body, "application/json", token=None)[0] == 401
    assert service.ask("/score", body, "application/json", token="other")[0] == 401
    status, answer = service.ask("/score", body, "application/json")
    assert status == 422 and "127.0.0.1" in answer["detail"]
    refused = in_process.post("/score", json={"url": "http://example.org/a.jpg"})
    assert refused.status_code == 403 and "fetches no addresses" in refused.json()["detail"]


def test_who_asked_before_it_was_stopped_is_answered(service):
    """The last test of the service: it ends it."""
    contents = [file.read_bytes() for file in PICTURES]
    service.ask(body=contents[0])
    with ThreadPoolExecutor(12) as clients:
        asked = [clients.submit(service.ask, "/score", contents[number % 6]) for number in range(12)]
        while not any(each.done() for each in asked):
            pass
        assert service.stop() == 0
        answered = [each.result() for each in asked if each.exception() is None]
    assert len(answered) >= 1 and all(status == 200 for status, _ in answered)


def test_an_answer_is_sent_at_once_and_does_not_wait_for_the_other_side():
    """A server's small pieces wait up to 40 ms each unless the socket is told not to (TCP_NODELAY), which asyncio does for TCP alone."""
    async def nodelay() -> int:
        told = asyncio.get_running_loop().create_future()

        def connected(_, writer):
            told.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(connected, sock=(listening := listen("127.0.0.1", 0))):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            writer.close()
            return await told

    assert asyncio.run(nodelay())


def test_a_port_in_use_is_said_before_the_model_is_loaded():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(SystemExit, match=rf"Port {taken.getsockname()[1]} of 127.0.0.1 cannot be had"):
            main(["serve", "--model", "absent", "--port", str(taken.getsockname()[1])])
