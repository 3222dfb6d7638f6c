"""The metric as users of evaluate load it, against scikit-learn."""

import evaluate
import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score


def test_the_metric_is_loaded_by_its_folder_and_gives_scikit_learn_s_figures(repository, tmp_path):
    metric = evaluate.load(str(repository / "metrics" / "synthetic_image_detection"), cache_dir=str(tmp_path), experiment_id="imaginet")
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 200)
    probability = np.clip(0.4 + 0.2 * label + 0.2 * rng.standard_normal(200), 0, 1)
    found = metric.compute(predictions=probability, references=label, threshold=0.45)
    assert found["auc"] == pytest.approx(roc_auc_score(label, probability))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(label, probability >= 0.45))
    alarms = np.quantile(probability[label == 0], [0.9], method="inverted_cdf")[0]
    assert found["recall_at_10"] == pytest.approx((probability[label == 1] > alarms).mean(), abs=0.03)
    assert set(found) == {"auc", "balanced_accuracy", "equal_error_rate", "recall_at_1", "recall_at_5", "recall_at_10"}
    for wrong, message in ((([0.1, 0.2], [0, 0]), "both must occur"), (([0.1, 3.0], [0, 1]), "logits become probabilities")):
        with pytest.raises(ValueError, match=message):
            metric.compute(predictions=wrong[0], references=wrong[1])
