"""Scoring on one machine: working processes read and prepare, this one asks the network, rows go to the output in whole parts."""

from collections import deque
from collections.abc import Iterable, Iterator

from imaginet_core.parallel import BATCH, WorkerKilled, in_processes
from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.inference.scoring.fetch import read_streams
from imaginet_tools.inference.scoring.inputs import Input, to_text
from imaginet_tools.inference.scoring.output import Output
from imaginet_tools.inference.scoring.records import PreparedInput, Reader
from imaginet_tools.inference.scoring.scorer import Scorer, crops_of
from imaginet_tools.inference.scoring.work import Summary, Work, begin_work

BREAKS = 3
"""How often in one run a working process may be killed; then it is not the pictures, or there is too little memory."""
KILLS = (
    "{} ends the process that reads it, also when it is read alone: a fault of a library that decodes pictures, or too little memory; "
    "write it anew with another program."
)


def score(
    inputs: Iterable[Input], detector: SavedDetector, output: Output, workers: int, image_column: str | None = None,
    skip_unreachable: bool = False, provenance: bool = False,
) -> Summary:
    """Scores everything that the output has not yet.

    Args:
        inputs, detector, output: as of ``work.begin_work``.
        workers: processes that read pictures beside this one, at least 1.
        image_column: as for the inputs.
        skip_unreachable: give inputs a row also where the network is the reason why they cannot be had.
        provenance: read what each file states about its origin, too; no part of any score.

    Raises:
        ValueError, FileExistsError, OSError: as ``work.begin_work``.
        NetworkDown: in one sentence, where the network fails or a bucket is closed; the same command goes on with ``resume``.
        WorkerKilled: where processes were killed again and again; the same command goes on with ``resume``.
    """
    reader = Reader(detector.preparation, skip_unreachable, provenance)
    with begin_work(inputs, detector, output, provenance) as work:
        try:
            for rows in _rows(work, detector, reader, workers, image_column):
                output.add(rows)
        except WorkerKilled as error:
            raise WorkerKilled(f"{error} With --resume and a smaller --workers it goes on where it was.") from error
    return work.summary


def _rows(work: Work, detector: SavedDetector, reader: Reader, workers: int, image_column: str | None) -> Iterator[list[dict]]:
    scorer = Scorer(detector)
    jobs = read_streams(work.manifest, detector.limits, image_column)
    large = detector.crops != 1  # then what comes back of one picture may be tens of megabytes
    prepared = _prepare(reader, jobs, workers, 1 if large else BATCH)
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


def _prepare(reader: Reader, jobs: Iterable, workers: int, batch: int) -> Iterator[PreparedInput]:
    """Every job by ``in_processes``, in order. Where a process is killed, those under way are read one by one, to find the culprit."""
    jobs, under_way, breaks = iter(jobs), deque(), 0

    def taken() -> Iterator:
        for job in jobs:
            under_way.append(job)
            yield job

    while True:
        try:
            for prepared in in_processes(reader, taken(), workers, batch=batch, apart=True):
                under_way.popleft()
                yield prepared
            return
        except WorkerKilled:
            breaks += 1
            if breaks > BREAKS:
                raise
        yield from prepare_alone(reader, under_way)


def prepare_alone(reader: Reader, jobs: deque) -> Iterator[PreparedInput]:
    """Every job in a single process, which reads one after the other; the one that kills it gets that as its reason."""
    while jobs:
        try:
            for prepared in in_processes(reader, list(jobs), 1, batch=1, apart=True):
                jobs.popleft()
                yield prepared
        except WorkerKilled:
            each = jobs.popleft()
            each = each if isinstance(each, Input) else each[0]
            yield reader.refuse(each, KILLS.format(to_text(each.path)[0]))


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
