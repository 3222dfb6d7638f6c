"""What should be known of a picture that was read: notes in plain words, from a fixed list.

A note never changes a pixel. It says where the pixels that are judged are not what a viewer shows, or too few to judge.
"""

import io
import re
from typing import NamedTuple

import numpy as np
from PIL import Image

NAMES = ("transparent", "animated", "deep", "turned", "colour profile", "truncated", "padded", "flat")
"""All that a note may be."""
LEAST_DETAIL = 0.1
"""Mean difference between neighbouring values (of 255) below which a picture is flat; grain of the quietest photographs is 0.3."""
LOOKED_AT = 2**17
"""Pixels of which the detail is measured where a whole picture is seen, in rows spread over it."""
_TURNED = {
    2: "mirrored", 3: "turned by 180°", 4: "flipped", 5: "mirrored and turned by 90° to the left",
    6: "turned by 90° to the right", 7: "mirrored and turned by 90° to the right", 8: "turned by 90° to the left",
}
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_FILLER = bytes(range(1, 255)) * 4 + b"".join(bytes([0xFF, 0xD0 + number, *range(1, 255)]) for number in range(8)) * 2
"""What a JPEG decoder that waits for data takes for them: codes, and restart markers where it waits for one."""


class Note(NamedTuple):
    """One thing to know of a picture.

    Attributes:
        name: a name in NAMES.
        detail: how much or which, in plain words; may be shown to people.
        share: 0 to 1, of the pixels that it is about, where it is about a part of them; else None.
    """

    name: str
    detail: str
    share: float | None = None


def notes_of_file(image: Image.Image, content: bytes | None, pixels: np.ndarray, orientation: int) -> tuple[Note, ...]:
    """What the file tells.

    Args:
        image: decoded.
        content: of its file; None where only the image is known.
        pixels: uint8 (H, W, 3), as stored.
        orientation: by which they were or will be turned, 1 for not at all.
    """
    start = (content or b"")[:4096]
    found = [
        _transparent(image, pixels), _animated(image), _deep(image, start),
        Note("turned", f"{_TURNED[orientation]}, as its EXIF orientation says") if orientation in _TURNED else None, _profile(image),
        Note("truncated", "the file ends before the picture does; what is missing was filled with grey or left blurred")
        if content and image.format == "JPEG" and _is_cut_jpeg(image, content) else None,
    ]
    return tuple(note for note in found if note is not None)


def notes_of_values(values: np.ndarray, scale: float) -> tuple[Note, ...]:
    """What an array (H, W, C) of numbers tells, which are multiplied with ``scale`` to lie in 0..255."""
    found = []
    if values.shape[2] == 4:
        hidden = float((values[..., 3] * scale < 254.5).mean())
        found += [_hidden(hidden)] if hidden else []
    if scale == 255 / 65535:
        found.append(Note("deep", "16 bits a value, scaled to 8"))
    return tuple(found)


def notes_of_pixels(pixels: np.ndarray, crop: tuple[int, int] | None = None) -> tuple[Note, ...]:
    """What the pixels tell, uint8 (H, W, 3), upright; ``crop``: (height, width) of what is seen of them, in their middle."""
    found = []
    if crop is not None:
        seen = [min(have, want) for have, want in zip(pixels.shape[:2], crop, strict=True)]
        padding = 1 - seen[0] * seen[1] / (crop[0] * crop[1])
        if padding:
            found.append(Note("padded", f"{_percent(padding)} of what is looked at is the picture mirrored at its edges", padding))
        top, left = ((have - want) // 2 for have, want in zip(pixels.shape[:2], seen, strict=True))
        pixels = pixels[top : top + seen[0], left : left + seen[1]]
    if detail_of(pixels) < LEAST_DETAIL:
        found.append(Note("flat", "too little detail to judge"))
    return tuple(found)


def detail_of(pixels: np.ndarray) -> float:
    """Mean absolute difference between neighbours of uint8 (H, W, 3) pixels, 0 to 255; 0 for a single pixel."""
    step = max(1, pixels.shape[0] * pixels.shape[1] // LOOKED_AT)
    rows, below = pixels[:-1:step].astype(np.int16), pixels[1::step].astype(np.int16)
    across = np.abs(np.diff(pixels[::step].astype(np.int16), axis=1))
    down = np.abs(below[: len(rows)] - rows[: len(below)])
    return float((across.sum(dtype=np.int64) + down.sum(dtype=np.int64)) / max(1, across.size + down.size))


def _percent(share: float) -> str:
    return "less than 1 %" if share < 0.01 else "more than 99 %" if 0.99 < share < 1 else f"{share:.0%}".replace("%", " %")


# transparency


def _transparent(image: Image.Image, pixels: np.ndarray) -> Note | None:
    share = _transparent_share(image, pixels)
    return _hidden(share) if share else None


def _hidden(share: float) -> Note:
    return Note("transparent", f"{_percent(share)} of the pixels are transparent; the colours under them were read", share)


def _transparent_share(image: Image.Image, pixels: np.ndarray) -> float:
    """How many of the pixels are not opaque."""
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        return 1 - image.getchannel(image.getbands()[-1]).histogram()[255] / (image.width * image.height)
    colour = image.info.get("transparency")
    if image.mode == "P" and image.palette is not None and image.palette.mode == "RGBA" and colour is None:
        return 1 - image.convert("RGBA").getchannel("A").histogram()[255] / (image.width * image.height)
    if colour is None:
        return 0.0
    if image.mode == "RGB":
        colour = np.asarray(colour if isinstance(colour, tuple) else (-1, -1, -1))
        return float((pixels == (colour >> 8 if colour.max() > 255 else colour)).all(axis=-1).mean())
    if image.mode.startswith("I"):
        return float((np.asarray(image) == colour).mean())
    counts = image.histogram()
    opacity = colour if isinstance(colour, bytes) else {colour: 0}
    chosen = [place for place in range(256) if (opacity[place] if place < len(opacity) else 255) < 255] \
        if isinstance(opacity, bytes) else [place for place in opacity if isinstance(place, int) and 0 <= place < len(counts)]
    return sum(counts[place] for place in chosen) / (image.width * image.height)


# several pictures, depth, colours


def _animated(image: Image.Image) -> Note | None:
    try:
        frames = int(getattr(image, "n_frames", 1))
    except Exception:  # the frames behind the first are broken, which nobody looks at
        return Note("animated", "several pictures, not all of them readable; the first was read")
    if frames < 2 and image.format == "JPEG" and "mp" in image.info:
        frames = _pictures_of_mpo(image)
    return Note("animated", f"{frames} pictures in one file; the first was read") if frames > 1 else None


def _pictures_of_mpo(image: Image.Image) -> int:
    """How many pictures a JPEG with an MP index (CIPA DC-007) has; 1 where that cannot be read."""
    try:
        return int(image._getmp()[0xB001])
    except Exception:
        return 1


def _deep(image: Image.Image, start: bytes) -> Note | None:
    bits = 8
    if image.mode in ("I", "F"):
        bits = 32
    elif image.mode.startswith("I;16"):
        bits = 16
    if image.format == "PNG" and start[12:16] == b"IHDR":
        bits = max(bits, start[24])
    elif image.format == "TIFF":
        stored = getattr(image, "tag_v2", {}).get(258, (8,))
        bits = max(stored) if max(stored) > 8 else bits
    elif image.format == "AVIF" and (place := start.find(b"av1C")) > 0 and place + 7 <= len(start):
        flags = start[place + 6]  # AV1 in ISOBMFF, 2.3.3: high_bitdepth, twelve_bit
        bits = (12 if flags & 32 else 10) if flags & 64 else 8
    return Note("deep", f"{bits} bits a value, scaled to 8") if bits > 8 else None


def _profile(image: Image.Image) -> Note | None:
    profile = image.info.get("icc_profile")
    return Note("colour profile", f"{_name_of_profile(profile)}; it was not applied") if profile else None


def _name_of_profile(profile: bytes) -> str:
    try:
        from PIL import ImageCms

        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except Exception:  # broken, or Pillow without littleCMS
        name = ""
    name = "".join(letter for letter in name if letter.isprintable()).strip()[:80]
    return name or "one without a readable name"


# JPEG files that are cut off and yet have an end


def _is_cut_jpeg(image: Image.Image, content: bytes) -> bool:
    """Whether libjpeg ran out of data before the picture was whole, and went on without a word.

    It then leaves the rest of a sequential picture grey, which the last block shows at no cost; of a progressive one it leaves
    out what the scan would have added. Only then the file is decoded twice more at a fraction of its size: with bytes put in before its
    end, a whole picture stays as it is, one that waits for data takes them for its own.
    """
    progressive = bool(image.info.get("progressive"))
    if not progressive and not _ends_in_grey(image):
        return False
    end = _end_of_first_picture(content)
    if end is None:
        return False
    size = tuple(max(1, side // (2 if progressive else 8)) for side in image.size)
    try:
        return _reduced(content, size) != _reduced(content[:end] + _FILLER + content[end:], size)
    except Exception:  # a whole picture bears more data
        return True


def _ends_in_grey(image: Image.Image) -> bool:
    """Whether the last block of 8 × 8 is what libjpeg makes of no data: all coefficients 0."""
    block = image.crop(((image.width - 1) // 8 * 8, (image.height - 1) // 8 * 8, *image.size))
    block = block if block.mode == "CMYK" else block.convert("L")
    values = np.asarray(block)
    return bool(values.min() >= 126 and values.max() <= 129)


def _end_of_first_picture(content: bytes) -> int | None:
    """Where the end marker of a JPEG's first picture stands; behind it there may be others."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xD9:
            return place
        if marker == 0xFF:  # fill bytes
            place += 1
            continue
        place += 2 if marker == 1 or 0xD0 <= marker <= 0xD8 else 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        if marker == 0xDA:
            found = _SCAN_END.search(content, place)
            if found is None:
                return None
            place = found.start()
    return place if content[place : place + 2] == b"\xff\xd9" else None


def _reduced(content: bytes, size: tuple[int, int]) -> bytes:
    with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
        image.draft(image.mode, size)
        return image.tobytes()
