"""A stand-in for the Hugging Face Hub on this machine: repositories of models and datasets, tokens, up- and downloads, cards.

It speaks as much of the Hub's protocol as pushing, pulling and streaming with today's libraries need. Use the fixture ``hub``:

    from tests.hub_stand_in import hub  # noqa: F401
    subprocess.run([...], env=hub.environment(tmp_path))    # another process that talks to it
    hub.speak_to(monkeypatch)                               # this process
"""

import base64
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml

WRITER, READER = "hf_may_write", "hf_may_read"
"""The two tokens it knows."""
LFS_FROM = 10_000
"""Files of this many bytes or more take the way of large files (the Hub: 10 MB), so that small tests walk it too."""


@dataclass
class Repo:
    """A repository: whether it is private, and its commits, oldest first, as (name, {path: SHA-256})."""

    private: bool
    commits: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def commit(self, files: dict[str, str]) -> str:
        name = hashlib.sha1(json.dumps([len(self.commits), sorted(files.items())]).encode()).hexdigest()
        self.commits.append((name, files))
        return name


class StandInHub:
    """The server's state. ``repos``: (kind, "owner/name") -> :class:`Repo`, kind "models" or "datasets"."""

    def __init__(self, folder: Path, url: str):
        self.folder, self.url = folder, url
        self.repos: dict[tuple[str, str], Repo] = {}

    def environment(self, home: Path, token: str | None = WRITER) -> dict[str, str]:
        """Environment of a process that talks to this server, with an empty cache below ``home`` and no extra Python path."""
        ours = ("HF_", "HUGGING", "TRANSFORMERS_", "PYTHONPATH")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        hub = {"HF_ENDPOINT": self.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(home)}
        return {**kept, **hub, **({"HF_TOKEN": token} if token else {})}

    def speak_to(self, monkeypatch, home: Path, token: str | None = WRITER) -> None:
        """Lets ``huggingface_hub`` in this process talk to this server."""
        from huggingface_hub import constants
        monkeypatch.setattr(constants, "ENDPOINT", self.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "no-token"))
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        if token:
            monkeypatch.setenv("HF_TOKEN", token)

    def files(self, kind: str, name: str) -> dict[str, bytes]:
        """The newest files of a repository: path -> content."""
        return {path: self.blob(digest).read_bytes() for path, digest in self.repos[kind, name].commits[-1][1].items()}

    def blob(self, digest: str) -> Path:
        return self.folder / digest

    def keep(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.blob(digest).write_bytes(content)
        return digest


class Refused(Exception):
    """Raised by a route: the answer's status, message, and the code that the Hub's client library looks at."""

    def __init__(self, status: int, message: str, code: str | None = None):
        super().__init__(message)
        self.status, self.code = status, code


class Handler(BaseHTTPRequestHandler):
    """One request. Each route is (methods, pattern of the path, method of this class)."""

    hub: StandInHub
    protocol_version = "HTTP/1.1"
    REPO = r"/api/(models|datasets)/([^/]+/[^/]+)"
    ROUTES = [
        ("GET", r"/api/whoami-v2", "whoami"),
        ("POST", r"/api/validate-yaml", "validate_card"),
        ("POST", r"/api/repos/create", "create"),
        ("GET", REPO + r"/auth-check(/write)?", "auth_check"),
        ("POST", REPO + r"/preupload/([^/]+)", "preupload"),
        ("POST", r"/(datasets/)?([^/]+/[^/]+)\.git/info/lfs/objects/batch", "lfs_batch"),
        ("PUT", r"/lfs/([0-9a-f]{64})", "lfs_put"),
        ("POST", REPO + r"/commit/([^/]+)", "commit"),
        ("GET", REPO + r"(?:/revision/([^/]+))?", "info"),
        ("GET", REPO + r"/tree/([^/]+)(?:/(.*))?", "tree"),
        ("POST", REPO + r"/paths-info/([^/]+)", "paths_info"),
        ("GET HEAD", r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", "resolve"),
    ]

    def route(self) -> None:
        self.body = self._read_body()
        address = urlsplit(self.path)
        self.query = parse_qs(address.query)
        try:
            for methods, pattern, name in self.ROUTES:
                match = re.fullmatch(pattern, address.path)
                if match and self.command in methods.split():
                    return getattr(self, name)(*(unquote(part) if part else part for part in match.groups()))
            raise Refused(404, f"The stand-in has no route {self.command} {address.path}.")
        except Refused as refusal:
            headers = {"X-Error-Message": str(refusal), **({"X-Error-Code": refusal.code} if refusal.code else {})}
            self.answer({"error": str(refusal), "errors": [{"message": str(refusal)}]}, refusal.status, headers)

    do_GET = do_HEAD = do_POST = do_PUT = route

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def answer(self, content: dict | list | bytes, status: int = 200, headers: dict | None = None) -> None:
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(content), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *args) -> None:
        """Tests need no log of requests."""

    # who may do what

    def token(self) -> str | None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        if token not in (None, WRITER, READER):
            raise Refused(401, "Invalid credentials in Authorization header")
        return token

    def must_write(self) -> None:
        if self.token() is None:
            raise Refused(401, "Invalid username or password.")
        if self.token() != WRITER:
            raise Refused(403, "You don't have the rights to write here with this token")

    def repo(self, kind: str, name: str) -> Repo:
        repo = self.hub.repos.get((kind, name))
        if repo is None or (repo.private and self.token() is None):
            raise Refused(401 if self.token() is None else 404, "Repository not found", "RepoNotFound")
        return repo

    def at(self, repo: Repo, revision: str | None) -> tuple[str, dict[str, str]]:
        if revision in (None, "main"):
            return repo.commits[-1]
        for commit in repo.commits:
            if commit[0] == revision:
                return commit
        raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    # routes

    def whoami(self) -> None:
        if self.token() is None:
            raise Refused(401, "Invalid username or password.")
        self.answer({"type": "user", "name": "me", "orgs": [], "auth": {"accessToken": {"role": "write"}}})

    def validate_card(self) -> None:
        asked = json.loads(self.body)
        if errors := card_errors(asked["content"]):
            return self.answer({"errors": [{"message": error} for error in errors], "warnings": []}, 400)
        self.answer({"errors": [], "warnings": []})

    def create(self) -> None:
        self.must_write()
        asked = json.loads(self.body)
        kind, name = f"{asked.get('type') or 'model'}s", f"{asked.get('organization') or 'me'}/{asked['name']}"
        url = f"{self.hub.url}/{'datasets/' if kind == 'datasets' else ''}{name}"
        if (kind, name) in self.hub.repos:
            return self.answer({"error": "You already created this repo", "url": url}, 409)
        repo = self.hub.repos[kind, name] = Repo(asked.get("visibility") == "private" or bool(asked.get("private")))
        repo.commit({".gitattributes": self.hub.keep(b"*.safetensors filter=lfs\n")})
        self.answer({"url": url, "name": name})

    def auth_check(self, kind: str, name: str, write: str | None) -> None:
        self.repo(kind, name)
        if write:
            self.must_write()
        self.answer({})

    def preupload(self, kind: str, name: str, revision: str) -> None:
        self.repo(kind, name)
        self.must_write()
        self.answer({"files": [
            {"path": file["path"], "uploadMode": "lfs" if file["size"] >= LFS_FROM else "regular", "shouldIgnore": False}
            for file in json.loads(self.body)["files"]
        ]})

    def lfs_batch(self, kind: str | None, name: str) -> None:
        self.repo("datasets" if kind else "models", name)
        self.must_write()
        self.answer({"transfer": "basic", "objects": [
            {**wanted, "actions": {"upload": {"href": f"{self.hub.url}/lfs/{wanted['oid']}", "header": {}}}}
            for wanted in json.loads(self.body)["objects"]
        ]})

    def lfs_put(self, digest: str) -> None:
        if self.hub.keep(self.body) != digest:
            raise Refused(400, "The content is not what its name says")
        self.answer({})

    def commit(self, kind: str, name: str, revision: str) -> None:
        repo = self.repo(kind, name)
        self.must_write()
        files = dict(self.at(repo, revision)[1])
        for line in self.body.splitlines():
            change = json.loads(line)
            key, value = change["key"], change["value"]
            if key == "file":
                files[value["path"]] = self.hub.keep(base64.b64decode(value["content"]))
            elif key == "lfsFile":
                if not self.hub.blob(value["oid"]).is_file():
                    raise Refused(400, f"{value['path']} was never uploaded")
                files[value["path"]] = value["oid"]
            elif key in ("deletedFile", "deletedFolder"):
                gone = value["path"].rstrip("/")
                files = {path: digest for path, digest in files.items() if path != gone and not path.startswith(gone + "/")}
            elif key != "header":
                raise Refused(400, f"The stand-in cannot {key}")
        sha = repo.commit(files)
        prefix = "datasets/" if kind == "datasets" else ""
        self.answer({"success": True, "commitOid": sha, "commitUrl": f"{self.hub.url}/{prefix}{name}/commit/{sha}"})

    def info(self, kind: str, name: str, revision: str | None) -> None:
        repo = self.repo(kind, name)
        sha, files = self.at(repo, revision)
        self.answer({
            "_id": "0", "id": name, "sha": sha, "private": repo.private, "gated": False, "disabled": False, "downloads": 0,
            "likes": 0, "tags": [], "lastModified": "2026-01-01T00:00:00.000Z",
            "siblings": [{"rfilename": path} for path in sorted(files)],
        })

    def entry(self, path: str, digest: str) -> dict:
        size = self.hub.blob(digest).stat().st_size
        large = {"lfs": {"oid": digest, "size": size, "pointerSize": 130}} if size >= LFS_FROM else {}
        return {"type": "file", "path": path, "size": size, "oid": digest[:40], **large}

    def tree(self, kind: str, name: str, revision: str, folder: str | None) -> None:
        files = self.at(self.repo(kind, name), revision)[1]
        prefix = folder.rstrip("/") + "/" if folder else ""
        below = {path: digest for path, digest in sorted(files.items()) if path.startswith(prefix)}
        if folder and not below:
            raise Refused(404, f"{folder} does not exist", "EntryNotFound")
        deep = self.query.get("recursive", [""])[0].lower() in ("true", "1")
        folders = {path[: slash.start()] for path in below for slash in re.finditer("/", path) if slash.start() > len(prefix)}
        entries = [self.entry(path, digest) for path, digest in below.items()]
        entries += [{"type": "directory", "path": each, "oid": "0" * 40} for each in sorted(folders)]
        self.answer([entry for entry in entries if deep or "/" not in entry["path"][len(prefix):]])

    def paths_info(self, kind: str, name: str, revision: str) -> None:
        files = self.at(self.repo(kind, name), revision)[1]
        is_json = "json" in self.headers.get("Content-Type", "")
        wanted = json.loads(self.body)["paths"] if is_json else parse_qs(self.body.decode()).get("paths", [])
        shown = []
        for path in [wanted] if isinstance(wanted, str) else wanted:
            if path in files:
                shown.append(self.entry(path, files[path]))
            elif any(each.startswith(path.rstrip("/") + "/") for each in files):
                shown.append({"type": "directory", "path": path, "oid": "0" * 40})
        self.answer(shown)

    def resolve(self, kind: str | None, name: str, revision: str, path: str) -> None:
        sha, files = self.at(self.repo("datasets" if kind else "models", name), revision)
        if path not in files:
            raise Refused(404, "Entry not found", "EntryNotFound")
        content = self.hub.blob(files[path]).read_bytes()
        headers = {
            "ETag": f'"{files[path]}"', "X-Repo-Commit": sha, "X-Linked-ETag": f'"{files[path]}"', "X-Linked-Size": len(content),
            "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream",
        }
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if part is None:
            return self.answer(content, 200, headers)
        start, end = int(part[1]), min(int(part[2] or len(content) - 1), len(content) - 1)
        self.answer(content[start : end + 1], 206, {**headers, "Content-Range": f"bytes {start}-{end}/{len(content)}"})


def card_errors(text: str) -> list[str]:
    """What the Hub would object to in a card's metadata, as far as our cards could get it wrong."""
    front = re.match(r"---\r?\n(.*?)\r?\n---(\r?\n|$)", text, re.DOTALL)
    if front is None:
        return ["The card has no metadata"]
    try:
        data = yaml.safe_load(front[1])
    except yaml.YAMLError as error:
        return [f"The metadata is not YAML: {error}"]
    if not isinstance(data, dict):
        return ["The metadata must be a mapping"]
    errors = []
    licences = data.get("license", [])
    for licence in [licences] if isinstance(licences, str) else licences:
        if licence not in ("apache-2.0", "other", "cc-by-4.0", "cc0-1.0", "cc-by-nc-sa-4.0", "mit"):
            errors.append(f'"license" must be one of the known ones, got {licence}')
    for m, model in enumerate(data.get("model-index", [])):
        for r, result in enumerate(model["results"]):
            where = f"model-index[{m}].results[{r}]"
            if not re.fullmatch(r"(?:[\w-]+/)?[\w.-]+", str(result["dataset"]["type"])):
                errors.append(f'"{where}.dataset.type" is "{result["dataset"]["type"]}" and fails to match the required pattern')
            metrics = result["metrics"]
            if not result["task"].get("type") or not all(metric.get("type") and "value" in metric for metric in metrics):
                errors.append(f'"{where}" lacks the type of task or metric, or a value')
    return errors


@contextmanager
def running(folder: Path) -> Iterator[StandInHub]:
    """A stand-in with no repositories that keeps its files in ``folder`` and stops at the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {}))
    server.daemon_threads = True
    server.RequestHandlerClass.hub = stand_in = StandInHub(folder, f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[StandInHub]:
    """A running stand-in."""
    with running(tmp_path / "hub") as stand_in:
        yield stand_in
