"""Reading no more of a picture file than a window of it needs; the pixels are those that the reader gives of the whole picture.

PNG, JPEG and WebP store pictures from the top, so decoding stops below the window, and only the window is converted and copied,
which for large pictures costs as much as decoding them. A WebP without transparency is decoded by OpenCV, since Pillow goes
through the decoder of animations. Of a picture that is turned upright, the stored pixels behind the window are read and then turned.
Damage to a file below the window is not noticed; a file that is cut off always is.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from imaginet_core.pictures.decode import open_image, orientation_of, plain_errors, to_rgb, turned
from imaginet_core.pictures.shortened_files import shortened
from imaginet_core.pictures.sources import PictureError, content_of_source
from imaginet_core.pictures.window import Window

WORTH_SHORTENING = 2**16
"""Pixels below the window from which on a shorter file is made: opening it costs about as much as decoding those."""
ADVICE = "replace it and run again"


def content_of(record: dict) -> bytes:
    """The file's bytes of an undecoded item of a ``datasets.Image`` column, which has them or a path.

    Raises PictureError naming a file that is not there.
    """
    return record["bytes"] if record["bytes"] is not None else content_of_source(Path(record["path"]))[0]


class PictureFile:
    """A picture whose size is known, and whose pixels are not decoded yet.

    Use it as a context manager, to close the file. A window is read once; a second one decodes again.

    Args:
        record: an undecoded item of a ``datasets.Image`` column: ``bytes`` (or None) and ``path``.
        name: of the image, for messages.
        turn: whether it is turned upright by its EXIF orientation.

    Attributes:
        height, width: in pixels, as it is read: upright, if it is turned.

    Raises:
        PictureError: naming a file that is no picture, or larger than the limits.
    """

    def __init__(self, record: dict, name: str, turn: bool = True):
        self.name = name
        with self._errors():
            self.content = content_of(record)
            self.image = open_image(self.content)
            self.orientation = orientation_of(self.image, self.content) if turn else 1
        size = self.image.size
        self.width, self.height = size[::-1] if self.orientation >= 5 else size

    def __enter__(self) -> "PictureFile":
        return self

    def __exit__(self, *_) -> None:
        self.image.close()

    def read(self, window: Window | None = None) -> np.ndarray:
        """The window's pixels (default: all): uint8 RGB (height, width, 3). Raises PictureError naming a broken file."""
        window = window or Window.at(0, 0, self.height, self.width)
        with self._errors():
            stored = self._read_stored(window.stored(self.orientation, self.height, self.width))
        return turned(stored, self.orientation)

    def _read_stored(self, window: Window) -> np.ndarray:
        if self.image.format == "WEBP" and self.image.mode == "RGB" and not getattr(self.image, "is_animated", False):
            return self._read_webp(window)
        if self.image.format == "JPEG":
            return self._read_jpeg(window)
        if self._rows_come_from_the_top():
            codec, (left, top, right, _), *rest = self.image.tile[0]
            self.image.tile = [(codec, (left, top, right, window.top + window.height), *rest)]
        return to_rgb(self.image, _box(window))

    def _rows_come_from_the_top(self) -> bool:
        """Whether it is a PNG that is neither interlaced nor cut off: a cut-off one is read whole, so that it is found out."""
        complete = self.image.format == "PNG" and b"IEND" in self.content[-64:]
        return complete and len(self.image.tile) == 1 and not self.image.info.get("interlace")

    def _read_jpeg(self, window: Window) -> np.ndarray:
        shorter = self._shorter(window)
        if shorter is None:
            return to_rgb(self.image, _box(window))
        with open_image(shorter) as image:
            return to_rgb(image, _box(window))

    def _read_webp(self, window: Window) -> np.ndarray:
        content = np.frombuffer(self._shorter(window) or self.content, dtype=np.uint8)
        image = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
        return to_rgb(self.image, _box(window)) if image is None else window.of(image).copy()

    def _shorter(self, window: Window) -> bytes | None:
        rows, (width, height) = window.top + window.height, self.image.size
        return shortened(self.content, rows) if (height - rows) * width >= WORTH_SHORTENING else None

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with plain_errors():
                yield
        except PictureError as error:
            raise PictureError(error.reason, self.name, ADVICE) from error


def _box(window: Window) -> tuple[int, int, int, int]:
    return window.left, window.top, window.left + window.width, window.top + window.height
