"""`imaginet perturb --folder IMAGES --output DIR`: the perturbed copy of any images, a folder, a CSV file or a data set.

For ImagiNet's own test set the configuration ``perturbed`` does the same within ``load_dataset``; here anyone's images are taken
through it (see imaginet_core/pictures/perturbed_test_set.py). DIR gets

- a lossless WebP file per image, ``real/<checksum>.webp`` or ``synthetic/<generator>/<checksum>.webp``, the checksum that of the
  image's name, from which all randomness is drawn, too;
- ``metadata.csv``: where each file came from (``original``), its labels, and what was drawn (``perturbed_side``,
  ``perturbed_codec``, ``perturbed_quality``). ``load_dataset("imagefolder", data_dir=DIR)`` and ``audit --csv`` read it.

A run that was stopped goes on when the same command is given again. Nothing that is there is overwritten.
"""

import csv
import hashlib
import io
import json
import os
import re
from typing import NamedTuple

from tqdm import tqdm

import imaginet
from imaginet_core.parallel import in_processes
from imaginet_core.pictures.perturbed_test_set import perturb
from imaginet_core.storage.safe_writes import lock_or_refuse, remove_parts, write_aside
from imaginet_tools.images.image_set import ImageSet

METADATA = "metadata.csv"
JOURNAL, LOCK = ".perturbing.jsonl", ".perturbing.lock"
"""In the output folder while a run is not finished: what is done, one image a line; held by the run."""
COLUMNS = (
    "file_name", "path", "label", "content", "generator", "source_image", "original",
    "perturbed_side", "perturbed_codec", "perturbed_quality",
)
"""Of METADATA. ``file_name`` (imagefolder's word) and ``path`` (ours) both name the new file."""


class Outcome(NamedTuple):
    """How many images were perturbed, earlier runs included, and name -> why, of those that were left out."""

    images: int
    left_out: dict[str, str]


def perturb_all(images: ImageSet, out: str, processes: int = 1, on_corrupt: str = "error") -> Outcome:
    """Writes the perturbed copies of all images.

    Args:
        images: of which no two have one path.
        out: folder to make, or one in which an earlier run was stopped.
        processes: at least 1; the files do not depend on it.
        on_corrupt: "error", or "skip" to leave broken images out and name them in imaginet.LEFT_OUT.

    Raises:
        FileExistsError: if the folder holds anything else, or another run is writing it.
        ValueError: if the stopped run was one of other images; or, after all others are done, naming the images that are broken.
    """
    _check_folder(out)
    os.makedirs(out, exist_ok=True)
    lock = lock_or_refuse(f"{out}/{LOCK}", f"Another run is writing {out} right now.")
    try:
        remove_parts(out)
        done = _resume(images, out)
        broken = _perturb_rest(images, out, done, processes)
        if broken and on_corrupt == "error":
            named = "; ".join(f"{name}: {reason}" for name, reason in list(broken.items())[:10])
            raise ValueError(
                f"{len(broken)} image(s) are broken ({named}). Replace them and give the same command again, or leave them out "
                "with --on_corrupt skip; all others are done."
            )
        _finish(out, [done[index] for index in sorted(done)], broken)
        os.remove(f"{out}/{LOCK}")  # while it is held, so that nobody else has it in hand
    finally:
        lock.release()
    return Outcome(len(done), broken)


def _check_folder(out: str) -> None:
    if not os.path.exists(out):
        return
    if not os.path.isdir(out):
        raise FileExistsError(f"{out} is no folder; choose another folder.")
    if os.path.exists(f"{out}/{METADATA}"):
        raise FileExistsError(f"{out} holds {METADATA} already, so it is done; choose another folder, or move it away.")
    if set(os.listdir(out)) - {LOCK} and not os.path.exists(f"{out}/{JOURNAL}"):
        raise FileExistsError(f"{out} is not empty; choose another folder.")


def _resume(images: ImageSet, out: str) -> dict[int, dict]:
    """Index -> row of METADATA of the images that an earlier run finished; starts the journal if there was none."""
    digest = hashlib.sha256(json.dumps(sorted(zip(images.path.tolist(), images.label.tolist(), strict=True))).encode())
    first = json.dumps({"images": digest.hexdigest()})
    journal = f"{out}/{JOURNAL}"
    lines = []
    if os.path.exists(journal):
        with io.open(journal, encoding="utf-8") as file:
            lines = file.read().split("\n")[:-1]  # without what comes after the last line's end: a kill may have cut it
    if lines and lines[0] != first:
        raise ValueError(f"{out} holds an unfinished run of other images; choose another folder, or the command of that run.")
    with write_aside(journal) as aside:
        aside.write_text("\n".join([*lines, ""]) if lines else first + "\n", encoding="utf-8")
    rows = {row["original"]: row for row in map(json.loads, lines[1:])}
    return {index: rows[path] for index, path in enumerate(images.path.tolist()) if path in rows}


def _perturb_rest(images: ImageSet, out: str, done: dict[int, dict], processes: int) -> dict[str, str]:
    """Perturbs what is not done, notes it in ``done`` and in the journal, and returns name -> reason of broken images."""
    rest, broken, paths = [index for index in range(len(images)) if index not in done], {}, images.path.tolist()

    def note_unreadable(index: int, error: ValueError) -> None:
        broken[paths[index]] = str(error)

    jobs = ((index, content, paths[index]) for index, content in images.read(rest, note_unreadable))
    with (
        io.open(f"{out}/{JOURNAL}", "a", encoding="utf-8") as journal,
        tqdm(desc="perturbing", unit="image", total=len(images), initial=len(done)) as bar,
    ):
        for index, content, drawn in in_processes(_perturbed, jobs, processes):
            if content is None:
                broken[paths[index]] = drawn
            else:
                done[index] = {**_row(images, index), **drawn}
                _write(f"{out}/{done[index]['path']}", content)
                journal.write(json.dumps(done[index]) + "\n")
                journal.flush()
            bar.update()
    return broken


def _perturbed(job: tuple) -> tuple:
    """(index, the new file, what was drawn), or (index, None, why there is none)."""
    index, content, name = job
    try:
        return index, *perturb(content, name)
    except ValueError as error:
        return index, None, str(error)


def _row(images: ImageSet, index: int) -> dict:
    label, path = imaginet.LABELS[images.label[index]], str(images.path[index])
    generator = re.sub(r"[^\w.-]+", "_", images.generator[index]).strip("._") or "unknown"
    checksum = hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    file = f"{label}/{checksum}.webp" if label == "real" else f"{label}/{generator}/{checksum}.webp"
    return {
        "file_name": file, "path": file, "label": label, "content": str(images.content[index]),
        "generator": str(images.generator[index]), "source_image": str(images.source_image[index]), "original": path,
    }


def _write(file: str, content: bytes) -> None:
    """Aside first and then renamed, so that a file that is there is whole."""
    with write_aside(file) as aside:
        aside.write_bytes(content)


def _finish(out: str, rows: list[dict], left_out: dict[str, str]) -> None:
    if left_out:
        with io.open(f"{out}/{imaginet.LEFT_OUT}", "w", encoding="utf-8") as file:
            file.writelines(json.dumps({"path": name, "reason": reason}) + "\n" for name, reason in left_out.items())
    with (
        write_aside(f"{out}/{METADATA}") as aside,
        io.open(aside, "w", encoding="utf-8", newline="", errors="surrogateescape") as file,
    ):
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    os.remove(f"{out}/{JOURNAL}")
