"""Pictures behind web addresses: only the open internet, only so long, so far and so much; on a server of this machine."""

import base64
import http.server
import socket
import threading
import time

import numpy as np
import pytest

from imaginet_core.pictures import sources
from imaginet_core.pictures.decode import read_picture
from imaginet_core.pictures.sources import FORMATS, Limits, PictureError, address_for_messages, format_of, is_public
from tests.picture_fixtures import fixtures, photo, saved

HERE = Limits(private_addresses=True, seconds=20)
CONTENT = saved(photo(), "PNG")


class Handler(http.server.BaseHTTPRequestHandler):
    """/picture gives CONTENT; /N leads to /N-1 and /0 to the picture; the other paths misbehave in their own ways."""

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/picture":
            self.answer(200, CONTENT)
        elif path == "/caf%C3%A9%20picture":
            self.answer(200, CONTENT)
        elif path == "/short":
            self.answer(200, CONTENT[:100], length=len(CONTENT))
        elif path == "/page":
            self.answer(200, b"<html>not found</html>")
        elif path == "/long":
            self.answer(200, b"", length=10**12)
        elif path == "/endless":
            self.answer(200, b"", length=None)
            self.drip(b"x" * 2**16, 0)
        elif path == "/slow":
            self.answer(200, b"", length=len(CONTENT))
            self.drip(b"x", 0.05)
        elif path == "/slow-header":
            self.wfile.write(b"HTTP/1.0 200 OK\r\n")
            self.drip(b"X: y\r\n", 0.05)
        elif path.startswith("/to/"):
            self.answer(302, b"", location=base64.urlsafe_b64decode(path[4:]).decode())
        elif path[1:].isdigit():
            self.answer(302, b"", location=f"/{int(path[1:]) - 1}" if int(path[1:]) else "/picture")
        else:
            self.answer(404, b"")

    def answer(self, status, content, length=0, location=None):
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length or len(content)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(content)

    def drip(self, part, seconds):
        try:
            for _ in range(2000):
                self.wfile.write(part)
                time.sleep(seconds)
        except OSError:
            pass  # the reader has had enough

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def leading_to(address: str, place: str) -> str:
    return f"{address}/to/{base64.urlsafe_b64encode(place.encode()).decode()}"


@pytest.mark.parametrize("path", ["/picture", "/picture?signature=secret", "/0", "/4", "/café picture"])
def test_a_picture_behind_an_address_is_the_file_itself(address, path):
    np.testing.assert_array_equal(read_picture(address + path, limits=HERE).pixels, np.asarray(photo()))


def test_addresses_of_this_machine_are_refused_unless_allowed(address):
    port = address.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254", "10.0.0.1", "2130706433"):
        with pytest.raises(PictureError, match="an address of this machine or of a private network|cannot be read: "):
            read_picture(f"http://{host}:{port}/picture")


def test_each_redirect_is_checked_and_counted(address, monkeypatch):
    with pytest.raises(PictureError, match="through more than 5 others"):
        read_picture(f"{address}/5", limits=HERE)
    with pytest.raises(PictureError, match="file:// is not read"):
        read_picture(leading_to(address, "file:///etc/passwd"), limits=HERE)
    allowed = lambda place: place == "127.0.0.1"  # as if the server itself were public, and what it leads to were not
    monkeypatch.setattr(sources, "is_public", allowed)
    np.testing.assert_array_equal(read_picture(f"{address}/1").pixels, np.asarray(photo()))
    for place in ("http://127.0.0.2/picture", "http://[::1]/picture", "//192.168.0.1/", "https://169.254.169.254/latest/meta-data"):
        with pytest.raises(PictureError, match="an address of this machine or of a private network"):
            read_picture(leading_to(address, place))


def test_a_name_is_looked_up_once_and_the_checked_address_is_used(address, monkeypatch):
    found, asked = socket.getaddrinfo, []

    def look_up(host, *arguments, **options):
        asked.append(host)
        return found("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    url = address.replace("127.0.0.1", "pictures.example")
    np.testing.assert_array_equal(read_picture(f"{url}/picture", limits=HERE).pixels, np.asarray(photo()))
    assert asked == ["pictures.example"]
    with pytest.raises(PictureError, match="pictures.example is 127.0.0.1, an address of this machine"):
        read_picture(f"{url}/picture")


@pytest.mark.parametrize("path", ["/slow", "/slow-header"])
def test_time_is_limited_as_a_whole(address, path):
    start = time.monotonic()
    with pytest.raises(PictureError, match="the server took longer than 0.5 s.; try again"):
        read_picture(address + path, limits=Limits(private_addresses=True, seconds=0.5))
    assert time.monotonic() - start < 5


def test_bytes_are_limited_whether_their_number_is_told_or_not(address):
    limits = Limits(private_addresses=True, bytes=10**5, seconds=20)
    for path in ("/long", "/endless"):
        with pytest.raises(PictureError, match="more than the limit of 100,000 bytes"):
            read_picture(address + path, limits=limits)


@pytest.mark.parametrize("path, what", [
    ("/nothing", "the server answered 404"), ("/short", "the connection ended before the file did"), ("/page", "it is no JPEG"),
])
def test_what_is_no_picture_is_told_with_its_address(address, path, what):
    with pytest.raises(PictureError, match=f"{address}{path} cannot be read as an image .{what}"):
        read_picture(f"{address}{path}?token=secret", limits=HERE)


def test_servers_that_are_not_there_and_addresses_that_are_none_are_told():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/a.jpg", f"https://127.0.0.1:{port}/a.jpg", "http://", "http://[::1/a", "http://a b/c", "http://x:99999/"):
        with pytest.raises(PictureError, match="cannot be read as an image") as caught:
            read_picture(url, limits=HERE)
        assert "\n" not in str(caught.value)


def test_secrets_of_an_address_are_not_shown():
    assert address_for_messages("https://user:password@host:8080/a/b.jpg?X-Amz-Signature=123#x") == "https://host:8080/a/b.jpg"


@pytest.mark.parametrize("address, public", [
    ("8.8.8.8", True), ("2606:4700::1111", True), ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False), ("192.168.1.1", False),
    ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False),
    ("::", False), ("fe80::1%eth0", False), ("fd00::1", False), ("::ffff:10.0.0.1", False), ("::ffff:8.8.8.8", True), ("64:ff9b::a00:1", False),
    ("64:ff9b::808:808", True), ("2002:a00:1::", False), ("ff02::1", False), ("198.18.0.1", False),
])
def test_which_addresses_are_public(address, public):
    assert is_public(address) == public


def test_formats_are_told_by_content():
    for name, fixture in fixtures().items():
        start = name.split(",")[0].split()[0].upper()
        kind = {"APNG": "PNG", "MPO": "JPEG"}.get(start, start)
        if kind in FORMATS:
            assert format_of(fixture.content[:64]) == kind, name
    assert format_of(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif") == "AVIF" and format_of(b"\0\0\0\x18ftypmp42\0\0\0\0isommp42") is None
