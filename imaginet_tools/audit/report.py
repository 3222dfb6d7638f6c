"""The audit's answer for people: on the screen, as Markdown, as a picture.

Counts and tables are made from the plain values of ``Audit.to_json``, so that a card can show an audit read from a file.
"""

import json
import os
from collections.abc import Callable

from imaginet_core.safe_text import escape_markdown, mask_secrets
from imaginet_core.storage.safe_writes import check_writable, write_aside
from imaginet_core.text_tables import markdown_table, text_table
from imaginet_tools.audit.findings import SETS, Audit
from imaginet_tools.metrics.estimate import Estimate

FILES = ("audit.json", "audit.md", "audit.png")
HEAD = ("looks at", "group", "real + synthetic", "balanced accuracy", "AUC", "shortcut")
VERDICTS = {True: "yes", False: "no", None: "too few to say"}
READING = (
    "Figures are out of fold, with 95 % intervals over source images, widened for what the classifier learnt from; 0.5 is chance "
    "and the threshold is 0.5. Where the interval of an AUC holds 0.5 there is no shortcut. What pixels give away may be a "
    "shortcut of the collection (compression, resampling) or a trace that the generators leave: compare with the view aligned, "
    "which removes differences of size, container and compression."
)
READING_GROUPS = "A generator is compared with the real images of its content types."


def check_free(folder: str) -> None:
    """Makes sure, before any work, that a report can be written into ``folder``.

    Raises:
        FileExistsError: in one sentence, if it holds a report already.
        PermissionError: in one sentence, if it is no folder, or may not be written.
    """
    check_writable(folder)
    for name in FILES:
        if os.path.exists(f"{folder}/{name}"):
            raise FileExistsError(f"{folder}/{name} exists; choose another folder, or move it away.")


def write(audit: Audit, folder: str) -> None:
    """Writes FILES into ``folder``, which is made if it is not there."""
    values, page, picture = FILES
    with write_aside(f"{folder}/{picture}") as file:
        draw(audit, str(file))
    with write_aside(f"{folder}/{page}") as file:
        file.write_text(mask_secrets(markdown(audit)), encoding="utf-8")
    with write_aside(f"{folder}/{values}") as file:
        file.write_text(mask_secrets(json.dumps(audit.to_json(), indent=1, ensure_ascii=False)), encoding="utf-8")


def _lines(values: dict, kinds: tuple | None = None) -> list[tuple]:
    return [
        (
            SETS[name], group["name"] if group["kind"] == "overall" else f"{group['kind']}: {group['name']}",
            f"{group['real']} + {group['synthetic']}", str(Estimate(**group["balanced_accuracy"])), str(Estimate(**group["auc"])),
            VERDICTS[group["is_shortcut"]],
        )
        for name, found in values["sets"].items() for group in found["groups"] if kinds is None or group["kind"] in kinds
    ]


def table(values: dict, kinds: tuple | None = None) -> str:
    """The figures as a Markdown table.

    Args:
        values: of ``Audit.to_json``.
        kinds: of groups to show ("overall", "content", "generator"); None shows all.
    """
    lines = [(what, escape_markdown(group), *figures) for what, group, *figures in _lines(values, kinds)]
    return markdown_table(HEAD, lines)


def looked_at(values: dict) -> str:
    """The view and how many images of how many, from the values of ``Audit.to_json``."""
    images = " and ".join(f"{count:,} {label}" for label, count in values["images"].items())
    return f"view {values['view']}: {images} images of {values['listed']:,}."


def _about(audit: Audit, shown: Callable[[str], str] = str) -> str:
    """What was looked at; ``shown`` is applied to names of files and of the data set."""
    left_out = f" {len(audit.left_out):,} left out: " + "; ".join(
        shown(f"{name} ({reason})") for name, reason in list(audit.left_out.items())[:3]
    ) + "." if audit.left_out else ""
    return (
        f"{shown(audit.title)}, {looked_at(audit.to_json())}{left_out} "
        f"{audit.seconds_per_1000:g} s per 1,000 images with {audit.processes} process(es)."
    )


def screen(audit: Audit) -> str:
    """Fixed-width text: the sentence, all groups, the most telling features."""
    text = text_table(HEAD, _lines(audit.to_json()))
    telling = [f"most telling of {SETS[name]}: {_telling(found)}" for name, found in audit.sets.items()]
    return "\n".join([_about(audit), "", *text, "", *telling, "", audit.sentence])


def _telling(found) -> str:
    return ", ".join(f"{feature.name} {feature.auc:.2f}" for feature in found.features) or "none alone"


def markdown(audit: Audit) -> str:
    """A section for a card, with the picture audit.png beside it."""
    telling = [f"- {SETS[name]}: {_telling(found)}" for name, found in audit.sets.items()]
    return "\n".join([
        "## Shortcuts", "", audit.sentence, "", _about(audit, escape_markdown), "", f"{READING} {READING_GROUPS}", "", table(audit.to_json()), "",
        "The most telling features, with the AUC of each alone:", "", *telling, "",
        "![AUC of what needs no look at the picture](audit.png)", "",
    ])


def draw(audit: Audit, file: str) -> None:
    """One PNG: AUC with intervals of every set and group, and each set's most telling features."""
    from matplotlib.figure import Figure

    groups = [(group.kind, group.name) for group in next(iter(audit.sets.values())).groups]
    figure = Figure(figsize=(12, 2 + 0.42 * max(len(groups), 4 * len(audit.sets))), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, (name, found) in enumerate(audit.sets.items()):
        for place, group in enumerate(found.groups):
            y, auc = place + 0.16 * (number - 1.5), group.auc
            if auc.low is not None:
                left.plot([auc.low, auc.high], [y, y], color=f"C{number}", linewidth=2)
            left.plot([auc.value], [y], "o", color=f"C{number}", label=SETS[name] if place == 0 else None)
    left.axvline(0.5, color="black", linewidth=1)
    left.set_yticks(range(len(groups)), [name if kind == "overall" else f"{kind}: {name}" for kind, name in groups])
    left.invert_yaxis()
    left.set(xlabel="AUC out of fold, with 95 % interval", xlim=(0.3, 1.02), title="What needs no look at the picture")
    figure.legend(*left.get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=4)
    labels = []
    for number, (_, found) in enumerate(audit.sets.items()):
        for feature in found.features[:4]:
            right.barh(len(labels), feature.auc - 0.5, left=0.5, color=f"C{number}")
            labels.append(feature.name)
    right.set_yticks(range(len(labels)), labels)
    right.invert_yaxis()
    right.axvline(0.5, color="black", linewidth=1)
    right.set(xlabel="AUC of the feature alone", xlim=(0.3, 1.02), title="Most telling features")
    figure.suptitle(f"{audit.title}, view {audit.view}", fontsize=10)
    figure.savefig(file, dpi=110, format="png")
