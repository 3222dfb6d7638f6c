"""The face that every engine has: crops in, logits out."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from imaginet_core.detection.verdict import calibrated_probability


class Settings(NamedTuple):
    """What a detector's folder says beside its weights; see ``SelfConConfig`` and ``SelfConImageProcessor`` for each.

    Attributes:
        id2label: 0 and 1 -> name of the class.
        families, generators: names of the classes of synthetic pictures.
        temperature, bias: from logit to log-odds.
        operating_points, uncertain, early_exit: see ``SelfConConfig``; empty or None where the folder has none.
        crop_size: (height, width) of what the network sees.
        crops: places in which a picture is seen, or "all".
        turn_upright: whether pictures are turned by their EXIF orientation.
        fingerprint: of the weights, for records of where a score came from.
    """

    id2label: dict[int, str]
    families: Sequence[str]
    generators: Sequence[str]
    temperature: float
    bias: float
    operating_points: Sequence[dict]
    uncertain: dict | None
    early_exit: dict | None
    crop_size: tuple[int, int]
    crops: int | str
    turn_upright: bool
    fingerprint: str | None

    @classmethod
    def of(cls, config: dict, processor: dict, fingerprint: str | None) -> "Settings":
        """From the values of config.json and preprocessor_config.json."""
        size = processor["crop_size"]
        return cls(
            id2label={int(number): label for number, label in config["id2label"].items()},
            families=list(config.get("families", ())), generators=list(config.get("generators", ())),
            temperature=config.get("temperature", 1.0), bias=config.get("bias", 0.0),
            operating_points=list(config.get("operating_points", ())),
            uncertain=config.get("uncertain"), early_exit=config.get("early_exit"),
            crop_size=(size["height"], size["width"]), crops=processor.get("crops", 1),
            turn_upright=processor.get("turn_upright", True), fingerprint=fingerprint,
        )

    def probability(self, logit: np.ndarray) -> np.ndarray:
        """The calibrated probability of "synthetic", float64 (N,), of the classifier's logits (N,)."""
        return calibrated_probability(logit, self)


class Logits(NamedTuple):
    """What a network says of B crops, float32, in their order.

    Attributes:
        origin: (B,), higher for synthetic, before temperature and bias.
        sub: (B,), the same from the sub-network; None without it.
        family, generator: (B, classes), or None.
        feature: (B, feature size), or None.
    """

    origin: np.ndarray
    sub: np.ndarray | None = None
    family: np.ndarray | None = None
    generator: np.ndarray | None = None
    feature: np.ndarray | None = None


class Network(Protocol):
    """An engine with one detector's weights.

    Attributes:
        settings: what the folder says.
        engine: name of the engine, such as "torch", "onnx" or "openvino".
        precision: of its arithmetic, such as "fp32".
        batch_size: crops at a time.
    """

    settings: Settings
    engine: str
    precision: str
    batch_size: int

    def __call__(self, crops: np.ndarray) -> Logits:
        """Logits of crops, uint8 RGB (B, height, width, 3) of ``settings.crop_size``; B is at most ``batch_size``."""
