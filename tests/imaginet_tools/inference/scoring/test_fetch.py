"""Pictures of the web: what a server does wrong costs one row, and one that fails for a moment is asked again."""

import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from imaginet_core.pictures.sources import LIMITS
from imaginet_tools.inference.preparation import Preparation
from imaginet_tools.inference.scoring import fetch, network
from imaginet_tools.inference.scoring.inputs import list_inputs
from imaginet_tools.inference.scoring.network import NetworkDown
from imaginet_tools.inference.scoring.records import Reader

OURS = replace(LIMITS, private_addresses=True, bytes=1000)


@pytest.fixture
def server(monkeypatch):
    """Answers with the numbers in the path, one after the other, the last one for ever."""
    monkeypatch.setattr(network, "WAITS", (0.01, 0.01))
    asked = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            statuses = self.path.strip("/").split("/")[0].split("-")
            asked[self.path] = asked.get(self.path, 0) + 1
            self.send_response(int(statuses[min(asked[self.path], len(statuses)) - 1]))
            content = b"x" * (2000 if "large" in self.path else 10)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            """Says nothing."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}", asked
    running.shutdown()
    running.server_close()


def test_what_a_server_answers(server):
    url, asked = server
    [fine, absent, busy, gone, large] = list_inputs(
        [f"{url}/{path}" for path in ("200/a?x=*", "404/b", "503-200/c", "500/d", "200/large")]
    )
    assert fetch.read(fine, OURS) == b"x" * 10 and fine.path == f"{url}/200/a?x=*"
    assert "answered 404" in str(fetch.read(absent, OURS)) and asked["/404/b"] == 1
    assert fetch.read(busy, OURS) == b"x" * 10 and asked["/503-200/c"] == 2
    assert "answered 500" in str(fetch.read(gone, OURS)) and asked["/500/d"] == 3
    assert "more than the limit of 1,000 bytes" in fetch.sentence_of(fetch.read(large, OURS), large.path)


def test_addresses_of_the_own_network_are_refused_unless_they_are_allowed(server):
    url, asked = server
    [each] = list_inputs([f"{url}/200/a"])
    assert "an address of this machine" in str(fetch.read(each, LIMITS)) and not asked


def test_a_server_that_answers_costs_one_row_and_one_that_does_not_stops_the_run(server, monkeypatch):
    url, asked = server
    reader = Reader(Preparation((32, 32), limits=OURS))
    [missing, failing, silent] = list_inputs([f"{url}/404/x.jpg", f"{url}/500/x.jpg", "http://127.0.0.1:9/x.jpg"])
    assert "answered 404" in reader(missing).prepared.error and "answered 500" in reader(failing).prepared.error
    with pytest.raises(NetworkDown, match=r"127\.0\.0\.1:9.*; run the same command with --resume when it answers, or with --skip_unr"):
        reader(silent)
    told = reader._replace(skip_unreachable=True)(silent).prepared.error
    assert "127.0.0.1:9" in told and "--resume" not in told


def test_a_bucket_that_fails_for_a_moment_is_asked_again_and_one_that_is_closed_at_once_stops_the_run(monkeypatch):
    monkeypatch.setattr(network, "WAITS", (0.01, 0.02, 0.03))
    system = MemoryFileSystem()
    system.pipe("/bucket/a.jpg", b"x")
    calls, errors, opened = [], [TimeoutError("no route"), ConnectionError("reset")], MemoryFileSystem._open

    def fail(self, path, *arguments, **keywords):
        calls.append(path)
        if errors:
            raise errors.pop(0)
        return opened(self, path, *arguments, **keywords)

    monkeypatch.setattr(MemoryFileSystem, "_open", fail)
    [each] = list_inputs(["memory://bucket/a.jpg"])
    assert fetch.read(each, OURS) == b"x" and len(calls) == 3
    reader = Reader(Preparation((32, 32), limits=OURS))
    calls.clear()
    errors += [PermissionError("403 Forbidden")]
    with pytest.raises(NetworkDown, match="memory://bucket/a.jpg may not be read.*--skip_unreachable"):
        reader(each)
    assert len(calls) == 1
    errors += [TimeoutError("no route")] * 4
    with pytest.raises(NetworkDown, match="cannot be reached .no route"):
        reader(each)
    assert len(calls) == 5
    system.rm("/bucket/a.jpg")
    assert "memory://bucket/a.jpg cannot be found" in reader(each).prepared.error


def test_a_closed_file_of_this_machine_and_a_missing_one_are_rows(tmp_path):
    reader = Reader(Preparation((32, 32), limits=OURS))
    (tmp_path / "a.jpg").write_bytes(b"x")
    [each] = list_inputs([str(tmp_path / "a.jpg")])
    (tmp_path / "a.jpg").unlink()
    assert "a.jpg" in reader(each).prepared.error
    assert not network.is_down(f"{tmp_path}/a.jpg may not be read by this user; change its permissions.", str(tmp_path / "a.jpg"))
