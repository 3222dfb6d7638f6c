"""The fields of EXIF (CIPA DC-008) that tell of a picture's origin, as text."""

import warnings

from PIL import Image

TAGS = {
    0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model", 0x0131: "Software", 0x0132: "DateTime", 0x013B: "Artist",
    0x8298: "Copyright",
}
TAGS_OF_EXIF = {0x9003: "DateTimeOriginal", 0x9286: "UserComment", 0x927C: "MakerNote", 0xA434: "LensModel"}
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
POSITION = "GPS"
"""Stands for a position, which is not read: whoever sends a report on should not send the place of a source with it."""


def read_exif(data: bytes) -> dict[str, str]:
    """Names in TAGS and TAGS_OF_EXIF -> what the file states, unshortened; POSITION -> "stated" where there is one.

    Raises:
        ValueError: in plain words, for data that are no EXIF.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif = Image.Exif()
            exif.load(data)
            found = _texts(exif, TAGS) | _texts(exif.get_ifd(EXIF_IFD), TAGS_OF_EXIF)
            if exif.get_ifd(GPS_IFD):
                found[POSITION] = "stated"
    except Exception as error:  # Pillow raises what its parser stumbles over: struct.error, SyntaxError, KeyError and more
        raise ValueError("its EXIF cannot be read") from error
    return found


def _texts(values: dict, names: dict[int, str]) -> dict[str, str]:
    found = {}
    for tag, name in names.items():
        value = values.get(tag)
        text = decode_comment(value) if isinstance(value, bytes) else str(value) if isinstance(value, str) else ""
        if name == "MakerNote" and not text.isprintable():
            continue  # a camera's own format, which is no text
        if text.strip("\0 "):
            found[name] = text.strip("\0 ")
    return found


def decode_comment(value: bytes) -> str:
    """The text of a UserComment: eight bytes that name its code, then the text (CIPA DC-008, 4.6.5, table 9).

    Many writers give big-endian UTF-16 whatever the file's byte order; whichever order has its zeros where letters of Latin have
    them is taken. Without a code it is UTF-8, or else Latin-1.
    """
    code, text = value[:8], value[8:]
    if code == b"UNICODE\0":
        little = text[1::2].count(0) > text[::2].count(0)
        return text.decode("utf-16-le" if little else "utf-16-be", "replace")
    text = text if code in (b"ASCII\0\0\0", bytes(8)) else value
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")
