"""What surrounds the scoring of many inputs, whatever engine does it: the output, the list of inputs, the bar, what is told at the end."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple

from datasets.utils import tqdm

from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.inference.scoring.inputs import Input
from imaginet_tools.inference.scoring.made_by import made_by
from imaginet_tools.inference.scoring.manifest import Manifest, write_manifest
from imaginet_tools.inference.scoring.output import Output


@dataclass
class Summary:
    """What became of all inputs.

    Attributes:
        before: had their row already.
        scored, failed: got one in this run, with a score or with the reason why not.
        left_out: suffix -> files that are no pictures and were left out, see ``inputs.OTHER_FILES``.
        repeated: inputs that were named more than once, and got one row.
        first_error: of those that failed.
        seconds: from the first picture to the last row.
    """

    before: int = 0
    scored: int = 0
    failed: int = 0
    left_out: Counter = field(default_factory=Counter)
    repeated: int = 0
    first_error: str | None = None
    seconds: float = 0.0

    def count(self, row: dict) -> None:
        """Counts a row."""
        self.scored += row["error"] is None
        self.failed += row["error"] is not None
        self.first_error = self.first_error or row["error"]

    def leave_out(self, path: str) -> None:
        """Counts an input that gets no row."""
        self.left_out[PurePosixPath(path).suffix.lower() or PurePosixPath(path).name] += 1

    def lines(self) -> list[str]:
        """What to tell the user."""
        speed = f", {self.scored / self.seconds:,.1f} images/s" if self.scored and self.seconds else ""
        before = f", {self.before:,} before" if self.before else ""
        told = [f"{self.scored:,} scored, {self.failed:,} with the reason why not{before}{speed}"]
        if self.first_error:
            told.append(f"e.g. {self.first_error}")
        if self.left_out:
            kinds = ", ".join(f"{count:,} {name}" for name, count in self.left_out.most_common(5))
            told.append(f"{self.left_out.total():,} files beside the pictures were left out: {kinds}")
        if self.repeated:
            told.append(f"{self.repeated:,} inputs were named more than once and have one row")
        return told


class Work(NamedTuple):
    """A scoring under way.

    Attributes:
        manifest: gives the inputs that have no row yet.
        summary: is told what becomes of each.
        bar: of progress; counts inputs.
    """

    manifest: Manifest
    summary: Summary
    bar: tqdm


@contextlib.contextmanager
def begin_work(inputs: Iterable[Input], detector: SavedDetector, output: Output, provenance: bool = False) -> Iterator[Work]:
    """Claims the output, lists the inputs, and makes the output whole at the end.

    Whatever ends it before, rows that were handed to the output are kept, and ``resume`` goes on there.

    Args:
        inputs: as ``inputs.list_inputs`` gives them; listed anew in every run.
        detector: that answers; an output that was begun with another one is refused.
        output: gets rows from whoever has the work.
        provenance: whether rows say what the files state about their origin.

    Raises:
        ValueError, FileExistsError: as ``Output.begin``.
        OSError: in one sentence, where the disk is full.
    """
    output.begin(made_by(detector) | {"provenance": provenance})
    try:
        write_manifest(inputs, output.inputs)
        manifest = Manifest(output.inputs, output.done())
        pending = int(manifest.pending.sum())
        summary = Summary(before=len(manifest.ids) - manifest.repeated - pending, repeated=manifest.repeated)
        start = time.monotonic()
        try:
            with tqdm(total=pending, unit=" images", desc="Scoring", smoothing=0.05) as bar:
                yield Work(manifest, summary, bar)
        finally:
            output.flush()
        summary.seconds = time.monotonic() - start
        output.finish()
    finally:
        output.leave()
