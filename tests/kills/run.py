"""Commands of the project stopped at random moments, then given again to their end:

    python -m tests.kills.run --kills 100 --seed 1 --output FOLDER

Each trial stops a command once or twice (SIGKILL, Ctrl-C, or SIGKILL to one of its workers), gives the same command again, and
compares what it made, bit for bit, with what an undisturbed run made. No process may be left, no input changed, nothing left
beside the output. A table of commands and kinds of faults is printed, all of which must be 0. FOLDER gets ``journal.jsonl``;
the same command goes on after it was stopped itself.
"""

import argparse
import random
import shutil
import subprocess
from pathlib import Path

from tqdm import tqdm

from tests.fuzz.journal import Lines
from tests.kills.commands import COMMANDS, Command, write_inputs
from tests.kills.killed_runs import PATIENCE, Place, Stopped, Times, stop, undisturbed

KINDS = ("differs", "failed", "processes", "hang", "traceback", "touched", "left")
"""The result is another one; the command given again fails; processes are left; it does not end; a traceback where a sentence is
promised; inputs were changed; something is left beside the output."""
PICTURES = 400


def state_of(folder: Path) -> dict[str, tuple]:
    """Size and time of every file."""
    return {str(file.relative_to(folder)): (file.stat().st_size, file.stat().st_mtime_ns) for file in folder.rglob("*")}


def manner_of(command: Command, rng: random.Random) -> str:
    """How the command is stopped: mostly by SIGKILL."""
    return rng.choice(("kill", "kill", "kill", "interrupt", *(("worker",) * 2 if command.worker else ())))


def stopped_faults(command: Command, manner: str, stopped: Stopped) -> list[tuple[str, str]]:
    """(kind, message) of what is wrong with the way in which a run ended."""
    found = []
    if stopped.status is None:
        found.append(("hang", f"{manner}: it had not ended a minute later"))
    if stopped.left:
        found.append(("processes", f"{manner}: {stopped.left}"))
    begun = ", in main\n" in stopped.errors  # while modules are loaded, the words on Ctrl-C are Python's own
    if stopped.at is not None and manner != "kill" and command.says and begun and "Traceback" in stopped.errors:
        found.append(("traceback", f"{manner}: {stopped.errors}"))
    return found


def finish(command: Command, place: Place, whole: dict[str, str], mark: str) -> list[tuple[str, str]]:
    """Gives the command again, to its end: (kind, message) of what is wrong with it and its result."""
    run = place.start(command, mark)
    try:
        status = run.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        run.kill()
        return [("hang", f"given again, it did not end in {PATIENCE} s: {place.last_words()}")]
    try:
        made = place.result(command)
    except (OSError, ValueError, KeyError) as error:
        return [("failed", f"status {status}, no result ({error}): {place.last_words()}")]
    if made == whole:
        return []
    left = [name for name in made.keys() - whole.keys() if name.startswith("beside: ")]
    found = [("left", f"{sorted(left)[:5]}")] if left else []
    other = sorted(name for name in made.keys() | whole.keys() if made.get(name) != whole.get(name) and name not in left)
    if other and status not in command.fine:
        return [*found, ("failed", f"status {status}: {place.last_words()}")]
    return [*found, ("differs", f"{other[:8]}")] if other else found


def trial(command: Command, inputs: Path, work: Path, whole: dict[str, str], times: Times, rng: random.Random, mark: str) -> dict:
    """One command, stopped once or twice and given again: an entry of the journal."""
    place, before, found, stops = Place(inputs, work), state_of(inputs), [], []
    for _ in range(rng.choice((1, 1, 2))):
        manner = manner_of(command, rng)
        stopped = stop(command, place, f"{mark}-{len(stops)}", manner, times, rng)
        stops.append([manner, None if stopped.at is None else round(stopped.at, 2), stopped.status])
        found += stopped_faults(command, manner, stopped)
    found += finish(command, place, whole, f"{mark}-last")
    if state_of(inputs) != before:
        found.append(("touched", "the inputs are not as they were"))
    return {"command": command.name, "stops": stops, "faults": [list(fault) for fault in found]}


def run(kills: int, seed: int, folder: Path, names: list[str], pictures: int = PICTURES) -> Lines:
    """Trials until so many runs were stopped; with a progress bar. Those that the journal has are not done again."""
    folder = folder.resolve()
    journal, inputs, work = Lines(folder, seed), folder / "inputs", folder / "work"
    if not (folder / "inputs.ready").exists():
        shutil.rmtree(inputs, ignore_errors=True)
        write_inputs(inputs, names, pictures)
        (folder / "inputs.ready").touch()
    undisturbed_runs, number = {}, 0
    with tqdm(total=kills, unit="kill", desc="killing") as bar:
        while (count := stops_of(journal)) < kills:
            bar.update(count - bar.n)
            command = COMMANDS[names[number % len(names)]]
            bar.set_postfix_str(f"{command.name}, {sum(len(entry['faults']) for entry in journal.done.values())} faults")
            if str(number) not in journal.done:
                if command.name not in undisturbed_runs:
                    shutil.rmtree(work, ignore_errors=True)
                    times = undisturbed(command, Place(inputs, work), f"{folder}-{command.name}")
                    undisturbed_runs[command.name] = times, Place(inputs, work).result(command)
                times, whole = undisturbed_runs[command.name]
                shutil.rmtree(work, ignore_errors=True)
                rng = random.Random(f"{seed} {number}")
                journal.add(str(number), trial(command, inputs, work, whole, times, rng, f"{folder}-{seed}-{number}"))
            number += 1
        bar.update(kills - bar.n)
    shutil.rmtree(work, ignore_errors=True)
    (folder / "table.md").write_text(table(journal, names) + "\n")
    return journal


def stops_of(journal: Lines) -> int:
    """How many runs were stopped before they were done."""
    return sum(at is not None for entry in journal.done.values() for _, at, _ in entry["stops"])


def table(journal: Lines, names: list[str]) -> str:
    """Commands by kinds of faults, in Markdown."""
    lines = [f"| command | trials | stopped | {' | '.join(KINDS)} |", "| --- |" + " ---: |" * (2 + len(KINDS))]
    for name in names:
        entries = [entry for entry in journal.done.values() if entry["command"] == name]
        stops = sum(at is not None for entry in entries for _, at, _ in entry["stops"])
        counts = [sum(kind == fault for entry in entries for fault, _ in entry["faults"]) for kind in KINDS]
        lines.append(f"| {name} | {len(entries)} | {stops} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def main() -> int:
    """The command line; returns 0 where there was no fault."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.kills.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="runs to stop (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="of all choices (default 0)")
    parser.add_argument("--output", type=Path, required=True, help="folder to make, or one in which the same run was stopped")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS), help="which (default: all)")
    options = parser.parse_args()
    journal = run(options.kills, options.seed, options.output, options.commands)
    print(table(journal, options.commands))
    for entry in journal.done.values():
        for kind, message in entry["faults"]:
            print(f"{entry['name']} {entry['command']} {entry['stops']} {kind}: {message}")
    return 1 if any(entry["faults"] for entry in journal.done.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
