"""What a run's figures do not tell and what the model has never seen: sentences for report and card, from options and data."""

import imaginet
from imaginet_core.pictures.degradations import CONDITION_TITLES
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.images.splits import Splits

SEEN = {"paper": (50, None), "robust": (55, "shrinking to as little as 45 % and back")}
"""Kind of views -> lowest quality of compression, and resizing that training pictures go through (``training.views.recipes``)."""
SEEN_WITH_CONSISTENCY = (50, "resizing to 50–150 % and back, thumbnails of 35–70 %")
"""The same in the chains of ``degradations.draw_chain``."""
RESIZED = ("half_and_back",)
"""Conditions under which pictures are scored that need resizing to be trained on."""


def limits_of(splits: Splits, views: str, consistency: bool, fold: str | None) -> list[str]:
    """Sentences that must stand beside the figures.

    Args:
        splits: of the run.
        views, consistency: kind of random views, and whether there was a degraded view of each image.
        fold: that was scored, "2/4"; None for the test list.
    """
    limits = [*unseen_kinds(splits), damage_seen(views, consistency)]
    if splits.description:
        limits.append(splits.description)
    if splits.test is None:
        limits.append("The data set has no test images, so nothing was scored.")
    if fold is not None:
        limits.append(f"Fold {fold} of the training list was scored, not the test list.")
    limits.append("One training run with one seed; the intervals cover the choice of test images, not that of the seed.")
    return limits


def unseen_kinds(splits: Splits) -> list[str]:
    """What kinds of images training had, and which of ImagiNet's and of the scored ones it lacked."""
    official = set(imaginet.OFFICIAL.generators.values()) - {"real"}
    contents = [name for name in imaginet.CONTENTS if name not in splits.contents]
    sentences = [f"The detector knows these generators: {', '.join(splits.generators)}. It may miss images of any other."]
    if lacking := [name for name in imaginet.OFFICIAL.generators.values() if name in official - set(splits.generators)]:
        sentences.append(f"Of ImagiNet's generators it has never seen: {', '.join(lacking)}.")
    if contents:
        sentences.append(f"Of ImagiNet's content types it has never seen: {', '.join(contents)}.")
    for column, what in (("generator", "generators"), ("content", "content types")):
        if strange := scored_but_not_trained(splits.test, splits.train, column):
            sentences.append(f"Scored without any training image: the {what} {', '.join(strange)}.")
    return sentences


def scored_but_not_trained(test: ImageSet | None, train: ImageSet, column: str) -> list[str]:
    """Values of a column that only test images have, in alphabetical order."""
    return [] if test is None else sorted(set(getattr(test, column)) - set(getattr(train, column)))


def damage_seen(views: str, consistency: bool) -> str:
    """What pictures went through in training, and what they never did."""
    seen = [SEEN[views], *([SEEN_WITH_CONSISTENCY] if consistency else [])]
    resizing = [words for _, words in seen if words]
    damage = [f"JPEG and WebP of quality {min(quality for quality, _ in seen)} to 95", *resizing, "Gaussian blur"]
    text = (
        f"In training, pictures went through {', '.join(damage)} and Gaussian noise, and nothing else: no other codecs (AVIF, "
        "HEIC), filters, captions, screenshots, prints or photographs of screens."
    )
    if not resizing:
        text += f" It was scored {', '.join(CONDITION_TITLES[name] for name in RESIZED)} without having been trained on that."
    return text
