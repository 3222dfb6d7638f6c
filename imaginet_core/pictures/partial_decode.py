"""Reading no more of a picture file than a window of it needs; the pixels are those of the whole picture, read by Pillow.

PNG, JPEG and WebP store pictures from the top, so decoding stops below the window, and only the window is converted and copied,
which for large pictures costs as much as decoding them. A WebP without transparency is decoded by OpenCV, since Pillow goes
through the decoder of animations. Damage to a file below the window is not noticed; a file that is cut off always is.
"""

import io
from pathlib import Path

import cv2
import datasets
import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from imaginet_core.pictures.shortened_files import shortened
from imaginet_core.pictures.window import Window

UNREADABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises for files that are no image or a broken one."""
WORTH_SHORTENING = 2**16
"""Pixels below the window from which on a shorter file is made: opening it costs about as much as decoding those."""


def content_of(record: dict) -> bytes:
    """The file's bytes of an undecoded item of a ``datasets.Image`` column, which has them or a path."""
    return record["bytes"] if record["bytes"] is not None else Path(record["path"]).read_bytes()


class PictureFile:
    """A picture whose size is known, and whose pixels are not decoded yet.

    Use it as a context manager, to close the file. A window is read once; a second one decodes again.

    Args:
        record: an undecoded item of a ``datasets.Image`` column: ``bytes`` (or None) and ``path``.
        name: of the image, for messages.

    Attributes:
        height, width: in pixels.

    Raises:
        ValueError: naming a file that is no image.
    """

    def __init__(self, record: dict, name: str):
        self.name = name
        try:
            self.content = content_of(record)
            self.image = Image.open(io.BytesIO(self.content))
        except UNREADABLE as error:
            raise self._unreadable(error) from error
        self.width, self.height = self.image.size

    def __enter__(self) -> "PictureFile":
        return self

    def __exit__(self, *_) -> None:
        self.image.close()

    def read(self, window: Window | None = None) -> np.ndarray:
        """The window's pixels (default: all): uint8 RGB (height, width, 3). Raises ValueError naming a broken file."""
        window = window or Window.at(0, 0, self.height, self.width)
        try:
            if self.image.format == "WEBP" and self.image.mode == "RGB" and not getattr(self.image, "is_animated", False):
                return self._read_webp(window)
            if self.image.format == "JPEG":
                return self._read_jpeg(window)
            if self._rows_come_from_the_top():
                codec, (left, top, right, _), *rest = self.image.tile[0]
                self.image.tile = [(codec, (left, top, right, window.top + window.height), *rest)]
            return _crop(self.image, window)
        except UNREADABLE as error:
            raise self._unreadable(error) from error

    def _rows_come_from_the_top(self) -> bool:
        """Whether it is a PNG that is neither interlaced nor cut off: a cut-off one is read whole, so that it is found out."""
        complete = self.image.format == "PNG" and b"IEND" in self.content[-64:]
        return complete and len(self.image.tile) == 1 and not self.image.info.get("interlace")

    def _read_jpeg(self, window: Window) -> np.ndarray:
        shorter = self._shorter(window)
        if shorter is None:
            return _crop(self.image, window)
        with Image.open(io.BytesIO(shorter)) as image:
            return _crop(image, window)

    def _read_webp(self, window: Window) -> np.ndarray:
        content = np.frombuffer(self._shorter(window) or self.content, dtype=np.uint8)
        image = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
        return _crop(self.image, window) if image is None else window.of(image).copy()

    def _shorter(self, window: Window) -> bytes | None:
        rows = window.top + window.height
        return shortened(self.content, rows) if (self.height - rows) * self.width >= WORTH_SHORTENING else None

    def _unreadable(self, error: Exception) -> ValueError:
        return ValueError(f"{self.name} cannot be read as an image ({error}); replace it and run again.")


def _crop(image: Image.Image, window: Window) -> np.ndarray:
    box = (window.left, window.top, window.left + window.width, window.top + window.height)
    return np.asarray(image.crop(box).convert("RGB"))


class PictureFiles:
    """The picture files of a data set, as loading processes need them.

    Rows are mapped from disk, and paths lie in shared memory: a further process costs neither time nor memory for each image.

    Args:
        rows: with an undecoded ``image`` column.
        paths: str (N,), the images' names.
    """

    def __init__(self, rows: datasets.Dataset, paths: np.ndarray):
        self.rows = rows
        encoded = [path.encode("utf-8", "surrogatepass") for path in paths.tolist()]
        self.letters = shared(np.frombuffer(b"".join(encoded), dtype=np.uint8))
        self.ends = shared(np.cumsum([0, *map(len, encoded)]))

    def __len__(self) -> int:
        return len(self.ends) - 1

    def path(self, index: int) -> str:
        """The name of image ``index``."""
        start, end = self.ends[index : index + 2].tolist()
        return self.letters[start:end].numpy().tobytes().decode("utf-8", "surrogatepass")

    def open(self, index: int) -> PictureFile:
        """Image ``index``, not decoded yet. Raises ValueError naming a file that is no image."""
        return PictureFile(self.rows[index]["image"], self.path(index))


def shared(values: np.ndarray) -> torch.Tensor:
    """A copy of the values in shared memory."""
    return torch.tensor(values).share_memory_()
