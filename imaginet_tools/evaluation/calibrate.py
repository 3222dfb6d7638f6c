"""Temperature, bias and thresholds, fitted on images held out of the training list and written into the model."""

from accelerate import Accelerator

from imaginet_core.detection.verdict import calibrated_probability
from imaginet_tools.evaluation.detectors import TorchDetector
from imaginet_tools.evaluation.predict import predict
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.metrics.calibration import fit_temperature_and_bias, operating_points, uncertain_band
from imaginet_tools.metrics.early_exit import fit_early_exit


def calibrate(detector: TorchDetector, held_out: ImageSet, accelerator: Accelerator | None = None, workers: int = 0) -> None:
    """Fits on ``held_out``, none of which trained anything, and stores the result in the model's configuration.

    ``temperature`` and ``bias`` make softmax(logits) a probability for equally many real and synthetic images.
    ``operating_points`` holds a threshold that balances the errors, and those for 5 % and 1 % false alarms where there are enough
    real images to tell, else null with the reason; ``uncertain`` the probabilities for which a label would be a guess; ``early_exit``
    for which pictures the sub-network's answer is enough.

    Args: see ``imaginet_tools.evaluation.predict.predict``.
    """
    answers = predict(detector, held_out, "clean", accelerator, workers, "held-out images")
    logit = answers.logit
    config = detector.model.config
    config.temperature, config.bias = fit_temperature_and_bias(logit, held_out.label)
    fitted_on = f"{len(held_out)} images of the training list that trained nothing, without degradation"
    probability = calibrated_probability(logit, config)
    points = operating_points(probability, held_out.label, fitted_on)
    early_exit = None
    if answers.sub_logit is not None:
        early_exit = fit_early_exit(answers.sub_logit, logit, held_out.label, config.temperature, config.bias, fitted_on)
    detector.model.calibrate(config.temperature, config.bias, points, uncertain_band(probability, held_out.label), early_exit)
