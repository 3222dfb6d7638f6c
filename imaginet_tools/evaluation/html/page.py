"""From a finished report to one HTML file that needs no network: tables, charts and pictures lie in it.

Whatever comes from data (names of generators, files, detectors) is escaped by the template; a policy in the page itself forbids any
request.
"""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path

import jinja2

from imaginet_core.safe_text import mask_secrets
from imaginet_core.storage.safe_writes import write_aside
from imaginet_tools.evaluation.html.class_tables import class_tables, confusion_tables, other_tables
from imaginet_tools.evaluation.html.page_tables import comparison_tables, degradation_tables, figure_tables, figure_title, paper_tables
from imaginet_tools.metrics.estimate import Estimate

NAME = "report.html"
SHOWN_AS_TABLES = ("confusion.png",)
"""Pictures of a report's folder that the page shows as tables."""
DEGRADED = ("degradation",)
"""How names of pictures begin that belong to the section on degradations."""
HEAT_MAPS = (
    "Orange: where the network sees what it calls synthetic. Local scores do not average to the picture's score and are weaker evidence than it; "
    "how well they find a pasted region is measured in docs/heat_maps.md."
)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def render(report: dict, pictures: Mapping[str, bytes] | None = None) -> str:
    """The page.

    Args:
        report: what ``report.json`` holds, of any schema since version 2.
        pictures: name of a file in ``report["pictures"]`` -> its PNG; those that are not given are left out.

    Returns:
        HTML, UTF-8, with everything in it.
    """
    report = {"command": None, "detectors": [], "limits": [], "mistakes": [], **_without_secrets(report)}  # older reports have not all of them
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )
    charts = [
        {"file": each["file"], "title": each["title"], "source": _data_uri(pictures[each["file"]], "png")}
        for each in report.get("pictures", ()) if pictures and each["file"] in pictures and each["file"] not in SHOWN_AS_TABLES
    ]
    degraded = [each for each in charts if each["file"].startswith(DEGRADED)]
    clean = [row for row in report["figures"] if row["kind"] == "overall" and row["condition"] == report["figures"][0]["condition"]]
    degradations = report.get("degradations") or {}
    return environment.get_template("report.html.jinja").render(
        title=f"Report on {report['data']['name']}", report=report, headline=[_headline(row) for row in clean], gains=_gains(report),
        tables=[*figure_tables(report["figures"]), *paper_tables(report), *comparison_tables(report), *other_tables(report)],
        classes=class_tables(report.get("tracks", ())), heat_map_note=HEAT_MAPS if any(each.get("heat_map") for each in report["mistakes"]) else "",
        charts=[each for each in charts if each not in degraded], degraded=degraded,
        degradations=degradation_tables(degradations), sentences=degradations.get("sentences", []),
        confusions=confusion_tables(report.get("tracks", ())), mistakes=_mistakes(report), splits=report["data"]["splits"],
        options=json.dumps(report["options"], indent=1, ensure_ascii=False),
    )


def write_page(report: dict, folder: str | Path) -> Path:
    """Writes ``report.html`` into a report's folder, with the pictures that lie there; whole or not at all. Returns the file."""
    folder = Path(folder)
    files = [each["file"] for each in report.get("pictures", ()) if Path(each["file"]).name == each["file"]]
    pictures = {name: (folder / name).read_bytes() for name in files if (folder / name).is_file()}
    with write_aside(folder / NAME) as aside:
        aside.write_text(render(report, pictures), encoding="utf-8", errors="replace")
    return folder / NAME


def _headline(row: dict) -> dict:
    """The figures of a detector's card at the top."""
    metrics = row["metrics"]
    return {
        "detector": row["detector"], "baseline": row.get("baseline", False), "condition": row["condition"], "n_real": metrics["n_real"],
        "n_synthetic": metrics["n_synthetic"],
        "figures": [
            (title, str(Estimate(**metrics[name])))
            for name, title in (("auc", "AUC"), ("balanced_accuracy", "balanced accuracy"), ("recall_at_5", "recall at 5 % false alarms"))
            if metrics.get(name)
        ],
    }


def _gains(report: dict) -> list[str]:
    """Each detector's gain over the baseline on undegraded images, in words; the table has the others."""
    first = next((gain["condition"] for gain in report.get("gains", ())), "")
    return [
        f"{gain['first']} against {gain['second']}: {gain['value']['value']:+.3f} {figure_title(gain['figure'])}"
        + ("" if gain["value"].get("low") is None else f", 95 % interval {gain['value']['low']:+.3f} to {gain['value']['high']:+.3f}")
        for gain in report.get("gains", ()) if gain["condition"] == first
    ]


def _mistakes(report: dict) -> list[dict]:
    """The most confident mistakes that have a picture; a thumbnail that is no base64 is left out."""
    found = []
    for mistake in report.get("mistakes", ()):
        thumbnail = mistake.get("thumbnail")
        if thumbnail and _BASE64.fullmatch(thumbnail):
            heat_map = mistake.get("heat_map") or ""
            shown = f"data:image/jpeg;base64,{heat_map}" if _BASE64.fullmatch(heat_map) else None
            found.append({**mistake, "source": f"data:image/jpeg;base64,{thumbnail}", "heat_map": shown})
    return found


def _without_secrets(value):
    """Plain values with every text masked; pictures in base64 stay as they are."""
    if isinstance(value, dict):
        return {key: each if key in ("thumbnail", "heat_map") else _without_secrets(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(each) for each in value]
    return mask_secrets(value) if isinstance(value, str) else value


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
