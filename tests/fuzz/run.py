"""Damaged pictures and archives through every route of the project:

    python -m tests.fuzz.run --cases 10000 --archives 200 --seed 1 --output FOLDER

prints a table of routes and kinds of faults, all of which must be 0. FOLDER gets ``journal.jsonl`` (what is done, so that the
same command goes on after it was stopped), ``faults.jsonl``, ``inputs/`` with the file of every fault, and ``table.md``. A case
is told by its seed and number: ``python -m tests.fuzz.run --show picture 17 --seed 1 --output FOLDER`` writes its file again.
"""

import argparse
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from tests.fuzz.journal import Lines
from tests.fuzz.mutate_archives import mutated_archive
from tests.fuzz.mutate_pictures import mutated
from tests.fuzz.routes import ARCHIVE_ROUTES, ONE_BY_ONE, TOGETHER
from tests.fuzz.watched import KINDS, SECONDS, Child, Fault

CHUNK = 250
"""Pictures of a job, and in one data folder."""
SECONDS_EACH = 0.1
"""Of the processor, allowed on top of SECONDS for each of many pictures taken together."""
PICTURE_ROUTES = tuple(f"picture: {route}" for route in (*ONE_BY_ONE, *TOGETHER))
ARCHIVE_ROUTE_NAMES = tuple(f"archive: {route}" for route in ARCHIVE_ROUTES)
ROUTES = (*PICTURE_ROUTES, *ARCHIVE_ROUTE_NAMES)


def input_of(kind: str, seed: int, number: int):
    """(what was done, file name, bytes) of a case: ``kind`` is "picture" or "archive"."""
    case = mutated_archive(seed, number) if kind == "archive" else mutated(seed, number)
    name = f"archive{number:05}-{case.name}" if kind == "archive" else case.name
    return case.story, name, case.content


def faults_of(child: Child, route: str, seed: int, numbers: list[int]) -> list[Fault]:
    """The faults of these cases on one route, each with its case: where many are taken together, by halving."""
    together = route.removeprefix("picture: ") in TOGETHER and route.startswith("picture")
    job = {"route": route, "seed": seed, "numbers": numbers}
    told, fatal = child.do(job, SECONDS + (SECONDS_EACH * len(numbers) if together else 0))
    if not together:
        if fatal is None:
            return told
        number = fatal.number if fatal.number in numbers else numbers[0]
        rest = numbers[numbers.index(number) + 1 :]
        return [*told, fatal._replace(number=number), *(faults_of(child, route, seed, rest) if rest else ())]
    known, common = (
        [fault for fault in told if fault.number >= 0],
        [fault for fault in (*told, fatal) if fault and fault.number < 0],
    )
    if not common:
        return known
    if len(numbers) == 1:
        return [*known, *(fault._replace(number=numbers[0]) for fault in common)]
    middle = len(numbers) // 2
    found = faults_of(child, route, seed, numbers[:middle]) + faults_of(child, route, seed, numbers[middle:])
    return found or [
        fault._replace(number=numbers[0], message=f"only all {len(numbers)} together: {fault.message}") for fault in common
    ]


class Journal(Lines):
    """What is done, one job a line, and the files of the cases that had a fault."""

    def __init__(self, folder: Path, seed: int):
        super().__init__(folder, seed)
        self.folder = folder

    def note(self, name: str, route: str, cases: int, seconds: float, faults: list[Fault]) -> None:
        """A job is done."""
        kind, entries = route.partition(":")[0], []
        for fault in faults:
            story, file, content = input_of(kind, self.seed, fault.number)
            (self.folder / "inputs").mkdir(exist_ok=True)
            (self.folder / "inputs" / file).write_bytes(content)
            entries.append({**fault._asdict(), "seed": self.seed, "story": story, "input": f"inputs/{file}"})
        self.add(name, {"route": route, "cases": cases, "seconds": round(seconds, 1), "faults": entries})
        with open(self.folder / "faults.jsonl", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(fault) + "\n" for fault in self.faults())

    def faults(self) -> list[dict]:
        """All so far, as dicts of Fault with seed, story and input."""
        return [fault for job in self.done.values() for fault in job["faults"]]

    def table(self) -> str:
        """Routes by kinds of faults, in Markdown."""
        lines = [f"| route | cases | {' | '.join(KINDS)} |", "| --- |" + " ---: |" * (1 + len(KINDS))]
        for route in ROUTES:
            jobs = [job for job in self.done.values() if job["route"] == route]
            counts = [sum(fault["kind"] == kind for job in jobs for fault in job["faults"]) for kind in KINDS]
            lines.append(f"| {route} | {sum(job['cases'] for job in jobs):,} | {' | '.join(map(str, counts))} |")
        return "\n".join(lines)


def groups(faults: list[dict], folder: Path) -> list[str]:
    """What is alike (kind, message but for numbers, place) in a line each: how often, on which routes, and the smallest input."""
    alike = {}
    for fault in faults:
        words = re.sub(r"/\S+/(?=\w)|\S*\b(case|archive)\d+\S*|0x[0-9a-f]+|\d+", "#", fault["message"].split("\n")[0])[:120]
        alike.setdefault((fault["kind"], words, fault["where"].partition(" <- ")[2] or fault["where"]), []).append(fault)
    lines = []
    for (kind, words, where), members in sorted(alike.items(), key=lambda group: -len(group[1])):
        least = min(members, key=lambda fault: (folder / fault["input"]).stat().st_size)
        routes = ", ".join(sorted({fault["route"].removeprefix("picture: ") for fault in members}))
        lines.append(f"{len(members):4} × {kind}: {words}")
        lines.append(f"       at {where or '(no place)'}; routes {routes}; e.g. {least['input']} ({least['story']})")
    return lines


def plan(cases: int, archives: int, routes: Sequence[str] = ROUTES) -> list[tuple[str, str, list[int]]]:
    """(name, route, numbers of the cases) of every job."""
    jobs = []
    for start in range(0, cases, CHUNK):
        chunk = list(range(start, min(start + CHUNK, cases)))
        jobs += [(f"{route} {start}", route, chunk) for route in PICTURE_ROUTES if route in routes]
    for number in range(archives):
        jobs += [(f"{route} {number}", route, [number]) for route in ARCHIVE_ROUTE_NAMES if route in routes]
    return jobs


def run(cases: int, archives: int, seed: int, folder: Path, routes: Sequence[str] = ROUTES) -> Journal:
    """Does what is not done yet; with a progress bar."""
    journal = Journal(folder, seed)
    child = Child("tests.fuzz.routes", folder / "child")
    jobs = plan(cases, archives, routes)
    total = sum(len(numbers) for _, _, numbers in jobs)
    try:
        with tqdm(total=total, unit="case", desc="fuzzing", smoothing=0.05) as bar:
            for name, route, numbers in jobs:
                if journal.done.get(name, {"cases": 0})["cases"] < len(numbers):
                    bar.set_postfix_str(f"{route}, {len(journal.faults())} faults")
                    begun = time.monotonic()
                    faults = faults_of(child, route, seed, numbers)
                    journal.note(name, route, len(numbers), time.monotonic() - begun, faults)
                bar.update(len(numbers))
    finally:
        child.kill()
    (folder / "table.md").write_text(journal.table() + "\n")
    return journal


def main() -> int:
    """The command line; returns 0 where there was no fault."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=10_000, help="mutated pictures (default 10,000)")
    parser.add_argument("--archives", type=int, default=200, help="mutated archives (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="of all choices (default 0)")
    parser.add_argument("--routes", nargs="+", choices=ROUTES, metavar="ROUTE", default=ROUTES, help=f"of {', '.join(ROUTES)}")
    parser.add_argument("--output", type=Path, required=True, help="folder to make, or one in which the same run was stopped")
    parser.add_argument(
        "--show", nargs=2, metavar=("KIND", "NUMBER"), help="only write the file of one case: picture or archive, number"
    )
    options = parser.parse_args()
    if options.show:
        story, name, content = input_of(options.show[0], options.seed, int(options.show[1]))
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / name).write_bytes(content)
        print(f"{options.output / name}: {story}")
        return 0
    journal = run(options.cases, options.archives, options.seed, options.output, options.routes)
    print(journal.table())
    print("\n".join(groups(journal.faults(), options.output)))
    return 1 if journal.faults() else 0


if __name__ == "__main__":
    raise SystemExit(main())
