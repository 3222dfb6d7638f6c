"""Which images a figure is of: all, a content type, a family, a generator, a generator in a content type, any column's value."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from imaginet_tools.metrics.detection import Scores

PROTOCOLS = {
    "content": "each generator is compared with the real images of its content types",
    "paper": "each generator is compared with all real images, whatever they show, as in the paper's tables",
}
"""Name -> which real images the synthetic ones of a family or generator are compared with."""
KINDS = ("content", "generator")
"""Groups beside the whole unless more are asked for."""
CROSSED = "generator, content"


class Group(NamedTuple):
    """Images that figures are of.

    Attributes:
        kind, name: ("overall", "all"), ("content", "photos"), ("family", "GAN"), ("generator", "ProGAN"),
            (CROSSED, "ProGAN, photos"), or (column, value).
        chosen: bool (N,).
    """

    kind: str
    name: str
    chosen: np.ndarray


def groups(scores: Scores) -> list[Group]:
    """Overall, each content type, each generator; see :func:`groups_of`."""
    return groups_of(scores.label, {"content": scores.content, "generator": scores.generator})


def groups_of(
    label: np.ndarray, columns: Mapping[str, np.ndarray], kinds: Sequence[str] = KINDS, protocol: str = "content"
) -> list[Group]:
    """Every group that figures are given for, the whole first.

    A content type holds its real and its synthetic images. A family, a generator, and a generator in a content type are compared
    with real images by the protocol. A value of any other column holds the images that have it; where all of these are of one class
    (as a generator's release date), synthetic ones are compared with real images by the protocol. What cannot be compared, as it
    has no image of one class, is left out, but for the whole.

    Args:
        label: int (N,), 0 real, 1 synthetic.
        columns: str (N,) each; ``content`` and ``generator`` at least.
        kinds: of groups: "content", "family", "generator", CROSSED, or names of columns.
        protocol: a name in PROTOCOLS.
    """
    content, real = columns["content"], label == 0
    found = [Group("overall", "all", np.ones(len(label), dtype=bool))]

    def against_real(own: np.ndarray) -> np.ndarray:
        return own | (real if protocol == "paper" else real & np.isin(content, content[own]))

    for kind in kinds:
        if kind == CROSSED:
            pairs = sorted(set(zip(columns["generator"][~real].tolist(), content[~real].tolist(), strict=True)))
            found += [
                Group(kind, f"{generator}, {of}", against_real(~real & (columns["generator"] == generator) & (content == of)))
                for generator, of in pairs
            ]
            continue
        for value in sorted(set(columns[kind][~real].tolist()) | (set(columns[kind].tolist()) if kind == "content" else set())):
            own = columns[kind] == value
            if kind in ("family", "generator") or not (own & real).any():
                own = against_real(own & ~real)
            found.append(Group(kind, str(value), own))
    return [each for each in found if each.kind == "overall" or 0 < label[each.chosen].mean() < 1]
