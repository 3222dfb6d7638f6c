"""Scoring on a cluster with Ray Data: tasks on CPUs fetch, decode and crop, a pool of actors asks the network.

The machine that starts it keeps the books: it hands out the inputs in rounds and writes the rows, about 150 bytes each, to
the same output as the engine for one machine. So a row is there once whatever is killed, and what Ray lost is asked for again.
"""

import contextlib
import itertools
import logging
import os
import pickle
import socket
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import ray
import ray.data
from ray.exceptions import RayError

from imaginet_core.errors import first_line
from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.inference.scoring.fetch import read_streams
from imaginet_tools.inference.scoring.inputs import Input
from imaginet_tools.inference.scoring.output import Output
from imaginet_tools.inference.scoring.records import SCHEMA, Reader
from imaginet_tools.inference.scoring.score import prepare_alone
from imaginet_tools.inference.scoring.scorer import Scorer
from imaginet_tools.inference.scoring.work import Summary, begin_work

ROUND = 200_000
"""Inputs that Ray has in hand at most; their list lies in the memory of the machine that started it."""
TASK = 64
"""Inputs of one task, of one crop each: 12 MB when they are prepared."""
PATIENCE = 15
"""Seconds in which a cluster's head must answer."""
ATTEMPTS = 3
"""How often inputs are handed out whose rows did not come back."""
ROWS = pa.schema([*SCHEMA, ("left_out", pa.bool_())])


class ReadTask:
    """A batch of inputs, pickled, to the same prepared.

    Ray repeats a task whose process ended for as long as it ends. So a repeated task reads in a process beside its own, and a picture
    that ends that one, too, costs only itself.
    """

    def __init__(self, reader: Reader, image_column: str | None):
        self.reader, self.image_column = reader, image_column

    def __call__(self, batch: pa.Table) -> pa.Table:
        inputs = [pickle.loads(each) for each in batch.column("input").to_pylist()]
        jobs = read_streams(inputs, self.reader.limits, self.image_column)
        prepared = prepare_alone(self.reader, deque(jobs)) if _is_repeated() else map(self.reader, jobs)
        return pa.table({"prepared": pa.array([pickle.dumps(each) for each in prepared], pa.large_binary())})


def _is_repeated() -> bool:
    """Whether the task that this process works on was begun before. Ray tells that in no public way (2.60)."""
    worker = ray._private.worker.global_worker
    return worker.connected and worker.core_worker.get_current_task_attempt_number() > 0


class ScoreActor:
    """A detector of its own on some machine: prepared inputs to rows."""

    def __init__(self, place: tuple, options: dict):
        self.scorer = Scorer(SavedDetector(*place, **options))

    def __call__(self, batch: pa.Table) -> pa.Table:
        prepared = [pickle.loads(each.as_py()) for each in batch.column("prepared")]
        some = [each for each in prepared if each.prepared is not None]
        rows = [{**row, "left_out": False} for row in (self.scorer(some) if some else [])]
        rows += [{"id": each.id, "path": each.path, "left_out": True} for each in prepared if each.prepared is None]
        return pa.Table.from_pylist(rows, ROWS)


class Shares(NamedTuple):
    """What of a cluster the two stages take.

    Attributes:
        actors: most copies of a network.
        cpus: of all machines.
        reading, asking: a task's and an actor's part of a machine, as options of ``ray.remote``.
    """

    actors: int
    cpus: int
    reading: dict
    asking: dict


def shares_of_cluster(actors: int | None, device: str | None) -> Shares:
    """Of the cluster that is connected.

    Args:
        actors: most copies of the network; by default one a GPU, or one a CPU where there is no GPU.
        device: of the network; "cpu" leaves GPUs alone.
    """
    resources = ray.cluster_resources()
    gpus, cpus = 0 if device == "cpu" else int(resources.get("GPU", 0)), max(1, int(resources.get("CPU", 1)))
    # of different shares, or Ray Data would make one stage of the two; without a GPU the network takes most of every CPU
    reading, asking = ({"num_cpus": 1}, {"num_gpus": 1}) if gpus else ({"num_cpus": 0.2}, {"num_cpus": 0.8})
    return Shares(actors or gpus or cpus, cpus, reading, asking)


def last_line(error: RayError) -> str:
    """What an error of Ray says; above that stands a traceback of some other machine."""
    return str(error).strip().splitlines()[-1].strip()


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """A connection to the cluster, or to one of this machine alone, for a while; one that is there already is used and kept."""
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to others
    try:
        _check_there(address)
        ray.init(
            address=address or "local",
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ConnectionError(f"There is no Ray cluster at {address} ({first_line(error)}); check --ray_address.") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_there(address: str | None) -> None:
    """Raises OSError, at once, where nobody listens at an address; Ray would try for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()


def score_with_ray(
    inputs: Iterable[Input],
    detector: SavedDetector,
    output: Output,
    address: str | None = None,
    actors: int | None = None,
    device: str | None = None,
    image_column: str | None = None,
    skip_unreachable: bool = False,
    provenance: bool = False,
) -> Summary:
    """As ``score.score``, on a cluster.

    Args:
        inputs, output, image_column, skip_unreachable, provenance: as there. Files and model must be found by the same paths on every machine.
        detector: of this machine, which tells what the others load; it scores nothing itself.
        address: of the cluster's head, such as "ray://head:10001" or "auto"; None for this machine alone.
        actors: most copies of the network (default: one a GPU, or one a CPU where there is no GPU).
        device: of the actors' networks; by default a GPU where the cluster has one.

    Raises:
        ValueError, OSError, FileExistsError: as there. ValueError also where Ray gives up; what came back until then is written.
        ConnectionError: where there is no such cluster.
    """
    reader = Reader(detector.preparation, skip_unreachable, provenance)
    with begin_work(inputs, detector, output, provenance) as work:
        try:
            with connected(address):
                pipeline = _Pipeline(detector, reader, actors, device, image_column)
                todo = iter(work.manifest)
                while some := list(itertools.islice(todo, ROUND)):
                    for rows in _once_each(pipeline, some, work.summary):
                        output.add(rows)
                        work.bar.update(len(rows))
        except RayError as error:
            raise ValueError(f"Ray gave up ({last_line(error)}); the same command with --resume goes on where it was.") from error
    return work.summary


def _once_each(pipeline: "_Pipeline", inputs: list[Input], summary: Summary) -> Iterator[list[dict]]:
    """Rows of the inputs, each once; those that Ray lost are handed out again."""
    waiting = {each.id: each for each in inputs}
    for _ in range(ATTEMPTS):
        for rows in pipeline.run(list(waiting.values())):
            new = [row for row in rows if waiting.pop(row["id"], None) is not None]
            for row in new:
                summary.leave_out(row["path"]) if row["left_out"] else summary.count(row)
            yield [{name: row[name] for name in SCHEMA.names} for row in new if not row["left_out"]]
        if not waiting:
            return
    raise ValueError(
        f"Ray lost {len(waiting):,} inputs, e.g. {next(iter(waiting.values())).path}; run the same command with --resume."
    )


class _Pipeline:
    """From inputs to rows, in whatever order they come back."""

    def __init__(self, detector: SavedDetector, reader: Reader, actors: int | None, device: str | None, image_column: str | None):
        self.read = ReadTask(reader, image_column)
        (place, backend, _), options = detector.__reduce__()[1]
        self.detector, self.shares = ((place, backend, device), options), shares_of_cluster(actors, device)
        self.task = TASK if detector.crops == 1 else 4
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)

    def run(self, inputs: Sequence[Input]) -> Iterator[list[dict]]:
        """Rows, the column ``left_out`` among them."""
        blocks = [
            pa.table({"input": [pickle.dumps(each) for each in inputs[start : start + self.task]]})
            for start in range(0, len(inputs), self.task)
        ]
        actors, _, reading, asking = self.shares
        pool = ray.data.ActorPoolStrategy(min_size=1, max_size=actors, initial_size=actors)
        scored = (
            ray.data.from_arrow(blocks)
            .map_batches(self.read.__call__, batch_size=None, batch_format="pyarrow", **reading)
            .map_batches(
                ScoreActor, batch_size=None, batch_format="pyarrow", compute=pool, fn_constructor_args=self.detector, **asking
            )
        )
        for batch in scored.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield batch.to_pylist()
