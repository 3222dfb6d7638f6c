"""`imaginet audit --data_dir RAW`: which shortcuts a data set offers a detector, and how much they are worth.

A classifier that sees no picture, only numbers taken from it, is trained and tested by cross-validation, each source image in
one fold: on metadata (container, size, compression settings, bytes per pixel), on the same without the bytes per pixel (which
plain pictures have fewer of in any container), on traces of compression and resampling in the pixels, and on plain pixel
statistics. What such numbers give away, a detector need not learn from the picture ("Fake or JPEG?", arXiv 2403.17608). The
other half of the question, whether a given detector leans on such a shortcut, is asked by shifting its scores with a
transformation (BIAS-ID, arXiv 2605.31153), not here.

With ``--view aligned`` or ``--view perturbed`` the audit looks at what aligned loading or the perturbed test set would make of
the images.
"""

import time
from collections import Counter
from datetime import datetime, timezone

import numpy as np
from tqdm import tqdm

import imaginet
from imaginet_core.parallel import in_processes
from imaginet_core.pictures.alignment import ImageHeader, align, plan_alignment
from imaginet_core.pictures.header import read_header
from imaginet_core.pictures.perturbed_test_set import perturb
from imaginet_tools.audit.classifier import MIN_SOURCE_IMAGES, examine
from imaginet_tools.audit.features import features
from imaginet_tools.audit.findings import SETS, Audit, Examination
from imaginet_tools.images.image_set import ImageSet

LIMIT = 4000
"""Images looked at unless told otherwise; more narrow the intervals and take longer."""


def audit(images: ImageSet, view: str = "raw", limit: int = LIMIT, processes: int = 1) -> Audit:
    """Examines a data set.

    Args:
        images: of which no two have one path.
        view: "raw", or what alignment or perturbation makes of the images.
        limit: greatest number of images, 0 for all; chosen by a checksum of the names, with the shares of labels, contents and
            generators.
        processes: at least 1.

    Raises:
        ValueError: if there are too few source images of a class (MIN_SOURCE_IMAGES), or the images cannot be aligned.
    """
    chosen = images.choose(limit)
    _check_enough(images.select(chosen))
    started = time.perf_counter()
    found, left_out = measure_images(images, chosen.tolist(), view, processes)
    seconds = time.perf_counter() - started
    measured = images.select(np.array(list(found), dtype=np.int64))
    _check_enough(measured)
    sets = {}
    for name in tqdm(SETS, desc="classifying", unit="set"):
        rows = [found[index]["metadata" if name == "container" else name] for index in found]
        names = [column for column in rows[0] if name != "container" or column != "bytes_per_pixel"]
        table = np.array([[row[column] for column in names] for row in rows])
        sets[name] = examine(table, names, measured, processes)
    missing = {"missing": f"{images.missing} listed images are not there"} if images.missing else {}
    counts = Counter(imaginet.LABELS[label] for label in measured.label)
    return Audit(
        datetime.now(timezone.utc).isoformat(timespec="seconds"), images.title, view, dict(counts), len(images),
        {**missing, **left_out}, round(1000 * seconds / len(chosen), 1), processes, sets, sentence_of(sets),
    )


def _check_enough(images: ImageSet) -> None:
    for value, label in enumerate(imaginet.LABELS):
        count = len(set(images.source_image[images.label == value]))
        if count < MIN_SOURCE_IMAGES:
            raise ValueError(f"An audit needs at least {MIN_SOURCE_IMAGES} {label} source images; there are {count}.")


def measure_images(images: ImageSet, chosen: list[int], view: str, processes: int) -> tuple[dict, dict]:
    """(index -> features, path -> why it was left out) of the images; with progress bars, in parallel."""
    steps, left_out, paths = {}, {}, images.path.tolist()

    def note_unreadable(index: int, error: ValueError) -> None:
        left_out[paths[index]] = str(error)

    if view == "aligned":
        facts = []
        for index, content in tqdm(images.read(chosen, note_unreadable), desc="reading headers", unit="image", total=len(chosen)):
            label = imaginet.LABELS[images.label[index]]
            try:
                facts.append(ImageHeader(paths[index], str(images.content[index]), label, read_header(content)))
            except ValueError as error:
                left_out[paths[index]] = str(error)
        kinds = {(each.content, each.label) for each in facts}
        lonely = {content for content, _ in kinds if not {(content, label) for label in imaginet.LABELS} <= kinds}
        reason = "all images of {0.content} that are looked at are {0.label}"
        left_out |= {each.path: reason.format(each) for each in facts if each.content in lonely}
        steps = plan_alignment(each for each in facts if each.content not in lonely)
        chosen = [index for index in chosen if paths[index] in steps]
    jobs = (
        (index, content, paths[index], view, steps.get(paths[index])) for index, content in images.read(chosen, note_unreadable)
    )
    found = {}
    with tqdm(desc="measuring", unit="image", total=len(chosen)) as bar:
        for index, measured in in_processes(_measure, jobs, processes):
            if isinstance(measured, str):
                left_out[paths[index]] = measured
            else:
                found[index] = measured
            bar.update()
    return {index: found[index] for index in sorted(found)}, left_out


def _measure(job: tuple) -> tuple[int, dict | str]:
    """(index, features), or why the image has none."""
    index, content, name, view, step = job
    try:
        if view == "aligned":
            content = align(content, name, step)
        elif view == "perturbed":
            content = perturb(content, name)[0]
        return index, features(content)
    except ValueError as error:
        return index, str(error)


def sentence_of(sets: dict[str, Examination]) -> str:
    """Which shortcuts there are and what they are worth; a set whose interval for the AUC holds 0.5 is none."""
    found, none, unknown = [], [], []
    for name, examination in sets.items():
        overall = examination.groups[0]
        if overall.is_shortcut:
            telling = " and ".join(f"{feature.name} ({feature.auc:.2f} alone)" for feature in examination.features[:2])
            worth = f"balanced accuracy {overall.balanced_accuracy}, AUC {overall.auc}"
            found.append(f"{SETS[name]} ({worth}; mostly {telling or 'in combination'})")
        else:
            (unknown if overall.is_shortcut is None else none).append(f"{SETS[name]} (AUC {overall.auc})")
    parts = [
        "Without a look at the picture, real is told from synthetic by " + "; ".join(found) if found else "",
        f"no shortcut {'was found in' if not found else 'in'} {', '.join(none)}" if none else "",
        f"too few source images to be sure of {', '.join(unknown)}" if unknown else "",
    ]
    sentence = "; ".join(filter(None, parts)) + "."
    return sentence[:1].upper() + sentence[1:]
