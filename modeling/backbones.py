"""The trunks: the ResNet of ImagiNet, and any backbone of timm (https://huggingface.co/docs/timm) through timm's interface of features."""

import difflib
from collections.abc import Callable, Iterable
from functools import partialmethod
from types import ModuleType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .configuration_selfcon import SelfConConfig
from .image_processing_selfcon import SelfConImageProcessor

SIZES_IT_MUST_TAKE = (96, 256)
"""Side in pixels of the published recipe's training crops, and of the crops that are scored."""
QUARTERS = 4
"""Stages of a backbone all of whose blocks have the same resolution (a plain vision transformer)."""


class Features(NamedTuple):
    """What a trunk says of B pictures.

    Attributes:
        sub, feature: float (B, feature size), features of sub-network and trunk, in float32 or better.
        maps: feature maps (B, C, h, w), the trunk's last one as last; with ``all_maps`` those before it too: of a ResNet's stem
            and of each of its layers, of a timm backbone the one that the sub-network sees.
    """

    sub: Tensor
    feature: Tensor
    maps: tuple[Tensor, ...]


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision and whole numbers as float32; float32 and float64 as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


class FeatureNorm(nn.BatchNorm1d):
    """Batch normalisation that also takes a training batch of one, such as an epoch's last: by the running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        """float (B, D) -> the same shape."""
        if self.training and len(x) == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


class Adapter(nn.Module):
    """A layer that learns on features of a frozen backbone: each is freed of its mean and spread, then they are mixed linearly.

    In eval mode it is affine: what it says of an average of places is the average of what it says of them.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm, self.linear = FeatureNorm(inputs), nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """float (B, inputs) -> (B, outputs)."""
        return self.linear(self.norm(x))

    def of_map(self, x: Tensor) -> Tensor:
        """The same of each place of a feature map, by the running statistics: float (B, inputs, h, w) -> (B, outputs, h, w)."""
        norm = self.norm
        x = F.batch_norm(x.to(self.linear.weight.dtype), norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        return F.conv2d(x, self.linear.weight[:, :, None, None], self.linear.bias)


class ShortcutConvolution(nn.Conv2d):
    """A 1×1 convolution that may skip pixels. Where it is narrow, it skips them before it computes.

    The same numbers either way; but with a stride, few channels and channels_last oneDNN in torch 2.14.1 ends the process on
    some processors.
    """

    NARROW = 16

    def forward(self, x: Tensor) -> Tensor:
        """float (B, inputs, H, W) -> (B, outputs, ceil(H / stride), ceil(W / stride))."""
        if self.in_channels >= self.NARROW:
            return super().forward(x)
        return F.conv2d(x[..., :: self.stride[0], :: self.stride[1]], self.weight)


class Block(nn.Module):
    """A residual block; the stride is on its 3×3 convolution (v1.5).

    Args:
        kind: "basic" or "bottleneck".
        inputs: channels coming in.
        width: channels inside.
        stride: of the block.
    """

    EXPANSION = {"basic": 1, "bottleneck": 4}

    def __init__(self, kind: str, inputs: int, width: int, stride: int):
        super().__init__()
        outputs = width * self.EXPANSION[kind]
        # (in, out, kernel, stride) of each convolution
        shapes = {
            "basic": [(inputs, width, 3, stride), (width, width, 3, 1)],
            "bottleneck": [(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)],
        }[kind]
        self.convolutions = len(shapes)
        for number, (i, o, kernel, step) in enumerate(shapes, start=1):
            self.add_module(f"conv{number}", nn.Conv2d(i, o, kernel, step, padding=kernel // 2, bias=False))
            self.add_module(f"bn{number}", nn.BatchNorm2d(o))
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(ShortcutConvolution(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """float (B, inputs, H, W) -> (B, outputs, ceil(H / stride), ceil(W / stride))."""
        residual = x
        for number in range(1, self.convolutions + 1):
            residual = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(residual))
            if number < self.convolutions:
                residual = F.relu(residual, inplace=True)
        return F.relu(residual + self.shortcut(x), inplace=True)


class Encoder(nn.Module):
    """ResNet trunk and sub-network: one pass gives both features."""

    def __init__(self, config: SelfConConfig, front_end: nn.Module):
        super().__init__()
        self.high_pass = front_end
        channels = getattr(front_end, "channels", 3)
        self.conv1 = nn.Conv2d(
            channels, config.stem_width, config.stem_kernel, config.stem_stride, padding=config.stem_kernel // 2, bias=False
        )
        self.bn1 = nn.BatchNorm2d(config.stem_width)
        self.maxpool = nn.MaxPool2d(3, stride=1, padding=1) if config.stem_pool else nn.Identity()
        expansion, inputs = Block.EXPANSION[config.block], config.stem_width
        self.layers = [f"layer{number}" for number in range(1, len(config.widths) + 1)]
        for name, width, depth in zip(self.layers, config.widths, config.depths, strict=True):
            blocks = []
            for number in range(depth):
                stride = 2 if number == 0 and name != "layer1" else 1
                blocks.append(Block(config.block, inputs, width, stride))
                inputs = width * expansion
            self.add_module(name, nn.Sequential(*blocks))
        self.feature_size = inputs
        # a list with one place per layer but the last, as in the published weights; only one place holds weights
        sub_network = nn.Linear(config.widths[config.sub_network_after - 1] * expansion, self.feature_size)
        self.selfcon_layer = nn.ModuleList(
            sub_network if number == config.sub_network_after else nn.Identity() for number in range(1, len(self.layers))
        )
        self.sub_network_at = config.sub_network_after - 1

    def forward(self, pixels: Tensor, all_maps: bool = False, choose: Callable[[Tensor], Tensor] | None = None) -> Features:
        """float (B, 3, H, W) -> features of sub-network and trunk, and feature maps of stem and layers, or the last alone.

        ``choose``: from the sub-network's feature to bool (B,), which pictures the layers after it see; the trunk's feature and
        its last map are of these alone.
        """
        x = self.high_pass(at_least_float32(pixels)).to(self.conv1.weight.dtype)
        x = self.maxpool(F.relu(self.bn1(self.conv1(x)), inplace=True))
        maps = [x]
        for position, name in enumerate(self.layers):
            x = getattr(self, name)(x)
            maps = [*maps, x] if all_maps else [x]
            if position == self.sub_network_at:
                layer = self.selfcon_layer[position]
                sub = layer(at_least_float32(x).mean((2, 3)).to(layer.weight.dtype))
                x = x if choose is None else x[choose(at_least_float32(sub))]
        return Features(at_least_float32(sub), at_least_float32(x).mean((2, 3)), tuple(maps))


def import_timm() -> ModuleType:
    """timm, which only detectors with a backbone of its need. Raises ModuleNotFoundError that says how to install it."""
    try:
        import timm
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("This detector's backbone comes from timm, which is not installed: pip install timm") from error
    return timm


class TimmEncoder(nn.Module):
    """Trunk and sub-network on a backbone of timm: one pass gives both features.

    The trunk's feature is the global average of the last feature map. The sub-network leaves after stage
    ``config.sub_network_after``, counted from 1 as timm counts them; it is a global average and one linear layer. Stages of a
    convolutional or pyramid network are those of timm's ``feature_info`` (ResNets: stem, then four layers; ConvNeXt: four); a
    plain transformer, whose blocks all have one resolution, counts as four stages of equally many blocks.

    With ``config.frozen`` the backbone stays in eval mode, sees pixels as it was trained to (``pixel_scale`` and ``pixel_shift``, (3,),
    of what the image processor makes), and both feature maps of a plain transformer went through its last normalisation. With
    ``config.adapter_size`` a trained layer follows each average, see :class:`Adapter`.

    Args:
        config: its ``backbone``, ``frozen``, ``adapter_size``, ``sub_network_after`` and ``high_pass`` are used.
        front_end: the fixed front end, float (B, 3, H, W) -> (B, its ``channels`` or 3, H, W).

    Raises:
        ModuleNotFoundError: without timm.
        ValueError: for an unknown backbone, one that cannot give feature maps of the sizes needed, or no such stage.
    """

    def __init__(self, config: SelfConConfig, front_end: nn.Module):
        super().__init__()
        self.high_pass = front_end
        self.name, self.inputs = config.backbone, getattr(front_end, "channels", 3)
        self.frozen = config.frozen
        self.stages, is_plain = _checked_stages(self.name, self.inputs, config.sub_network_after)
        self.normalised = is_plain and self.frozen
        if self.frozen:
            for name, values in zip(("pixel_scale", "pixel_shift"), _rescaling(config), strict=True):
                self.register_buffer(name, torch.tensor(values, dtype=torch.float32))
        self.check_sizes(SIZES_IT_MUST_TAKE)
        self.trunk = self.new_trunk()
        # timm has filled the trunk in its own way; Transformers asks this flag before it fills a module in ours
        for module in self.trunk.modules():
            module._is_hf_initialized = True
        channels = self.trunk.feature_info.channels()
        self.channels, self.feature_size = (channels[0], channels[-1]), config.adapter_size or channels[-1]
        self.selfcon_layer = (Adapter if config.adapter_size else nn.Linear)(channels[0], self.feature_size)
        self.adapter = Adapter(channels[-1], self.feature_size) if config.adapter_size else None
        self.built_empty = next(self.trunk.parameters()).is_meta

    def new_trunk(self, pretrained: bool = False, state: dict[str, Tensor] | None = None) -> nn.Module:
        """A new backbone as this encoder's.

        Args:
            pretrained: with timm's pretrained weights, which it fetches, instead of random ones.
            state: take these, under the names of timm's whole model, for the pretrained weights.
        """
        return _create(self.name, self.inputs, self.stages, pretrained, state, self.normalised)

    def train(self, mode: bool = True) -> "TimmEncoder":
        """As everywhere, but that a frozen backbone stays in eval mode."""
        super().train(mode)
        if self.frozen:
            self.trunk.eval()
        return self

    def check_sizes(self, sides: Iterable[int]) -> None:
        """Raises ValueError unless the backbone takes square pictures of each of these sides in pixels; computes nothing."""
        with torch.device("meta"):
            trunk = self.new_trunk().eval()
            for side in sides:
                self._check_size(trunk, side)

    def _check_size(self, trunk: nn.Module, side: int) -> None:
        try:
            with torch.no_grad():
                maps = trunk(torch.empty(1, self.inputs, side, side))
            found = [feature.mean(_area(trunk)).shape[1] for feature in maps]
        except (RuntimeError, AssertionError, ValueError, IndexError) as error:
            raise ValueError(
                f"The backbone {self.name} does not take pictures of {side}×{side} pixels ({_reason(error)}); choose one that "
                "takes any size, such as a ResNet, a ConvNeXt or a vit_*."
            ) from error
        if found != trunk.feature_info.channels():
            raise ValueError(f"The backbone {self.name} gives no feature maps that can be averaged; choose another.")

    def forward(self, pixels: Tensor, all_maps: bool = False) -> Features:
        """float (B, 3, H, W) -> features of sub-network and trunk, with both feature maps or the last alone."""
        inner, last = self._maps(pixels)
        sub, feature = self.adapt(_averages(inner, last))
        last = last if self.adapter is None else self.adapter.of_map(last)
        return Features(sub, feature, (inner, last) if all_maps else (last,))

    def averages(self, pixels: Tensor) -> Tensor:
        """What the backbone alone says of pixels: float (B, 3, H, W) -> averages of both feature maps, float (B, ``channels``)."""
        return _averages(*self._maps(pixels))

    def adapt(self, averages: Tensor) -> tuple[Tensor, Tensor]:
        """Of what :meth:`averages` gave, float (B, ``channels``), the features of sub-network and trunk, each (B, feature size)."""
        inner, last = averages.split(self.channels, dim=1)
        return _applied(self.selfcon_layer, inner), last if self.adapter is None else _applied(self.adapter, last)

    def _maps(self, pixels: Tensor) -> list[Tensor]:
        """The backbone's two feature maps, (B, C, h, w)."""
        pixels = at_least_float32(pixels)
        if self.frozen:
            pixels = pixels * self.pixel_scale[:, None, None] + self.pixel_shift[:, None, None]
        maps = self.trunk(self.high_pass(pixels).to(next(self.trunk.parameters()).dtype))
        return [each.permute(0, 3, 1, 2) for each in maps] if _area(self.trunk) == (1, 2) else maps

    @torch.no_grad()
    def init_missing_weights(self) -> None:
        """Gives the trunk's tensors that came from no file timm's own start values.

        ``from_pretrained`` builds a model without values and fills it from the file; the tables that timm computes and never
        saves (positions, masks) are in no file.
        """
        here = {**dict(self.trunk.named_parameters()), **dict(self.trunk.named_buffers())}
        empty = [name for name, tensor in here.items() if not getattr(tensor, "_is_hf_initialized", False)]
        if not self.built_empty or not empty:
            return
        with torch.device("cpu"):
            fresh = self.new_trunk()
        values = {**dict(fresh.named_parameters()), **dict(fresh.named_buffers())}
        for name in empty:
            here[name].copy_(values[name])
        self.built_empty = False


def _create(
    name: str, inputs: int, stages: tuple[int, ...] | None, pretrained: bool = False, state: dict[str, Tensor] | None = None,
    normalised: bool = False,
) -> nn.Module:
    """timm's network of features at ``stages`` (from 0; None: those that timm chooses), for pictures of any size if it can.
    ``normalised``: feature maps of a plain transformer go through its last normalisation, which else is cut off."""
    chosen = {"features_only": True, "in_chans": inputs} | ({} if stages is None else {"out_indices": stages})
    if normalised:
        getter = import_timm().models._features.FeatureGetterNet
        chosen["feature_cls"] = type("NormalisedFeatures", (getter,), {"__init__": partialmethod(getter.__init__, norm=True)})
    if state is not None:
        chosen["pretrained_cfg_overlay"] = {"state_dict": dict(state)}
    # transformers alone know these options; other networks say with a TypeError that they do not
    for any_size in ({"dynamic_img_size": True, "dynamic_img_pad": True}, {"dynamic_img_size": True}):
        try:
            return import_timm().create_model(name, pretrained, **chosen, **any_size)
        except TypeError as error:
            if "dynamic_img" not in str(error):
                raise
    return import_timm().create_model(name, pretrained, **chosen)


def _checked_stages(name: str, inputs: int, sub_network_after: int) -> tuple[tuple[int, int], bool]:
    """timm's indices of the feature maps after which the sub-network leaves and the trunk ends; and whether it is a plain transformer."""
    _check_known(name)
    with torch.device("meta"):
        try:
            trunk = _create(name, inputs, None)
            ends = _stage_ends(trunk)
        except (RuntimeError, AttributeError, TypeError, ValueError, AssertionError) as error:
            raise ValueError(
                f"The backbone {name} cannot be built for feature maps of {inputs} input channels: {_reason(error)}"
            ) from error
    if not 1 <= sub_network_after < len(ends):
        raise ValueError(
            f"sub_network_after must be 1 to {len(ends) - 1} with backbone {name}, which has {len(ends)} stages, "
            f"got {sub_network_after}."
        )
    return (ends[sub_network_after - 1], ends[-1]), _is_plain(trunk)


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _stage_ends(trunk: nn.Module) -> list[int]:
    """timm's index of the last feature map of each stage of a backbone."""
    blocks = len(trunk.feature_info.info)
    return [blocks * quarter // QUARTERS - 1 for quarter in range(1, QUARTERS + 1)] if _is_plain(trunk) else list(range(blocks))


def _is_plain(trunk: nn.Module) -> bool:
    """Whether all blocks have one resolution and are too many to be stages: a plain vision transformer."""
    reductions = [stage["reduction"] for stage in trunk.feature_info.info]
    return len(set(reductions)) == 1 and len(reductions) > QUARTERS


def _rescaling(config: SelfConConfig) -> tuple[list[float], list[float]]:
    """What the image processor's pixels are multiplied by and what is added then, so that a backbone sees them as timm says that its
    published weights were trained to; with a front end, for which none were published, they stay as they are."""
    described = None if config.high_pass else import_timm().models.get_pretrained_cfg(config.backbone)
    if described is None:
        return [1.0] * 3, [0.0] * 3
    known = zip(SelfConImageProcessor.image_mean, SelfConImageProcessor.image_std, described.mean, described.std, strict=True)
    found = [(std / own_std, (mean - own_mean) / own_std) for mean, std, own_mean, own_std in known]
    return tuple(list(values) for values in zip(*found, strict=True))


def _averages(inner: Tensor, last: Tensor) -> Tensor:
    """The averages over the places of two feature maps (B, C, h, w), side by side: float32 or better (B, sum of channels)."""
    return torch.cat([at_least_float32(each).mean((2, 3)) for each in (inner, last)], dim=1)


def _applied(layer: nn.Module, averages: Tensor) -> Tensor:
    """A layer's answer in float32 or better, whatever its weights are stored in."""
    return at_least_float32(layer(averages.to(next(layer.parameters()).dtype)))


def _area(trunk: nn.Module) -> tuple[int, int]:
    """The dimensions of height and width in the backbone's feature maps."""
    return (1, 2) if getattr(trunk, "output_fmt", "NCHW") == "NHWC" else (2, 3)


def _check_known(name: str) -> None:
    """Raises ValueError with near names unless timm has a backbone ``name``, which may end in a tag of its pretrained weights."""
    timm = import_timm()
    known = timm.list_models()
    if name in known or ("." in name and name in timm.list_pretrained()):
        return
    near = difflib.get_close_matches(name, [*known, *timm.list_pretrained()], n=3, cutoff=0.5)
    meant = f"; did you mean {' or '.join(near)}?" if near else "."
    raise ValueError(f"timm {timm.__version__} has no backbone {name!r}{meant} All names: timm.list_models().")
