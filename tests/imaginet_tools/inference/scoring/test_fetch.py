"""Pictures of the web: what a server does wrong costs one row, and one that fails for a moment is asked again."""

import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imaginet_core.pictures.sources import LIMITS
from imaginet_tools.inference.scoring import fetch
from imaginet_tools.inference.scoring.inputs import list_inputs

OURS = replace(LIMITS, private_addresses=True, bytes=1000)


@pytest.fixture
def server(monkeypatch):
    """Answers with the numbers in the path, one after the other, the last one for ever."""
    monkeypatch.setattr(fetch, "WAITS", (0.01, 0.01))
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
