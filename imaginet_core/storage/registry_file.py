"""Sources of one's own beside ImagiNet's, or in their place: a YAML file.

It is given as ``load_dataset("imaginet", registry=FILE, data_dir=RAW)``.

    extends: official            # or: nothing
    generators: [FLUX.1]         # names added; likewise families and contents
    families: [Flux]
    sources:
      flux_photos:
        folders: [flux_photos]   # under the root; * stands for one folder
        what: FLUX.1 photos of our lab
        home: https://example.org/flux
        licence: CC0
        redistributable: true
        label: synthetic         # of the images found by the patterns below
        content: photos
        family: Flux
        generator: FLUX.1
        train: ["flux_photos/train/*.png"]
        test: ["flux_photos/test/*.png"]
      gpt_image:
        folders: [gpt_image]
        what: GPT-Image
        home: https://example.org/gpt
        licence: not stated
        archives: ["gpt_image*.zip"]
        lists: {test: gpt_image_test.txt}   # beside this file, in the form of upstream's lists

In lists the official numbers keep their meaning; added names follow them in the order given here. With ``extends: nothing`` they
count from 0, and the names of real images ("real") are added at the end if they are not among them. Patterns find files in
folders only; images inside archives need a list.
"""

import glob
import os
import re
from collections.abc import Sequence
from typing import NamedTuple

_SOURCE_KEYS = {"folders", "what", "home", "licence", "redistributable", "archives", "depth"}
_LABEL_KEYS = {"label", "content", "family", "generator"}
_TABLES = ("contents", "families", "generators")


class FoundImage(NamedTuple):
    """An image that fits a pattern: its path relative to the root, and its labels."""

    path: str
    label: str
    content: str
    family: str
    generator: str


class Part(NamedTuple):
    """What a registry says of the images of one source in one split.

    Attributes:
        source, split: their names.
        list_file: a list of images that exists, or None.
        found: images that fit its patterns.
    """

    source: str
    split: str
    list_file: str | None
    found: list[FoundImage]


class Registry(NamedTuple):
    """A registry in plain values.

    Attributes:
        alone: whether it stands alone (``extends: nothing``).
        sources: name -> folders, what, home, licence and, where given, redistributable, archives, depth.
        contents, families, generators: number -> name.
        parts: in the order of the sources, of each split by split; those without images left out.
    """

    alone: bool
    sources: dict[str, dict]
    contents: dict[int, str]
    families: dict[int, str]
    generators: dict[int, str]
    parts: list[Part]


def check_registry(values, file: str, root: str, splits: Sequence[str], official: dict[str, dict[int, str]]) -> Registry:
    """Checks what a registry says and finds its images.

    Args:
        values: what the YAML file holds.
        file: its path, for messages and for the lists beside it.
        root: absolute folder of the images, where patterns are searched.
        splits: names of the splits.
        official: "contents", "families", "generators" -> number -> name, which the registry's own names are added to.

    Raises:
        ValueError: naming the file, the source and what is wrong.
    """
    if not isinstance(values, dict) or not isinstance(values.get("sources"), dict) or not values["sources"]:
        raise ValueError(f"The registry {file} must be a mapping with an entry 'sources' that names at least one.")
    if values.get("extends") not in ("official", "nothing"):
        said = values.get("extends")
        raise ValueError(f"The registry {file} must say 'extends: official' or 'extends: nothing', got {said!r}.")
    alone = values["extends"] == "nothing"
    where = {name: f"The registry {file}, source {name}" for name in values["sources"]}
    sources = {str(name): _source(entry, splits, where[name]) for name, entry in values["sources"].items()}
    tables = {key: _names(values.get(key) or [], official[key], alone, key) for key in _TABLES}
    parts = []
    for name, entry in values["sources"].items():
        for split in splits:
            listed = _list_file(entry, split, file, where[name])
            found = _find_images(entry, split, tables, root, where[name])
            if listed or found:
                parts.append(Part(str(name), split, listed, found))
    return Registry(alone, sources, **tables, parts=parts)


def _source(entry, splits: Sequence[str], where: str) -> dict:
    if not isinstance(entry, dict):
        raise ValueError(f"{where} must be a mapping with folders, what, home and licence.")
    unknown = set(entry) - _SOURCE_KEYS - _LABEL_KEYS - {*splits, "lists"}
    absent = {"folders", "what", "home", "licence"} - set(entry)
    if unknown or absent:
        raise ValueError(f"{where} lacks {sorted(absent) or 'nothing'} and has the unknown entries {sorted(unknown) or 'none'}.")
    given = {key: entry[key] for key in _SOURCE_KEYS & set(entry)}
    for key in ("folders", "archives"):
        if key in given:
            given[key] = tuple(_inside(pattern.strip("/"), f"{where}: its entry {key}") for pattern in _as_list(given[key]))
    return given


def _as_list(value) -> list[str]:
    return [str(each) for each in ([value] if isinstance(value, str) else value)]


def _inside(pattern: str, what: str) -> str:
    """The pattern, if it stays inside the root. Raises ValueError."""
    if ".." in re.split(r"[/\\]", pattern):
        raise ValueError(
            f"{what} has {pattern!r}, which leads out of the data folder; give paths relative to that folder, without '..'."
        )
    return pattern


def _names(added: list, official: dict, alone: bool, key: str) -> dict:
    """number -> name: the official ones with theirs, then the added ones; "real" last where it stands alone."""
    names = [] if alone else list(official.values())
    names += [str(name) for name in added if str(name) not in names]
    if key == "contents":
        return dict(enumerate(names or official.values()))
    return dict(enumerate(names if "real" in names else [*names, "real"]))


def _list_file(entry: dict, split: str, file: str, where: str) -> str | None:
    lists = entry.get("lists") or {}
    if split not in lists:
        return None
    listed = os.path.join(os.path.dirname(os.path.abspath(file)), lists[split])
    if not os.path.isfile(listed):
        raise ValueError(f"{where}: its {split} list {listed} does not exist.")
    return listed


def _find_images(entry: dict, split: str, tables: dict, root: str, where: str) -> list[FoundImage]:
    patterns = entry.get(split) or []
    if not patterns:
        return []
    labels = _labels(entry, tables, where)
    images = []
    for pattern in _as_list(patterns):
        _inside(pattern, f"{where}: its {split} pattern")
        files = sorted(found for found in glob.glob(f"{glob.escape(root)}/{pattern}", recursive=True) if not os.path.isdir(found))
        if not files:
            raise ValueError(f"{where}: no file under {root} fits its {split} pattern {pattern!r}.")
        images += [FoundImage(os.path.relpath(file, root).replace(os.sep, "/"), *labels) for file in files]
    return images


def _labels(entry: dict, tables: dict, where: str) -> tuple[str, str, str, str]:
    """Label, content, family and generator of the images that a source's patterns find."""
    label, content = str(entry.get("label", "synthetic")), entry.get("content")
    family, generator = ("real", "real") if label == "real" else (entry.get("family"), entry.get("generator"))
    values = {"content": content, "family": family, "generator": generator}
    for (key, value), table in zip(values.items(), _TABLES, strict=True):
        allowed = tables[table].values()
        if value not in allowed:
            raise ValueError(f"{where}: its {key} {value!r} is none of {', '.join(allowed)}; add it at the top or correct it.")
    if label not in ("real", "synthetic") or (label == "synthetic") != (generator != "real"):
        raise ValueError(
            f"{where}: its label is {label!r} and its generator {generator!r}; say real, or synthetic with a generator."
        )
    return label, content, family, generator
