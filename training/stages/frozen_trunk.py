"""A frozen backbone of timm as trunk: what it says of views, kept so that it sees each once, and low-rank additions to its layers."""

import hashlib
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from imaginet_tools.inference.networks.torch_network import fingerprint_of
from modeling import SelfConForImageClassification
from modeling.backbones import SIZES_IT_MUST_TAKE, TimmEncoder, import_timm
from training.run.context import Run
from training.run.output_folder import FEATURES
from training.stages.normalise import normalise
from training.views.feature_cache import FeatureCache, FeatureViews
from training.views.random_views import RandomViews

ADDED = "lora_"
"""In the names of low-rank additions' weights, as peft gives them."""


class FrozenTrunk:
    """What a frozen backbone says of views: the averages of its two feature maps, see ``modeling.backbones.TimmEncoder.averages``.

    Args:
        accelerator: its device and arithmetic.
        encoder: with the backbone's final weights; moved to the device.

    Attributes:
        fingerprint: sixteen hexadecimal digits that change with the weights, the way in which pixels reach them, the arithmetic, and
            the version of timm.
        size: number of features of a view.
    """

    def __init__(self, accelerator: Accelerator, encoder: TimmEncoder):
        self.accelerator, self.encoder, self.size = accelerator, encoder.to(accelerator.device), sum(encoder.channels)
        self.fingerprint = self._fingerprint()

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """uint8 (B, V, 3, H, W) -> float32 (B, V, size), on the CPU."""
        rows = normalise(pixels.flatten(0, 1).to(self.accelerator.device, non_blocking=True))
        was_training = self.encoder.training
        self.encoder.eval()
        with self.accelerator.autocast():
            averages = self.encoder.averages(rows)
        self.encoder.train(was_training)
        return averages.float().cpu().unflatten(0, pixels.shape[:2])

    def _fingerprint(self) -> str:
        encoder, precision = self.encoder, self.accelerator.mixed_precision
        pixels = f"{type(encoder.high_pass).__name__}/{encoder.pixel_scale.tolist()}/{encoder.pixel_shift.tolist()}"
        of_timm = f"{import_timm().__version__}/{encoder.name}/{encoder.stages}/{encoder.normalised}"
        weights = fingerprint_of(encoder.trunk)
        return hashlib.sha256(f"{of_timm}/{pixels}/{precision}/{weights}".encode()).hexdigest()[:16]


def kept_features(run: Run, stage: int, views: RandomViews, trunk: FrozenTrunk) -> FeatureViews:
    """What the trunk says of the views that stage 1 or 2 will show, computed as far as it is not there; every process calls it."""
    options = run.options
    first, epochs = (0, options.stage_1.epochs) if stage == 1 else (options.stage_1.epochs, options.stage_2.classifier_epochs)
    own = Path(options.run.output_dir) / FEATURES
    cache = FeatureCache(own if options.views.feature_cache == "run" else options.views.feature_cache, views, trunk)
    shown = {epoch % options.views.view_epochs for epoch in range(first, first + epochs)}
    cache.prepare(shown, run.accelerator, options.views.num_workers)
    return FeatureViews(views, cache)


def is_low_rank(name: str) -> bool:
    """Whether a weight of this name belongs to a low-rank addition."""
    return ADDED in name


def add_low_rank(model: SelfConForImageClassification, rank: int) -> str:
    """Puts a low-rank addition (LoRA, https://arxiv.org/abs/2106.09685), which says nothing at first, beside every linear layer of a
    backbone; says in one sentence what that makes.

    Raises:
        ModuleNotFoundError: without peft.
        ValueError: for a backbone without linear layers.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("--lora_rank needs peft, which is not installed: pip install peft") from error
    trunk = model.encoder.trunk
    layers = _called_layers(model.encoder)
    if not layers:
        raise ValueError(f"--lora_rank: the backbone {model.encoder.name} has no linear layers; choose a transformer, or leave it out.")
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=layers), trunk)
    count = sum(value.numel() for name, value in trunk.named_parameters() if is_low_rank(name))
    return f"Low-rank additions of rank {rank} beside {len(layers)} linear layers of the backbone: {count:,} weights that learn."


def _called_layers(encoder: TimmEncoder) -> list[str]:
    """The backbone's linear layers by name, but for those whose weights alone it uses: an addition beside these would never be asked."""
    called, hooks = [], []
    for name, module in encoder.trunk.named_modules():
        if isinstance(module, nn.Linear):
            hooks.append(module.register_forward_hook(lambda *_, name=name: called.append(name)))
    with torch.no_grad():
        encoder.averages(torch.zeros(1, 3, min(SIZES_IT_MUST_TAKE), min(SIZES_IT_MUST_TAKE)))
    for hook in hooks:
        hook.remove()
    return called


def merge_low_rank(model: SelfConForImageClassification) -> None:
    """Adds the low-rank additions to the layers that they stand beside and removes them; the network says what it said, to rounding."""
    modules = dict(model.encoder.named_modules())
    for name, module in modules.items():
        if hasattr(module, "lora_A") and hasattr(module, "get_base_layer"):
            module.merge()
            parent, _, own = name.rpartition(".")
            setattr(modules[parent], own, module.get_base_layer())
