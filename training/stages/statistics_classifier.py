"""After the stages: a classifier on plain statistics of the pixels is fitted to views of the training images, and joins the network.

On generators that no training image was made with, such statistics tell more than a network that has seen few pictures (see
docs/unseen.md). They see the views of stage 2, so they know what uploads do to pictures. The classifier is a logistic regression on
a Gaussian kernel, approximated by Nyström's method (Williams and Seeger, 2001); its log-odds and the network's weigh the same.
"""

import numpy as np
import torch
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from imaginet_tools.evaluation.detectors import TorchDetector
from imaginet_tools.evaluation.predict import predict
from imaginet_tools.images.image_set import REAL, ImageSet, pick_evenly
from imaginet_tools.metrics.calibration import fit_temperature_and_bias
from modeling.front_ends import StatisticsClassifier
from training.run.context import Run
from training.run.hardware import copy_weights_to_all
from training.run.progress import Progress
from training.stages.normalise import normalise
from training.views.random_views import RandomViews

VIEWS = 8
"""Views of each image."""
IMAGES = 2048
"""Images at most, synthetic counterparts not counted."""
BATCH = 16
GAMMA = 0.03
"""Of the kernel exp(-γ d²) of standardised statistics, and ``PENALTY`` (scikit-learn's C): chosen on the lab's folds of docs/unseen.md."""
PENALTY = 1.0


def add_statistics(run: Run, detector: TorchDetector, views: RandomViews, held_out: ImageSet) -> None:
    """Fits ``detector.model.statistics_classifier``, and scales it so that it weighs as much as the network; every process calls it.

    Args:
        run: its accelerator, options and seed.
        detector: its statistics say 0 so far.
        views: of the training images, and of their synthetic counterparts.
        held_out: images of both classes that train nothing, on which the network's log-odds are calibrated.
    """
    model, options = detector.model, run.options
    for tensor in model.statistics_classifier.buffers(recurse=False):
        tensor.zero_()  # initial weights may have brought another one
    alone = predict(detector, held_out, "clean", run.accelerator, options.views.num_workers, "held-out images, network alone")
    temperature, bias = fit_temperature_and_bias(alone.logit, held_out.label)
    if run.accelerator.is_main_process:
        statistics, label = statistics_of_views(run, model.statistics_classifier, views)
        fit(model.statistics_classifier, statistics, label, options.run.seed)
        # network / temperature + bias + statistics, in units of the network's own logit
        model.statistics_classifier.bias += bias
        model.statistics_classifier.bias *= temperature
        model.statistics_classifier.weight *= temperature
    copy_weights_to_all(run.accelerator, model)


def statistics_of_views(run: Run, classifier: StatisticsClassifier, views: RandomViews) -> tuple[np.ndarray, np.ndarray]:
    """Statistics float64 (n, 23) and labels int (n,) of VIEWS views of each image, up to IMAGES of them, and of their counterparts."""
    chosen = pick_evenly(np.arange(len(views)), IMAGES)
    if views.has_counterparts:
        chosen = np.concatenate([chosen, len(views) + chosen[views.images.label[chosen] == REAL]])
    first = run.options.stage_1.epochs + run.options.stage_2.classifier_epochs
    loader = torch.utils.data.DataLoader(
        views, batch_size=BATCH, sampler=chosen.tolist(), num_workers=run.options.views.num_workers, generator=torch.Generator(),
    )
    statistics, labels = [], []
    with Progress(run.accelerator, "pixel statistics", VIEWS * len(loader)) as progress, torch.no_grad():
        for epoch in range(first, first + VIEWS):
            views.set_epoch(epoch)
            for batch in progress.timed(loader):
                statistics.append(_statistics(classifier, batch["pixels"].to(run.accelerator.device)))
                labels.append(batch["label"].numpy())
                progress.step(len(labels[-1]))
    return np.concatenate(statistics), np.concatenate(labels)


def fit(classifier: StatisticsClassifier, statistics: np.ndarray, label: np.ndarray, seed: int) -> None:
    """Sets the classifier to a logistic regression on the kernel of statistics (n, 23) with labels int (n,), both of which occur."""
    scaler = StandardScaler().fit(statistics)
    standardised = scaler.transform(statistics)
    centres = min(len(classifier.weight), len(standardised))
    kernel = Nystroem(gamma=GAMMA, n_components=centres, random_state=seed).fit(standardised)
    regression = LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=2000).fit(kernel.transform(standardised), label)
    for tensor in classifier.buffers(recurse=False):
        tensor.zero_()  # where there are fewer images than centres
    classifier.mean.copy_(torch.as_tensor(scaler.mean_))
    classifier.scale.copy_(torch.as_tensor(GAMMA**0.5 / scaler.scale_))
    classifier.centres[:centres] = torch.as_tensor(kernel.components_ * GAMMA**0.5)
    classifier.weight[:centres] = torch.as_tensor(kernel.normalization_.T @ regression.coef_[0])
    classifier.bias.copy_(torch.as_tensor(regression.intercept_[0]))


def _statistics(classifier: StatisticsClassifier, pixels: Tensor) -> np.ndarray:
    return classifier.statistics(normalise(pixels.flatten(0, 1))).double().cpu().numpy()
