"""FFHQ under its original numbers: which of 00000.png … 69999.png is which of the names in ImagiNet's lists.

Upstream renamed FFHQ's pictures and published a map of Google Drive id, new name and MD5 of the pixels. That MD5 is FFHQ's own
``pixel_md5`` (ffhq-dataset-v2.json; NVlabs/ffhq-dataset, download_ffhq.py computes it as the MD5 of the decoded picture's array:
uint8, height × width × 3, RGB, row by row), so any lossless copy fits, whatever its file's bytes.

To find a name all pictures are decoded once. What was computed is kept, picture by picture, in the cache of ``datasets``: a run
that was stopped goes on where it was, and a picture whose size or time has changed is computed again.
"""

import concurrent.futures
import hashlib
import io
import logging
import os
import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import datasets
from datasets.utils import tqdm
from PIL import Image

from imaginet_core.errors import first_line
from imaginet_core.safe_text import mask_secrets
from imaginet_core.storage import archives
from imaginet_core.storage.files import FileLocation, is_remote, open_regular, stamp_of, walk_files
from imaginet_core.storage.listings import absolute, index_file

logger = logging.getLogger(__name__)

MAP_NAME = "ffhq_filenames.txt"
_NUMBERED = re.compile(r"(?:^|[/\\])\d{5}\.png$", re.IGNORECASE)
_MD5 = re.compile(r"[0-9a-f]{32}")
_UNREADABLE = "-"


def pixel_md5(content: bytes) -> str:
    """MD5 of a picture's decoded pixels, in hexadecimal, as FFHQ defines it.

    Args:
        content: the file's bytes.

    Raises:
        OSError: if they are no whole picture.
    """
    with Image.open(io.BytesIO(content)) as image:
        return hashlib.md5(image.tobytes(), usedforsecurity=False).hexdigest()


def read_map(folders: Sequence[str], urls: Sequence[str]) -> dict[str, str]:
    """Upstream's map: listed path ``ffhq/<name>`` -> MD5 of the pixels.

    Args:
        folders: where it is searched on the disk, in this order.
        urls: folders that it is else fetched from, into the cache of ``datasets``; the first that has it counts.

    Raises:
        ValueError: naming file and line that is not of the form ``Drive id,name,md5``.
        ConnectionError: where it must be fetched and cannot.
    """
    files = (f"{folder}/{MAP_NAME}" for folder in folders)
    file = next((file for file in files if os.path.isfile(file)), None)
    file = file or _download_map(urls)
    digests = {}
    with io.open(file, encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            fields = line.strip().split(",")
            if fields == [""]:
                continue
            if len(fields) != 3 or not _MD5.fullmatch(fields[2]):
                raise ValueError(f"{file}, line {number}: expected Drive id,name,md5 but found {line.strip()[:100]!r}.")
            digests[f"ffhq/{fields[1]}"] = fields[2]
    return digests


def _download_map(urls: Sequence[str]) -> str:
    reasons = []
    downloads = datasets.DownloadManager(download_config=datasets.DownloadConfig(max_retries=2))
    for folder in urls:
        try:
            return downloads.download(f"{folder}/{MAP_NAME}")
        except OSError as error:  # of every network library that datasets uses
            reasons.append(f"{folder}: {first_line(error)}")
    raise ConnectionError(
        f"FFHQ lies there under its own numbers, and upstream's map {MAP_NAME} could not be fetched ({'; '.join(reasons)}). "
        f"Put {MAP_NAME} into the data folder's annotations/."
    )


class _Picture(NamedTuple):
    """A numbered picture in a folder or an archive; ``name`` is relative to it, or the member's name."""

    name: str
    size: int
    stamp: str


def is_numbered(location: str) -> bool:
    """Whether a local folder or an archive holds pictures called by five digits."""
    container = location if archives.kind_of(location) else ""
    return next(_pictures(location, container), None) is not None


def find(wanted: Collection[str], location: str, digests: dict[str, str], make: bool = True) -> dict[str, FileLocation]:
    """Finds listed pictures among FFHQ's own.

    Args:
        wanted: listed paths.
        location: a local folder, or an archive that can be read at random, of pictures called by five digits.
        digests: listed path -> MD5 of the pixels, as :func:`read_map` gives.
        make: whether to hash pictures that have not been yet, behind a bar, until all wanted ones are found.

    Returns:
        listed path -> place, of those found. Empty where the location has no numbered pictures.

    Raises:
        ArchiveError, OSError: as ``archives.members``.
    """
    container = location if archives.kind_of(location) else ""
    sought = {digests[path]: path for path in wanted if path in digests}
    if not sought:
        return {}
    pictures = list(_pictures(location, container))
    if not pictures:
        return {}
    if container and archives.is_stream(container):
        raise archives.ArchiveError(
            f"{container} can only be read from beginning to end; FFHQ's numbers are looked up in a folder, a zip or a plain tar."
        )
    known = _Journal(location)
    found = {}
    unknown = [picture for picture in pictures if not _note(known.of(picture), picture, sought, found)]
    if make and sought.keys() - found.keys():
        _hash(location, container, [picture for picture in unknown if known.of(picture) is None], sought, found, known)
    elif not make and sought.keys() - found.keys():
        rest = sum(known.of(picture) is None for picture in pictures)
        logger.warning("%d of FFHQ's pictures in %s have not been looked at yet; load the data set once.", rest, mask_secrets(location))
    before = "" if container else f"{location}/"
    return {
        sought[digest]: FileLocation(container, before + picture.name, picture.size, picture.stamp)
        for digest, picture in found.items()
    }


def _note(digest: str | None, picture: _Picture, sought: dict, found: dict) -> bool:
    if digest in sought:
        found.setdefault(digest, picture)
    return digest is not None


def _pictures(location: str, container: str) -> Iterator[_Picture]:
    if container:
        yield from (_Picture(*member) for member in archives.members(container) if _NUMBERED.search(member.name))
        return
    if is_remote(location):
        return  # 90 GB to fetch for hashing are asked of nobody
    for name in walk_files(location):
        if _NUMBERED.search(name):
            state = os.stat(f"{location}/{name}")
            yield _Picture(name, state.st_size, stamp_of(state))


class _Journal:
    """What has been computed of a location: lines of MD5, size, stamp and name, added as they come; the last of a name counts."""

    def __init__(self, location: str):
        self.file = index_file(absolute(location), ".md5")
        self._digests = {}
        try:
            content = self.file.read_bytes()
        except FileNotFoundError:
            content = b""
        self._whole = content.rfind(b"\n") + 1
        for line in content[: self._whole].decode("utf-8", "surrogateescape").split("\n"):
            if line.count("\t") == 3:  # what a kill has cut off has fewer, or a stamp or name that is nobody's
                digest, size, stamp, name = line.split("\t")
                self._digests[name] = (digest, size, stamp)

    def of(self, picture: _Picture) -> str | None:
        """The MD5 of a picture as it is now; None where it is not known."""
        digest, *state = self._digests.get(picture.name, (None,))
        return digest if state == [str(picture.size), picture.stamp] else None

    def open(self):
        """Opens the journal to add lines."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        stream = io.open(self.file, "ab")
        if stream.tell() > self._whole:
            stream.write(b"\n")  # ends what a kill cut off
        return stream

    def add(self, stream, picture: _Picture, digest: str) -> None:
        """Notes what was computed, for a kill to leave it."""
        self._digests[picture.name] = (digest, str(picture.size), picture.stamp)
        stream.write(f"{digest}\t{picture.size}\t{picture.stamp}\t{picture.name}\n".encode("utf-8", "surrogateescape"))
        stream.flush()


def _hash(location: str, container: str, pictures: list, sought: dict, found: dict, known: _Journal) -> None:
    """Hashes pictures until all that are sought have been found, in threads: Pillow decodes without Python's lock."""
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    unreadable, ahead = [], iter(pictures)
    bar = tqdm(total=len(pictures), unit="picture", desc="Looking FFHQ's pictures up by their pixels, once")
    with concurrent.futures.ThreadPoolExecutor(workers) as pool, known.open() as stream, bar:
        waiting = {}
        try:
            while sought.keys() - found.keys():
                while len(waiting) < 4 * workers and (picture := next(ahead, None)) is not None:
                    waiting[pool.submit(_digest_of, location, container, picture.name)] = picture
                if not waiting:
                    break
                for done in concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED).done:
                    picture, digest = waiting.pop(done), done.result()
                    known.add(stream, picture, digest)
                    _note(digest, picture, sought, found)
                    bar.update()
                    if digest == _UNREADABLE:
                        unreadable.append(picture.name)
        finally:
            for future in waiting:
                future.cancel()
    if unreadable:
        some = ", ".join(unreadable[:3])
        logger.warning("%d picture(s) in %s cannot be decoded, e.g. %s; fetch them again.", len(unreadable), mask_secrets(location), some)


def _digest_of(location: str, container: str, name: str) -> str:
    """The MD5 of the pixels of a picture in a folder or archive; "-" where it cannot be decoded."""
    if container:
        content = next(archives.read_members(container, [name]))[1]
        if isinstance(content, ValueError):
            return _UNREADABLE
    else:
        with open_regular(f"{location}/{name}") as stream:
            content = stream.read()
    try:
        return pixel_md5(content)
    except (OSError, SyntaxError):  # Pillow raises either for a broken picture
        return _UNREADABLE
