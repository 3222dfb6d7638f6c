"""Temperature, bias and thresholds, fitted on images held out of the training list and written into the model."""

import numpy as np
from accelerate import Accelerator

from evaluation.calibration import balanced_threshold, fit_temperature_and_bias, threshold_at_false_alarm_rate
from training.data import REAL, ImageSet
from training.options import TrainingOptions
from training.predict import predict_logits

FALSE_ALARM_RATES = (0.05, 0.01)


def calibrate(accelerator: Accelerator, model, processor, held_out: ImageSet, options: TrainingOptions) -> None:
    """Fits on ``held_out``, none of which trained anything, and stores the result in ``model.config``.

    ``temperature`` and ``bias`` make softmax(logits) a probability for equally many real and synthetic images.
    ``operating_points`` holds a threshold that balances the errors, and those for 5 % and 1 % false alarms where there are enough
    real images to tell, else null with the reason.
    """
    logits = predict_logits(accelerator, model, processor, held_out, "clean", options)
    temperature, bias = fit_temperature_and_bias(logits, held_out.label)
    model.config.temperature, model.config.bias = float(temperature), float(bias)
    probability = 1 / (1 + np.exp(-(logits / temperature + bias)))
    model.config.operating_points = operating_points(probability, held_out.label)
