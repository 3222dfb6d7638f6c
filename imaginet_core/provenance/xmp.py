"""The properties of an XMP packet (ISO 16684-1), by the standard library's parser, with no document type and so no entities."""

import hashlib
from collections.abc import Sequence
from itertools import accumulate
from xml.parsers import expat

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
PREFIXES = {
    IPTC_EXTENSION: "Iptc4xmpExt", "http://ns.adobe.com/xap/1.0/": "xmp", "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://purl.org/dc/elements/1.1/": "dc", "http://purl.org/dc/terms/": "dcterms", "http://ns.adobe.com/exif/1.0/": "exif",
    "http://ns.adobe.com/tiff/1.0/": "tiff", "http://ns.adobe.com/xmp/note/": "xmpNote",
}
"""Namespaces whose properties are read -> the prefix that they go by here, whatever the packet calls them."""
LARGEST, MOST_PIECES = 2**23, 1000
EXTENDED = "xmpNote:HasExtendedXMP"
"""The property that names the rest of a packet which is too long for one segment of a JPEG file (ISO 16684-3, 6.3)."""


def read_xmp(packet: bytes) -> dict[str, str]:
    """Properties as "prefix:Name" -> their first value that is not empty.

    Raises:
        ValueError: in plain words, for what is no XML, is too large, or declares a document type.
    """
    if len(packet) > LARGEST:
        raise ValueError(f"its XMP has more than {LARGEST:,} bytes")
    reader = _Reader()
    try:
        reader.parser.Parse(packet.strip(b"\0 \t\r\n"), True)
    except expat.ExpatError as error:
        raise ValueError("its XMP cannot be read") from error
    return reader.found


def join_pieces(name: str, pieces: Sequence[bytes]) -> bytes:
    """The rest of a packet, which lies in several segments in any order.

    Args:
        name: of the rest, as :data:`EXTENDED` gives it: the MD5 sum of all its bytes.
        pieces: each of the whole's length (4 bytes), its own place in it (4 bytes) and its bytes.

    Raises:
        ValueError: in plain words, where it is too large, not whole, or another one.
    """
    if not pieces:
        raise ValueError("its XMP names a second part that the file has not")
    length = int.from_bytes(pieces[0][:4], "big")
    if length > LARGEST:
        raise ValueError(f"its XMP has more than {LARGEST:,} bytes")
    placed = sorted((int.from_bytes(piece[4:8], "big"), piece[8:]) for piece in pieces)
    whole = b"".join(data for _, data in placed)
    ends = list(accumulate(len(data) for _, data in placed))
    if len(placed) > MOST_PIECES or len(whole) != length or [0, *ends[:-1]] != [start for start, _ in placed]:
        raise ValueError("the second part of its XMP is not whole")
    if hashlib.md5(whole, usedforsecurity=False).hexdigest() != name.lower():
        raise ValueError("the second part of its XMP is not the one that the first part names")
    return whole


class _Reader:
    """Collects attributes and texts; a text belongs to the innermost property that it stands in."""

    def __init__(self):
        self.found: dict[str, str] = {}
        self.properties: list[str | None] = []
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler, self.parser.EndElementHandler = self._start, lambda name: self.properties.pop()
        self.parser.CharacterDataHandler, self.parser.StartDoctypeDeclHandler = self._text, self._refuse

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        mine = _name_of(name)
        self.properties.append(mine or (self.properties[-1] if self.properties else None))
        for attribute, value in attributes.items():
            if attribute == f"{RDF} resource":
                self._keep(mine, value)
            else:
                self._keep(_name_of(attribute), value)

    def _text(self, text: str) -> None:
        self._keep(self.properties[-1] if self.properties else None, text)

    def _keep(self, name: str | None, value: str) -> None:
        if name and value.strip():
            self.found.setdefault(name, value.strip())

    def _refuse(self, *declared) -> None:
        raise ValueError("its XMP declares a document type, which XMP never does")


def _name_of(name: str) -> str | None:
    namespace, _, local = name.rpartition(" ")
    return f"{PREFIXES[namespace]}:{local}" if namespace in PREFIXES else None
