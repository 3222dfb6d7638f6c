"""JPEG and WebP files made shorter: told in their header that the picture ends earlier, a decoder stops there.

Both formats are stored row by row of blocks from the top, and no row of blocks needs a later one to be decoded. What comes after
it touches the pixels at its lower edge only (interpolation of chroma, the loop filter), so a row of blocks more than is wanted
keeps all wanted pixels as they are. Kinds of file that this does not hold for are left alone.
"""

JPEG_FRAMES = (0xC0, 0xC1)
"""Markers of frames in one sequential, Huffman-coded scan: baseline and extended (ITU-T T.81, table B.1)."""
OTHER_FRAMES = {*range(0xC0, 0xD0)} - {*JPEG_FRAMES, 0xC4, 0xC8, 0xCC}
VP8_BLOCK = 16


def shortened(content: bytes, rows: int) -> bytes | None:
    """The same file with a picture of ``rows`` or a few rows more; None if this cannot be done or would not make it shorter.

    Args:
        content: of a file.
        rows: that must decode to the same pixels as in the whole picture.
    """
    if content[:2] == b"\xff\xd8":
        complete = b"\xff\xd9" in content[-64:]  # one that is cut off is read whole, so that it is found out
        return _shortened_jpeg(content, rows) if complete else None
    return _shortened_webp(content, rows) if content[8:16] == b"WEBPVP8 " else None


def _shortened_jpeg(content: bytes, rows: int) -> bytes | None:
    """Changes "number of lines" of the frame header (ITU-T T.81, B.2.2)."""
    place, frame = 2, None
    while place + 4 <= len(content):
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if content[place] != 0xFF or marker in OTHER_FRAMES:
            return None
        if marker in JPEG_FRAMES:
            frame = place
        if marker == 0xDA:
            break
        place += 2 + length
    if frame is None or content[place + 4 : place + 5] != content[frame + 9 : frame + 10]:  # not all components in one scan
        return None
    components = content[frame + 9]
    block = 8 * max(content[frame + 11 + 3 * number] & 15 for number in range(components))
    return _with_height(content, frame + 5, "big", _further(rows, block))


def _shortened_webp(content: bytes, rows: int) -> bytes | None:
    """Changes the height of a VP8 key frame (RFC 6386, 9.1); its upper two bits are a scale for display."""
    if content[20] & 1 or content[23:26] != b"\x9d\x01\x2a" or content[29] >> 6:
        return None
    return _with_height(content, 28, "little", _further(rows, VP8_BLOCK))


def _further(rows: int, block: int) -> int:
    """The end of the row of blocks after the one in which the first ``rows`` end."""
    return (-(-rows // block) + 1) * block


def _with_height(content: bytes, place: int, order: str, rows: int) -> bytes | None:
    if rows >= int.from_bytes(content[place : place + 2], order):
        return None
    return content[:place] + rows.to_bytes(2, order) + content[place + 2 :]
