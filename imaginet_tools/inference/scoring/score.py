"""Scoring on one machine: working processes read and prepare, this one asks the network, rows go to the output in whole parts."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from datasets.utils import tqdm

from imaginet_core.parallel import BATCH, WorkerKilled, in_processes
from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.inference.scoring.fetch import read_streams
from imaginet_tools.inference.scoring.inputs import Input
from imaginet_tools.inference.scoring.made_by import made_by
from imaginet_tools.inference.scoring.manifest import Manifest, write_manifest
from imaginet_tools.inference.scoring.output import Output
from imaginet_tools.inference.scoring.records import PreparedInput, Reader
from imaginet_tools.inference.scoring.scorer import Scorer, crops_of


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


def score(
    inputs: Iterable[Input], detector: SavedDetector, output: Output, workers: int, image_column: str | None = None
) -> Summary:
    """Scores everything that the output has not yet.

    Args:
        inputs: as ``inputs.list_inputs`` gives them; listed anew in every run.
        detector: that answers.
        output: where rows go; what was begun with another detector is refused.
        workers: processes that read pictures beside this one, at least 1.
        image_column: as for the inputs.

    Raises:
        ValueError, FileExistsError: as ``Output.begin``.
        WorkerKilled: where a process was killed; the same command goes on with ``resume``.
        OSError: in one sentence, where the disk is full.
    """
    output.begin(made_by(detector))
    try:
        write_manifest(inputs, output.inputs)
        manifest = Manifest(output.inputs, output.done())
        summary = Summary(before=len(manifest.ids) - manifest.repeated - int(manifest.pending.sum()), repeated=manifest.repeated)
        start = time.monotonic()
        for rows in _rows(manifest, detector, workers, image_column, summary):
            output.add(rows)
        output.flush()
        summary.seconds = time.monotonic() - start
        output.finish()
    except WorkerKilled as error:
        output.flush()
        raise WorkerKilled(f"{error} With --resume and a smaller --workers it goes on where it was.") from error
    except KeyboardInterrupt:
        output.flush()
        raise
    finally:
        output.leave()
    return summary


def _rows(
    manifest: Manifest, detector: SavedDetector, workers: int, image_column: str | None, summary: Summary
) -> Iterator[list[dict]]:
    reader, scorer = Reader(detector.preparation), Scorer(detector)
    jobs = read_streams(manifest, detector.limits, image_column)
    large = detector.crops != 1  # then what comes back of one picture may be tens of megabytes
    prepared = in_processes(reader, jobs, workers, batch=1 if large else BATCH, apart=True)
    with tqdm(total=int(manifest.pending.sum()), unit=" images", desc="Scoring", smoothing=0.05) as bar:
        for group in _grouped(prepared, detector.batch_size):
            some = [each for each in group if each.prepared is not None]
            for each in group:
                if each.prepared is None:
                    summary.leave_out(each.path)
            rows = scorer(some) if some else []
            for row in rows:
                summary.count(row)
            yield rows
            bar.update(len(group))


def _grouped(prepared: Iterator[PreparedInput], crops: int) -> Iterator[list[PreparedInput]]:
    """Inputs that together have about as many crops as the network takes at a time."""
    group, size = [], 0
    for each in prepared:
        group.append(each)
        size += crops_of(each.prepared) if each.prepared is not None else 0
        if size >= crops or len(group) >= 1024:
            yield group
            group, size = [], 0
    if group:
        yield group
