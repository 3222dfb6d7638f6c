"""From a place and the name of an engine to a network: which engines there are, and what each needs."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from imaginet_tools.inference.networks.exported import EXPORT, read_export
from imaginet_tools.inference.networks.network import Network

AUTO = "auto"
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def _torch() -> Callable:
    from imaginet_tools.inference.networks.torch_network import TorchNetwork

    return TorchNetwork


def _onnx() -> Callable:
    from imaginet_tools.inference.networks.onnx_network import OnnxNetwork

    return OnnxNetwork


def _openvino() -> Callable:
    from imaginet_tools.inference.networks.openvino_network import OpenVinoNetwork

    return OpenVinoNetwork


ENGINES: dict[str, tuple[Callable, str]] = {
    "torch": (_torch, "torch transformers"),
    "onnx": (_onnx, "onnxruntime"),
    "openvino": (_openvino, "openvino"),
}
"""Name -> (imports the engine only when it is wanted, what pip installs for it)."""


def open_network(place: str, engine: str = AUTO, *, trust_remote_code: bool = False, **options) -> Network:
    """Loads a detector.

    Args:
        place: folder of a saved or an exported model, or name of a model on the Hub.
        engine: a name in ENGINES; "auto" for that of an exported folder, else PyTorch.
        trust_remote_code: whether code of a model on the Hub may be run; that of a folder on this machine may.
        options: of the engine: revision, device, dtype, threads, early_exit.

    Raises:
        ValueError: for an engine that there is not, or that the folder is not for; for a model on the Hub without
            ``trust_remote_code``; for a device that is not there, and for an option that the engine has not.
        FileNotFoundError: where there is no model.
        ModuleNotFoundError: for an engine that is not installed, with what installs it.
    """
    if engine not in (AUTO, *ENGINES):
        raise ValueError(f"There is no backend {engine!r}; there is: {', '.join((AUTO, *ENGINES))}.")
    exported = check_place(place)
    if engine == AUTO:
        engine = exported or "torch"
    if exported not in (None, engine) or (exported is None and engine != "torch"):
        has = f"was exported for {exported}" if exported else "holds a model for torch, which is to be exported first (imaginet export-model)"
        raise ValueError(f"{place} {has}; it cannot be opened with the backend {engine!r}.")
    if not Path(place).exists() and not trust_remote_code:
        raise ValueError(
            f"The model {place} on the Hub brings its own code; read it, then open it with trust_remote_code=True and a fixed revision."
        )
    if engine == "torch" and options.pop("threads", None) is not None:
        raise ValueError("threads is an option of exported models; PyTorch takes as many as OMP_NUM_THREADS says.")
    if engine != "torch" and options.get("threads") is None and (asked := os.environ.get("OMP_NUM_THREADS", "")).isdigit():
        options["threads"] = int(asked)  # as PyTorch; Ray sets it in its actors, which would be in each other's way else
    load, packages = ENGINES[engine]
    try:
        network = load()
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"The backend {engine!r} needs {error.name}; run pip install {packages}.", name=error.name) from error
    return network(place, **options)


def check_place(place: str) -> str | None:
    """The engine that the folder was exported for; None for a saved model and for a name on the Hub.

    Raises:
        FileNotFoundError: for a folder without a model, and for what is neither a folder nor can be a name on the Hub.
        ValueError: for an exported folder whose export.json cannot be read, or names an engine that there is not.
    """
    folder = Path(place)
    if not folder.exists():
        if _HUB_NAME.fullmatch(str(place)):
            return None
        raise FileNotFoundError(f"There is no model in {place}: there is no such folder.")
    if folder.is_dir() and (folder / EXPORT).is_file():
        if (format := read_export(folder).format) not in ENGINES:
            raise ValueError(f"{place} was exported for {format}, which this version cannot open; there is: {', '.join(ENGINES)}.")
        return format
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"There is no model in {place}: it has no config.json and no {EXPORT}.")
    return None
