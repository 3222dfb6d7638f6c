# a copy of imaginet_core/pictures/sources.py by scripts/update_picture_reader.py; change that file, not this one
"""From whatever names a picture to the bytes of its file: a path, bytes, an opened file, base64 or a web address, within limits.

Nothing is believed of a file's name: which format it has is told by its first bytes (:func:`format_of`).
"""

import base64
import binascii
import contextlib
import http.client
import ipaddress
import os
import re
import socket
import ssl
import stat
import threading
import time
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit


@dataclass(frozen=True)
class Limits:
    """What a picture may cost its reader.

    Attributes:
        pixels: width times height. The default lets the largest telephones' pictures through; 1 GB of memory is needed for it.
        bytes: of the file.
        seconds: of a web address, from looking up its name to the last byte, all redirects included.
        redirects: that a web address may go through.
        private_addresses: whether a web address may lead into the own machine or network. Leave it off wherever others choose
            the address: a server would fetch for them what only it can reach.
    """

    pixels: int = 200_000_000
    bytes: int = 2**29
    seconds: float = 30.0
    redirects: int = 5
    private_addresses: bool = False


LIMITS = Limits()
"""Those that hold where nothing else is said."""


ADVICE = "replace it or leave it out"


class PictureError(ValueError):
    """A picture that cannot be read, in one sentence that names it and says what to do.

    Attributes:
        reason: why, without the name; all of the message where no name is known.
        name: of the picture; "" where the caller knows it and this class does not.
        advice: what to do.
    """

    def __init__(self, reason: str, name: str = "", advice: str = ADVICE):
        self.reason, self.name, self.advice = reason, name, advice
        super().__init__(f"{name} cannot be read as an image ({reason}); {advice}." if name else reason)

    def __reduce__(self):
        return type(self), (self.reason, self.name, self.advice)  # it travels between processes

    def named(self, name: str, advice: str | None = None) -> "PictureError":
        """The same of a picture of that name; ``advice`` takes the place of the general one."""
        return type(self)(self.reason, self.name or name, advice if advice and self.advice == ADVICE else self.advice)


class PictureTooLargeError(PictureError):
    """A picture beyond a limit of pixels or bytes."""

    def __init__(self, reason: str, name: str = "", advice: str = "make it smaller or raise the limit"):
        super().__init__(reason, name, advice)


# formats

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
"""All formats that are read, by Pillow's names. Others that Pillow opens may start programs or are never photographs."""
NO_FORMAT = "it is no JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC file"
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF"), (b"BM", "BMP"),
    (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"II+\0", "TIFF"), (b"MM\0+", "TIFF"),
)
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}


def format_of(start: bytes) -> str | None:
    """The format of a file by its first bytes (64 are enough), a name in FORMATS; None for anything else."""
    for signature, name in _SIGNATURES:
        if start.startswith(signature):
            return name
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:8] == b"ftyp":  # ISO/IEC 14496-12: the major brand, a version, and the brands that it is compatible with
        brands = {start[at : at + 4] for at in (8, *range(16, min(int.from_bytes(start[:4], "big"), len(start)), 4))}
        return "AVIF" if brands & _AVIF_BRANDS else "HEIF" if brands & _HEIF_BRANDS else None
    return None


# sources

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")


def content_of_source(source, limits: Limits = LIMITS) -> tuple[bytes, str]:
    """The bytes of a picture's file, and what to call it in messages.

    Args:
        source: path (str or ``Path``), bytes, file object, http(s) address, or base64 with or without "data:…;base64,".
        limits: of bytes, and of a web address.

    Raises:
        PictureError: naming what cannot be had, or is larger than the limits.
        TypeError: for a source of another type.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _within(bytes(source), limits, "the picture given as bytes"), "the picture given as bytes"
    if hasattr(source, "read"):
        return _read_opened(source, limits)
    if isinstance(source, os.PathLike):
        return _read_path(os.fspath(source), limits)
    if not isinstance(source, str):
        raise TypeError(f"A picture is a path, bytes, a file, an address, base64, an image or an array; got {type(source).__name__}.")
    if _SCHEME.match(source):
        name = address_for_messages(source)
        return fetch(source, limits), name
    if source[:5].lower() == "data:":
        return _from_base64(source.partition(",")[2] if ";base64," in source[:200].lower() else "", limits)
    if not os.path.exists(source) and _BASE64.fullmatch(source):
        content = _decoded(source, limits)
        if content is not None and format_of(content):
            return content, "the picture given as base64"
    return _read_path(source, limits)


def _within(content: bytes, limits: Limits, name: str) -> bytes:
    if not content:
        raise PictureError("it is empty", name)
    if len(content) > limits.bytes:
        raise _too_long(limits, name)
    return content


def _too_long(limits: Limits, name: str) -> PictureError:
    return PictureTooLargeError(f"it has more than the limit of {limits.bytes:,} bytes", name)


def _read_opened(file, limits: Limits) -> tuple[bytes, str]:
    name = getattr(file, "name", None)
    name = name if isinstance(name, str) else "the picture given as a file"
    try:
        if file.seekable():
            file.seek(0)
        content = file.read(limits.bytes + 1)
    except (OSError, ValueError, AttributeError) as error:
        raise PictureError(f"the file cannot be read: {error}", name, "open it for reading bytes") from error
    if not isinstance(content, bytes):
        raise PictureError("the file is opened as text", name, 'open it with mode "rb"')
    return _within(content, limits, name), name


def _read_path(path: str | bytes, limits: Limits) -> tuple[bytes, str]:
    name = os.fsdecode(path) or "a picture without a name"
    name = name if len(name) <= 500 else f"{name[:60]}…"
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # a pipe would block for ever
            raise PictureError("it is a folder" if stat.S_ISDIR(status.st_mode) else "it is no regular file", name)
        if status.st_size > limits.bytes:
            raise _too_long(limits, name)
        with open(path, "rb") as file:
            return _within(file.read(limits.bytes + 1), limits, name), name
    except FileNotFoundError as error:
        raise PictureError("there is no such file", name, "check its name") from error
    except (OSError, ValueError) as error:
        if isinstance(error, PictureError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise PictureError(f"the file cannot be opened: {reason}", name, "check its name and its rights") from error


def _from_base64(text: str, limits: Limits) -> tuple[bytes, str]:
    name = "the picture given as base64"
    content = _decoded(text, limits)
    if content is None:
        raise PictureError("its text is no base64", name, 'give "data:image/…;base64," and the encoded file')
    return _within(content, limits, name), name


def _decoded(text: str, limits: Limits) -> bytes | None:
    if len(text) > limits.bytes * 3 // 2 + 1000:
        raise _too_long(limits, "the picture given as base64")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


# web addresses


def address_for_messages(url: str) -> str:
    """A web address without what may let others in: user, password, and the query with its signatures."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"[:500]
    except ValueError:
        return "the picture's address"


def fetch(url: str, limits: Limits = LIMITS) -> bytes:
    """What lies behind an http or https address.

    Every address on the way is looked up, checked (see ``Limits.private_addresses``) and then connected to as checked, so that
    no second look-up gives another one. Proxies of the environment are not used.

    Raises:
        PictureError: for another scheme, a refused or unreachable address, or beyond a limit.
    """
    name = address_for_messages(url)
    download = _Download(url, limits)
    download.start()
    download.join(limits.seconds)
    if download.is_alive():
        download.cancel()
        raise PictureError(f"the server took longer than {limits.seconds:g} s", name, "try again or raise the limit")
    if download.error is not None:
        raise download.error.named(name) from download.error.__cause__
    return _within(download.content, limits, name)


class _Download(threading.Thread):
    """One fetch, in a thread of its own: looking up a name, and a server that sends a byte now and then, know no time limit."""

    def __init__(self, url: str, limits: Limits):
        super().__init__(daemon=True, name="picture download")
        self.url, self.limits = url, limits
        self.deadline = time.monotonic() + limits.seconds
        self.connection: http.client.HTTPConnection | None = None
        self.content, self.error = b"", None

    def run(self) -> None:
        try:
            self.content = self._follow(self.url)
        except PictureError as error:
            self.error = error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            self.error = PictureError(f"the server cannot be read: {reason}", advice="check the address, or fetch the file another way")
            self.error.__cause__ = error
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Ends the connection, if there is one."""
        if self.connection is not None:
            with contextlib.suppress(OSError):  # closing alone does not wake a thread that waits for bytes
                if self.connection.sock is not None:
                    self.connection.sock.shutdown(socket.SHUT_RDWR)
            self.connection.close()

    def _follow(self, url: str) -> bytes:
        for _ in range(self.limits.redirects + 1):
            response = self._ask(url)
            if response.status not in (301, 302, 303, 307, 308):
                return self._body(response)
            place = response.getheader("Location")
            if not place:
                raise PictureError(f"the server answered {response.status} without a new address")
            self.cancel()
            url = urljoin(url, place)
        raise PictureError(f"the address leads through more than {self.limits.redirects} others", advice="give the last one")

    def _ask(self, url: str) -> http.client.HTTPResponse:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise PictureError(f"{parts.scheme}:// is not read, only http and https are", advice="fetch the file another way")
        if not parts.hostname:
            raise PictureError("the address names no server", advice="check it")
        host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self.connection = _CheckedConnection(host, port, self._addresses(host, port), self._left(), parts.scheme == "https")
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
        self.connection.request("GET", target + query, headers={
            "User-Agent": "imaginet", "Accept": "image/*", "Accept-Encoding": "identity", "Connection": "close",
        })
        return self.connection.getresponse()

    def _addresses(self, host: str, port: int) -> list[tuple]:
        """What the name stands for, as ``socket.getaddrinfo`` gives it, all of it allowed."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if not self.limits.private_addresses:
            refused = next((place[4][0] for place in found if not is_public(place[4][0])), None)
            if refused is not None:
                raise PictureError(
                    f"{host} is {refused}, an address of this machine or of a private network", advice="allow it if you mean it"
                )
        return found

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        if response.status != 200:
            raise PictureError(f"the server answered {response.status} {response.reason}".rstrip(), advice="check the address")
        if response.length is not None and response.length > self.limits.bytes:
            raise _too_long(self.limits, "")
        expected, parts, size = response.length, [], 0
        while size <= self.limits.bytes:
            self._left()
            part = response.read(min(2**16, self.limits.bytes + 1 - size))
            if not part:
                break
            parts.append(part)
            size += len(part)
        if expected is not None and size < expected:
            raise PictureError("the connection ended before the file did", advice="try again")
        return b"".join(parts)

    def _left(self) -> float:
        """Seconds until the deadline."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise PictureError(f"the server took longer than {self.limits.seconds:g} s", advice="try again or raise the limit")
        return left


class _CheckedConnection(http.client.HTTPConnection):
    """A connection to one of the addresses that a name was found to stand for."""

    def __init__(self, host: str, port: int, places: list[tuple], timeout: float, secure: bool):
        super().__init__(host, port, timeout=timeout)
        self.places, self.secure = places, secure
        self.default_port = 443 if secure else 80

    def connect(self) -> None:
        self.sock = self._first_that_answers()
        if self.secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)

    def _first_that_answers(self) -> socket.socket:
        for number, (family, kind, protocol, _, place) in enumerate(self.places, 1):
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(self.timeout)
            try:
                connection.connect(place)
                return connection
            except OSError:
                connection.close()
                if number == len(self.places):
                    raise
        raise OSError("the name of the server stands for no address")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet: not of this machine, a private or local network, or many receivers."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if found.version == 6:
        number = int(found)
        if number >> 32 == 0x64FF9B << 64:  # of NAT64 (RFC 6052), which stands for an IPv4 address
            return is_public(str(ipaddress.IPv4Address(number & 0xFFFFFFFF)))
        inner = found.ipv4_mapped or found.sixtofour
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast
