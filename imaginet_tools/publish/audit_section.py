"""An audit (``imaginet audit``) on the card of an exported data set: read, compared with the data, shown."""

import json
import re
from collections import Counter
from datetime import datetime

import imaginet
from imaginet_core.storage.files import open_regular
from imaginet_tools.audit.findings import SCHEMA
from imaginet_tools.audit.report import READING, looked_at, table

VIEWS = {
    "raw": "The files were looked at as they are.",
    "aligned": "What alignment makes of the files was looked at, not the files as they are here.",
    "perturbed": "What the perturbations of the test set make of the files was looked at, not the files as they are here.",
}
HOW = "give the audit.json that `imaginet audit --output FOLDER` wrote"


def read_audit(file: str) -> dict:
    """The plain values of an audit's JSON file, see ``imaginet_tools.audit.audit.Audit``.

    Raises:
        ValueError: if it is none, or not whole.
        FileNotFoundError: if there is no such file.
    """
    try:
        with open_regular(file) as opened:
            values = json.load(opened)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"There is no file {file}; {HOW}.") from error
    except OSError as error:
        raise ValueError(f"{file} cannot be read ({error.strerror or error}); {HOW}.") from error
    except ValueError as error:  # no JSON, or no text at all
        raise ValueError(f"{file} is no JSON; {HOW}.") from error
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        raise ValueError(f"{file} is no audit ({SCHEMA}); {HOW}.")
    try:
        section(values)
        _counts(values)
        _configuration(values)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"{file} is no whole audit ({type(error).__name__}: {error}); {HOW}.") from error
    return values


def check_of_these_images(values: dict, file: str, raw: imaginet.Raw, config_name: str) -> None:
    """Refuses an audit that is surely of other images: of more than there are, of another configuration, or of other names.

    Contents and generators are compared only where the audit looked at raw images (``--data_dir``, ``--sample``): those of a
    folder or table are named by whoever made it.

    Args:
        values: of ``read_audit``.
        file: they are from, for the sentence.
        raw: the lists to export, before any image is left out.
        config_name: configuration of ``raw``.

    Raises:
        ValueError: in one sentence that says what differs.
    """
    records = [record for of_split in raw.splits.values() for record in of_split]
    there = Counter(("label", record.label) for record in records)
    audited, differs = _configuration(values), []
    if values["listed"] > len(records):
        differs.append(f"it is of {values['listed']:,} images, the lists name {len(records):,}")
    if audited in {each.name for each in imaginet.ImagiNet.BUILDER_CONFIGS} and audited != config_name:
        differs.append(f"it is of the configuration {audited}, not {config_name}")
    elif audited == config_name:
        there.update(("content", record.content) for record in records)
        there.update(("generator", record.generator) for record in records if record.label == "synthetic")
    kinds = {kind for kind, _ in there}
    differs += [
        f"it has {count:,} images of the {kind} {name}, the lists name {there[kind, name]:,}"
        for (kind, name), count in _counts(values).items()
        if kind in kinds and count > there[kind, name]
    ]
    if differs:
        raise ValueError(f"{file} is an audit of other images: {differs[0]}; audit what you export, or leave --audit out.")


def _configuration(values: dict) -> str | None:
    """Of the raw images looked at, which ``ImageSet.from_raw`` puts behind their folder's name; None for other images."""
    found = re.search(r" \(([^()]*)\)$", values["title"])
    return found[1] if found else None


def _counts(values: dict) -> Counter:
    """(kind, name) -> images looked at: by label, by content, and the synthetic ones by generator."""
    found = Counter({("label", label): count for label, count in values["images"].items()})
    for group in next(iter(values["sets"].values()))["groups"]:
        if group["kind"] == "content":
            found["content", group["name"]] = group["real"] + group["synthetic"]
        elif group["kind"] == "generator":
            found["generator", group["name"]] = group["synthetic"]
    return found


def section(values: dict) -> str:
    """The card's section: the answer, where and when it was measured, and the figures over all images.

    Of the audit's title and of the names of files nothing is shown: they may tell folders of the machine that made it.

    Args:
        values: of ``Audit.to_json``.
    """
    if not values["sets"] or any(found["groups"][0]["kind"] != "overall" for found in values["sets"].values()):
        raise ValueError("a set without figures over all images")
    day = datetime.fromisoformat(values["created"]).date().isoformat()
    unused = len(values["left_out"].keys() - {"missing"})  # images that are not there are the card's own section
    left_out = f" {unused:,} of those chosen could not be used." if unused else ""
    return "\n\n".join([
        "## Shortcuts",
        values["sentence"],
        f"Measured by `imaginet audit` on {day}, {looked_at(values)}{left_out} {VIEWS[values['view']]} {READING}",
        table(values, kinds=("overall",)),
    ])
