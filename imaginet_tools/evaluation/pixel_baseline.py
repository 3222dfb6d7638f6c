"""The baseline that a detector must beat: a logistic regression on a dozen plain pixel statistics.

If it scores well, the data set has a cue that needs no deep network, and a network's score must be read beside it.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


class PixelStatistics:
    """Standardised pixel statistics and a logistic regression (scikit-learn), both classes weighing the same."""

    def __init__(self):
        self.classifier = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000))

    def fit(self, features: np.ndarray, labels: np.ndarray) -> "PixelStatistics":
        """Learns from float (N, 13) statistics and int (N,) labels (0 real, 1 synthetic)."""
        self.classifier.fit(features, labels)
        return self

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """float (N, 13) -> float (N,) probability of "synthetic"."""
        return self.classifier.predict_proba(features)[:, 1]
