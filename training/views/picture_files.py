"""The picture files of a data set, as processes that load images share them."""

import numpy as np
import torch

from imaginet_core.pictures.partial_decode import PictureFile
from imaginet_tools.images.image_set import ImageSet


class PictureFiles:
    """The picture files of an image set, as loading processes need them.

    Rows are mapped from disk, and paths lie in shared memory: a further process costs neither time nor memory for each image.

    Args:
        images: of a prepared data set.
    """

    def __init__(self, images: ImageSet):
        self.rows, self.turn_upright = images.rows, images.turn_upright
        encoded = [path.encode("utf-8", "surrogatepass") for path in images.path.tolist()]
        self.letters = shared(np.frombuffer(b"".join(encoded), dtype=np.uint8))
        self.ends = shared(np.cumsum([0, *map(len, encoded)]))

    def __len__(self) -> int:
        return len(self.ends) - 1

    def path(self, index: int) -> str:
        """The name of image ``index``."""
        start, end = self.ends[index : index + 2].tolist()
        return self.letters[start:end].numpy().tobytes().decode("utf-8", "surrogatepass")

    def open(self, index: int) -> PictureFile:
        """Image ``index``, not decoded yet. Raises PictureError naming a file that is no picture."""
        return PictureFile(self.rows[index]["image"], self.path(index), self.turn_upright)


def shared(values: np.ndarray) -> torch.Tensor:
    """A copy of the values in shared memory."""
    return torch.tensor(values).share_memory_()
