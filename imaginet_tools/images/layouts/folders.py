"""Benchmarks that say by folders what an image is: AIGIBench, ForenSynths, GenImage, RAID, Community Forensics, real and fake.

A layout is a pattern of an image's path. Which one a folder has is seen from all its images.
"""

import os
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from imaginet_core.label_words import NAMES, label_of_word
from imaginet_tools.images.image_set import ImageSet, list_image_files

SPLITS = ("test", "val", "validation", "train")
"""Names of folders that part a benchmark, in the order in which one of them is read when nothing is asked for."""
LABEL_FOLDERS = ("0_real", "1_fake", "real", "fake", "nature", "ai")
_SPLIT = rf"(?P<split>{'|'.join(SPLITS)})"


class FolderLayout(NamedTuple):
    """Where a benchmark has its images.

    Attributes:
        title: the benchmark, for people.
        form: its folders, for people.
        pattern: of a path below the root, with the groups ``label`` and, where it has them, ``generator``, ``split``, ``class``,
            ``attack``.
        accepts: what else the groups must be like.
    """

    title: str
    form: str
    pattern: str
    accepts: Callable[[dict], bool] = lambda groups: True

    def match(self, path: str) -> dict | None:
        """What a path says, by group; None where it has another form."""
        found = re.fullmatch(self.pattern, path)
        groups = found and {name: value for name, value in found.groupdict().items() if value is not None}
        return groups if groups and self.accepts(groups) else None


def _is_generator(groups: dict) -> bool:
    """Whether neither generator nor class is in truth a split or a label's folder; a generator may be called deepfake."""
    return not any(groups.get(name, "").lower() in (*SPLITS, *LABEL_FOLDERS) for name in ("generator", "class"))


FOLDER_LAYOUTS = {
    "aigibench": FolderLayout(
        "AIGIBench", "test/<generator>/{0_real,1_fake}", rf"{_SPLIT}/(?P<generator>[^/]+)/(?P<label>0_real|1_fake)/.+", _is_generator,
    ),
    "forensynths": FolderLayout(
        "ForenSynths", "<generator>[/<class>]/{0_real,1_fake}",
        rf"({_SPLIT}/)?(?P<generator>[^/]+)(/(?P<class>[^/]+))?/(?P<label>0_real|1_fake)/.+", _is_generator,
    ),
    "genimage": FolderLayout(
        "GenImage", "<generator>/{train,val}/{nature,ai}",
        r"(?P<generator>[^/]+)(/[^/]+)?/(?P<split>train|val)/(?P<label>nature|ai)/.+", _is_generator,
    ),
    "raid": FolderLayout(
        "RAID", "original/{real,gen_*} and epsilon<n>/{real,gen_*}",
        r"(?P<attack>original|epsilon\d+)/(?P<label>real|gen_(?P<generator>[^/]+))/.+",
    ),
    "community_forensics": FolderLayout(
        "Community Forensics", "<generator>/{real,fake}", r"(?P<generator>[^/]+)/(?P<label>real|fake)/.+",
        lambda groups: groups["generator"] not in SPLITS,
    ),
    "folder": FolderLayout(
        "folders of real and synthetic images", "[<split>/]{real,synthetic}[/<generator>], or other words for them",
        rf"({_SPLIT}/)?(?P<label>[^/]+)(/(?P<generator>[^/]+))?(/.*)?/[^/]+",
        lambda groups: label_of_word(groups["label"]) is not None,
    ),
}
"""Name -> layout; of layouts that read a folder's images alike, the first one names it."""


class Match(NamedTuple):
    """A layout that fits a folder: what each path says, by path, and the paths that have another form."""

    name: str
    groups: dict[str, dict]
    others: list[str]


def match_layouts(paths: list[str]) -> list[Match]:
    """How each layout reads the images' paths, those without any match left out."""
    found = []
    for name, layout in FOLDER_LAYOUTS.items():
        groups = {path: match for path in paths if (match := layout.match(path)) is not None}
        if groups:
            found.append(Match(name, groups, [path for path in paths if path not in groups]))
    return found


def recognise(folder: str, paths: list[str]) -> Match:
    """The one layout that all of a folder's images have. Raises ValueError with the candidates for none, or several that differ."""
    matches = match_layouts(paths)
    whole = [match for match in matches if not match.others]
    readings = {}
    for match in whole:
        readings.setdefault(repr([_label_and_generator(match.groups[path]) for path in paths]), match)
    both = [match for match in readings.values() if len({_label(groups) for groups in match.groups.values()}) == 2]
    if len(both) == 1 or len(readings) == 1:
        return both[0] if both else next(iter(readings.values()))
    if both:
        candidates = "; ".join(f"{match.name} ({FOLDER_LAYOUTS[match.name].form})" for match in both)
        raise ValueError(f"{folder} may be read as {candidates}, with other labels or generators; choose with --layout NAME.")
    if matches:
        best = min(matches, key=lambda match: len(match.others))
        raise ValueError(
            f"{folder} has the layout of no known benchmark: {len(best.others)} of {len(paths)} images do not lie in "
            f"{FOLDER_LAYOUTS[best.name].form}, e.g. {best.others[0]}; move them, or leave them out with --layout {best.name}."
        )
    forms = "; ".join(f"{name}: {layout.form}" for name, layout in FOLDER_LAYOUTS.items())
    raise ValueError(f"{folder} has the layout of no known benchmark, e.g. {paths[0]}. Known are {forms}.")


def force(folder: str, paths: list[str], name: str) -> Match:
    """The images that a layout has a place for. Raises ValueError where there are none."""
    for match in match_layouts(paths):
        if match.name == name:
            return match
    raise ValueError(f"{folder} has no image in {FOLDER_LAYOUTS[name].form}, as {FOLDER_LAYOUTS[name].title} has; e.g. {paths[0]}.")


def image_paths(folder: str) -> list[str]:
    """Paths of all images below a folder, with "/". Raises ValueError where there are none."""
    paths = [path.replace(os.sep, "/") for path in list_image_files(folder)]
    if not paths:
        raise ValueError(f"{folder} holds no image; name a folder, a list, a CSV file, Parquet files or a data set with images.")
    return paths


def read_folder(folder: str, match: Match, split: str | None = None) -> tuple[ImageSet, list[str]]:
    """The images of a recognised folder, and sentences on what was left out.

    Args:
        folder: the root.
        match: from :func:`recognise` or :func:`force`.
        split: a folder that parts the benchmark; by default the first of SPLITS that is there.

    Raises:
        ValueError: for a split that is not there, or images of one class only.
    """
    told = [f"{len(match.others)} image(s) that lie elsewhere are left out, e.g. {match.others[0]}."] if match.others else []
    groups = match.groups
    splits = [name for name in SPLITS if any(each.get("split") == name for each in groups.values())]
    if split is not None and split not in splits:
        raise ValueError(f"{folder} has no split {split}, only {', '.join(splits) or 'images without one'}.")
    chosen = split or (splits[0] if splits else None)
    kept = {path: each for path, each in groups.items() if each.get("split") == chosen}
    if len(kept) < len(groups):
        told.append(f"Read is {chosen} ({len(kept)} images); {len(groups) - len(kept)} images of other splits are left out.")
    return _image_set(folder, kept), told


def _image_set(folder: str, groups: dict[str, dict]) -> ImageSet:
    paths = list(groups)
    labels = [_label(groups[path]) for path in paths]
    for label, name in enumerate(NAMES):
        if label not in labels:
            raise ValueError(f"{folder} holds no {name} images; detection needs both.")
    names = dict.fromkeys(name for each in groups.values() for name in each if name in ("class", "attack", "split", "generator"))
    extra = {
        "benchmark" if name == "generator" else name: np.array([groups[path].get(name, "") for path in paths], dtype=str) for name in names
    }  # where real images lie beside those of a generator, this is the pairing that the benchmark's own figures use
    sources = [path.partition("/")[2] if "attack" in groups[path] else path for path in paths]  # an attacked copy has its original's name
    return ImageSet.from_files(
        folder, folder, paths, labels, [_label_and_generator(groups[path])[1] for path in paths], source_images=sources, extra=extra,
    )


def _label(groups: dict) -> int:
    return 1 if groups["label"].startswith("gen_") else label_of_word(groups["label"])


def _label_and_generator(groups: dict) -> tuple[int, str]:
    label = _label(groups)
    return label, "real" if label == 0 else groups.get("generator", "unknown")
