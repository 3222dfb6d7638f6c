"""Names that mean the same file although they were written, packed or unpacked in different encodings.

ImagiNet's list itself holds such names: ``joaquã<soft hyphen>n-sorolla`` is *joaquín-sorolla*, its UTF-8 bytes read as Latin-1
and then put into lower case. A zip may hold the same name as UTF-8, composed or decomposed, or as UTF-8 read in the code page of
some computer (a zip without the UTF-8 flag is read as code page 437), or as Info-ZIP's ``unzip`` writes it in a plain locale
(``#U00ed``).
"""

import os
import re
import unicodedata
from collections.abc import Iterable

_CODE_PAGES = ("cp437", "cp850", "cp1252", "gbk", "cp932", "cp1251")
"""In which UTF-8 is commonly misread."""
_SINGLE_BYTE = ("cp1252", "cp437", "cp850")
"""In which names without Unicode were commonly written."""
_ESCAPED = re.compile(r"#U([0-9a-fA-F]{4})")
_LATIN_RUN = re.compile(r"[\x80-\xff]{2,}")
_ROUNDS = 3


def clean(name: str) -> str:
    """A member's name with "/" between its parts and without empty ones or "."."""
    if "\\" in name:
        name = name.replace("\\", "/")
    if name.startswith("./") or "//" in name or "/./" in name:
        name = "/".join(part for part in name.split("/") if part not in ("", "."))
    return name


def is_plain(name: str) -> bool:
    """Whether a name has one spelling only, and so need not be compared with tolerance."""
    return name.isascii() and "#U" not in name


def keys(name: str) -> set[str]:
    """What a name may mean. Two names of one file have a key in common; a plain name's only key is itself.

    Args:
        name: a whole path or a part of one, as listed, stored or found on the disk.
    """
    if is_plain(name):
        return {name}
    readings = [_ESCAPED.sub(lambda match: chr(int(match[1], 16)), name)]
    content = _bytes_of(name)
    if content is not None:
        readings += [reading for page in _SINGLE_BYTE if (reading := _decode(content, page)) is not None]
    composed = (unicodedata.normalize("NFC", reading) for reading in readings)
    return {unicodedata.normalize("NFC", _repair(reading)).casefold() for reading in composed}


def _bytes_of(name: str) -> bytes | None:
    """The bytes of a name that is no Unicode: as Python marks them on a disk, or as zipfile reads them."""
    try:
        return os.fsencode(name) if any("\udc80" <= letter <= "\udcff" for letter in name) else name.encode("cp437")
    except UnicodeEncodeError:
        return None


def _decode(content: bytes, page: str) -> str | None:
    try:
        return content.decode(page)
    except UnicodeDecodeError:
        return None


def _repair(name: str) -> str:
    """Undoes readings of UTF-8 in another code page. True names survive: their bytes in such a page are no UTF-8."""
    for _ in range(_ROUNDS):
        before, name = name, _LATIN_RUN.sub(_read_as_utf8, name)
        for page in _CODE_PAGES:
            try:
                name = name.encode(page).decode("utf-8")
            except UnicodeError:
                continue
            break
        if name == before:
            break
    return name


def _read_as_utf8(run: re.Match) -> str:
    """A run of Latin-1 letters as the UTF-8 that it was, where it was; also if its first bytes had been put into lower case."""
    text, done, at = run[0], "", 0
    while at < len(text):
        for length, lead in ((3, text[at]), (2, text[at]), (2, text[at].upper())):
            try:
                done += (lead + text[at + 1 : at + length]).encode("latin-1").decode("utf-8")
            except UnicodeError:
                continue
            at += length
            break
        else:
            done += text[at]
            at += 1
    return done


def find_names(root: str, paths: Iterable[str]) -> dict[str, str]:
    """Looks for files whose names on the disk are other spellings of the listed ones.

    Args:
        root: folder of the images.
        paths: listed, relative to it, with "/"; plain ones are left out, for they have one spelling.

    Returns:
        listed path -> path on the disk, relative to ``root``, of those found.

    Raises:
        ValueError: where two files fit one listed path.
    """
    listings, found = {}, {}
    for path in paths:
        if is_plain(path):
            continue
        at = [""]
        for part in path.split("/"):
            at = [f"{folder}{name}/" for folder in at for name in _matches(root, folder, part, listings)]
        files = [name[:-1] for name in at if os.path.isfile(f"{root}/{name[:-1]}")]
        if len(files) > 1:
            raise ValueError(f"Two files in {root} fit {path}: {files[0]!r} and {files[1]!r}; take one of them away.")
        if files:
            found[path] = files[0]
    return found


def _matches(root: str, folder: str, part: str, listings: dict) -> list[str]:
    """Entries of a folder that are called ``part``: exactly, or else in another spelling."""
    if folder not in listings:
        listings[folder] = {}
        try:
            for name in os.listdir(f"{root}/{folder}"):
                for key in keys(name):
                    listings[folder].setdefault(key, []).append(name)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except PermissionError as error:
            raise PermissionError(f"{root}/{folder} may not be read by this user; change its permissions.") from error
    fitting = {name for key in keys(part) for name in listings[folder].get(key, ())}
    return [part] if part in fitting else sorted(fitting)
