"""Which shortcuts the training images offer: the audit of ``imaginet_tools``, for report and card."""

from collections.abc import Iterator

from imaginet_core.pictures.partial_decode import content_of
from imaginet_tools.audit.audit import audit
from imaginet_tools.images.collect import Collection, Picture
from imaginet_tools.images.image_set import ImageSet


def find_shortcuts(images: ImageSet, limit: int, title: str) -> dict | None:
    """What numbers taken from the files tell of the label, cross-validated; see ``imaginet_tools.audit.audit``.

    About 10 s on one core for 400 images of 256 × 256 pixels.

    Args:
        images: the training images as the network gets them, after alignment if there is one.
        limit: look at so many at most; 0 looks at none.
        title: name of the data.

    Returns:
        the audit as plain values; {"reason": ...} where there are too few source images; None for a limit of 0.
    """
    if limit == 0:
        return None
    try:
        return audit(_collection(images, title), limit=limit).to_json()
    except ValueError as error:
        return {"reason": str(error)}


def _collection(images: ImageSet, title: str) -> Collection:
    columns = (images.path, images.label, images.content, images.generator, images.source_image)
    pictures = [Picture(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]

    def read(indices: list[int]) -> Iterator[tuple[int, bytes]]:
        for index in indices:
            yield index, content_of(images.rows[index]["image"])

    return Collection(title, pictures, read)
