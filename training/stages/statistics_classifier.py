"""After the stages: a classifier on plain statistics of the pixels is fitted to views of the training images, and joins the network.

On generators that no training image was made with, such statistics tell more than a network that has seen few pictures (see
docs/unseen.md). They see the views of stage 2, so they know what uploads do to pictures. The classifier is a logistic regression on
a Gaussian kernel, approximated by Nyström's method (Williams and Seeger, 2001), or the sum of two. How much it weighs beside the network is
told by views of the held-out images, which trained neither. These are of known generators alone, of which the network knows more than of
others; so both count the same unless these images tell otherwise (simulated ones do not), and how loudly the network may say "real" is
bounded, see :func:`join`.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from accelerate.utils import broadcast
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from imaginet_tools.images.image_set import REAL, SYNTHETIC, pick_evenly
from modeling import SelfConForImageClassification
from modeling.front_ends import FLOOR, KernelClassifier, StatisticsClassifier, held_above
from training.run.context import Run
from training.run.hardware import copy_weights_to_all
from training.run.progress import Progress
from training.simulation.simulated import NAME
from training.stages.normalise import normalise
from training.views.random_views import RandomViews

VIEWS = 8
"""Views of each image."""
IMAGES = 2048
"""Images at most, synthetic counterparts not counted."""
BATCH = 16
GAMMA = 0.23
"""Of the kernel exp(-γ d² / S) of S standardised statistics, and ``PENALTY`` (scikit-learn's C): chosen on the lab's folds of docs/unseen.md."""
PENALTY = 10.0
COUNTERPART_WEIGHT = 1.0
"""Of a view of a synthetic counterpart, where one of a generator's own picture counts 1; chosen there, too."""
MOST_WEIGHT = 100.0
"""Of the statistics beside a network that tells nothing."""
SHARES = np.linspace(0, 1, 21).tolist()
"""Shares of the statistics in the sum that are tried; the rest is the network's."""
CALIBRATION_PENALTY = 1e3
"""scikit-learn's C: next to none, since one number is fitted."""


class Joint(NamedTuple):
    """How network and statistics join: ``held_above(network's logit, floor) + weight · statistics' log-odds``.

    Attributes:
        weight: of the statistics, 0 to MOST_WEIGHT.
        floor: ``network_floor`` of the configuration.
    """

    weight: float
    floor: float


def add_statistics(run: Run, model: SelfConForImageClassification, train: RandomViews, held_out: RandomViews) -> Joint:
    """Fits ``model.statistics_classifier``, scales it beside the network, and sets ``network_floor``; every process calls it.

    Args:
        run: its accelerator, options and seed.
        model: with a classifier of statistics.
        train: views of the training images, and of their synthetic counterparts.
        held_out: views of images of both classes that train nothing.
    """
    classifier, joint = model.statistics_classifier, torch.zeros(2, device=run.accelerator.device)
    model.config.network_floor = 0.0
    if run.accelerator.is_main_process:
        _fit_to_views(run, classifier, train)
        joint.copy_(torch.tensor(_join_by_views(run, model, held_out)))
        for part in classifier.parts:
            part.weight *= joint[0]
            part.bias *= joint[0]
    copy_weights_to_all(run.accelerator, model)
    weight, model.config.network_floor = broadcast(joint).tolist()
    return Joint(weight, model.config.network_floor)


@torch.no_grad()
def _fit_to_views(run: Run, classifier: StatisticsClassifier, views: RandomViews) -> None:
    seen = [
        (label, np.where(counterpart, COUNTERPART_WEIGHT, 1.0), *(_array(part.statistics(pixels)) for part in classifier.parts))
        for pixels, label, _, counterpart in _batches(run, views, "pixel statistics")
    ]
    label, weight, *statistics = map(np.concatenate, zip(*seen, strict=True))
    for part, own in zip(classifier.parts, statistics, strict=True):
        fit(part, own, label, weight, run.options.run.seed)


@torch.no_grad()
def _join_by_views(run: Run, model: SelfConForImageClassification, views: RandomViews) -> Joint:
    seen, was_training = [], model.training
    model.eval()
    for pixels, label, source, _ in _batches(run, views, "network beside pixel statistics"):
        both, of_statistics = model(pixels).origin_logit, model.statistics_classifier(pixels)
        seen.append((_array(both - of_statistics), _array(of_statistics), label, source))
    model.train(was_training)
    simulated_alone = (views.images.generator[views.images.label == SYNTHETIC] == NAME).all()
    return join(*map(np.concatenate, zip(*seen, strict=True)), shares=[0.5] if simulated_alone else SHARES)


def join(network: np.ndarray, statistics: np.ndarray, label: np.ndarray, source: np.ndarray, shares: Sequence[float] = SHARES) -> Joint:
    """How much the statistics weigh beside a network, and how loudly that may say "real".

    Both are brought to the same scale first, each by a logistic regression of its own, and the network's log-odds are held above about
    minus FLOOR (``front_ends.held_above``). Then both count the same, unless held-out images tell otherwise: of all shares whose log loss
    is above the least one by no more than the standard error of that difference ("one standard error" rule, Breiman et al.,
    Classification and Regression Trees, 1984; here of paired differences) the statistics have the one nearest to a half.

    Where the held-out synthetic images are all simulated, both count the same whatever these tell: they are what the network learned to
    find, and say nothing about generators (docs/unseen.md).

    Args:
        network, statistics: float (n,), log-odds of views of held-out images.
        label: int (n,), 0 real, 1 synthetic; both occur.
        source: str (n,), the source picture of each; the error is one of source pictures.
        shares: of the statistics in the sum, that are tried.
    """
    of_network, of_statistics = (_slope(each, label) for each in (network, statistics))
    if of_statistics <= 0:
        return Joint(0.0, 0.0)
    if of_network <= 0:
        return Joint(MOST_WEIGHT, 0.0)
    network, statistics = held_above(torch.from_numpy(of_network * network), FLOOR).numpy(), of_statistics * statistics
    losses = np.stack([_loss_by_source((1 - share) * network + share * statistics, label, source) for share in shares])
    above = losses - losses[losses.mean(1).argmin()]
    error = above.std(1, ddof=1) / above.shape[1] ** 0.5 if above.shape[1] > 1 else np.zeros(len(shares))
    likely = [share for share, mean, one in zip(shares, above.mean(1), error, strict=True) if mean <= one]
    share = min(likely, key=lambda share: abs(share - 0.5))
    weight = MOST_WEIGHT if share == 1 else min(MOST_WEIGHT, share / (1 - share) * of_statistics / of_network)
    return Joint(weight, FLOOR / of_network if weight else 0.0)


def _slope(log_odds: np.ndarray, label: np.ndarray) -> float:
    """What log-odds are to be multiplied by to mean what they say."""
    none, one = calibrated(log_odds, label, np.array([0.0, 1.0]))
    return float(one - none)


def calibrated(log_odds: np.ndarray, label: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Other log-odds, float (m,), brought to the scale on which ``log_odds``, float (n,), of labels int (n,) mean what they say."""
    spread = max(float(log_odds.std()), 1e-6)  # so that what little the penalty does is the same at any scale
    regression = LogisticRegression(C=CALIBRATION_PENALTY, class_weight="balanced").fit(log_odds[:, None] / spread, label)
    return regression.decision_function(others[:, None] / spread)


def _loss_by_source(log_odds: np.ndarray, label: np.ndarray, source: np.ndarray) -> np.ndarray:
    """The mean log loss of each source picture's views, both classes weighing the same, after calibration: float (sources,)."""
    wrong = calibrated(log_odds, label, log_odds) * np.where(label == 1, -1, 1)
    weight = np.where(label == 1, 0.5 / (label == 1).mean(), 0.5 / (label == 0).mean())
    _, number = np.unique(source, return_inverse=True)
    return np.bincount(number, weight * np.logaddexp(0, wrong)) / np.bincount(number)


def _batches(run: Run, views: RandomViews, title: str) -> Iterator[tuple[Tensor, np.ndarray, np.ndarray, np.ndarray]]:
    """VIEWS views of each image, up to IMAGES of them, and of their counterparts: normalised pixels, labels int, source pictures, and
    whether it is of a counterpart."""
    chosen = pick_evenly(np.arange(len(views)), IMAGES)
    if views.has_counterparts:
        chosen = np.concatenate([chosen, len(views) + chosen[views.images.label[chosen] == REAL]])
    first = run.options.stage_1.epochs + run.options.stage_2.classifier_epochs  # views that no stage saw
    loader = torch.utils.data.DataLoader(
        views, batch_size=BATCH, sampler=chosen.tolist(), num_workers=run.options.views.num_workers, generator=torch.Generator(),
    )
    with Progress(run.accelerator, title, VIEWS * len(loader)) as progress:
        for epoch in range(first, first + VIEWS):
            views.set_epoch(epoch)
            for batch in progress.timed(loader):
                index = batch["index"].numpy()
                pixels = normalise(batch["pixels"].flatten(0, 1).to(run.accelerator.device))
                yield pixels, batch["label"].numpy(), views.images.source_image[index % len(views)], index >= len(views)
                progress.step(len(batch["label"]))


def _array(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()


def fit(classifier: KernelClassifier, statistics: np.ndarray, label: np.ndarray, weight: np.ndarray, seed: int) -> None:
    """Sets the classifier to a logistic regression on the kernel of statistics (n, S) with labels int (n,), both of which occur; each
    counts by its weight, float (n,), within its class, and both classes the same. Its log-odds are then divided by their standard
    deviation, so that several classifiers count the same."""
    scaler = StandardScaler().fit(statistics)
    standardised = scaler.transform(statistics)
    centres = min(len(classifier.weight), len(standardised))
    gamma = GAMMA / statistics.shape[1]
    kernel = Nystroem(gamma=gamma, n_components=centres, random_state=seed).fit(standardised)
    of_class = np.bincount(label, weight)
    balanced = weight * len(label) / (2 * of_class[label])
    likeness = kernel.transform(standardised)
    regression = LogisticRegression(C=PENALTY, max_iter=2000).fit(likeness, label, sample_weight=balanced)
    spread = max(float(regression.decision_function(likeness).std()), 1e-6)  # 0 where all pictures have the same statistics
    for tensor in classifier.buffers(recurse=False):
        tensor.zero_()  # where there are fewer images than centres
    classifier.mean.copy_(torch.as_tensor(scaler.mean_))
    classifier.scale.copy_(torch.as_tensor(gamma**0.5 / scaler.scale_))
    classifier.centres[:centres] = torch.as_tensor(kernel.components_ * gamma**0.5)
    classifier.weight[:centres] = torch.as_tensor(kernel.normalization_.T @ regression.coef_[0] / spread)
    classifier.bias.copy_(torch.as_tensor(regression.intercept_[0] / spread))
