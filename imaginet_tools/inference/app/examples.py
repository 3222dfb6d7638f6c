"""Pictures to try a detector on: some of the sample's test pictures, or those of a folder."""

from pathlib import Path
from typing import NamedTuple

from imaginet_core.pictures.sources import format_of

CREDITS = "LICENSES.md"


class Example(NamedTuple):
    """One picture to try.

    Attributes:
        title: what it is, such as "real" or "synthetic (waifu2x)".
        content: of its file.
    """

    title: str
    content: bytes

    @property
    def file_name(self) -> str:
        """Under which it is scored."""
        return f"{self.title}.{(format_of(self.content[:64]) or 'bin').lower()}"


def examples_of_sample() -> tuple[Example, ...]:
    """Of the sample's test pictures the first real one and the first of each network."""
    import imaginet  # brings datasets, which a page with other examples does not need

    folder, found = Path(imaginet.sample_folder()), {}
    for line in (folder / "annotations_test.txt").read_text(encoding="utf-8").splitlines():
        place = Path(line.partition(",")[0])
        label, second = place.parts[1:3]
        title = label if label == "real" else f"{label} ({second})"
        if title not in found:
            found[title] = Example(title, (folder / place).read_bytes())
    return tuple(sorted(found.values()))


def examples_of_folder(folder: str | Path) -> tuple[Example, ...]:
    """The pictures that lie in a folder, by their names without the ending.

    Raises:
        FileNotFoundError: if there is no such folder, or no picture in it.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"There is no folder {folder}; give one with pictures.")
    files = [(file, file.read_bytes()) for file in sorted(Path(folder).iterdir()) if file.is_file()]
    found = tuple(Example(file.stem, content) for file, content in files if format_of(content[:64]))
    if not found:
        raise FileNotFoundError(f"The folder {folder} holds no picture; give one with pictures.")
    return found
