"""The lists of the Corvi and the practical test set, as the paper used them (arXiv 2407.20020): a path and a label a line.

``biggan_256/a.png,1,3`` or ``AIDraw_1122/Fake/Midjourney/1.png 1``; a name may hold commas and spaces.
"""

import os
import re
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


def read_list(file: str, root: str | None = None) -> tuple[ImageSet, list[str]]:
    """The images of a list that are there, and sentences on those that are not.

    Args:
        file: the list; 0 is real, 1 is synthetic in both.
        root: the folder that the paths start from; by default the list's own.

    Raises:
        ValueError: with the line's number for one of another form; for a name that stands twice, a list of which nothing is
            there, and images of one class only.
    """
    root = root or os.path.dirname(os.path.abspath(file))
    lines = [(number, line) for number, line in enumerate(read_text(file).splitlines(), start=1) if line.strip()]
    paths, labels = [], []
    for number, line in lines:
        if (found := match_line(line)) is None:
            raise ValueError(f"{file}, line {number} is not of the form name,label or name,label,number or name label: {line[:200]!r}.")
        if os.path.isabs(found["path"]) or ".." in found["path"].split("/"):
            raise ValueError(f"{file}, line {number} leads out of the folder of images: {found['path']!r}; write a path below it.")
        paths.append(found["path"].removeprefix("./"))
        labels.append(int(found["label"]))
    if twice := _first_twice(paths):
        raise ValueError(f"{file} names {twice} more than once; keep one line.")
    there = [index for index, path in enumerate(paths) if os.path.isfile(os.path.join(root, path))]
    absent = sorted(set(range(len(paths))) - set(there))
    example = f"e.g. {paths[absent[0]]}" if absent else ""
    if not there:
        raise ValueError(f"Of the {len(paths)} images that {file} names none lies below {root}, {example}; say where they are.")
    if len({labels[index] for index in there}) < 2:
        only = NAMES[labels[there[0]]]
        raise ValueError(f"Of the images that {file} names only {only} ones are there; detection needs both.")
    kept = [paths[index] for index in there]
    told = [f"{len(absent)} of {len(paths)} listed images are not there, {example}; figures are of the rest."] if absent else []
    images = ImageSet.from_files(
        file, root, kept, [labels[index] for index in there],
        ["real" if labels[index] == 0 else generator_of(paths[index]) for index in there],
        extra={"folder": np.array([os.path.dirname(path) for path in kept], dtype=str)},
    )
    return replace(images, missing=len(absent)), told


def generator_of(path: str) -> str:
    """The generator of a synthetic image of either set, by its folder; "unknown" for folders of neither."""
    parts = path.split("/")[:-1]
    if [part.lower() for part in parts[1:2]] == ["fake"] and len(parts) > 2:
        return parts[2]
    if not parts:
        return "unknown"
    return next((name for start, name in CORVI_GENERATORS.items() if parts[0].startswith(start)), parts[0])


def _first_twice(paths: list[str]) -> str | None:
    seen = set()
    return next((path for path in paths if path in seen or seen.add(path)), None)
