"""Reading no more of a picture file than a window of it needs; the pixels are those of the whole picture, read by Pillow.

How much is saved depends on the format. The rows of a PNG are decompressed from the top, so reading stops below the window. A JPEG
or WebP is decoded whole, but only the window is converted and copied, which for large pictures costs as much as decoding; a WebP
without transparency is decoded by OpenCV, since Pillow goes through the decoder of animations.
"""

import io
from pathlib import Path

import cv2
import datasets
import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from training.views import Window

UNREADABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises for files that are no image or a broken one."""


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
            pixels = self._read_webp(window)
            return self._read_by_pillow(window) if pixels is None else pixels
        except UNREADABLE as error:
            raise self._unreadable(error) from error

    def _read_by_pillow(self, window: Window) -> np.ndarray:
        bottom = window.top + window.height
        if self._rows_come_from_the_top():
            codec, (left, top, right, _), *rest = self.image.tile[0]
            self.image.tile = [(codec, (left, top, right, bottom), *rest)]
        crop = self.image.crop((window.left, window.top, window.left + window.width, bottom))
        return np.asarray(crop.convert("RGB"))

    def _rows_come_from_the_top(self) -> bool:
        """Whether it is a PNG that is neither interlaced nor cut off: a cut-off one is read whole, so that it is found out."""
        whole = self.image.format == "PNG" and b"IEND" in self.content[-64:]
        return whole and len(self.image.tile) == 1 and not self.image.info.get("interlace")

    def _read_webp(self, window: Window) -> np.ndarray | None:
        """None where OpenCV's pixels might not be Pillow's."""
        if self.image.format != "WEBP" or self.image.mode != "RGB" or getattr(self.image, "is_animated", False):
            return None
        image = cv2.imdecode(np.frombuffer(self.content, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
        return None if image is None or image.shape[:2] != (self.height, self.width) else window.of(image).copy()

    def _unreadable(self, error: Exception) -> ValueError:
        return ValueError(f"{self.name} cannot be read as an image ({error}); replace it and run again.")


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
