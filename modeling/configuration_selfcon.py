"""Configuration of a SelfCon detector: network, front end, class names, calibration, operating points."""

from typing import ClassVar

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

LABELS = ("real", "synthetic")
BLOCKS = ("basic", "bottleneck")
HIGH_PASS = ("mean2x2", "local_contrast")


class CustomPipelines(dict):
    """``custom_pipelines`` of a configuration, a dict of tasks, the standard one first.

    Transformers infers the task of ``pipeline(model=...)`` only where a model has a single task of its own. Ours counts as one,
    so that the standard task is the default; the others are found by name.
    """

    def __len__(self) -> int:
        return min(1, super().__len__())


@strict
class SelfConConfig(PreTrainedConfig):
    """Everything that a saved detector needs besides its weights. The defaults are ImagiNet's network
    (https://arxiv.org/abs/2407.20020): a ResNet-50 v1.5 whose stem does not downsample.

    Attributes:
        stem_kernel, stem_stride, stem_width: kernel, stride and channels of the first convolution.
        stem_pool: a 3×3 max-pool with stride 1 after it.
        block: "bottleneck" (1×1, 3×3, 1×1; four times as wide at its end) or "basic" (3×3, 3×3).
        widths, depths: channels and blocks of each layer; every layer but the first halves height and width.
        sub_network_after: the sub-network leaves after this layer, counted from 1; not after the last.
        backbone: a backbone of timm by name instead of all of the above, or None; ``sub_network_after`` then counts its stages,
            see ``backbones.TimmEncoder``.
        frozen: the backbone keeps the weights that it started from; it then sees pixels as it was trained to, and of a plain
            transformer the last normalisation is part of it.
        adapter_size: size of the features that a small layer makes of a backbone's, for sub-network and trunk each, see
            ``backbones.Adapter``; 0: there is none.
        high_pass: a fixed front end, or None. "mean2x2" takes from each pixel the mean of its 2×2 block, which leaves the
            finest detail, where generators leave their traces; "local_contrast" adds the same divided by its local strength,
            at full and at half size.
        statistics_centres: of the classifier on plain statistics of the pixels, whose log-odds are added to the network's, see
            ``front_ends.StatisticsClassifier``; 0: there is none.
        detail_relations: whether a second one beside it sees how details go together across colours and scales.
        network_floor: how loudly the network may say "real" beside the statistics: its logit is held above about minus this, softly
            (``front_ends.held_above``); 0: it is not held.
        shifts: the network sees each crop once for each of these numbers, moved by so many pixels up and to the left, and the mean of
            what it says counts. What a front end or a generator does to blocks of pixels looks different from place to place.
        projection_size: size of the embeddings that the contrastive loss compares.
        classifier_hidden: hidden units of each classifier.
        contents: content types of the training images.
        families, generators: names of what the synthetic training images were made with, in the order of the family and the
            generator classifier's classes, without "real". There is such a classifier where there are two names or more.
        sub_classifier: whether there is an origin classifier on the sub-network; False where it was never trained.
        temperature, bias: probability of "synthetic" = sigmoid(logit / temperature + bias).
        operating_points: thresholds on that probability, each a dict with at least name and threshold (null with a reason where
            there were too few images to tell), see ``imaginet_tools.metrics.calibration.operating_points``.
        uncertain: the probabilities for which a label would be a guess: a dict with ``low`` and ``high`` (0..1), ``error``, the
            share of wrong labels that is not exceeded outside, and ``images``, how many held-out images told; None without. See
            ``imaginet_tools.metrics.calibration.uncertain_band``.
        early_exit: for which pictures the sub-network's answer is enough, a dict, see ``imaginet_tools.metrics.early_exit``; None where
            that was not fitted or is so for none.
        calibrated_classifier: fingerprint of the classifier that the operating points were set for, see
            ``SelfConForImageClassification.fingerprint``; None where it is not known.
        id2label, label2id: names of the two classes, real (0) and synthetic (1), in two directions; one of them is enough.

    Raises:
        ValueError: for values that make no network, and for class names that are not two.
    """

    model_type = "selfcon"
    keys_to_ignore_at_inference: ClassVar[list[str]] = [
        "origin_logit", "sub_logit", "family_logits", "generator_logits", "feature", "hidden_states",
    ]
    """Transformers' Trainer leaves these out of the predictions that it hands to ``compute_metrics``."""
    _auto_class = "AutoConfig"

    stem_kernel: int = 7
    stem_stride: int = 1
    stem_width: int = 64
    stem_pool: bool = True
    block: str = "bottleneck"
    widths: list[int] | tuple[int, ...] = (64, 128, 256, 512)
    depths: list[int] | tuple[int, ...] = (3, 4, 6, 3)
    sub_network_after: int = 2
    backbone: str | None = None
    frozen: bool = False
    adapter_size: int = 0
    high_pass: str | None = None
    statistics_centres: int = 0
    detail_relations: bool = False
    network_floor: float = 0.0
    shifts: list[int] | tuple[int, ...] = (0,)
    projection_size: int = 128
    classifier_hidden: int = 1024
    contents: list[str] | tuple[str, ...] = ()
    families: list[str] | tuple[str, ...] = ()
    generators: list[str] | tuple[str, ...] = ()
    sub_classifier: bool = True
    temperature: float = 1.0
    bias: float = 0.0
    operating_points: list[dict] | tuple[dict, ...] = ()
    uncertain: dict | None = None
    early_exit: dict | None = None
    calibrated_classifier: str | None = None

    def __post_init__(self, **kwargs):
        for name in ("widths", "depths", "shifts", "contents", "families", "generators", "operating_points"):
            setattr(self, name, list(getattr(self, name)))
        self._name_classes(kwargs.pop("num_labels", None))
        if "custom_pipelines" in kwargs:
            kwargs["custom_pipelines"] = CustomPipelines(kwargs["custom_pipelines"])
        self.validate_labels()
        super().__post_init__(**kwargs)
        # the decorator runs them too, but wraps what they raise into an exception of several lines that is no ValueError
        self.validate_network()
        self.validate_calibration()

    def _name_classes(self, count: int | None) -> None:
        """Fills ``id2label`` and ``label2id`` from each other, or from the usual names. ``count``: ``num_labels``, if given."""
        if count not in (None, len(LABELS)):
            raise ValueError(f"num_labels must be 2, since the detector tells real from synthetic images; got {count}.")
        if self.id2label is None:
            named = self.label2id or {label: number for number, label in enumerate(LABELS)}
            self.id2label = {number: label for label, number in named.items()}
        # JSON and Transformers' tutorials make strings of the numbers; what is no number is refused by validate_labels
        self.id2label = {_number_of(number): label for number, label in self.id2label.items()}
        given = self.label2id or {label: number for number, label in self.id2label.items()}
        self.label2id = {label: _number_of(number) for label, number in given.items()}

    @classmethod
    def from_dict(cls, config_dict, **kwargs):
        """As everywhere; one of ``id2label`` and ``label2id`` among ``kwargs`` replaces both of the dict."""
        given = {name: kwargs.pop(name) for name in ("id2label", "label2id") if kwargs.get(name) is not None}
        if given:
            config_dict = {name: value for name, value in config_dict.items() if name not in ("id2label", "label2id")} | given
        return super().from_dict(config_dict, **kwargs)

    def validate_labels(self):
        """Called by the dataclass on creation and on saving, and by the model."""
        if set(self.id2label) != {0, 1} or len(set(self.id2label.values())) != 2:
            raise ValueError(f"id2label must name the two classes 0 (real) and 1 (synthetic) differently, got {self.id2label}.")
        if self.label2id != {label: number for number, label in self.id2label.items()}:
            raise ValueError(f"label2id {self.label2id} must be id2label {self.id2label} the other way round.")

    def validate_network(self):
        """Called by the dataclass on creation and on saving: values that make no network."""
        if self.block not in BLOCKS:
            raise ValueError(f"block must be one of {', '.join(BLOCKS)}, got {self.block!r}.")
        if self.high_pass is not None and self.high_pass not in HIGH_PASS:
            raise ValueError(f"high_pass must be None or one of {', '.join(HIGH_PASS)}, got {self.high_pass!r}.")
        if len(self.widths) != len(self.depths) or len(self.widths) < 2:
            raise ValueError(f"widths {self.widths} and depths {self.depths} must have the same length, at least 2.")
        last = len(self.widths) - 1
        if self.backbone is not None:  # the network itself checks it, where timm can say how many stages there are
            last = max(1, self.sub_network_after)
        if not 1 <= self.sub_network_after <= last:
            raise ValueError(f"sub_network_after must be 1 to {last}, got {self.sub_network_after}.")
        numbers = (self.stem_stride, self.stem_width, *self.widths, *self.depths, self.projection_size, self.classifier_hidden)
        if min(numbers) < 1 or self.stem_kernel % 2 == 0:
            raise ValueError("Widths, depths, sizes and strides must be positive and stem_kernel odd.")
        if not self.shifts or min(self.shifts) < 0 or len(set(self.shifts)) != len(self.shifts):
            raise ValueError(f"shifts must be different numbers of pixels, one or more, each 0 or more; got {self.shifts}.")
        for name in ("statistics_centres", "adapter_size", "network_floor"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}.")
        for name in ("frozen", "adapter_size"):
            if getattr(self, name) and self.backbone is None:
                raise ValueError(f"{name} is of a backbone of timm, and this network has none; set backbone, or leave {name} out.")

    def validate_calibration(self):
        """Called by the dataclass on creation and on saving."""
        if self.temperature <= 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}.")
        for names in (self.families, self.generators):
            if "real" in names or len(set(names)) != len(names):
                raise ValueError(f"families and generators name each kind of synthetic image once and no 'real', got {names}.")


def _number_of(value):
    """A class's number as int where it is written as a string."""
    return int(value) if str(value).isdecimal() else value
