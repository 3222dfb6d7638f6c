"""The one report schema: what a run was, on which data, and every figure with its interval.

JSON for programs, Markdown for people. Model cards, audits and comparisons read ``report.json``; nothing else is a source
of figures.
"""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from imaginet_core.safe_text import escape_markdown, mask_secrets
from imaginet_core.storage.safe_writes import write_aside
from imaginet_tools.evaluation.comparison.comparison_tables import (
    comparison_sections, detector_table, gain_sentences, other_sections, paper_section,
)
from imaginet_tools.evaluation.report_parts import (
    READERS, Curves, DetectorFacts, Difference, Mistake, OpenSet, Pairs, PaperThreshold, Rank, Row,
)
from imaginet_tools.evaluation.summary import false_alarm_sentences, summary_of
from imaginet_tools.evaluation.tables import error_table, full_table, markdown_tables, track_tables
from imaginet_tools.metrics.attribution import Track
from imaginet_tools.metrics.detection import Scores, measure
from imaginet_tools.metrics.groups import Group, groups

SCHEMA = "imaginet-report/3"
OLD_SCHEMAS = ("imaginet-report/2",)
"""That are read too."""
NEW = {
    "command": None, "protocol": "content", "detectors": [], "gains": [], "differences": [], "ranks": [], "curves": [], "open_set": [],
    "pairs": [], "mistakes": [], "degradations": None, "paper_thresholds": [],
}
"""What older schemas lack -> what it is then."""


@dataclass(frozen=True)
class Report:
    """One evaluation. Times in seconds, dates in UTC (ISO 8601).

    Attributes:
        created: when.
        versions: library -> version.
        options: every option of the training run or of the evaluation, seed included.
        data: name, description, fingerprint and counts of the training, held-out and scored images; under "audit" which shortcuts
            the training images offer (see ``imaginet_tools.audit.audit``), or the reason why that is not known.
        training: seconds, images seen, processes, device, and one row per epoch (``history``); None for detectors from elsewhere.
        calibration: temperature, bias and how many images they were fitted on; None where nothing was calibrated.
        operating_points: see ``imaginet_tools.metrics.calibration.operating_points``.
        figures: all rows.
        limits: sentences that must stand beside the figures.
        tracks: confusion matrices and accuracies of both tracks, see ``imaginet_tools.metrics.attribution``.
        embedding_map: see ``imaginet_tools.evaluation.embedding_map``; None if nothing was laid out.
        pictures: ``file`` and ``title`` of the PNG files that lie beside the report.
        command: the command line that made the report; None for a training run.
        protocol: which real images synthetic ones are compared with, a name in ``metrics.groups.PROTOCOLS``.
        detectors: who they are, in the order of the tables; empty for a training run.
        gains: each detector's difference from the baseline of pixel statistics, the headline.
        differences, ranks: of several detectors, by AUC and balanced accuracy, over all images.
        curves: of every detector under every condition.
        open_set: of detectors that tell generators, where images of unknown generators are there.
        pairs: of images that belong together, where a column says which do.
        mistakes: the images on which a detector was most sure and wrong, undegraded.
        paper_thresholds: balanced accuracies at thresholds that are fitted as in the paper, on images of the test set.
        degradations: what a grid of degradations found (``imaginet_core.pictures.degradation_grid``); None where none was asked for.
    """

    created: str
    versions: dict
    options: dict
    data: dict
    training: dict | None
    calibration: dict | None
    operating_points: list
    figures: list[Row]
    limits: list[str] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    embedding_map: dict | None = None
    pictures: list[dict] = field(default_factory=list)
    command: str | None = None
    protocol: str = "content"
    detectors: list[DetectorFacts] = field(default_factory=list)
    gains: list[Difference] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    ranks: list[Rank] = field(default_factory=list)
    curves: list[Curves] = field(default_factory=list)
    open_set: list[OpenSet] = field(default_factory=list)
    pairs: list[Pairs] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    degradations: dict | None = None
    paper_thresholds: list[PaperThreshold] = field(default_factory=list)

    def to_json(self) -> dict:
        """Plain values, with the schema's name first."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, values: dict) -> "Report":
        """Reads what :meth:`to_json` wrote. Raises ValueError naming what is wrong with another schema or missing entries."""
        if not isinstance(values, dict):
            raise ValueError(f"This is not a report of schema {SCHEMA} (it is a {type(values).__name__}).")
        names = cls.__dataclass_fields__
        if values.get("schema") in OLD_SCHEMAS:
            values = {**NEW, **values}
        elif values.get("schema") != SCHEMA:
            raise ValueError(f"This is not a report of schema {SCHEMA} (it says {values.get('schema')!r}).")
        missing, unknown = set(names) - set(values), set(values) - set(names) - {"schema"}
        if missing or unknown:
            raise ValueError(f"The report lacks {sorted(missing)} and has the unknown entries {sorted(unknown)}.")
        read = {}
        for name, (what, one) in READERS.items():
            if not isinstance(values[name], list):
                raise ValueError(f"The report's {name} are not a list.")
            read[name] = [_read(one, entry, f"{what} {number}") for number, entry in enumerate(values[name])]
        return cls(**{name: values[name] for name in names if name not in read}, **read)

    @classmethod
    def read(cls, file: str | Path) -> "Report":
        """Reads a report.json. Raises ValueError or FileNotFoundError with the file's name."""
        try:
            return cls.from_json(json.loads(Path(file).read_text(encoding="utf-8")))
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error

    def write(self, folder: str | Path) -> None:
        """Writes report.json and report.md, each aside first and then renamed, so that a half file is never seen."""
        self.write_json(folder)
        _write(Path(folder) / "report.md", self.to_markdown())

    def write_json(self, folder: str | Path) -> None:
        """Writes report.json alone, in the same way."""
        _write(Path(folder) / "report.json", json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    def to_markdown(self) -> str:
        """The report as a page: a summary, tables, limits, pictures, thresholds, data, options; without folders of this machine."""
        report = self.without_paths()
        of = report.options.get("output_dir") or (report.data["name"] if self.detectors else "a run")
        parts = [f"# Report of {of}", *gain_sentences(self.gains), *filter(None, [summary_of(self.figures)])]
        own = {"threshold": "each detector's own threshold"} if self.detectors else {}
        parts += [*false_alarm_sentences(self.tracks), markdown_tables(self.figures, self.protocol, **own), *error_table(self.figures)]
        parts += [*full_table(self.figures), *paper_section(self.paper_thresholds, self.figures), *comparison_sections(self.differences, self.ranks), *other_sections(self.open_set, self.pairs)]
        if self.degradations:
            parts.append("## Degradations\n\n" + "\n".join(f"- {escape_markdown(each)}" for each in self.degradations["sentences"]))
        if self.tracks:
            parts.append(track_tables(self.tracks))
        if self.limits:
            parts.append("## Limits\n\n" + "\n".join(f"- {limit}" for limit in self.limits))
        parts += [f"![{picture['title']}]({picture['file']})\n\n{picture['title']}." for picture in self.pictures]
        if self.operating_points:
            parts.append("## Thresholds\n\n" + "\n".join(_operating_point(point) for point in self.operating_points))
        parts += detector_table(report.detectors)
        described = self.data.get("description", "")
        described = [] if not described or described in self.limits else [described]
        parts += ["## Data", *described, "\n".join(split_lines(self.data))]
        if self.training is not None:
            parts.append("## Shortcuts of the training images\n\n" + audit_sentence(self.data.get("audit")))
        took = "" if self.training is None else (
            f" Training took {self.training['seconds'] / 60:.1f} minutes on {self.training['processes']} process(es), "
            f"{self.training['device']}."
        )
        parts.append(
            f"## Run\n\nCreated {self.created}.{took}\n\n```json\n"
            + json.dumps({"options": report.options, "versions": self.versions}, indent=1, ensure_ascii=False) + "\n```"
        )
        return "\n\n".join(parts) + "\n"

    def without_paths(self) -> "Report":
        """The report without folders of the machine that made it: of what was given as a path, the last part."""
        options = {name: _last_part(value) for name, value in self.options.items()}
        data = {**self.data, "name": hub_name(self.data["name"])}
        if data.get("audit"):
            data["audit"] = {**data["audit"], **({"title": data["name"]} if "title" in data["audit"] else {})}
        detectors = [replace(each, place=_last_part(each.place), name=each.name) for each in self.detectors]
        return replace(self, options=options, data=data, detectors=detectors, command=_without_folders(self.command))


def hub_name(name: str) -> str:
    """A data set's name as the Hub accepts it in a card; of a folder only its last part, its place is nobody's business."""
    if re.fullmatch(r"(?:[\w-]+/)?[\w.-]+", name) and not Path(name).exists():
        return name
    return re.sub(r"[^\w.-]+", "-", Path(name).name).strip("-.") or "local"


def _last_part(value):
    return Path(value).name if isinstance(value, str) and (Path(value).is_absolute() or Path(value).exists()) else value


def _without_folders(command: str | None) -> str | None:
    """A command line whose absolute paths have their last part alone; also those of ``NAME=/a/path``."""
    if command is None:
        return None
    words = []
    for word in shlex.split(command):
        name, sign, place = word.rpartition("=")
        words.append(name + sign + (Path(place).name if Path(place).is_absolute() else place))
    return shlex.join(words)


def split_lines(data: dict) -> list[str]:
    """A line of a list for each split of ``Report.data``: counts and fingerprint."""
    return [
        f"- {split}: {counts['images']} images ({counts['real']} real, {counts['synthetic']} synthetic) "
        f"from {counts['source_images']} source images; fingerprint {counts['fingerprint']}"
        for split, counts in data["splits"].items()
    ]


def audit_sentence(audit: dict | None) -> str:
    """What ``Report.data["audit"]`` says in words."""
    if audit is None:
        return "Not looked for."
    if "sentence" not in audit:
        return f"Not known: {audit['reason']}"
    images = " and ".join(f"{count} {label}" for label, count in audit["images"].items())
    return f"{audit['sentence']} (Cross-validated on {images} training images as the network gets them; 0.5 is chance.)"


def rows_of(
    detector: str, condition: str, scores: Scores, threshold: float, resamples: int, seed: int = 0, baseline: bool = False,
    of: list[Group] | None = None,
) -> list[Row]:
    """Figures of every group (by default those of ``imaginet_tools.metrics.groups.groups``) for one detector and condition.

    Raises ValueError if the images are of one class only.
    """
    return [
        Row(detector, condition, kind, name, measure(scores.select(chosen), threshold, resamples, seed), baseline)
        for kind, name, chosen in (groups(scores) if of is None else of)
    ]


def _read(one: Callable, entry: dict, what: str):
    try:
        return one(entry)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{what} of the report is not complete ({error}).") from error


def _operating_point(point: dict) -> str:
    name = f"{point['detector']}, {point['name']}" if "detector" in point else point["name"]
    if point["threshold"] is None:
        return f"- {name}: none ({point['reason']})"
    return (
        f"- {name}: call an image synthetic at {point['threshold']:.4f} or more; on {point['n_real']} real and "
        f"{point['n_synthetic']} synthetic held-out training images that flags {point['false_alarm_rate']:.1%} of the real and "
        f"{point['recall']:.1%} of the synthetic ones"
    )


def _write(file: Path, text: str) -> None:
    with write_aside(file) as aside:
        aside.write_text(mask_secrets(text), encoding="utf-8")
