"""The lists of the Corvi and the practical test set, as the paper used them (arXiv 2407.20020): a path and a label a line.

``biggan_256/a.png,1,3`` or ``AIDraw_1122/Fake/Midjourney/1.png 1``; a name may hold commas and spaces.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

import imaginet
from imaginet_core.label_words import NAMES
from imaginet_tools.images.image_set import ImageSet, read_text

_SUFFIXES = "|".join(re.escape(suffix) for suffix in imaginet.IMAGE_SUFFIXES)
_LINES = (
    re.compile(rf"(?P<path>.+(?:{_SUFFIXES})),(?P<label>[01])(?:,(?P<number>\d+))?", re.IGNORECASE),
    re.compile(r"(?P<path>.+) (?P<label>[01])"),  # some names of the practical set have no suffix
)
CORVI_GENERATORS = {
    "progan": "ProGAN", "stylegan2": "StyleGAN2", "stylegan3": "StyleGAN3", "biggan": "BigGAN", "eg3d": "EG3D",
    "taming-transformers": "Taming Transformers", "dalle-mini": "DALL·E mini", "dalle_2": "DALL·E 2", "glide": "GLIDE",
    "latent-diffusion": "Latent Diffusion", "stable_diffusion": "Stable Diffusion", "guided-diffusion": "ADM",
}
"""How the folders of the Corvi test set begin -> the generator, in the order of the numbers in its list."""


def is_list(text: str) -> bool:
    """Whether a text is such a list: each of its lines that is not empty."""
    lines = [line for line in text.splitlines() if line.strip()]
    return bool(lines) and all(match_line(line) for line in lines)


def match_line(line: str) -> re.Match | None:
    """A line's ``path``, ``label`` and, in the Corvi list, ``number``; None for a line of another form."""
    return next((found for form in _LINES if (found := form.fullmatch(line)) is not None), None)


def read_lists(files: Sequence[str], root: str | None = None) -> tuple[ImageSet, list[str]]:
    """The images of one list or several that are there, and sentences on those that are not.

    An image that several lists name counts once; ``extra["list"]`` holds the first list's name where there are several.

    Args:
        files: the lists; 0 is real, 1 is synthetic in all.
        root: the folder that the paths start from; by default the lists' own.

    Raises:
        ValueError: with the line's number for one of another form; for a name that stands twice in a list or has two labels, lists in
            several folders without ``root``, lists of which nothing is there, and images of one class only.
    """
    folders = {os.path.dirname(os.path.abspath(file)) for file in files}
    if root is None and len(folders) > 1:
        raise ValueError(f"{' and '.join(files)} lie in {len(folders)} folders; say with --root which folder their paths start from.")
    root, label_of, list_of, repeated = root or folders.pop(), {}, {}, 0
    for file in files:
        for path, label in _entries(file):
            if label_of.setdefault(path, label) != label:
                raise ValueError(f"{path} is {NAMES[label]} in {file} and {NAMES[label_of[path]]} in {list_of[path]}; mend one of the lists.")
            repeated += path in list_of
            list_of.setdefault(path, file)
    title, several = ", ".join(files), len(files) > 1
    kept = [path for path in label_of if os.path.isfile(os.path.join(root, path))]
    absent = [path for path in label_of if path not in set(kept)] if len(kept) < len(label_of) else []
    example = f"e.g. {absent[0]}" if absent else ""
    if not kept:
        raise ValueError(f"Of the {len(label_of)} images that {title} names none lies below {root}, {example}; say where they are with --root.")
    if len({label_of[path] for path in kept}) < 2:
        raise ValueError(f"Of the images that {title} names only {NAMES[label_of[kept[0]]]} ones are there; detection needs both.")
    told = [f"{len(absent)} of {len(label_of)} listed images are not there, {example}; figures are of the rest."] if absent else []
    told += [f"{repeated} images are named by several lists and count once."] if repeated else []
    extra = {"folder": np.array([os.path.dirname(path) for path in kept], dtype=str)}
    if several:
        extra["list"] = np.array([os.path.splitext(os.path.basename(list_of[path]))[0] for path in kept], dtype=str)
    images = ImageSet.from_files(
        title, root, kept, [label_of[path] for path in kept], ["real" if label_of[path] == 0 else generator_of(path) for path in kept], extra=extra,
    )
    return replace(images, missing=len(absent)), told


def _entries(file: str) -> list[tuple[str, int]]:
    """(path, label) of each line of a list, as read_lists raises."""
    found: dict[str, int] = {}
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if not line.strip():
            continue
        if (match := match_line(line)) is None:
            raise ValueError(f"{file}, line {number} is not of the form name,label or name,label,number or name label: {line[:200]!r}.")
        if os.path.isabs(match["path"]) or ".." in match["path"].split("/"):
            raise ValueError(f"{file}, line {number} leads out of the folder of images: {match['path']!r}; write a path below it.")
        path = match["path"].removeprefix("./")
        if path in found:
            raise ValueError(f"{file} names {path} more than once; keep one line.")
        found[path] = int(match["label"])
    return list(found.items())


def generator_of(path: str) -> str:
    """The generator of a synthetic image of either set, by its folder; "unknown" for folders of neither."""
    parts = path.split("/")[:-1]
    if [part.lower() for part in parts[1:2]] == ["fake"] and len(parts) > 2:
        return parts[2]
    if not parts:
        return "unknown"
    return next((name for start, name in CORVI_GENERATORS.items() if parts[0].startswith(start)), parts[0])
