"""Weights that a model starts from: ImageNet's, those of a file, or those of an earlier model, and what became of each part."""

import json
import pickle
import zipfile
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from imaginet_core.errors import first_line
from modeling import SelfConConfig
from modeling.backbones import TimmEncoder, import_timm

State = dict[str, Tensor]

PARTS = {
    "trunk": ("encoder.",), "sub-network layer": ("encoder.selfcon_layer.",), "adapter": ("encoder.adapter.",),
    "projection heads": ("head.", "sub_heads."),
    "origin classifier": ("classifier.",), "sub-network's origin classifier": ("sub_classifier.",),
    "family classifier": ("family_classifier.",), "generator classifier": ("generator_classifier.",),
}
"""Parts of a model by the beginnings of their weights' names; a longer beginning wins."""
CLASSES = {"family classifier": "families", "generator classifier": "generators"}
"""Where the configuration names the classes of a part."""
OF_ANY_TRUNK = ("high_pass", "frozen")
UNSEEN = ("stem_stride", "stem_pool", *OF_ANY_TRUNK)
"""Attributes of the network that change what its weights mean, but not their names and shapes."""


def load_initial_weights(model: nn.Module, source: str) -> str:
    """Fills ``model`` and says in one sentence what was and was not loaded.

    Args:
        model: a SelfCon model with random weights. Nothing of it changes if the source is refused.
        source: "none" (keep the random weights); "imagenet" (for the trunk torchvision's ResNet-50 IMAGENET1K_V2, hash-checked,
            or timm's pretrained weights of the model's backbone; fetched from their publisher); a file, .pth or .safetensors,
            with a state under torchvision's names, or timm's of the backbone, for the trunk; or the folder of a run, of a saved
            model or of a converted checkpoint, from which every part that fits is taken.

    Raises:
        FileNotFoundError: there is nothing of that name.
        ConnectionError: the weights could not be fetched.
        ValueError: the source cannot be read, or its trunk is not this one.
    """
    if source == "none":
        return "Initial weights: random."
    if Path(source).is_dir():
        return _load_folder(model, Path(source))
    state = None if source == "imagenet" else file_state(source)
    if isinstance(model.encoder, TimmEncoder):
        return _load_backbone(model.encoder, source, state)
    return _load_resnet(model.encoder, source, imagenet_state() if state is None else state)


def _load_resnet(encoder: nn.Module, source: str, state: State) -> str:
    own = encoder.state_dict()
    state = {name.replace("downsample", "shortcut"): value for name, value in state.items()}
    trunk = [name for name in own if not name.startswith("selfcon_layer")]
    _check_fit({name: own[name] for name in trunk}, state, source)
    encoder.load_state_dict({name: state[name] for name in trunk}, strict=False)
    ignored = sorted({name.split(".")[0] for name in state if name not in own})
    return _of_trunk_alone(len(trunk), source, f"; not taken from it: {', '.join(ignored) or 'nothing'}")


def _load_backbone(encoder: TimmEncoder, source: str, state: State | None) -> str:
    """``state``: of a file; None for timm's own, which it fetches. timm itself knows how a state of its becomes feature maps."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fresh = encoder.new_trunk().state_dict()
        torch.manual_seed(0)
        try:
            loaded = encoder.new_trunk(pretrained=True, state=state).state_dict()
        except OSError as error:
            raise ConnectionError(
                f"timm's weights of {encoder.name} could not be fetched ({first_line(error)}); give a local copy as "
                "--initial_weights FILE, or start from random weights with --initial_weights none."
            ) from error
        except (RuntimeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"The weights {source!r} do not fit the backbone {encoder.name} ({first_line(error).partition('. ')[0]}); use "
                "--initial_weights none, or a file with weights of that backbone."
            ) from error
    # where timm is lenient about missing names: a matrix that is as it was before came from no file
    absent = [name for name, value in loaded.items() if value.ndim > 1 and value.any() and torch.equal(value, fresh[name])]
    if absent:
        raise ValueError(f"The weights {source!r} do not fit the backbone {encoder.name} ({absent[0]} is missing there).")
    encoder.trunk.load_state_dict(loaded)
    if state is not None:
        return _of_trunk_alone(len(loaded), source, "")
    described = import_timm().models.get_pretrained_cfg(encoder.name)
    return _of_trunk_alone(
        len(loaded), f"timm's {encoder.name}", f" (licence, as timm states it: {getattr(described, 'license', None) or 'none'})"
    )


def _of_trunk_alone(number: int, source: str, ignored: str) -> str:
    return (
        f"Initial weights: {number} tensors of the trunk from {source!r}{ignored}; random: sub-network layer, projection heads, "
        "classifiers."
    )


def _load_folder(model: nn.Module, folder: Path) -> str:
    """Every part of a saved model that fits; its trunk must."""
    config, state = folder_state(folder)
    there, here = _by_part(state), _by_part(model.state_dict())
    if config.frozen != model.config.frozen:
        _other_pixels(there["trunk"], here["trunk"])
    _check_fit(here["trunk"], there["trunk"], str(folder), config, model.config)
    taken, random, ignored = [], [], []
    for part in PARTS:
        reason = _difference(part, there[part], here[part], config, model.config)
        if here[part] and reason is None:
            taken.append(part)
        elif here[part]:
            random.append(f"{part} ({reason})")
        elif there[part]:
            ignored.append(part)
    model.load_state_dict({name: value for part in taken for name, value in there[part].items()}, strict=False)
    said = [f"Initial weights: {', '.join(taken)} from {str(folder)!r}"]
    said.append(f"not taken from it: {', '.join(ignored) or 'nothing'}")
    said.append(f"random: {', '.join(random) or 'nothing'}")
    other = [
        f"{name} {getattr(config, name)} instead of {getattr(model.config, name)}"
        for name in UNSEEN if model.config.backbone is None or name in OF_ANY_TRUNK
        if getattr(config, name) != getattr(model.config, name) and (name != "frozen" or config.frozen)  # see _other_pixels
    ]
    if other:
        said.append(f"they were trained with {', '.join(other)}")
    return "; ".join(said) + "."


def _other_pixels(there: State, here: State) -> None:
    """A trunk that learned in an earlier run sees pixels as they are; what only a frozen one has is no part of one that learns."""
    for name, value in here.items():
        if name.startswith("encoder.pixel_"):
            there.setdefault(name, torch.full_like(value, name == "encoder.pixel_scale"))
    for name in set(there) - set(here):
        del there[name]


def _difference(part: str, there: State, here: State, config: SelfConConfig, own: SelfConConfig) -> str | None:
    """Why a part cannot be taken; None if it can."""
    if not there:
        return "there is none"
    if part in CLASSES and getattr(config, CLASSES[part]) != getattr(own, CLASSES[part]):
        return f"that of {', '.join(getattr(config, CLASSES[part]))} is there"
    if {name: value.shape for name, value in there.items()} != {name: value.shape for name, value in here.items()}:
        return "of another shape there"
    return None


def _by_part(state: State) -> dict[str, State]:
    parts = {part: {} for part in PARTS}
    for name, value in state.items():
        beginnings = {start: part for part, starts in PARTS.items() for start in starts if name.startswith(start)}
        if beginnings:
            parts[beginnings[max(beginnings, key=len)]][name] = value
    return parts


def _check_fit(
    own: State, state: State, source: str, config: SelfConConfig | None = None, own_config: SelfConConfig | None = None
) -> None:
    """Raises ValueError with the first difference unless ``state`` has all of ``own``'s names with the same shapes."""
    first = None
    absent = [name for name in own if name not in state]
    unfit = [name for name in own if name in state and own[name].shape != state[name].shape]
    if config is not None and config.backbone != own_config.backbone:
        first = f"backbone {config.backbone or 'ResNet of our own'} there and {own_config.backbone or 'ResNet of our own'} here"
    elif absent:
        first = f"{absent[0]} is missing"
    elif unfit:
        first = f"{unfit[0]} is {tuple(state[unfit[0]].shape)} there and {tuple(own[unfit[0]].shape)} here"
    if first:
        network = "of preset paper" if config is None else "of that model"
        raise ValueError(
            f"The weights {source!r} do not fit this network ({first}); use --initial_weights none, or the network options "
            f"{network}."
        )


def imagenet_state() -> State:
    """torchvision's IMAGENET1K_V2 state of ResNet-50. Raises ConnectionError if it cannot be fetched."""
    from torchvision.models import ResNet50_Weights

    try:
        return ResNet50_Weights.IMAGENET1K_V2.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:  # torch's word for a download with a wrong hash is RuntimeError
        raise ConnectionError(
            f"The ImageNet weights could not be fetched from {ResNet50_Weights.IMAGENET1K_V2.url} ({error}); give a local copy "
            "as --initial_weights FILE, or start from random weights with --initial_weights none."
        ) from error


def file_state(file: str | Path) -> State:
    """A state dict from a .pth or .safetensors file, read without running code from it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds anything but finite tensors by name.
    """
    file = Path(file)
    if not file.is_file():
        conversion = " (the published checkpoint must be converted first: python -m scripts.convert_published_weights)"
        hint = conversion if file.suffix == ".pt" else ""
        raise FileNotFoundError(
            f"--initial_weights {file}: no such file or folder{hint}; 'imagenet' and 'none' are the other choices."
        )
    try:
        state = load_file(file) if file.suffix == ".safetensors" else torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, SafetensorError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"--initial_weights {file} is not a file of weights that can be read safely, or not a whole one: {first_line(error)}"
        ) from error
    if isinstance(state, dict) and set(state) == {"model", "classifier"}:
        raise ValueError(
            f"--initial_weights {file} is ImagiNet's published checkpoint; convert it first with "
            f"python -m scripts.convert_published_weights {file} FOLDER, and give the folder."
        )
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"--initial_weights {file} must hold a plain state dict (names to tensors).")
    spoilt = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if spoilt:
        raise ValueError(f"--initial_weights {file} holds weights that are not finite numbers, first {spoilt[0]}.")
    return state


def folder_state(folder: Path) -> tuple[SelfConConfig, State]:
    """Configuration and weights of the model saved in ``folder`` or in its folder ``model``, where runs leave theirs.

    Raises:
        ValueError: there is none, or one of another kind, or it is damaged.
    """
    saved = folder if (folder / "config.json").is_file() else folder / "model"
    if not (saved / "config.json").is_file() or not (saved / "model.safetensors").is_file():
        raise ValueError(
            f"--initial_weights {folder} holds no saved model: there is no config.json with a model.safetensors in it or in its "
            "folder model (a run writes them at its end)."
        )
    try:
        values = json.loads((saved / "config.json").read_text(encoding="utf-8"))
        kind = values.get("model_type")
        config = SelfConConfig.from_dict(values) if kind == SelfConConfig.model_type else None
    except (ValueError, TypeError, AttributeError, StrictDataclassError) as error:
        reason = first_line(error.__cause__ or error)
        raise ValueError(f"--initial_weights {folder}: {saved / 'config.json'} cannot be read ({reason}).") from error
    if config is None:
        raise ValueError(f"--initial_weights {folder} is a model of the kind {kind!r}, not a SelfCon detector.")
    return config, file_state(saved / "model.safetensors")
