"""Small archives of every kind for the tests, and a server that hands out parts of files."""

import contextlib
import functools
import http.server
import io
import os
import tarfile
import tempfile
import threading
import zipfile
from pathlib import Path

import imaginet
from imaginet_core.storage import ffhq_numbers, find_images

CONTENT = {f"folder/{number}.jpg": os.urandom(700 + number) for number in range(6)}
"""Entry -> bytes that do not compress."""


def pack_zip(file: Path, content: dict, method: int = zipfile.ZIP_DEFLATED) -> str:
    """A zip of name (or ZipInfo) -> bytes."""
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return str(file)


def pack_tar(file: Path, content: dict, mode: str = "w:gz") -> str:
    """A tar of name -> bytes."""
    with tarfile.open(file, mode) as archive:
        for name, data in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return str(file)


def pack_seven(file: Path, content: dict, **keywords) -> str:
    """A 7z of name -> bytes."""
    import py7zr

    with py7zr.SevenZipFile(file, "w", **keywords) as archive:
        for name, data in content.items():
            archive.writestr(data, name)
    return str(file)


def split(file: Path, length: int) -> list[Path]:
    """Cuts a file into volumes .001, .002 … as 7-Zip does, and removes it."""
    whole = file.read_bytes()
    volumes = []
    for number, start in enumerate(range(0, len(whole), length), start=1):
        volumes.append(file.with_name(f"{file.name}.{number:03d}"))
        volumes[-1].write_bytes(whole[start : start + length])
    file.unlink()
    return volumes


class _RangeHandler(http.server.SimpleHTTPRequestHandler):
    """Parts of files, and how many bytes were sent."""

    def log_message(self, *arguments) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        path = self.translate_path(self.path)
        if not os.path.isfile(path):
            self.server.requests.append(0)
            return super().do_GET()
        size, asked = os.path.getsize(path), self.headers.get("Range") if self.server.ranges else None
        first, last = 0, size - 1
        if asked:
            begin, end = asked.removeprefix("bytes=").split("-")
            first, last = int(begin), min(int(end), size - 1) if end else size - 1
        self.server.requests.append(last + 1 - first)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("ETag", f'"{os.stat(path).st_mtime_ns}"')
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        with open(path, "rb") as file, contextlib.suppress(ConnectionError):
            file.seek(first)
            while first <= last:
                part = file.read(min(1 << 20, last + 1 - first))
                self.wfile.write(part)
                first += len(part)


@contextlib.contextmanager
def as_nobody():
    """A folder that anyone may enter, and a function that gives up the right to read everything, which root has."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        try:
            yield Path(folder), (lambda: os.seteuid(65534) if user == 0 else None)
        finally:
            os.seteuid(user)


@contextlib.contextmanager
def served(folder: Path, ranges: bool = True):
    """A server of a folder; gives its URL and the list of bytes sent by request."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_RangeHandler, directory=str(folder)))
    server.requests, server.ranges = [], ranges
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.requests
    finally:
        server.shutdown()
        server.server_close()


def locate(wanted: dict, root: str, locations: dict, sources: dict, make_index: bool = True) -> dict:
    """``find_images.locate`` with the builder's suffixes and map of FFHQ."""
    ffhq_map = functools.partial(ffhq_numbers.read_map, imaginet.list_folders(root), imaginet.UPSTREAM_FFHQ_MAP)
    return find_images.locate(wanted, root, locations, sources, imaginet.IMAGE_SUFFIXES, ffhq_map, make_index)
