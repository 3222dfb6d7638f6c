"""Which file of an archive is which listed image, although their paths begin differently.

A listed path and a file fit where they end alike. Folders around the file never matter (an archive may wrap its content in some);
the listed path's own first folders may be missing only

- down to the source's ``depth`` where the archive belongs to the source, by its publisher's name for it or the user's word;
- or the first of them, where it is part of the archive's file name (``wikiart_stylegan.zip`` with ``seed1.png``).

Folders that tell a source's parts apart (``progan_train`` and ``progan_val`` hold the same names) may be missing only where the
archive's name tells which part it is, and a file below another source's or part's folder never fits.
"""

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple, Protocol

from imaginet_core.storage.spellings import clean, is_plain, keys

_ARCHIVE_ENDINGS = {"zip", "7z", "tar", "tgz", "tbz", "tbz2", "txz", "gz", "bz2", "xz", "001"}


def danbooru_path(path: str) -> str | None:
    """Where Danbooru's own layout has a listed image: in a folder of the last three digits of its number, of four digits."""
    number, _, ending = path.rpartition("/")[2].partition(".")
    return f"danbooru2021/original/{int(number) % 1000:04d}/{number}.{ending}" if number.isdecimal() else None


OTHER_LAYOUTS = {"danbooru": (danbooru_path, 3)}
"""Source -> (listed path -> path in its publisher's layout or None, how many parts of that must be there)."""


class SourceLayout(Protocol):
    """What must be known of a source of images to find them.

    Attributes:
        name: as the lists' readers call it.
        folders: patterns of its folders under the root; ``*`` stands for one folder.
        archives: patterns of the file names that its publisher ships.
        depth: how many parts at the end of a path tell an image from all others inside such an archive.
    """

    name: str
    folders: tuple
    archives: tuple
    depth: int


class _Form(NamedTuple):
    """A path that a listed image may have; its last ``least`` parts must be there, and no foreign folder before what is."""

    path: str
    parts: list
    least: int
    foreign: frozenset
    listed: bool


class _Best(NamedTuple):
    """The best fit of a listed path so far; ``rival`` fits as well and is not the same content."""

    score: tuple
    entry: tuple
    rival: tuple | None


def match(
    wanted: dict[str, list[str]], entries: Iterable[tuple], sources: dict[str, SourceLayout], belongs: Collection[str],
    where: str,
) -> dict[str, tuple]:
    """Finds listed images among the files of an archive or a folder.

    Args:
        wanted: source -> listed paths.
        entries: tuples that begin (name, bytes, stamp), such as ``archives.Member``; empty ones are left out.
        sources: the registry; a source that is not in it is found by whole paths only.
        belongs: the sources that the archive belongs to.
        where: the archive's or folder's location, for its name and for messages.

    Returns:
        listed path -> entry.

    Raises:
        ValueError: where two entries with different content fit one path equally well; both are named.
    """
    tails = _tails(wanted, sources, belongs, where)
    best = {}
    for entry in entries:
        if entry[1] == 0:  # an empty file is no image
            continue
        stored = clean(entry[0])
        for spelling in (stored,) if is_plain(stored) else keys(stored):
            parts = spelling.split("/")
            for least, of_least in tails.items():
                for form in of_least.get("/".join(parts[-least:]), ()):
                    score = _score(form, parts, stored)
                    if score:
                        best[form.path] = _better(best.get(form.path), score, entry)
    for path, (_, entry, rival) in best.items():
        if rival:
            raise ValueError(f"Two files of {where} fit {path}: {entry[0]!r} and {rival[0]!r}; take one of them out.")
    return {path: fit.entry for path, fit in best.items()}


def _score(form: _Form, parts: list, stored: str) -> tuple | None:
    """How well a file fits: the whole listed path best, then the most parts alike, then the same spelling."""
    alike = form.least
    while alike < min(len(parts), len(form.parts)) and parts[-alike - 1] == form.parts[-alike - 1]:
        alike += 1
    if alike < len(form.parts) and not form.foreign.isdisjoint(parts[:-alike]):
        return None
    return form.listed and alike == len(form.parts), alike, form.path.split("/")[-alike:] == stored.split("/")[-alike:]


def _better(known: _Best | None, score: tuple, entry: tuple) -> _Best:
    if known is None or score > known.score:
        return _Best(score, entry, None)
    if score == known.score and known.rival is None and entry[1:3] != known.entry[1:3]:
        return known._replace(rival=entry)
    return known


def _tails(wanted: dict, sources: dict, belongs: Collection[str], where: str) -> dict[int, dict[str, list]]:
    """Number of parts -> (the last so many parts of a form, joined) -> forms."""
    stem = archive_stem(where)
    tails = {}
    for name, paths in wanted.items():
        rules = _Rules(name, sources, name in belongs, stem)
        for path in paths:
            for form in rules.forms(path):
                tails.setdefault(form.least, {}).setdefault("/".join(form.parts[-form.least :]), []).append(form)
    return tails


def archive_stem(where: str) -> str:
    """The name of an archive or folder in lower case, without endings."""
    name = re.split(r"[?#]", where, maxsplit=1)[0].rstrip("/").replace("\\", "/").rpartition("/")[2].lower()
    parts = name.split(".")
    while len(parts) > 1 and parts[-1] in _ARCHIVE_ENDINGS:
        parts.pop()
    return ".".join(parts)


class _Rules:
    """How much of a source's listed paths one archive may leave out."""

    def __init__(self, name: str, sources: dict, belongs: bool, stem: str):
        self._source, self._belongs, self._stem = sources.get(name), belongs, stem
        self._patterns = [pattern.split("/") for pattern in self._source.folders] if self._source else []
        self._others = {
            pattern.split("/")[0] for source in sources.values() if source.name != name for pattern in source.folders
        }
        self._other_layout, self._layout_least = OTHER_LAYOUTS.get(name, (None, 0))
        self._known = {}

    def forms(self, path: str) -> Iterable[_Form]:
        """The paths that a listed image may have in the archive."""
        count, own = path.count("/") + 1, self._pattern_of(path)
        if (own, count, path.partition("/")[0]) not in self._known:
            self._known[own, count, path.partition("/")[0]] = self._least(path, own, count), self._foreign(own)
        least, foreign = self._known[own, count, path.partition("/")[0]]
        for spelling in keys(path):
            yield _Form(path, spelling.split("/"), least, foreign, True)
        other = self._other_layout and self._other_layout(path)
        if other:
            yield _Form(path, other.split("/"), self._layout_least if self._belongs else other.count("/") + 1, foreign, False)

    def _pattern_of(self, path: str) -> int:
        parts = path.split("/")
        for number, pattern in enumerate(self._patterns):
            if len(parts) > len(pattern) and all(one in ("*", part) for one, part in zip(pattern, parts, strict=False)):
                return number
        return -1

    def _least(self, path: str, own: int, count: int) -> int:
        """How many parts at the end of a listed path must be there."""
        if own < 0:
            return count
        first = path.partition("/")[0]
        if self._belongs:
            least = min(self._source.depth, count)
            if least == 1:  # names alone tell its images apart
                return 1
        elif count > 1 and first.lower() in self._stem:
            least = count - 1
        else:
            return count
        for at, rivals in self._rivals(own).items():
            if count - least > at and not names_part(self._stem, self._patterns[own][at], rivals):
                least = count - at
        return least

    def _rivals(self, own: int) -> dict[int, set]:
        """Position -> names of folders there that tell the source's other parts from part ``own``."""
        rivals = {}
        for other in self._patterns:
            for at, (one, rival) in enumerate(zip(self._patterns[own], other, strict=False)):
                if one != rival and "*" not in (one, rival):
                    rivals.setdefault(at, set()).add(rival)
                    break
        return rivals

    def _foreign(self, own: int) -> frozenset:
        if own < 0:
            return frozenset()
        rivals = set().union(*self._rivals(own).values())
        return frozenset((self._others | rivals) - set(self._patterns[own]) - {"*"})


def names_part(stem: str, part: str, rivals: Collection[str]) -> bool:
    """Whether an archive's name tells that it holds ``part`` and none of its rivals.

    ``progan_val`` and ``lsun-val`` say progan_val, not progan_train; ``other_dataset`` does not say dataset.
    """
    part, rivals = part.lower(), {rival.lower() for rival in rivals}
    named = {name for name in (part, *rivals) if name in stem}
    if named:
        return part in named and all(rival in part for rival in named)
    words = {name: set(re.split(r"[^a-z0-9]+", name)) for name in (stem, part, *rivals)}
    common = set.intersection(words[part], *(words[rival] for rival in rivals))
    return bool(words[stem] & (words[part] - common)) and not any(words[stem] & (words[rival] - common) for rival in rivals)
