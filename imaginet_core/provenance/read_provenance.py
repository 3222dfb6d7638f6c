"""Everything that a picture's file states about its origin, each with what it is worth."""

from typing import NamedTuple

from imaginet_core.pictures.sources import LIMITS, NO_FORMAT, Limits, PictureError, content_of_source, format_of
from imaginet_core.provenance.containers import C2PA, EXIF, IPTC, TEXT, XMP, XMP_PIECE, Part, parts_of
from imaginet_core.provenance.exif import POSITION, read_exif
from imaginet_core.provenance.generators import Facts, found_generators
from imaginet_core.provenance.iptc import read_iptc
from imaginet_core.provenance.manifest import SECONDS, Manifest, check_anchors, check_manifest
from imaginet_core.provenance.plain_text import plain
from imaginet_core.provenance.xmp import EXTENDED, join_pieces, read_xmp

NOTHING = "The file states nothing about its origin. That proves nothing: most sites and programs remove such statements."
WORTH = {
    "trusted": "The file is as it was signed, by a certificate that leads to one you trust. What it states is the signer's word.",
    "valid": "The file is as it was signed, but anyone can make such a certificate: who signed is not established.",
    "invalid": "Changed after it was signed, damaged, or signed wrongly. It proves nothing, neither for the picture nor against it.",
    "present": "A manifest is there and was not checked. It is worth nothing until it is.",
    "elsewhere": "The file says that its manifest lies at this address, which was not asked.",
    "source type": "A label that anyone can write or remove. One that names a generator is a hint, though whoever wants to discredit a "
    "photograph can write it too; one that names a camera is none.",
    "signed source type": "Part of the manifest: worth what its signature is worth.",
    "generator": "A text that anyone can write or remove. It is a hint, though whoever wants to discredit a photograph can write it too.",
    "camera": "As stated. A camera writes this, and so does anyone with one command: it does not prove that a camera took the picture.",
    "program": "As stated: the program that wrote the file. It may have changed all of the picture or nothing.",
}
"""What each kind of entry is worth."""
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SYNTHETIC_SOURCES = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia", "compositeSynthetic")
"""IPTC's digital source types in which a generator has a part."""


class Entry(NamedTuple):
    """One statement.

    Attributes:
        kind: a key of WORTH.
        where: in the file, such as "XMP xmp:CreatorTool".
        states: what it states, in one short line.
        worth: what that is worth, a sentence or two.
        generator: the name of the generator that it names; None for others.
    """

    kind: str
    where: str
    states: str
    worth: str
    generator: str | None = None


class Provenance(NamedTuple):
    """What a file states about its origin.

    Attributes:
        format: of the file, a name in ``pictures.sources.FORMATS``.
        manifest: its signed manifest; its state is "none" where it has none.
        entries: the strongest first; () where it states nothing, which proves nothing.
        broken: where the file's structure breaks off or a part cannot be read; None for whole files.
    """

    format: str
    manifest: Manifest
    entries: tuple[Entry, ...]
    broken: str | None = None

    @property
    def says_synthetic(self) -> bool:
        """Whether some entry names a generator, or calls the picture generated in whole or in part. No verdict."""
        return any(each.generator or _is_synthetic(each.states) for each in self.entries if "source type" in each.kind or each.generator)

    def as_dict(self) -> dict:
        """For JSON."""
        return {
            "format": self.format, "c2pa": self.manifest._asdict(), "entries": [each._asdict() for each in self.entries],
            "broken": self.broken, "worth": None if self.entries else NOTHING,
        }


def read_provenance(
    source, *, name: str | None = None, trust_anchors: str | None = None, limits: Limits = LIMITS, seconds: float = SECONDS
) -> Provenance:
    """What a picture's file states about its origin. It changes no score: no detector of this project sees any of it.

    Args:
        source: path (str or ``Path``), bytes, file object, http(s) address or base64.
        name: for messages; the path or address where nothing is given.
        trust_anchors: certificates in PEM, as one text; a manifest is "trusted" if its signer's certificate leads to one of them.
        limits: of size, and of time for addresses.
        seconds: that the check of a manifest may take.

    Raises:
        PictureError: in one sentence, for what cannot be had or is no file of a format that is read.
        ValueError: for trust anchors that cannot be read.
    """
    check_anchors(trust_anchors)
    content, called = content_of_source(source, limits)
    format = format_of(content[:64])
    if format is None:
        raise PictureError(NO_FORMAT, name or called)
    parts, broken = parts_of(content, format, limits)
    facts, faults = _facts(parts)
    manifest = Manifest()
    if any(part.kind == C2PA for part in parts):
        manifest = check_manifest(content, format, trust_anchors, seconds)
    entries = (*_of_manifest(manifest), *_source_types(facts), *_generators(facts), *_addresses(facts), *_camera(facts), *_programs(facts))
    return Provenance(format, manifest, entries, "; ".join([*([broken] if broken else []), *faults]) or None)


def _facts(parts: list[Part]) -> tuple[Facts, list[str]]:
    """What was read of all parts (the first of several that say the same), and which could not be read."""
    texts, read, faults = {}, {EXIF: {}, XMP: {}, IPTC: {}}, []
    readers = {EXIF: read_exif, XMP: read_xmp, IPTC: read_iptc}
    for part in parts:
        if part.kind == TEXT:
            texts.setdefault(part.key, part.data.decode("utf-8", "replace"))
        elif part.kind in readers:
            try:
                read[part.kind] = readers[part.kind](part.data) | read[part.kind]
            except ValueError as error:
                faults.append(str(error))
    if named := read[XMP].get(EXTENDED):
        try:
            rest = join_pieces(named, [part.data for part in parts if part.kind == XMP_PIECE and part.key == named])
            read[XMP] = read_xmp(rest) | read[XMP]
        except ValueError as error:
            faults.append(str(error))
    return Facts(texts, read[EXIF], read[XMP], read[IPTC]), list(dict.fromkeys(faults))


def _of_manifest(manifest: Manifest) -> list[Entry]:
    if manifest.state == "none":
        return []
    parts = [
        f"signer: {plain(manifest.signer or manifest.organisation or 'not named', 80)}"
        + (f" ({plain(manifest.organisation, 80)})" if manifest.signer and manifest.organisation else ""),
        f"made by: {plain(manifest.generator, 80)}" if manifest.generator else "",
        f"actions: {plain(', '.join(manifest.actions), 200)}" if manifest.actions else "",
        plain(manifest.reason, 200) if manifest.reason else "",
    ]
    known = manifest.signer or manifest.organisation or manifest.generator
    told = [part for part in (parts if known else parts[2:]) if part]
    found = [Entry(manifest.state, "C2PA manifest", "; ".join([manifest.state, *told]), WORTH[manifest.state])]
    for kind, types in (("C2PA manifest", manifest.source_types), ("C2PA manifest of an ingredient", manifest.ingredient_source_types)):
        found += [Entry("signed source type", kind, _short(each), WORTH["signed source type"]) for each in types]
    return found


def _source_types(facts: Facts) -> list[Entry]:
    stated = facts.xmp.get("Iptc4xmpExt:DigitalSourceType")
    return [Entry("source type", "XMP Iptc4xmpExt:DigitalSourceType", _short(stated), WORTH["source type"])] if stated else []


def _short(source_type: str) -> str:
    return plain(source_type.removeprefix(SOURCE_TYPE).removeprefix(SOURCE_TYPE.replace("http", "https")), 120)


def _is_synthetic(source_type: str) -> bool:
    return source_type in SYNTHETIC_SOURCES


def _generators(facts: Facts) -> list[Entry]:
    return [
        Entry("generator", where, f"{name}: {plain(text)}" if plain(text) != name else name, WORTH["generator"], name)
        for name, where, text in found_generators(facts)
    ]


def _addresses(facts: Facts) -> list[Entry]:
    address = facts.xmp.get("dcterms:provenance")  # how a manifest that is not embedded is found
    return [Entry("elsewhere", "XMP dcterms:provenance", plain(address), WORTH["elsewhere"])] if address else []


def _camera(facts: Facts) -> list[Entry]:
    exif = facts.exif
    named = [exif.get(name, "") for name in ("Make", "Model")]
    if not any(named) or any(name.startswith(("prompt:", "workflow:")) for name in named):
        return []
    told = [
        plain(" ".join(name for name in named if name), 120), f"lens {plain(exif['LensModel'], 80)}" if "LensModel" in exif else "",
        f"taken {plain(exif['DateTimeOriginal'], 40)}" if "DateTimeOriginal" in exif else "",
        "a position is stated" if POSITION in exif else "",
    ]
    return [Entry("camera", "EXIF", ", ".join(part for part in told if part), WORTH["camera"])]


def _programs(facts: Facts) -> list[Entry]:
    return [Entry("program", where, plain(name, 120), WORTH["program"]) for where, name in facts.programs() if plain(name)]
