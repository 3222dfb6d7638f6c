"""Every way that a picture or an archive takes through the project, and what may come of it.

A route of a picture takes one case, or many at once where a start costs much; it returns faults. A picture may be refused, in one
sentence; it may not be accepted where the reader cannot decode it.
"""

import contextlib
import csv
import functools
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.mutate_archives import BESIDE, COUNT, mutated_archive, picture_paths, pictures, write_data_folder
from tests.fuzz.mutate_pictures import Case, mutated
from tests.fuzz.seed_pictures import saved, scene
from tests.fuzz.watched import MEMORY, Fault, is_sentence, jobs, judge, peak_memory, tell

ANCHORS = 2
"""Whole pictures of each label in every data folder, so that there is a data set however many cases are left out."""


def read(content: bytes):
    """The reader of the project: uint8 RGB (H, W, 3). Raises its error."""
    from imaginet_core.pictures.decode import decode

    return decode(content)


def _is_decodable(content: bytes) -> bool:
    try:
        read(content)
    except ValueError:
        return False
    return True


# one picture at a time: each returns None, or raises


class Differs(AssertionError):
    """Two ways of reading one file give different pixels."""


def through_reader(case: Case) -> None:
    """The reader, with everything that it notes."""
    from imaginet_core.pictures.decode import read_picture

    pixels = read_picture(case.content, name=case.name).pixels
    assert pixels.dtype == "uint8" and pixels.ndim == 3 and pixels.shape[2] == 3 and min(pixels.shape) > 0, pixels.shape
    if pixels.tobytes() != read(case.content).tobytes():
        raise Differs("read_picture and decode give different pixels")


def through_features(case: Case) -> None:
    """What the audit measures in one file."""
    from imaginet_tools.audit.features import features

    features(case.content)


def through_provenance(case: Case) -> None:
    """What the file states about its origin."""
    from imaginet_core.provenance.read_provenance import read_provenance

    assert json.dumps(read_provenance(case.content, name=case.name).as_dict())


def through_windows(case: Case) -> None:
    """Training's reader of windows: the same pixels as the reader's."""
    import numpy as np

    from imaginet_core.pictures.partial_decode import PictureFile, Window

    with PictureFile({"bytes": case.content, "path": None}, case.name) as file:
        height, width = file.height, file.width
        window = Window.at(0, width // 3, max(1, height // 3), max(1, width // 2))
        found = file.read(window)
    if _is_decodable(case.content):
        whole = read(case.content)
        if whole.shape[:2] != (height, width) or not np.array_equal(window.of(whole), found):
            raise Differs(f"window of {height} × {width} pixels, the reader's {whole.shape}")


@functools.cache
def _pipeline():
    import torch

    from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageProcessor
    from modeling.pipeline_selfcon import SelfConImageClassificationPipeline

    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = SelfConConfig(stem_width=8, block="basic", widths=[8, 16], depths=[1, 1], sub_network_after=1, projection_size=8)
    processor = SelfConImageProcessor(crop_size={"height": 32, "width": 32})
    return SelfConImageClassificationPipeline(model=SelfConForImageClassification(config).eval(), image_processor=processor)


def through_pipeline(case: Case) -> None:
    """The pipeline, told the file's path."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / case.name
        file.write_bytes(case.content)
        answer = _pipeline()(str(file))
    assert answer and isinstance(answer, list), answer


# many pictures in one data folder


@contextlib.contextmanager
def _data_folder(cases: list[Case]) -> Iterator[Path]:
    """A folder RAW/train/{real,synthetic/generator} of the cases, and a few good pictures beside them."""
    with tempfile.TemporaryDirectory() as top:
        raw = Path(top) / "raw"
        for number in range(2 * ANCHORS):
            file = raw / "train" / _place(number) / f"anchor{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(saved(scene(50 + number), "PNG"))
        for case in cases:
            (raw / "train" / _place(case.number) / case.name).write_bytes(case.content)
        yield raw


def _place(number: int) -> str:
    return ("real", "synthetic/generator")[number % 2]


def _number(path: str) -> int | None:
    """The case's number in a path of a data folder; None for an anchor."""
    name = Path(path).name
    return int(name[4:9]) if name.startswith("case") else None


def build(raw: Path, cache: Path, **options):
    """(the data set of the split train, left out: path -> reason) by load_dataset."""
    import datasets

    import imaginet  # noqa: F401  registers the builder

    datasets.disable_progress_bars()
    rows = datasets.load_dataset("imaginet", data_dir=str(raw), cache_dir=str(cache), split="train", **options)
    left_out = {}
    for file in cache.rglob(imaginet.LEFT_OUT):
        left_out |= {line["path"]: line["reason"] for line in map(json.loads, file.read_text().splitlines())}
    return rows.cast_column("image", datasets.Image(decode=False)), left_out


def _built(route: str, cases: list[Case], **options) -> list[Fault]:
    with _data_folder(cases) as raw:
        rows, left_out = build(raw, raw.parent / "cache", on_corrupt="skip", **options)
        accepted = {number: row["image"]["bytes"] for row in rows if (number := _number(row["path"])) is not None}
        refused = {number: reason for path, reason in left_out.items() if (number := _number(path)) is not None}
        return _compared(route, cases, accepted, refused)


def _compared(route: str, cases: list[Case], accepted: dict, refused: dict) -> list[Fault]:
    """Faults in what became of each case: number -> file that was made of it or None, number -> why it was left out."""
    found = []
    for case in cases:
        if case.number in refused and not is_sentence(refused[case.number]):
            found.append(Fault(case.number, route, "sentence", refused[case.number][:500]))
        if case.number in refused and case.whole:
            found.append(Fault(case.number, route, "refused", refused[case.number][:500]))
        if case.number in accepted and not _is_decodable(accepted[case.number] or case.content):
            found.append(Fault(case.number, route, "undecodable", "accepted, but the reader cannot decode it"))
        if (case.number in accepted) == (case.number in refused):
            found.append(Fault(case.number, route, "lost", "neither taken nor named as left out, or both"))
    return found


def through_builder(cases: list[Case]) -> list[Fault]:
    """The builder, leaving out what is broken."""
    return _built("build", cases)


def through_alignment(cases: list[Case]) -> list[Fault]:
    """The builder with aligned=True, which reads headers, crops and compresses anew."""
    return _built("build aligned", cases, aligned=True)


def command(*arguments: str) -> tuple[int, str]:
    """(status, standard output) of a command of ours, in this process. Raises SystemExit with its sentence."""
    from imaginet_tools.commands.main import main

    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        status = main(list(arguments))
    return status, output.getvalue()


def through_verification(cases: list[Case]) -> list[Fault]:
    """doctor --verify, which names every file that cannot be decoded."""
    with _data_folder(cases) as raw:
        _, output = command("doctor", "--data_dir", str(raw), "--verify", "--json", "--num_proc", "1")
    findings = json.loads(output)["findings"]
    refused = {}
    for kind, of_kind in findings.items():
        for finding in of_kind:
            if kind in ("empty", "broken", "oversized") and (number := _number(finding["path"])) is not None:
                refused[number] = finding["reason"]
    return _compared("verify", cases, {case.number: None for case in cases if case.number not in refused}, refused)


def through_perturbation(cases: list[Case]) -> list[Fault]:
    """perturb --on_corrupt skip."""
    import imaginet

    with _data_folder(cases) as raw:
        out = raw.parent / "perturbed"
        command("perturb", "--folder", str(raw / "train"), "--output", str(out), "--on_corrupt", "skip", "--num_proc", "1")
        with open(out / "metadata.csv", newline="", encoding="utf-8") as lines:
            rows = {
                number: (out / row["file_name"]).read_bytes()
                for row in csv.DictReader(lines)
                if (number := _number(row["original"])) is not None
            }
        left_out = out / imaginet.LEFT_OUT
        lines = map(json.loads, left_out.read_text().splitlines()) if left_out.exists() else ()
        refused = {number: line["reason"] for line in lines if (number := _number(line["path"])) is not None}
    return _compared("perturb", cases, rows, refused)


ONE_BY_ONE = {
    "read": through_reader,
    "features": through_features,
    "provenance": through_provenance,
    "window": through_windows,
    "pipeline": through_pipeline,
}
TOGETHER = {
    "build": through_builder,
    "build aligned": through_alignment,
    "verify": through_verification,
    "perturb": through_perturbation,
}
NAMED = ("read", "provenance", "window", "pipeline")
"""Routes of one picture that know its name, so that what they say must hold it."""


def picture_faults(route: str, cases: list[Case]) -> list[Fault]:
    """The faults of one case, or of many on a route that takes them together.

    A fault that stopped them all has the number of the only case, or -1 where there are several.
    """
    try:
        if route in TOGETHER:
            return TOGETHER[route](cases)
        ONE_BY_ONE[route](cases[0])
    except Differs as error:
        return [Fault(cases[0].number, route, "differs", str(error))]
    except (Exception, SystemExit) as error:
        names = tuple(case.name for case in cases) if route in NAMED else ()
        fault = judge(error, names)
        if fault is None and (route in TOGETHER or cases[0].whole):
            fault = "refused", f"{type(error).__name__}: {error}"[:500], ""
        if fault is not None:
            return [Fault(cases[0].number if len(cases) == 1 else -1, route, *fault)]
    return []


# archives


def _tree(folder: Path) -> dict[str, tuple]:
    return {str(file.relative_to(folder)): (file.stat().st_size, file.stat().st_mtime_ns) for file in folder.rglob("*")}


def archive_faults(route: str, seed: int, number: int) -> list[Fault]:
    """The faults of one archive on one route of ARCHIVE_ROUTES."""
    case = mutated_archive(seed, number)
    top = Path(tempfile.mkdtemp())
    try:
        raw = top / "raw"
        write_data_folder(raw, case)
        before, found = _tree(raw), []
        try:
            found += [Fault(number, route, kind, message) for kind, message in ARCHIVE_ROUTES[route](raw, top, case.lost)]
        except (Exception, SystemExit) as error:
            fault = judge(error, (case.name, "pic_", "annotations"))
            if fault is None and route in ("skip", "verify") and case.lost is not None:
                fault = "refused", f"{type(error).__name__}: {error}"[:500], ""
            found += [Fault(number, route, *fault)] if fault else []
        if _tree(raw) != before:
            found.append(Fault(number, route, "touched", "the data folder is not as it was"))
        strange = {file.name for file in top.iterdir()} - {"raw", "cache", "export"}
        if strange:
            found.append(Fault(number, route, "touched", f"left beside the data: {sorted(strange)[:5]}"))
        return found
    finally:
        shutil.rmtree(top, ignore_errors=True)


def _skipping(raw: Path, top: Path, lost: int | None) -> Iterator[tuple[str, str]]:
    rows, left_out = build(raw, top / "cache", on_corrupt="skip", allow_missing=True)
    yield from _wrong_rows(rows, left_out)
    if lost is not None and len(rows) < COUNT + BESIDE - lost:
        yield "refused", f"{len(left_out)} left out where one entry was damaged: {dict(list(left_out.items())[:2])}"[:500]


def _strictly(raw: Path, top: Path, lost: int | None) -> Iterator[tuple[str, str]]:
    rows, left_out = build(raw, top / "cache")
    yield from _wrong_rows(rows, left_out)


def _wrong_rows(rows, left_out: dict[str, str]) -> Iterator[tuple[str, str]]:
    digests = {hashlib.sha256(content).digest() for content in pictures().values()}
    for row in rows:
        content = row["image"]["bytes"]
        if not _is_decodable(content):
            yield "undecodable", f"{row['path']} was accepted, but the reader cannot decode it"
        elif row["path"] in picture_paths() and hashlib.sha256(content).digest() not in digests:
            yield "differs", f"{row['path']} is not what was packed"
    if {row["path"] for row in rows} & left_out.keys() or len(rows) + len(left_out) != COUNT + BESIDE:
        yield "lost", f"{len(rows)} rows and {len(left_out)} left out of {COUNT + BESIDE}"
    for path, reason in left_out.items():
        if reason != "missing" and not is_sentence(reason):
            yield "sentence", f"{path}: {reason}"


def _doctor(raw: Path, top: Path, lost: int | None) -> Iterator[tuple[str, str]]:
    command("doctor", "--data_dir", str(raw))
    return iter(())


def _verify(raw: Path, top: Path, lost: int | None) -> Iterator[tuple[str, str]]:
    _, output = command("doctor", "--data_dir", str(raw), "--verify", "--json", "--num_proc", "1")
    broken = json.loads(output)["findings"]["broken"]
    for finding in broken:
        if not is_sentence(finding["reason"]):
            yield "sentence", f"{finding['path']}: {finding['reason']}"
    if lost is not None and len(broken) > lost:
        yield "refused", f"{len(broken)} called broken where one entry was damaged"


def _export(raw: Path, top: Path, lost: int | None) -> Iterator[tuple[str, str]]:
    output = top / "export"
    try:
        command("export", "--data_dir", str(raw), "--output", str(output), "--on_corrupt", "skip", "--allow_missing")
    except SystemExit:
        if output.exists() and os.listdir(output):
            yield "touched", f"a failed export left {os.listdir(output)[:5]}"
        raise


ARCHIVE_ROUTES = {"skip": _skipping, "error": _strictly, "doctor": _doctor, "verify": _verify, "export": _export}


# the child


def _noticed(number: int, route: str) -> list[Fault]:
    """What one case left behind besides its answer: much memory used, another program started."""
    found, peak = [], peak_memory()
    if peak > MEMORY:
        found.append(Fault(number, route, "memory", f"{peak / 2**30:.2f} GiB"))
    marker = Path(os.environ["IMAGINET_PROGRAM"])
    if marker.exists():
        marker.unlink()
        found.append(Fault(number, route, "program", "a program gs on PATH was started"))
    return found


def _work(route: str, seed: int, numbers: list[int]) -> None:
    """One job: tells of each case as it begins, and of the faults."""
    found, kind, route_of_kind = [], *route.split(": ")
    anchor = Case(0, "", saved(scene(50), "PNG"), "png", True)
    if kind == "archive":
        for number in numbers:
            tell(number, found)
            found = [fault._replace(route=route) for fault in archive_faults(route_of_kind, seed, number)] + _noticed(
                number, route
            )
    elif route_of_kind in TOGETHER:
        TOGETHER[route_of_kind]([])  # imports what it needs
        peak_memory()
        tell(-1, [])
        cases = [mutated(seed, number) for number in numbers]
        found = picture_faults(route_of_kind, cases) + _noticed(numbers[0] if len(numbers) == 1 else -1, route)
    else:
        picture_faults(route_of_kind, [anchor])
        peak_memory()
        for number in numbers:
            tell(number, found)
            found = picture_faults(route_of_kind, [mutated(seed, number)]) + _noticed(number, route)
            found = [fault._replace(route=route) for fault in found]
    tell(-1, [fault._replace(route=route) for fault in found], done=True)


if __name__ == "__main__":
    for job in jobs():
        _work(**job)
