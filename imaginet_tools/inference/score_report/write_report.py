"""Writes the report of an output: one file up to MOST pictures, above that a folder of pages."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from imaginet_core.storage.safe_writes import check_writable, new_folder, write_aside
from imaginet_tools.inference.score_report.page import Place, data_address, page_of
from imaginet_tools.inference.score_report.pictures import Shown
from imaginet_tools.inference.scoring.output import Output

MOST = 2000
"""Pictures on a page."""
FEW = 100
SIDES = (384, 144)
"""Longer side of a thumbnail in pixels, for up to FEW pictures and for more."""
THUMBNAILS = "thumbnails"


def check_report(place: str, replace: bool = False) -> Path:
    """The place of a report, before any work.

    Args:
        place: a file that ends with .html; for more than MOST pictures its name without that is the folder.
        replace: whether a file that is there may be replaced.

    Raises:
        ValueError: for another ending.
        FileExistsError: for what is there already.
        PermissionError: where it may not be written.
    """
    found = Path(place)
    if found.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"--html {place} must end with .html.")
    if found.exists() and not replace:
        raise FileExistsError(f"{place} exists; choose another --html.")
    check_writable(found.parent, named=place)
    return found


def rows_of_output(output: Output) -> list[dict]:
    """All rows, the highest score first, those without a score last."""
    tables = output.format.read(output.place) if output.format else map(pq.read_table, output.parts())
    rows = [row for table in tables for row in table.to_pylist()]
    return sorted(rows, key=lambda row: (row["probability"] is None, -(row["probability"] or 0), row["path"]))


def thumbnail_side(count: int) -> int:
    """Of so many pictures."""
    return SIDES[count > FEW]


def write_report(place: Path, rows: Sequence[dict], pictures: Iterable[Shown], facts: Sequence[tuple[str, str]], threshold: float) -> Path:
    """Writes it and returns the page to open.

    Args:
        place: as ``check_report`` gives it.
        rows: as ``rows_of_output`` gives them.
        pictures: what is shown of each row, in any order; others are passed over.
        facts: (name, value), for people.
        threshold: of the scores.

    Raises:
        FileExistsError: where the folder is there.
        OSError: as writing does.
    """
    wanted = {row["id"] for row in rows}
    pictures = (each for each in pictures if each.id in wanted)
    if len(rows) <= MOST:
        shown = {each.id: each for each in pictures}
        images = {id: (data_address(each.thumbnail, "jpeg"), data_address(each.overlay, "webp")) for id, each in shown.items()}
        with write_aside(place) as aside:
            aside.write_text(page_of(rows, shown, images, facts, threshold, Place(1, 1, [place.name])), encoding="utf-8")
        return place
    with new_folder(place.with_suffix("")) as folder:
        (folder / THUMBNAILS).mkdir()
        shown, images = {}, {}
        for each in pictures:
            images[each.id] = _stored(folder, each.id, each.thumbnail, "jpg"), _stored(folder, each.id, each.overlay, "webp")
            shown[each.id] = each._replace(thumbnail=None, overlay=None)
        files = ["index.html", *(f"page-{number}.html" for number in range(2, -(-len(rows) // MOST) + 1))]
        for number, file in enumerate(files, start=1):
            some = rows[(number - 1) * MOST : number * MOST]
            page = page_of(some, shown, images, facts, threshold, Place(number, len(files), files))
            (folder / file).write_text(page, encoding="utf-8")
    return place.with_suffix("") / "index.html"


def _stored(folder: Path, id: int, content: bytes | None, suffix: str) -> str | None:
    if content is None:
        return None
    name = f"{THUMBNAILS}/{id & 2**64 - 1:016x}.{suffix}"
    (folder / name).write_bytes(content)
    return name
