"""The fields of IPTC-IIM that tell of a picture's origin, out of Photoshop's resources in a JPEG file.

Adobe Photoshop File Formats Specification, "Image Resource Blocks"; IPTC-NAA Information Interchange Model 4.2, chapters 1.5 and 6.
"""

IIM_RESOURCE = 0x0404
FIELDS = {65: "OriginatingProgram", 80: "Byline", 110: "Credit", 115: "Source", 120: "Caption"}
"""Number of a data set of record 2 -> its name."""


def read_iptc(resources: bytes) -> dict[str, str]:
    """Names in FIELDS -> what the file states; the first where a field is repeated. What is broken is passed over."""
    place, found = 0, {}
    while resources[place : place + 4] == b"8BIM" and place + 7 <= len(resources):
        number = int.from_bytes(resources[place + 4 : place + 6], "big")
        place += 6 + (1 + resources[place + 6] + 1) // 2 * 2  # a name with its length, together even
        size = int.from_bytes(resources[place : place + 4], "big")
        if number == IIM_RESOURCE:
            found = _read_iim(resources[place + 4 : place + 4 + size]) | found
        place += 4 + size + size % 2
    return found


def _read_iim(data: bytes) -> dict[str, str]:
    place, found = 0, {}
    while data[place : place + 1] == b"\x1c" and place + 5 <= len(data):
        record, number, size = data[place + 1], data[place + 2], int.from_bytes(data[place + 3 : place + 5], "big")
        if size & 0x8000:  # an extended data set, larger than any text
            break
        if record == 2 and number in FIELDS:
            found.setdefault(FIELDS[number], data[place + 5 : place + 5 + size].decode("utf-8", "replace"))
        place += 5 + size
    return found
