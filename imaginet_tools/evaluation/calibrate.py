"""Temperature, bias and thresholds, fitted on images held out of the training list and written into the model."""

import numpy as np
from accelerate import Accelerator

from imaginet_core.detection.verdict import calibrated_probability
from imaginet_tools.evaluation.detectors import TorchDetector
from imaginet_tools.evaluation.predict import predict
from imaginet_tools.images.image_set import REAL, ImageSet
from imaginet_tools.metrics.calibration import balanced_threshold, fit_temperature_and_bias, operating_points, uncertain_band
from imaginet_tools.metrics.early_exit import fit_early_exit


def calibrate(
    detector: TorchDetector, held_out: ImageSet, accelerator: Accelerator | None = None, workers: int = 0, simulated: ImageSet | None = None
) -> None:
    """Fits on ``held_out``, none of which trained anything, and stores the result in the model's configuration.

    ``temperature`` and ``bias`` make softmax(logits) a probability for equally many real and synthetic images.
    ``operating_points`` holds a threshold that balances the errors, and those for 5 % and 1 % false alarms where there are enough
    real images to tell, else null with the reason; ``uncertain`` the probabilities for which a label would be a guess; ``early_exit``
    for which pictures the sub-network's answer is enough.

    With ``simulated``, the band of guesses also holds the threshold that balances the errors between these and the held-out real images,
    and all between it and the stored one: outputs of generators that the detector knows are told too easily to show from where on a
    picture by another one is called real (docs/unseen.md, "What a threshold loses").

    Args:
        detector, accelerator, workers: see ``imaginet_tools.evaluation.predict.predict``.
        held_out: images of both classes.
        simulated: synthetic counterparts of held-out real images, by generators that trained nothing.
    """
    answers, labels, config = predict(detector, held_out, "clean", accelerator, workers, "held-out images"), held_out.label, detector.model.config
    config.temperature, config.bias = fit_temperature_and_bias(answers.logit, labels)
    fitted_on = f"{len(held_out)} images of the training list that trained nothing, without degradation"
    probability = calibrated_probability(answers.logit, config)
    points, early_exit, thresholds = operating_points(probability, labels, fitted_on), None, []
    if answers.sub_logit is not None:
        early_exit = fit_early_exit(answers.sub_logit, answers.logit, labels, config.temperature, config.bias, fitted_on)
    if simulated is not None:
        others = predict(detector, simulated, "clean", accelerator, workers, "simulated counterparts of held-out images")
        real, made = probability[labels == REAL], calibrated_probability(others.logit, config)
        other = balanced_threshold(np.concatenate([real, made]), np.repeat([0, 1], [len(real), len(made)]))
        thresholds = [points[0]["threshold"], other]
    detector.model.calibrate(
        config.temperature, config.bias, points, uncertain_band(probability, labels, thresholds=thresholds), early_exit
    )
