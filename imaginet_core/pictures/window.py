"""A part of a picture: what is read of it, and the crop within that is shown."""

from typing import NamedTuple

import numpy as np


class Window(NamedTuple):
    """Pixels of a picture that a view is made of, and the crop within them that is shown.

    What is around the crop is damaged together with it and cut off, so that the border of a crop is never a trace of its own.

    Attributes:
        top, left, height, width: of the window within the picture, in pixels.
        above, before, rows, columns: of the crop within the window, in pixels.
        kind: what a view drew before the place of the window and needs again to finish; "" where there is no such thing.
    """

    top: int
    left: int
    height: int
    width: int
    above: int
    before: int
    rows: int
    columns: int
    kind: str = ""

    @classmethod
    def at(cls, top: int, left: int, height: int, width: int, kind: str = "") -> "Window":
        """A window with nothing around the crop."""
        return cls(int(top), int(left), int(height), int(width), 0, 0, int(height), int(width), kind)

    def grow(self, margin: int, height: int, width: int) -> "Window":
        """The same crop with ``margin`` pixels more on each side, where a picture of ``height`` × ``width`` has them."""
        above, before = min(margin, self.top), min(margin, self.left)
        below, after = min(margin, height - self.top - self.height), min(margin, width - self.left - self.width)
        return self._replace(
            top=self.top - above, left=self.left - before, above=self.above + above, before=self.before + before,
            height=self.height + above + below, width=self.width + before + after,
        )

    def without(self, top: int, left: int, bottom: int, right: int) -> "Window":
        """The same crop with so many pixels fewer around it, of those that are there."""
        below, after = self.height - self.above - self.rows, self.width - self.before - self.columns
        top, left, bottom, right = min(top, self.above), min(left, self.before), min(bottom, below), min(right, after)
        return self._replace(
            top=self.top + top, left=self.left + left, above=self.above - top, before=self.before - left,
            height=self.height - top - bottom, width=self.width - left - right,
        )

    def of(self, image: np.ndarray) -> np.ndarray:
        """The window's pixels out of the whole picture (H, W, 3); not copied."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]

    def crop(self, pixels: np.ndarray) -> np.ndarray:
        """The crop out of the window's pixels (height, width, 3); not copied."""
        return pixels[self.above : self.above + self.rows, self.before : self.before + self.columns]

    def stored(self, orientation: int, height: int, width: int) -> "Window":
        """Where its pixels are stored, if the upright picture of ``height`` × ``width`` is stored by an EXIF ``orientation``."""
        top, left, bottom, right = self.top, self.left, height - self.top - self.height, width - self.left - self.width
        place = {
            2: (top, right), 3: (bottom, right), 4: (bottom, left), 5: (left, top), 6: (right, top), 7: (right, bottom), 8: (left, bottom),
        }.get(orientation, (top, left))
        return Window.at(*place, *((self.width, self.height) if orientation >= 5 else (self.height, self.width)))
