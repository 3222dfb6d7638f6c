# a copy of imaginet_core/detection/crops.py by scripts/update_picture_reader.py; change that file, not this one
"""Where a detector looks: crops of a picture, never resampled, padded by reflection where the picture is smaller than one."""

from itertools import product

import numpy as np

ALL = "all"
"""As a number of crops: as many as cover the picture."""


def cut_crops(image: np.ndarray, size: tuple[int, int], crops: int | str = 1) -> list[np.ndarray]:
    """Up to ``crops`` different windows of a picture.

    Args:
        image: (C, H, W) of any number type; a view where nothing is padded.
        size: (height, width) of a window. A side that the picture is too short for is filled by reflection, as much on each end.
        crops: the most windows there may be, see :func:`window_corners`.

    Returns:
        list of (C, height, width), in the order of :func:`window_corners`.
    """
    missing = [max(0, want - have) for want, have in zip(size, image.shape[1:], strict=True)]
    spare = [max(0, have - want) for want, have in zip(size, image.shape[1:], strict=True)]
    windows = [image[:, top : top + size[0], left : left + size[1]] for top, left in window_corners(*spare, crops, size)]
    if not any(missing):
        return windows
    # the windows, not the whole picture: it may be one pixel wide and millions high
    return [np.pad(window, [(0, 0), *((m // 2, m - m // 2) for m in missing)], mode="reflect") for window in windows]


def window_corners(
    spare_height: int, spare_width: int, crops: int | str, size: tuple[int, int] = (256, 256)
) -> list[tuple[int, int]]:
    """Top and left of each place where a picture is seen, without repetition.

    Args:
        spare_height, spare_width: pixels by which the picture is larger than one crop, 0 or more.
        crops: the most places there may be: 5 are the centre and the four corners, other numbers a regular grid with more places
            along the longer side, "all" the fewest of a regular grid that cover the picture.
        size: (height, width) of a crop, which "all" needs.
    """
    if crops == 5:
        centre = spare_height // 2, spare_width // 2
        return list(dict.fromkeys([centre, *product((0, spare_height), (0, spare_width))]))
    if crops == ALL:
        rows, columns = (1 + -(-spare // side) for spare, side in zip((spare_height, spare_width), size, strict=True))
    else:
        fewer = max(number for number in range(1, int(crops**0.5) + 1) if crops % number == 0)
        rows, columns = fewer, crops // fewer
        if spare_height > spare_width:
            rows, columns = columns, rows
    return list(dict.fromkeys(product(_spread(spare_height, rows), _spread(spare_width, columns))))


def check_crops(crops: int | str) -> int | str:
    """``crops`` itself. Raises ValueError unless it is a positive whole number or "all"."""
    if crops != ALL and (isinstance(crops, bool) or not isinstance(crops, int) or crops < 1):
        raise ValueError(f'crops must be a positive whole number or "all", got {crops!r}.')
    return crops


def _spread(spare: int, number: int) -> list[int]:
    """``number`` places from 0 to ``spare``, evenly; a single one in the middle."""
    return [spare // 2] if number == 1 else [round(spare * place / (number - 1)) for place in range(number)]
