"""Scoring on one machine: working processes read and prepare, this one asks the network, rows go to the output in whole parts."""

from collections.abc import Iterable, Iterator

from imaginet_core.parallel import BATCH, WorkerKilled, in_processes
from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.inference.scoring.fetch import read_streams
from imaginet_tools.inference.scoring.inputs import Input
from imaginet_tools.inference.scoring.output import Output
from imaginet_tools.inference.scoring.records import PreparedInput, Reader
from imaginet_tools.inference.scoring.scorer import Scorer, crops_of
from imaginet_tools.inference.scoring.work import Summary, Work, begin_work


def score(
    inputs: Iterable[Input], detector: SavedDetector, output: Output, workers: int, image_column: str | None = None
) -> Summary:
    """Scores everything that the output has not yet.

    Args:
        inputs, detector, output: as of ``work.begin_work``.
        workers: processes that read pictures beside this one, at least 1.
        image_column: as for the inputs.

    Raises:
        ValueError, FileExistsError, OSError: as ``work.begin_work``.
        WorkerKilled: where a process was killed; the same command goes on with ``resume``.
    """
    with begin_work(inputs, detector, output) as work:
        try:
            for rows in _rows(work, detector, workers, image_column):
                output.add(rows)
        except WorkerKilled as error:
            raise WorkerKilled(f"{error} With --resume and a smaller --workers it goes on where it was.") from error
    return work.summary


def _rows(work: Work, detector: SavedDetector, workers: int, image_column: str | None) -> Iterator[list[dict]]:
    reader, scorer = Reader(detector.preparation), Scorer(detector)
    jobs = read_streams(work.manifest, detector.limits, image_column)
    large = detector.crops != 1  # then what comes back of one picture may be tens of megabytes
    prepared = in_processes(reader, jobs, workers, batch=1 if large else BATCH, apart=True)
    for group in _grouped(prepared, detector.batch_size):
        some = [each for each in group if each.prepared is not None]
        for each in group:
            if each.prepared is None:
                work.summary.leave_out(each.path)
        rows = scorer(some) if some else []
        for row in rows:
            work.summary.count(row)
        yield rows
        work.bar.update(len(group))


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
