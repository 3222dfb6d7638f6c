"""The SelfCon detector: a trunk with a sub-network, projection heads and classifiers.

The network of ImagiNet (https://arxiv.org/abs/2407.20020) with its names of weights: ``encoder.*`` is the trunk,
``encoder.selfcon_layer`` the sub-network, ``head`` and ``sub_heads`` project for the contrastive loss, ``classifier`` tells
real from synthetic. ``sub_classifier`` (the same from the sub-network's feature), ``family_classifier``,
``generator_classifier`` and ``statistics_classifier`` (the same from plain statistics of the pixels) are additions of this project.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling, ModelOutput
from transformers.utils import can_return_tuple, logging

from .backbones import Encoder, FeatureNorm, TimmEncoder, at_least_float32
from .configuration_selfcon import CustomPipelines, SelfConConfig
from .front_ends import FRONT_ENDS, KernelClassifier, StatisticsClassifier, held_above, shifted

# Transformers copies the files that this one imports whenever a model is saved, so the handler and the pipelines must be among them
from .handler import EndpointHandler  # noqa: F401
from .image_processing_selfcon import SelfConImageProcessor
from .pipeline_selfcon import SelfConImageClassificationPipeline, SyntheticImageDetectionPipeline

logger = logging.get_logger(__name__)

EMULATED = {torch.float16: ("avx512_fp16", "amx_fp16"), torch.bfloat16: ("avx512_bf16", "amx_bf16")}
"""Half precision -> the instructions, of which a CPU needs one to compute in it; else it goes by float32 and back."""

PIPELINES = {
    "image-classification": SelfConImageClassificationPipeline,
    "synthetic-image-detection": SyntheticImageDetectionPipeline,
}
"""By task. The first is the default."""


@dataclass
class SelfConOutput(ModelOutput):
    """What the detector says of B images, all float.

    Attributes:
        loss: scalar; cross-entropy of ``logits``, if labels were given.
        logits: (B, 2), real and synthetic; their softmax is the calibrated probability.
        origin_logit: (B,), the classifier's own answer before temperature and bias, higher for synthetic; the sum of both where
            there is a classifier of pixel statistics.
        sub_logit: (B,), the same from the sub-network; None without classifier.
        family_logits: (B, families), of which family the image would be if it is synthetic; None without classifier.
        generator_logits: (B, generators), the same for generators.
        feature: (B, feature size), the trunk's feature, which all classifiers but the sub-network's see.
        hidden_states: the feature maps if asked for, see ``backbones.Features.maps``; of each crop where there are several, as it lies,
            whatever the configuration's ``shifts``.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    origin_logit: Tensor | None = None
    sub_logit: Tensor | None = None
    family_logits: Tensor | None = None
    generator_logits: Tensor | None = None
    feature: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None


class L2Normalise(nn.Module):
    """float (B, D) -> the same, each row of length 1."""

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1)


class SelfConPreTrainedModel(PreTrainedModel):
    """What the detector and its trunk alone have in common: start values, saving, precision."""

    config_class = SelfConConfig
    base_model_prefix = "encoder"
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    _no_split_modules = ["Block"]
    # in half precision: the layers that cost little and would lose most. The front ends compute in float32 anyway
    _keep_in_fp32_modules_strict = [r"bn\d", r"shortcut\.1", "selfcon_layer", r"encoder\.adapter", r"pixel_\w+"]

    def __init__(self, config: SelfConConfig):
        config.validate_labels()
        super().__init__(config)
        self.encoder = (Encoder if config.backbone is None else TimmEncoder)(config, FRONT_ENDS[config.high_pass]())

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            bound = module.in_features**-0.5
            init.uniform_(module.weight, -bound, bound)
            init.uniform_(module.bias, -bound, bound)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor, start in ((module.weight, 1), (module.bias, 0), (module.running_mean, 0), (module.running_var, 1)):
                init.constant_(tensor, start)
            init.constant_(module.num_batches_tracked, 0)
        elif isinstance(module, KernelClassifier):
            for tensor in module.buffers(recurse=False):
                init.constant_(tensor, 0)

    def post_init(self) -> None:
        """Gives a model that is made in half precision the same layers in float32 as one that is loaded in it."""
        super().post_init()
        if torch.get_default_dtype().itemsize < 4:
            kept = re.compile("|".join(rf"(^|\.)({each})$" for each in self._keep_in_fp32_modules_strict))
            for name, module in self.named_modules():
                if kept.search(name):
                    module.float()

    def warn_of_emulated_precision(self, device: torch.device) -> None:
        """Says once that half precision is computed on a CPU that has no instructions for it, as few CPUs have for float16."""
        if self.dtype not in EMULATED or device.type != "cpu" or torch.compiler.is_compiling():
            return
        capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch cannot tell
        if capabilities.get("architecture") == "x86_64" and not any(capabilities.get(name) for name in EMULATED[self.dtype]):
            name = str(self.dtype).removeprefix("torch.")
            logger.warning_once(
                f"This CPU has no instructions for {name}, which takes many times as long as float32 here and gives slightly other "
                'scores: load the detector with dtype="float32".'
            )

    def initialize_weights(self) -> None:
        """Gives start values to every tensor that has none yet; Transformers calls it for new models and after loading."""
        super().initialize_weights()
        if isinstance(self.encoder, TimmEncoder):
            self.encoder.init_missing_weights()

    def save_pretrained(self, save_directory, *args, **kwargs) -> None:
        """As everywhere; the folder also tells Transformers which classes and pipelines belong to the model."""
        module = __name__.rpartition(".")[2]
        classes = (SelfConModel, SelfConForImageClassification)
        self.config.auto_map = {each._auto_class: f"{module}.{each.__name__}" for each in classes}
        self.config.custom_pipelines = CustomPipelines({
            task: {
                "impl": f"{pipeline.__module__.rpartition('.')[2]}.{pipeline.__name__}",
                "pt": ["AutoModelForImageClassification"], "type": "image",
            }
            for task, pipeline in PIPELINES.items()
        })
        super().save_pretrained(save_directory, *args, **kwargs)


class SelfConModel(SelfConPreTrainedModel):
    """The trunk without heads and classifiers, as ``AutoModel`` and the task "image-feature-extraction" want it."""

    _auto_class = "AutoModel"
    _keys_to_ignore_on_load_unexpected = [r"^(sub_)?heads?\.|^(sub_|family_|generator_|statistics_)?classifier\."]

    def __init__(self, config: SelfConConfig):
        super().__init__(config)
        self.post_init()

    @can_return_tuple
    def forward(
        self, pixel_values: Tensor, crop_counts: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> BaseModelOutputWithPooling:
        """Features of images; arguments as of :meth:`SelfConForImageClassification.forward`.

        Returns:
            ``last_hidden_state``, float (crops, channels, h, w), the trunk's last feature map of each crop; ``pooler_output``,
            float (B, feature size); ``hidden_states``, if asked for, all feature maps.
        """
        self.warn_of_emulated_precision(pixel_values.device)
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        seen = self.encoder(pixel_values, all_maps=bool(wanted))
        feature = seen.feature if crop_counts is None else mean_of_groups(seen.feature, crop_counts)
        return BaseModelOutputWithPooling(seen.maps[-1], feature, seen.maps if wanted else None)


class SelfConForImageClassification(SelfConPreTrainedModel):
    """Tells real from synthetic images, and among the synthetic ones families and generators.

    ``forward`` gives :class:`SelfConOutput`. Training uses :meth:`encode` and :meth:`project`.
    """

    _auto_class = "AutoModelForImageClassification"
    _keep_in_fp32_modules_strict = [
        *SelfConPreTrainedModel._keep_in_fp32_modules_strict,
        "head", "sub_heads", "classifier", "sub_classifier", "family_classifier", "generator_classifier", "statistics_classifier",
    ]

    def __init__(self, config: SelfConConfig):
        super().__init__(config)
        size, hidden = self.encoder.feature_size, config.classifier_hidden
        self.head = self._projection_head(size, config.projection_size)
        self.sub_heads = nn.ModuleList([self._projection_head(size, config.projection_size)])
        self.classifier = self._origin_classifier(size, hidden)
        self.sub_classifier = self._origin_classifier(size, hidden) if config.sub_classifier else None
        self.family_classifier = self._kind_classifier(size, hidden, len(config.families))
        self.generator_classifier = self._kind_classifier(size, hidden, len(config.generators))
        self.statistics_classifier = (
            StatisticsClassifier(config.statistics_centres, config.detail_relations) if config.statistics_centres else None
        )
        self.post_init()

    @staticmethod
    def _projection_head(size: int, projection_size: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, projection_size))

    @staticmethod
    def _origin_classifier(size: int, hidden: int) -> nn.Sequential:
        return nn.Sequential(FeatureNorm(size), nn.Linear(size, hidden), nn.ReLU(), nn.Dropout(0.2), nn.Linear(hidden, 1))

    @staticmethod
    def _kind_classifier(size: int, hidden: int, kinds: int) -> nn.Sequential | None:
        if kinds < 2:
            return None
        return nn.Sequential(L2Normalise(), nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, kinds))

    @classmethod
    def from_pretrained(cls, *args, **kwargs):
        """As everywhere; thresholds that were set for other weights, shifts or another floor are left out with a warning."""
        loaded = super().from_pretrained(*args, **kwargs)
        (loaded[0] if isinstance(loaded, tuple) else loaded).drop_outdated_thresholds()
        return loaded

    def save_pretrained(self, save_directory, *args, **kwargs) -> None:
        """As everywhere; thresholds that were set for other weights, shifts or another floor are left out with a warning."""
        self.drop_outdated_thresholds()
        super().save_pretrained(save_directory, *args, **kwargs)

    def calibrate(
        self, temperature: float, bias: float, operating_points: list[dict], uncertain: dict | None = None, early_exit: dict | None = None
    ) -> None:
        """Stores what was fitted on this model's answers, and for which weights; see :class:`SelfConConfig`."""
        self.config.temperature, self.config.bias, self.config.operating_points = temperature, bias, operating_points
        self.config.uncertain, self.config.early_exit = uncertain, early_exit
        self.config.calibrated_classifier = self.fingerprint()

    def fingerprint(self) -> str | None:
        """Sixteen hexadecimal digits that change with the classifier's weights and statistics, and with what the configuration says of
        how they are used, where that is not the usual; None if some weights are not in memory."""
        parts = [each for each in (self.classifier, self.statistics_classifier) if each is not None]
        tensors = [value for part in parts for name, value in part.state_dict().items() if not name.endswith("num_batches_tracked")]
        if any(value.is_meta for value in tensors):
            return None
        digest = hashlib.sha256()
        for value in tensors:
            digest.update(value.detach().float().cpu().numpy().astype("<f4").tobytes())
        if self.config.network_floor or list(self.config.shifts) != [0]:
            digest.update(f"{self.config.network_floor} {list(self.config.shifts)}".encode())
        return digest.hexdigest()[:16]

    def drop_outdated_thresholds(self) -> None:
        """Removes operating points that were set for another classifier, and says so.

        Temperature and bias stay: they are part of the logits that a model is fine-tuned by.
        """
        known, here = self.config.calibrated_classifier, self.fingerprint()
        if not self.config.operating_points or None in (known, here) or known == here:
            return
        logger.warning(
            "The classifier's weights have changed since its thresholds were set (or the configuration's shifts or network_floor), so "
            "they are left out and 0.5 is used; set them again on held-out images (operating_points of the configuration)."
        )
        self.config.operating_points, self.config.uncertain = [], None
        self.config.early_exit, self.config.calibrated_classifier = None, None

    def encode(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """Features of sub-network and trunk, each float (B, feature size), of normalised pixels float (B, 3, H, W).

        Where the trunk is a backbone of timm: or of what that gave for them before, float (B, C), see ``backbones.TimmEncoder.averages``.
        """
        return self.encoder.adapt(pixel_values) if pixel_values.ndim == 2 else self.encoder(pixel_values)[:2]

    def project(self, sub: Tensor, feature: Tensor) -> Tensor:
        """Embeddings for the contrastive loss, each of length 1: float (B, 2, projection size), sub-network first."""
        return F.normalize(torch.stack([apply(self.sub_heads[0], sub), apply(self.head, feature)], dim=1), dim=2)

    @can_return_tuple
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, crop_counts: Tensor | None = None,
        output_hidden_states: bool | None = None,
    ) -> SelfConOutput:
        """Scores images.

        Args:
            pixel_values: float (B, 3, H, W), as the image processor makes them.
            labels: int (B,), 0 real, 1 synthetic; then ``loss`` is filled.
            crop_counts: int (B,); then ``pixel_values`` holds this many crops of each image, one image after the other, and
                what is said of an image is the mean of what is said of its crops.
            output_hidden_states: give the feature maps too (default: as the configuration says).
            return_dict: False for a plain tuple of what is not None (default: as the configuration says).
        """
        self.warn_of_emulated_precision(pixel_values.device)
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        moved = shifted(pixel_values, self.config.shifts)
        sub, feature, maps = self.encoder(moved, all_maps=bool(wanted))
        predictions = {
            "origin_logit": self._origin(feature, pixel_values),
            "sub_logit": None if self.sub_classifier is None else self._said(self.sub_classifier, sub)[:, 0],
            **self._kinds(feature),
        }
        if crop_counts is not None:
            predictions = {
                name: None if each is None else mean_of_groups(each, crop_counts) for name, each in predictions.items()
            }
        calibrated = predictions["origin_logit"] / self.config.temperature + self.config.bias
        logits = torch.stack([torch.zeros_like(calibrated), calibrated], dim=1)
        loss = None if labels is None else F.cross_entropy(logits, labels)
        if wanted and moved is not pixel_values:
            maps = self.encoder(pixel_values, all_maps=True).maps
        return SelfConOutput(loss=loss, logits=logits, hidden_states=maps if wanted else None, **predictions)

    @torch.no_grad()
    def forward_early(self, pixel_values: Tensor, is_sure: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor, dict[str, Tensor | None]]:
        """Scores images, of which the layers after the sub-network see only those that it is not sure of.

        Args:
            pixel_values: float (B, 3, H, W), as the image processor makes them.
            is_sure: from ``sub_logit`` (B,) to bool (B,).

        Returns:
            ``sub_logit``, float (B,); which images went on, bool (B,); and of those ``origin_logit``, ``family_logits``,
            ``generator_logits`` and ``feature``, see :class:`SelfConOutput`.

        Raises:
            ValueError: for a model without classifier on its sub-network, and for one on a backbone of timm, which computes
                both features at once.
        """
        if self.sub_classifier is None or isinstance(self.encoder, TimmEncoder):
            raise ValueError("This network cannot answer early: it has no classifier on its sub-network, or a backbone of timm.")
        self.warn_of_emulated_precision(pixel_values.device)
        asked = []

        def choose(sub: Tensor) -> Tensor:
            logit = self._said(self.sub_classifier, sub)[:, 0]
            asked.append((logit, ~is_sure(logit)))
            return asked[0][1].repeat(len(self.config.shifts))

        feature = self.encoder(shifted(pixel_values, self.config.shifts), choose=choose).feature
        logit, goes_on = asked[0]
        return logit, goes_on, {"origin_logit": self._origin(feature, pixel_values[goes_on]), **self._kinds(feature)}

    def _origin(self, feature: Tensor, pixel_values: Tensor) -> Tensor:
        of_network = held_above(self._said(self.classifier, feature)[:, 0], self.config.network_floor)
        return of_network if self.statistics_classifier is None else of_network + self.statistics_classifier(pixel_values)

    def _kinds(self, feature: Tensor) -> dict[str, Tensor | None]:
        return {
            "family_logits": None if self.family_classifier is None else self._said(self.family_classifier, feature),
            "generator_logits": None if self.generator_classifier is None else self._said(self.generator_classifier, feature),
            "feature": self._over_shifts(feature),
        }

    def _said(self, head: nn.Sequential, feature: Tensor) -> Tensor:
        return self._over_shifts(apply(head, feature))

    def _over_shifts(self, values: Tensor) -> Tensor:
        """What was computed of :func:`shifted` pixels, (shifts · B, ...) -> its mean for each image, (B, ...)."""
        count = len(self.config.shifts)
        return values if count == 1 else values.unflatten(0, (count, -1)).mean(0)


def apply(head: nn.Sequential, feature: Tensor) -> Tensor:
    """A head's answer in float32 or better, whatever its weights and the feature are stored in."""
    return at_least_float32(head(feature.to(next(head.parameters()).dtype)))


def mean_of_groups(values: Tensor, counts: Tensor) -> Tensor:
    """The mean of each group of consecutive rows: (sum of counts, ...), int (B,) -> (B, ...)."""
    return torch.stack([group.mean(0) for group in values.split(counts.tolist())])


def save(model: SelfConForImageClassification, processor: SelfConImageProcessor, folder: str | Path) -> Path:
    """Saves a detector for ``pipeline("image-classification", model=folder, trust_remote_code=True)``.

    The folder appears whole or not at all: it is written beside its place and then renamed.

    Args:
        model: on the CPU or elsewhere, in any dtype.
        processor: its image processor.
        folder: new or empty.

    Returns:
        the folder.

    Raises:
        FileExistsError: if ``folder`` holds something already.
    """
    folder = check_free(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        model.save_pretrained(aside)
        processor.save_pretrained(aside)
        # temporary folders and the weights are closed to other users; open them as far as the umask lets new files be
        mode = (aside / "config.json").stat().st_mode & 0o777
        for file in aside.iterdir():
            file.chmod(mode)
        aside.chmod(mode | (mode & 0o444) >> 2)
        os.replace(aside, folder)
    except BaseException:
        shutil.rmtree(aside)  # our own half-written copy
        raise
    return folder


def check_free(folder: str | Path) -> Path:
    """Raises FileExistsError unless ``folder`` is a place for a new model: new, or an empty folder. Returns it."""
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not empty; choose another folder for the model.")
    return folder
