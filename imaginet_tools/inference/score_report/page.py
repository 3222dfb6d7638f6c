"""A page of the report: rows, thumbnails and facts into HTML that runs no script but its own and asks no server."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import jinja2

from imaginet_core.provenance.plain_text import plain
from imaginet_tools.inference.score_report.pictures import Shown

FOLDER = Path(__file__).parent
LONGEST_NAME = 500
WHOLE, TOGETHER = 40, 100
"""Cards that a browser makes at once; of the others, and of all images, so many at a time."""
NO_SCORE = "no score"
"""The outcome of what could not be read."""


class Place(NamedTuple):
    """Where a page stands among others: its number and how many there are (from 1), and their files' names."""

    number: int
    count: int
    files: Sequence[str]


def page_of(
    rows: Sequence[dict], shown: dict[int, Shown], images: dict[int, tuple[str | None, str | None]], facts: Sequence[tuple[str, str]],
    threshold: float, place: Place,
) -> str:
    """HTML of one page.

    Args:
        rows: of scoring, in the order of the page.
        shown: by id.
        images: id -> sources of the thumbnail and the overlay, an address each or None.
        facts: (name, value), for people.
        threshold: of the scores.
        place: of the page.
    """
    script, style = ((FOLDER / name).read_text(encoding="utf-8") for name in ("report.js", "report.css"))
    pictures = [_picture(row, shown.get(row["id"], Shown(row["id"])), images.get(row["id"], (None, None))) for row in rows]
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string((FOLDER / "report.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        pictures=pictures, details=[_details(each) for each in pictures], facts=facts,
        images=[(each["thumbnail"], each["overlay"]) for each in pictures] if place.count == 1 else [], threshold=threshold, place=place,
        whole=WHOLE, together=TOGETHER,
        folders=sorted({each["folder"] for each in pictures}), outcomes=sorted({each["outcome"] for each in pictures}),
        script=script, style=style, script_hash=_hash(script), style_hash=_hash(style),
    )


def data_address(content: bytes | None, kind: str) -> str | None:
    """A file as an address that holds it."""
    return None if content is None else f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _picture(row: dict, shown: Shown, images: tuple[str | None, str | None]) -> dict:
    name = plain(row["path"], LONGEST_NAME)
    return {
        "name": name, "short": plain(PurePosixPath(row["path"]).name or name, 80), "folder": plain(PurePosixPath(row["path"]).parent, LONGEST_NAME),
        "sha256": row["sha256"], "size": row["size"], "probability": row["probability"], "outcome": row["outcome"] or NO_SCORE,
        "label": row["label"], "family": _likeliest(row, "family"), "generator": _likeliest(row, "generator"),
        "notes": [plain(note) for note in row["notes"] or ()], "error": plain(row["error"], LONGEST_NAME) if row["error"] else None,
        "entries": [
            {name: entry[name] for name in ("kind", "where", "states", "worth")} for entry in (shown.provenance or {}).get("entries", ())
        ],
        "nothing": (shown.provenance or {}).get("worth"), "regions": shown.regions, "thumbnail": images[0], "overlay": images[1],
    }


def _likeliest(row: dict, kind: str) -> str | None:
    return f"{row[kind]} ({row[f'{kind}_probability']:.0%})".replace("%", " %") if row[kind] else None


def _details(picture: dict) -> dict:
    """What the page of a single picture needs; its images are taken from the page that it stands on."""
    return {name: value for name, value in picture.items() if name not in ("thumbnail", "overlay", "short")}


def _hash(text: str) -> str:
    """As a Content-Security-Policy names what it allows."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
