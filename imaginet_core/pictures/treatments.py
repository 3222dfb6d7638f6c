"""What the builder does to images between their files and the data set, where it is asked to: perturbing and aligning."""

from concurrent.futures import ThreadPoolExecutor

from datasets.utils import tqdm

import imaginet
from imaginet_core.pictures.alignment import Facts, Step, align, plan_alignment
from imaginet_core.pictures.header import read_header
from imaginet_core.pictures.perturbed_test_set import perturb

FIRST_BYTES = 1 << 16
"""Of a file of its own; enough for the headers of nearly all images, the others are read whole."""


def plan(raw: imaginet.Raw, records: list) -> dict[str, Step]:
    """Path -> what alignment does to each image of one split that is there; images that are no images are left to the builder.

    Reads the headers of all images: the first kilobytes of files, in parallel; members of archives whole.

    Raises:
        ValueError: if a content type has images of one class only.
    """
    files, archives, facts = [], [], []
    for container, items in imaginet.shards_of(raw, records):
        (archives if container else files).append((container, items))

    def of_file(shard: tuple) -> Facts | None:
        member, record, _ = shard[1][0]
        with imaginet.open_file(member) as file:
            return _facts(record, file.read(FIRST_BYTES)) or _facts(record, next(imaginet.read_shard(*shard))[1])

    with tqdm(total=len(records), unit=" images", desc="Reading headers for alignment") as bar, ThreadPoolExecutor() as pool:
        for each in pool.map(of_file, files):
            facts.append(each)
            bar.update()
        for container, items in archives:
            for (_, record, _), content in imaginet.read_shard(container, items):
                facts.append(_facts(record, content))
                bar.update()
    return plan_alignment(each for each in facts if each is not None)


def _facts(record, content: bytes) -> Facts | None:
    try:
        return Facts(record.path, record.content, record.label, read_header(content))
    except ValueError:
        return None


def treated(record, content: bytes, step: Step | None) -> tuple[bytes, dict]:
    """The image's file aligned as ``step`` says or, without one, perturbed; and further columns. Raises ValueError for a broken image."""
    return perturb(content, record.path) if step is None else (align(content, record.path, step), {})
