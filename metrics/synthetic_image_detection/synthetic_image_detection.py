"""Figures of synthetic-image detection as a metric of Hugging Face's evaluate: ``evaluate.load("./metrics/synthetic_image_detection")``."""

import datasets
import evaluate
import numpy as np

from imaginet_tools.metrics.resampling import figures_of_all

CITATION = "ImagiNet, arXiv 2407.20020"
DESCRIPTION = "AUC, balanced accuracy, equal error rate and recall at a false-alarm rate, of probabilities of \"synthetic\"."
INPUTS = """
Args:
    predictions: probabilities of "synthetic", 0 to 1.
    references: 0 real, 1 synthetic; both must occur.
    threshold: at or above it an image is called synthetic, for the balanced accuracy (default 0.5).
Returns:
    auc, balanced_accuracy, equal_error_rate, recall_at_1, recall_at_5, recall_at_10 (percent of false alarms), 0 to 1.
"""
TOLD = ("auc", "balanced_accuracy", "equal_error_rate", "recall_at_1", "recall_at_5", "recall_at_10")


class SyntheticImageDetection(evaluate.Metric):
    """The figures of ``imaginet_tools.metrics``, without intervals."""

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": datasets.Value("float64"), "references": datasets.Value("int64")})
        return evaluate.MetricInfo(description=DESCRIPTION, citation=CITATION, inputs_description=INPUTS, features=features)

    def _compute(self, predictions, references, threshold: float = 0.5) -> dict[str, float]:
        label, probability = np.asarray(references), np.asarray(predictions, dtype=np.float64)
        if set(np.unique(label)) != {0, 1}:
            raise ValueError("References must be 0 (real) and 1 (synthetic), and both must occur.")
        if not ((probability >= 0) & (probability <= 1)).all():
            raise ValueError("Predictions must be probabilities from 0 to 1; logits become probabilities by 1 / (1 + exp(-x)).")
        figures = figures_of_all(label, probability, threshold)
        return {name: figures[name] for name in TOLD}
