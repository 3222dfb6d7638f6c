"""Temperature, bias and thresholds, fitted on images held out of the training list and written into the model."""

import numpy as np
from accelerate import Accelerator

from imaginet_tools.evaluation.predict import predict_logits
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.metrics.calibration import fit_temperature_and_bias, operating_points


def calibrate(accelerator: Accelerator, model, processor, held_out: ImageSet, workers: int) -> None:
    """Fits on ``held_out``, none of which trained anything, and stores the result in ``model.config``.

    ``temperature`` and ``bias`` make softmax(logits) a probability for equally many real and synthetic images.
    ``operating_points`` holds a threshold that balances the errors, and those for 5 % and 1 % false alarms where there are enough
    real images to tell, else null with the reason.
    """
    logits = predict_logits(accelerator, model, processor, held_out, "clean", workers)
    config = model.config
    config.temperature, config.bias = fit_temperature_and_bias(logits, held_out.label)
    fitted_on = f"{len(held_out)} images of the training list that trained nothing, without degradation"
    points = operating_points(calibrated(logits, config), held_out.label, fitted_on)
    model.calibrate(config.temperature, config.bias, points)


def calibrated(logits: np.ndarray, config) -> np.ndarray:
    """Origin logits, float (N,), as probabilities of "synthetic" by the model's temperature and bias."""
    return 1 / (1 + np.exp(-(logits / config.temperature + config.bias)))
