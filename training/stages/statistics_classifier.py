"""After the stages: a classifier on plain statistics of the pixels is fitted to views of the training images, and joins the network.

On generators that no training image was made with, such statistics tell more than a network that has seen few pictures (see
docs/unseen.md). They see the views of stage 2, so they know what uploads do to pictures. The classifier is a logistic regression on
a Gaussian kernel, approximated by Nyström's method (Williams and Seeger, 2001). How much it and the network weigh is told by a
logistic regression on views of the held-out images, which trained neither (stacking; Wolpert, 1992).
"""

import numpy as np
import torch
from accelerate.utils import broadcast
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from imaginet_tools.images.image_set import REAL, pick_evenly
from modeling import SelfConForImageClassification
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
MOST_WEIGHT = 100.0
"""Of the statistics beside a network that tells nothing."""


def add_statistics(run: Run, model: SelfConForImageClassification, train: RandomViews, held_out: RandomViews) -> float:
    """Fits ``model.statistics_classifier`` and scales it beside the network; every process calls it.

    Args:
        run: its accelerator, options and seed.
        model: with a classifier of statistics.
        train: views of the training images, and of their synthetic counterparts.
        held_out: views of images of both classes that train nothing.

    Returns:
        what its log-odds are multiplied by where the network's logit counts once, 0 to MOST_WEIGHT.
    """
    classifier, weight = model.statistics_classifier, torch.zeros((), device=run.accelerator.device)
    if run.accelerator.is_main_process:
        statistics, label, _ = _seen(run, model, train, "pixel statistics")
        fit(classifier, statistics, label, run.options.run.seed)
        *_, logits = seen = _seen(run, model, held_out, "network beside pixel statistics", with_logits=True)
        weight.fill_(weight_beside_network(*logits.T, seen[1]))
        classifier.weight *= weight
        classifier.bias *= weight
    copy_weights_to_all(run.accelerator, model)
    return float(broadcast(weight))


def weight_beside_network(network: np.ndarray, statistics: np.ndarray, label: np.ndarray) -> float:
    """What the statistics' log-odds are multiplied by: the ratio of a logistic regression's coefficients, 0 to MOST_WEIGHT.

    Args:
        network, statistics: float (n,), log-odds of views of held-out images.
        label: int (n,), 0 real, 1 synthetic; both occur.
    """
    spread = max(float(network.std()), 1e-6)
    both = np.stack([network / spread, statistics], axis=1)
    of_network, of_statistics = LogisticRegression(C=1.0, class_weight="balanced").fit(both, label).coef_[0].tolist()
    if of_statistics <= 0:
        return 0.0
    return MOST_WEIGHT if of_network <= 0 else min(MOST_WEIGHT, spread * of_statistics / of_network)


def _seen(
    run: Run, model: SelfConForImageClassification, views: RandomViews, title: str, with_logits: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Of VIEWS views of each image, up to IMAGES of them, and of their counterparts: statistics float64 (n, 23), labels int (n,),
    and, if wanted, float64 (n, 2), the logits of the network alone and of the statistics alone."""
    chosen = pick_evenly(np.arange(len(views)), IMAGES)
    if views.has_counterparts:
        chosen = np.concatenate([chosen, len(views) + chosen[views.images.label[chosen] == REAL]])
    first = run.options.stage_1.epochs + run.options.stage_2.classifier_epochs  # views that no stage saw
    loader = torch.utils.data.DataLoader(
        views, batch_size=BATCH, sampler=chosen.tolist(), num_workers=run.options.views.num_workers, generator=torch.Generator(),
    )
    parts, was_training = [], model.training
    model.eval()
    with Progress(run.accelerator, title, VIEWS * len(loader)) as progress, torch.no_grad():
        for epoch in range(first, first + VIEWS):
            views.set_epoch(epoch)
            for batch in progress.timed(loader):
                pixels = normalise(batch["pixels"].flatten(0, 1).to(run.accelerator.device))
                parts.append([model.statistics_classifier.statistics(pixels), batch["label"]])
                if with_logits:
                    alone = model.statistics_classifier(pixels)
                    parts[-1].append(torch.stack([model(pixels).origin_logit - alone, alone], dim=1))
                progress.step(len(pixels))
    model.train(was_training)
    columns = [torch.cat(each).double().cpu().numpy() for each in zip(*parts, strict=True)]
    return columns[0], columns[1].astype(int), columns[2] if with_logits else None


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
