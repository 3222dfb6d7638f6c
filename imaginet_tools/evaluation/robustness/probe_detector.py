"""What is asked of a detector beside the images: pictures that it was not made for, and attacks on its weights."""

from imaginet_core.errors import first_line
from imaginet_tools.evaluation.robustness.out_of_scope import probe_out_of_scope
from imaginet_tools.evaluation.robustness.report_part import Probes
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Detector


def probe_detector(detector: Detector, threshold: float, out_of_scope: int, attacked: ImageSet | None = None) -> Probes:
    """Both probes of a detector.

    Args:
        detector: any.
        threshold: at or above it a picture is called synthetic.
        out_of_scope: pictures of each kind that it was not made for; 0 for none.
        attacked: images for the adversarial floor; None leaves it out.

    Raises:
        ValueError: in one sentence, for a detector that fails on a drawn picture, or that cannot be attacked.
    """
    try:
        scope = probe_out_of_scope(detector, threshold, out_of_scope) if out_of_scope else []
    except Exception as error:  # whatever a detector of others raises
        raise ValueError(
            f"{detector.name} failed on pictures that are drawn as out of scope: {first_line(error)}. Leave them out with --out_of_scope 0."
        ) from error
    if attacked is None:
        return Probes(scope)
    from imaginet_tools.evaluation.robustness.adversarial import adversarial_floor  # needs PyTorch, which other detectors do not

    return Probes(scope, adversarial_floor(detector, attacked, threshold))
