"""A detector's answers for images under many conditions, each image decoded once."""

from collections.abc import Callable, Sequence

import numpy as np
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from imaginet_core.pictures.degradation_grid.conditions import degrade_all
from imaginet_tools.evaluation.predict import BATCH_SIZE
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Answers, Detector, PreparingDetector, concatenate_answers


def predict_grid(
    detector: Detector, images: ImageSet, conditions: Sequence[str], workers: int = 0, part: str = "images",
) -> dict[str, Answers]:
    """Condition -> the detector's answers for N images under it, the same as ``predict`` gives one by one, without features.

    Args:
        detector: see ``imaginet_tools.inference.detector``.
        images: N ≥ 1 images.
        conditions: names of ``imaginet_core.pictures.degradation_grid.conditions``, at least one.
        workers: processes that decode, degrade and prepare.
        part: which images these are, for the progress bar.

    Raises:
        ValueError: for an unknown condition, or an image that cannot be read.
    """
    prepares = isinstance(detector, PreparingDetector)
    prepare, answer, size = (
        (detector.prepare, detector.scores_of_prepared, detector.batch_size) if prepares else (None, detector.scores, BATCH_SIZE)
    )
    loader = DataLoader(_Degraded(images, tuple(conditions), prepare), batch_size=None, num_workers=workers, collate_fn=list)
    answers, waiting = [], []
    title = f"{detector.name} on {part}, {len(conditions)} conditions"
    with tqdm(total=len(images), desc=title, unit="image", dynamic_ncols=True, mininterval=1.0) as bar:
        for of_image in loader:
            waiting += of_image
            while len(waiting) >= size:
                answers.append(answer(waiting[:size])._replace(feature=None))  # they would fill the memory
                waiting = waiting[size:]
            bar.update()
        if waiting:
            answers.append(answer(waiting)._replace(feature=None))
    whole = concatenate_answers(answers)
    return {
        condition: Answers(*(None if column is None else column[number :: len(conditions)] for column in whole))
        for number, condition in enumerate(conditions)
    }


class _Degraded(Dataset):
    """Of each image, what a detector needs of it under every condition."""

    def __init__(self, images: ImageSet, conditions: tuple[str, ...], prepare: Callable | None):
        self.images, self.conditions, self.prepare = images, conditions, prepare

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> list:
        picture, name = self.images.pixels(index), str(self.images.path[index])
        pictures = (np.ascontiguousarray(degraded) for _, degraded in degrade_all(picture, name, self.conditions))
        return list(pictures) if self.prepare is None else [self.prepare(each) for each in pictures]
