"""What temperature, thresholds and the weight of statistics are fitted on: held-out images; and simulated counterparts of the real ones.

These are by generators of their own, a quarter as many as train: by those that the detector was trained on, it would seem to know more
than it does, and its network would outvote the pixel statistics.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from accelerate import Accelerator

from imaginet_tools.images.image_set import SYNTHETIC, ImageSet
from imaginet_tools.images.splits import Splits
from imaginet_tools.metrics.calibration import BAND_IMAGES
from training.options import TrainingOptions
from training.simulation.simulated import make_simulated, with_simulated

SEED = 1_000_003
"""Added to the run's."""
IMAGES, SIDE = 1000, 512
"""Real images at most that get a counterpart, and pixels at most of its sides; so that a large data set or large pictures take minutes."""


class HeldOut(NamedTuple):
    """Images that trained nothing.

    Attributes:
        images: of both classes; where all held-out images are real, the synthetic ones are simulated.
        simulated: synthetic counterparts, which tell what is a guess; None where the options ask for none, ``images`` has them, or are few.
    """

    images: ImageSet
    simulated: ImageSet | None


def held_out_images(
    splits: Splits, options: TrainingOptions, folder: Path, accelerator: Accelerator, least: int = BAND_IMAGES
) -> HeldOut:
    """The held-out images of a run; every process calls it.

    Args:
        splits: whose real training images the generators are fitted to.
        options: of the run.
        folder, accelerator: see ``training.simulation.pool.make_pool``.
        least: held-out images of each class without which nothing is simulated beside them: so many it takes to tell what is a guess.
    """
    views, held_out = options.views, splits.held_out
    networks = views.statistics_networks if options.network.statistics_centres else 0
    real_alone = not (held_out.label == SYNTHETIC).any()
    if not (views.simulate or networks) or (not real_alone and np.bincount(held_out.label, minlength=2).min() < least):
        return HeldOut(held_out, None)
    kind, count = (views.simulate, views.simulated_networks) if views.simulate else ("networks", networks)
    made = make_simulated(splits.train, held_out, kind, max(2, count // 4), folder, options.run.seed + SEED, accelerator)
    both = with_simulated(held_out, made, IMAGES, SIDE, shown=accelerator.is_main_process)
    return HeldOut(both, None) if real_alone else HeldOut(held_out, both.select(np.arange(len(held_out), len(both))))
