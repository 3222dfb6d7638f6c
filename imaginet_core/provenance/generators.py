"""What generators of pictures write into their files: a table of signs, each with the source that says so."""

import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from imaginet_core.provenance.plain_text import plain

JOB = re.compile(r"\bJob ID: [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\s*$")
STEPS = re.compile(r"(?:^|\n)Steps: \d+, .{0,2000}?\bSampler: ", re.DOTALL)
NAMES = (
    "Adobe Firefly", "ComfyUI", "DALL-E", "DALL·E", "Draw Things", "DreamStudio", "Fooocus", "Ideogram", "InvokeAI", "Leonardo.Ai",
    "Midjourney", "NovelAI", "Stable Diffusion",
)
"""Generators that are told by a program's name. Google's are not among them: "Gemini" and "Imagen" name other programs too."""


class Facts(NamedTuple):
    """What a file holds, unshortened: texts by key, and what ``exif``, ``xmp`` and ``iptc`` read, by name."""

    texts: dict[str, str]
    exif: dict[str, str]
    xmp: dict[str, str]
    iptc: dict[str, str]

    def parameters(self) -> Iterator[tuple[str, str]]:
        """(where, text) of each place in which web interfaces store the settings of a picture."""
        for where, values, name in (
            ("PNG text", self.texts, "parameters"), ("EXIF", self.exif, "UserComment"), ("XMP", self.xmp, "exif:UserComment"),
        ):
            if name in values:
                yield f"{where} {name}", values[name]

    def programs(self) -> Iterator[tuple[str, str]]:
        """(where, name of a program) of each place that names the program that wrote the file."""
        for where, values, name in (
            ("PNG text", self.texts, "Software"), ("PNG text", self.texts, "Source"), ("EXIF", self.exif, "Software"),
            ("XMP", self.xmp, "xmp:CreatorTool"), ("IPTC", self.iptc, "OriginatingProgram"),
        ):
            if name in values:
                yield f"{where} {name}", values[name]

    def descriptions(self) -> Iterator[tuple[str, str]]:
        """(where, text) of each description."""
        for where, values, name in (
            ("PNG text", self.texts, "Description"), ("EXIF", self.exif, "ImageDescription"), ("XMP", self.xmp, "dc:description"),
            ("IPTC", self.iptc, "Caption"),
        ):
            if name in values:
                yield f"{where} {name}", values[name]


class Sign(NamedTuple):
    """How a generator is recognised.

    Attributes:
        generator: its name.
        marks: what it writes, for the table in docs/provenance.md.
        find: gives (where, what) of the first mark in a file's facts, or nothing.
        source: repository and file, or page, that says so.
    """

    generator: str
    marks: str
    find: Callable[[Facts], Iterator[tuple[str, str]]]
    source: str


def found_generators(facts: Facts) -> list[tuple[str, str, str]]:
    """(generator, where, what it wrote) for each generator that left its mark, in the order of SIGNS; each generator once."""
    found: dict[str, tuple[str, str, str]] = {}
    for sign in SIGNS:
        mark = next(sign.find(facts), None)
        if mark is not None:
            name = sign.generator or plain(mark[1], 80)
            found.setdefault(name.casefold(), (name, *mark))
    for where, program in facts.programs():
        name = next((name for name in NAMES if re.search(rf"\b{re.escape(name)}\b", program, re.IGNORECASE)), None)
        if name is not None:
            found.setdefault(name.replace("·", "-").casefold(), (name, where, program))
    return list(found.values())


def _object(text: str) -> dict:
    """The object that a text is in JSON; {} where it is none."""
    try:
        value = json.loads(text) if text.lstrip()[:1] == "{" else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _fooocus(facts: Facts) -> Iterator[tuple[str, str]]:
    if "fooocus_scheme" in facts.texts:
        yield "PNG text parameters", facts.texts.get("parameters", "")
    if facts.exif.get("Software", "").startswith("Fooocus"):
        yield "EXIF UserComment", facts.exif.get("UserComment", "")


def _web_ui(facts: Facts) -> Iterator[tuple[str, str]]:
    return ((where, text) for where, text in facts.parameters() if STEPS.search(text))


def _swarm(facts: Facts) -> Iterator[tuple[str, str]]:
    return ((where, text) for where, text in facts.parameters() if "sui_image_params" in _object(text))


def _comfy(facts: Facts) -> Iterator[tuple[str, str]]:
    prompt, workflow = _object(facts.texts.get("prompt", "")), _object(facts.texts.get("workflow", ""))
    if any(isinstance(node, dict) and "class_type" in node for node in prompt.values()):
        yield "PNG text prompt", facts.texts["prompt"]
    if isinstance(workflow.get("nodes"), list):
        yield "PNG text workflow", facts.texts["workflow"]
    for name in ("Model", "Make"):  # of WebP files, where it stores its JSON behind a word
        if re.match(r"(prompt|workflow):\s*\{", facts.exif.get(name, "")):
            yield f"EXIF {name}", facts.exif[name]


def _invoke(facts: Facts) -> Iterator[tuple[str, str]]:
    keys = ("invokeai_metadata", "invokeai_graph", "invokeai_workflow", "sd-metadata", "Dream")
    return ((f"PNG text {key}", facts.texts[key]) for key in keys if key in facts.texts)


def _novel(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.texts.get("Software") == "NovelAI":
        yield "PNG text Comment", facts.texts.get("Comment", "NovelAI")
    if facts.exif.get("Software", "").startswith("NovelAI"):
        yield "EXIF UserComment", facts.exif.get("UserComment", facts.exif["Software"])


def _easy(facts: Facts) -> Iterator[tuple[str, str]]:
    for key in ("use_stable_diffusion_model", "Stable Diffusion model"):
        if key in facts.texts:
            yield f"PNG text {key}", facts.texts[key]
        for where, text in facts.parameters():
            if key in _object(text):
                yield where, text


def _midjourney(facts: Facts) -> Iterator[tuple[str, str]]:
    return ((where, text) for where, text in facts.descriptions() if JOB.search(text[-200:]))


def _draw_things(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.xmp.get("xmp:CreatorTool") == "Draw Things":
        yield "XMP exif:UserComment", facts.xmp.get("exif:UserComment", "Draw Things")


def _google(facts: Facts) -> Iterator[tuple[str, str]]:
    for where, credit in (("XMP photoshop:Credit", facts.xmp.get("photoshop:Credit")), ("IPTC Credit", facts.iptc.get("Credit"))):
        if credit and credit.casefold().startswith("made with google ai"):
            yield where, credit


def _as_stated(facts: Facts) -> Iterator[tuple[str, str]]:
    return (("XMP Iptc4xmpExt:AISystemUsed", value) for value in [facts.xmp.get("Iptc4xmpExt:AISystemUsed")] if value)


SIGNS = (
    Sign("Fooocus", "PNG texts `fooocus_scheme` and `parameters`; EXIF Software \"Fooocus…\"", _fooocus,
         "lllyasviel/Fooocus, modules/meta_parser.py"),
    Sign("SwarmUI", "`parameters` as JSON with `sui_image_params`", _swarm, "mcmonkeyprojects/SwarmUI, src/Utils/Image.cs"),
    Sign("ComfyUI", "PNG texts `prompt` and `workflow` as JSON of nodes; in WebP EXIF Model and Make", _comfy,
         "comfyanonymous/ComfyUI, nodes.py"),
    Sign("InvokeAI", "PNG texts `invokeai_metadata`, `invokeai_graph`; before `sd-metadata`, `Dream`", _invoke,
         "invoke-ai/InvokeAI, invokeai/app/services/image_files/image_files_disk.py"),
    Sign("NovelAI", "PNG text Software \"NovelAI\" and `Comment`; in WebP EXIF", _novel,
         "NovelAI/novelai-image-metadata, nai_sig.py"),
    Sign("Easy Diffusion", "`use_stable_diffusion_model` as PNG text or in EXIF UserComment", _easy,
         "easydiffusion/easydiffusion, ui/easydiffusion/utils/save_utils.py"),
    Sign("Stable Diffusion web UI", "\"Steps: …, Sampler: …\" in PNG text `parameters` or EXIF UserComment; also of its many forks", _web_ui,
         "AUTOMATIC1111/stable-diffusion-webui, modules/images.py"),
    Sign("Midjourney", "a description that ends with \"Job ID: \" and a UUID", _midjourney,
         "files as its web site gives them, as many readers of metadata take them (exiftool -Description)"),
    Sign("Draw Things", "XMP CreatorTool \"Draw Things\" and exif:UserComment", _draw_things,
         "receyuki/stable-diffusion-prompt-reader, sd_prompt_reader/format/drawthings.py"),
    Sign("Google AI", "XMP or IPTC credit \"Made with Google AI\"", _google,
         "files of Gemini and Imagen, as readers of metadata take them"),
    Sign("", "XMP Iptc4xmpExt:AISystemUsed, whatever it names", _as_stated, "IPTC Photo Metadata Standard 2025.1"),
)
"""The more particular before the more general, since forks keep what they were made from."""
