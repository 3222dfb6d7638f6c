"""Finds listed images wherever their sources lie: in folders of another layout, in archives, behind URLs."""

import concurrent.futures
import fnmatch
import logging
import os
import stat
from collections.abc import Callable, Iterable
from typing import NamedTuple

from datasets.utils import tqdm

from imaginet_core.safe_text import mask_secrets
from imaginet_core.storage import archives, ffhq_numbers
from imaginet_core.storage.files import (
    NO_FILE,
    ArchiveError,
    FileLocation,
    LocationError,
    explain_errors,
    file_state,
    file_system,
    is_remote,
    stamp_of,
    version_of,
    walk_files,
)
from imaginet_core.storage.match_paths import SourceLayout, danbooru_path, match
from imaginet_core.storage.spellings import clean, find_names

logger = logging.getLogger(__name__)

_QUESTIONS_AT_ONCE = 16
_FFHQ_FOLDERS = ("ffhq", "images1024x1024", "ffhq-dataset/images1024x1024")


def locate(
    wanted: dict[str, list[str]], root: str, locations: dict[str, list[str]], sources: dict[str, SourceLayout],
    suffixes: tuple[str, ...], ffhq_map: Callable[[], dict[str, str]], make_index: bool = True,
) -> dict[str, FileLocation]:
    """Looks for images that do not lie in their listed folders under ``root``.

    A source with locations is looked for there only, in their order. Any other is looked for under ``root``: under other
    spellings of its names, in its publisher's own folders, in archives called as its publisher calls them (``archives``),
    then in any archive that lies right in ``root``. See ``match_paths`` for what fits what, and ``ffhq_numbers`` for FFHQ under its
    own numbers.

    Args:
        wanted: source -> listed paths.
        root: folder of the images.
        locations: source -> folders, archives or fsspec URLs of either; relative ones are below ``root``.
        sources: the registry, by name.
        suffixes: endings of pictures' names.
        ffhq_map: gives listed path -> MD5 of the pixels, as ``ffhq_numbers.read_map``; asked only where numbered pictures lie.
        make_index: whether FFHQ's pixels may be hashed, which takes minutes to hours once; else only what has been is known.

    Returns:
        listed path -> place, for those found.

    Raises:
        ArchiveError: (a ValueError) for an archive that cannot be used; one right in ``root`` that belongs to no source matters
            only while images are missing.
        OSError: for a location that is not there, may not be read or cannot be reached.
        ValueError: for a location of an unknown source, and where two files fit one image.
    """
    strange = locations.keys() - sources.keys() - wanted.keys()
    if strange:
        raise ValueError(f"locations names the source {min(strange)!r}, which is none of {', '.join(sources)}.")
    search = _Search(sources, suffixes, {source: list(paths) for source, paths in wanted.items()})
    placed = {}
    for source, places in locations.items():
        for place in places:
            placed.setdefault(place if is_remote(place) else os.path.join(root, os.path.expanduser(place)), []).append(source)
    for place, its_sources in placed.items():
        search.at(place, its_sources)
    under_root = [source for source in wanted if source not in locations]
    search.folders(root, under_root)
    search.archives(root, under_root)
    if "ffhq" in search.missing:
        for place in [place for place, its in placed.items() if "ffhq" in its] or search.ffhq_places(root):
            if ffhq_numbers.is_numbered(place):
                search.take(ffhq_numbers.find(search.missing.get("ffhq", ()), place, ffhq_map(), make_index))
    return search.found


class _Root(NamedTuple):
    """An archive right in the root and the sources that it belongs to by name."""

    location: str
    owners: list


class _Search:
    """What has been found and what is still missing."""

    def __init__(self, sources: dict, suffixes: tuple, missing: dict):
        self.sources, self.suffixes, self.missing, self.found = sources, suffixes, missing, {}

    def take(self, found: dict[str, FileLocation]) -> None:
        """Notes what has been found."""
        self.found.update(found)
        self.missing = {
            source: rest for source, paths in self.missing.items() if (rest := [path for path in paths if path not in found])
        }

    def _of(self, names: Iterable[str]) -> dict[str, list]:
        return {name: self.missing[name] for name in names if name in self.missing}

    def at(self, place: str, names: list[str]) -> None:
        """Searches a location of the user's for the sources that lie there."""
        if not self._of(names):
            return
        if archives.kind_of(place):
            self._archive(place, names, belongs=names)
        elif is_remote(place):
            self._listing(place, _remote_files(place), names, _remote_places)
        elif _is_folder(place, names):
            self.take(_in_folder(place, self._of(names)))
            if self._of(names):
                self._listing(place, _files(place), names, _local_places)
        else:
            raise ArchiveError(f"{place}, given for {', '.join(names)}, is no folder and ends with none of {archives.ENDINGS}.")

    def _listing(self, place: str, files: list[tuple], names: list[str], places_of: Callable) -> None:
        self.take(places_of(match(self._of(names), files, self.sources, names, place)))
        if "danbooru" in names:
            self._other_endings(files, place)

    def _archive(self, place: str, names: Iterable[str], belongs: list[str]) -> None:
        wanted = self._of(names)
        if wanted:
            held = archives.members(place)
            found = match(wanted, held, self.sources, belongs, place)
            self.take({path: FileLocation(place, *member) for path, member in found.items()})
            if "danbooru" in belongs:
                self._other_endings(held, place)

    def folders(self, root: str, names: list[str]) -> None:
        """Searches the root for other spellings, and for folders as publishers call them."""
        spelled = find_names(root, [path for paths in self._of(names).values() for path in paths])
        self.take({path: place for path, file in spelled.items() if (place := _file(f"{root}/{file}"))})
        self.take({
            path: place
            for source, paths in self._of(names).items() for path in paths for other in _publishers_paths(source, path)
            if (place := _file(f"{root}/{other}"))
        })
        self._other_endings_in(root)

    def archives(self, root: str, names: list[str]) -> None:
        """Searches the archives right in the root."""
        there = [
            _Root(f"{root}/{name}", self._owners(name))
            for name in sorted(os.listdir(root)) if archives.kind_of(name) and os.path.isfile(f"{root}/{name}")
        ]
        for archive in there:
            own = [name for name in names if name in archive.owners]
            self._archive(archive.location, own, belongs=own)
        unreadable = []
        for archive in there:
            if archive.owners and archives.kind_of(archive.location) == "tar":
                continue  # to list one may take minutes, and its publisher ships nothing else in it
            try:
                self._archive(archive.location, names, belongs=[name for name in names if name in archive.owners])
            except (ArchiveError, LocationError, PermissionError) as error:
                unreadable.append(error)
        if unreadable and self._of(names):
            raise unreadable[0]

    def _owners(self, name: str) -> list[str]:
        return [
            source.name for source in self.sources.values() if any(fnmatch.fnmatch(name, pattern) for pattern in source.archives)
        ]

    def ffhq_places(self, root: str) -> list[str]:
        """Folders and archives under the root that may hold FFHQ under its own numbers."""
        folders = [f"{root}/{name}" for name in _FFHQ_FOLDERS if os.path.isdir(f"{root}/{name}")]
        names = sorted(os.listdir(root))
        return folders + [f"{root}/{name}" for name in names if archives.kind_of(name) and "ffhq" in self._owners(name)]

    def _other_endings(self, files: Iterable[tuple], where: str) -> None:
        """Says so where Danbooru's layout has a missing number in another format: by the list, that is another image."""
        stems = {
            other.rpartition(".")[0].partition("/")[2]: path
            for path in self.missing.get("danbooru", ()) if (other := danbooru_path(path))
        }
        if not stems:
            return
        others = {}
        for file in files:
            stem = "/".join(clean(file[0]).rpartition(".")[0].split("/")[-3:])
            if stem in stems:
                others[stems[stem]] = file[0]
        _warn_of_other_endings(others, where)

    def _other_endings_in(self, root: str) -> None:
        others = {}
        for path in self.missing.get("danbooru", ()):
            for other in _publishers_paths("danbooru", path):
                stem = other.rpartition(".")[0]
                files = [f"{stem}{ending}" for ending in self.suffixes if os.path.exists(f"{root}/{stem}{ending}")]
                if files:
                    others[path] = files[0]
        _warn_of_other_endings(others, root)


def _warn_of_other_endings(others: dict[str, str], where: str) -> None:
    if others:
        path, other = next(iter(others.items()))
        logger.warning(
            "%s holds %d of the missing Danbooru images in another format, e.g. %s where the list wants %s; they are not the "
            "listed files and are left out.", mask_secrets(where), len(others), other, path,
        )


def _publishers_paths(source: str, path: str) -> list[str]:
    """Paths below a root that an image has where its publisher's folders were put there as they are."""
    if source == "danbooru" and (own := danbooru_path(path)):
        return [own, own.partition("/")[2]]
    if source == "imagenet":
        return [path.partition("/")[2]]
    if source == "journeydb":
        return [f"000/{path.rpartition('/')[2]}"]
    return []


def _is_folder(place: str, names: list[str]) -> bool:
    try:
        with explain_errors(place):
            return stat.S_ISDIR(os.stat(place).st_mode)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{mask_secrets(place)}, given for {', '.join(names)}, does not exist.") from error


def _in_folder(folder: str, wanted: dict[str, list]) -> dict[str, FileLocation]:
    """Images that lie in a folder under their whole listed paths: no need to list the folder."""
    return {path: place for paths in wanted.values() for path in paths if (place := _file(f"{folder}/{path}"))}


def _file(path: str) -> FileLocation | None:
    """The place of a file that is there and not empty."""
    try:
        state = os.stat(path)
    except PermissionError as error:
        raise PermissionError(f"{path} may not be read by this user; change its folders' permissions.") from error
    except OSError as error:
        if error.errno in NO_FILE:
            return None
        raise
    except ValueError:  # a NUL in its name
        return None
    return FileLocation("", path, state.st_size, stamp_of(state)) if state.st_size and stat.S_ISREG(state.st_mode) else None


def _files(folder: str) -> list[tuple]:
    """(path relative to the folder, -1, whole path) of all files below it, which are not looked at. Raises PermissionError."""
    return [(name, -1, f"{folder.rstrip('/')}/{name}") for name in walk_files(folder)]


def _local_places(found: dict[str, tuple]) -> dict[str, FileLocation]:
    return {path: place for path, (_, _, file) in found.items() if (place := _file(file))}


def _remote_files(url: str) -> list[tuple]:
    """(path below a URL, bytes or -1, version, whole URL) of all files there, if its file system can list folders."""
    with explain_errors(url):
        system, path = file_system(url)
        system.ls(path, detail=False)  # find takes what cannot be reached for empty
        found = system.find(path, detail=True)
    if not found:
        raise LocationError(f"{url} lists no files; give the URL of an archive, or of a folder on a server that can list it.")
    path = path.rstrip("/") + "/"
    sizes = {name: -1 if entry.get("size") is None else entry["size"] for name, entry in found.items()}
    return [
        (name.removeprefix(path), sizes[name], version_of(entry), system.unstrip_protocol(name)) for name, entry in found.items()
    ]


def _remote_places(found: dict[str, tuple]) -> dict[str, FileLocation]:
    """A web server's list tells neither size nor version, so for each of those it is asked."""
    unknown = [path for path, file in found.items() if file[1] < 0]
    with concurrent.futures.ThreadPoolExecutor(_QUESTIONS_AT_ONCE) as pool:
        answers = pool.map(file_state, [found[path][3] for path in unknown])
        states = dict(zip(unknown, tqdm(answers, total=len(unknown), desc="Asking for sizes", unit="file", delay=1), strict=True))
    return {path: FileLocation("", file[3], *states.get(path, (file[1], file[2]))) for path, file in found.items()}
