"""Uploaded files: read once, as they are, and deleted."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from imaginet_core.pictures.sources import PictureError, PictureTooLargeError
from imaginet_core.provenance.plain_text import plain
from imaginet_tools.inference.app.judge import LONGEST_NAME, Judged

MOST_FILES = 20
"""At a time."""


def take_uploads(files: Sequence[dict], folder: str | Path, most_bytes: int) -> list[tuple[str, bytes] | Judged]:
    """Names and contents of uploaded files, which are gone from the disk afterwards.

    Args:
        files: "path" where it lies and "orig_name" as its owner calls it, of each.
        folder: of uploads. Nothing else is read or deleted, whatever a path says.
        most_bytes: of a file.

    Returns:
        (name, content) of each, or a ``Judged`` with the sentence that refuses it.
    """
    top, found = Path(folder).resolve(), []
    for number, file in enumerate(files):
        place = Path(str(file.get("path"))).resolve()
        name = plain(file.get("orig_name") or place.name, LONGEST_NAME)
        if not place.is_relative_to(top):
            found.append(_refused(PictureError("it was not uploaded here", name, "upload it")))
            continue
        try:
            if number >= MOST_FILES:
                raise PictureError(f"at most {MOST_FILES} pictures are scored at a time", name, "upload it with the next ones")
            if place.stat().st_size > most_bytes:
                raise PictureTooLargeError(f"it has more than the limit of {most_bytes:,} bytes", name, "make it smaller")
            found.append((name, place.read_bytes()))
        except PictureError as error:
            found.append(_refused(error))
        except OSError as error:
            found.append(_refused(PictureError(f"the upload cannot be read: {error.strerror}", name, "upload it again")))
        finally:
            _delete(place, top)
    return found


def _refused(error: PictureError) -> Judged:
    return Judged(error.name, b"", "", str(error))


def _delete(place: Path, top: Path) -> None:
    place.unlink(missing_ok=True)
    if place.parent != top:
        with contextlib.suppress(OSError):  # another upload of the same file lies there, too
            place.parent.rmdir()
