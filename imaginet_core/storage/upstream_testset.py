"""Upstream's ready copy of the perturbed test set: ``testset/<content>/<real|synthetic/<family>>/NNNNN.webp`` with lists of its own.

Its numbers count the lines of upstream's four per-family lists of raw images, read one after the other, so every image is traced
to its original where those lists lie beside it.
"""

import os

import imaginet
from imaginet import LabelNames, Record, Source

FAMILIES = ("gan", "sd", "midjourney", "dalle3")
SOURCE = Source(
    "testset", ("testset/*/real", "testset/*/synthetic/*"), "ImagiNet's perturbed test images, as packed by its authors",
    "https://huggingface.co/datasets/delyanboychev/imaginet", "those of the originals",
)


def read_testset(root: str, annotations, name: str) -> tuple[LabelNames, dict]:
    """Label names and {"test": records} of configuration ``name`` ("testset", "testset_gan", ...).

    Args:
        root: folder that holds ``testset/``.
        annotations: folder of the lists, if not ``root``/annotations or ``root``.
        name: of the configuration.

    Returns:
        ``source`` and ``source_image`` of the records are the original image's, where it is known.

    Raises:
        FileNotFoundError, ValueError: if there is no such list, or it is wrong.
    """
    wanted = f"test_{name.removeprefix('testset').lstrip('_') or 'all'}.txt"
    if isinstance(annotations, dict):
        raise ValueError(f"The configuration {name!r} takes annotations=FOLDER with upstream's {wanted}, no mapping.")
    folders = imaginet.list_folders(root, annotations)
    folder = next((folder for folder in folders if os.path.isfile(f"{folder}/{wanted}")), None)
    if folder is None:
        raise FileNotFoundError(f"{' and '.join(folders)} hold(s) no {wanted}; fetch it from {imaginet.UPSTREAM_LISTS}/{wanted}.")
    own = LabelNames(imaginet.OFFICIAL.contents, imaginet.OFFICIAL.families, imaginet.OFFICIAL.generators, sources=(SOURCE,))
    records = imaginet.read_list(f"{folder}/{wanted}", own)
    names = LabelNames(own.contents, own.families, own.generators, sources=(*imaginet.OFFICIAL.sources, SOURCE))
    originals = _originals(folder)
    return names, {"test": [_traced(record, originals) for record in records]}


def _originals(folder: str) -> list[Record]:
    files = [f"{folder}/test_annotations_{family}.txt" for family in FAMILIES]
    if not all(os.path.isfile(file) for file in files):
        return []
    # a few real images stand twice in these lists, and each of their lines has its own perturbed copy
    return [record for file in files for record in imaginet.read_list(file, imaginet.OFFICIAL, unique=False)]


def _traced(record: Record, originals: list[Record]) -> Record:
    number = record.path.rpartition("/")[2].partition(".")[0]
    if not number.isdecimal() or int(number) >= len(originals):
        return record
    original = originals[int(number)]
    if original[1:5] != record[1:5]:
        raise ValueError(
            f"{record.path} is labelled {', '.join(record[1:5])}, but line {int(number) + 1} of the lists that it counts is {original.path}, "
            f"labelled {', '.join(original[1:5])}; take all lists from one version of upstream's."
        )
    return record._replace(source=original.source, source_image=original.source_image)
