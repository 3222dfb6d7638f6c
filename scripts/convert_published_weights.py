"""Turns ImagiNet's published checkpoint into a model folder that ``pipeline("image-classification", ...)`` loads.

    python -m scripts.convert_published_weights imaginet_weights.pt OUT

The checkpoint (https://github.com/delyan-boychev/imaginet) is a pickle {"model": weights, "classifier": weights} of trunk,
projection heads and origin classifier. Everything else stays out of the folder: it has no family or generator classifier and
none on the sub-network, since none was published, and no temperature or threshold, since none was fitted.
"""

if __name__ == "__main__":  # before the libraries, which take seconds
    from imaginet_core.interrupts import end_at_once_on_interrupt

    end_at_once_on_interrupt("scripts.convert_published_weights")

import argparse
import hashlib
import re
import sys
from pathlib import Path

import torch
from huggingface_hub import ModelCard, ModelCardData
from torch import Tensor

from imaginet_core.interrupts import one_sentence_on_interrupt
from imaginet_core.storage.safe_writes import new_folder
from imaginet_tools.publish.model_card import usage_of
from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageProcessor, check_free, save

UPSTREAM = "https://github.com/delyan-boychev/imaginet"
CONTENTS = ["photos", "paintings", "faces", "uncategorized"]
PARTS = ("model", "classifier")
SHOWN = 3
"""How many differences of each kind a refusal names."""


def read_checkpoint(file: str | Path) -> dict[str, Tensor]:
    """Reads a checkpoint without running any code that it may hold.

    Args:
        file: a pickle {"model": {name: tensor}, "classifier": {name: tensor}}; "module." in names, which DataParallel leaves
            there, is taken out.

    Returns:
        name in our model -> tensor; those of the classifier begin with "classifier.".

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no checkpoint, holds objects other than tensors, or has other parts.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"There is no file {file}.")
    try:
        parts = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken pickle raises almost anything
        foreign = re.search(r"GLOBAL ([\w.]+)", str(error))
        why = "it is no PyTorch file of tensors, or not a whole one"
        if foreign:
            why = f"it holds objects of {foreign[1]}, not only tensors"
        raise ValueError(f"{file} cannot be read as weights: {why}.") from error
    if not isinstance(parts, dict) or set(parts) != set(PARTS) or not all(isinstance(part, dict) for part in parts.values()):
        found = type(parts).__name__
        if isinstance(parts, dict):
            found = f"the entries {', '.join(map(str, list(parts)[:5])) or 'none'}"
        raise ValueError(
            f'{file} is not ImagiNet\'s checkpoint: expected two entries, "model" and "classifier", each a dict; found {found}.'
        )
    state = {}
    for part, prefix in zip(PARTS, ("", "classifier."), strict=True):
        for name, value in parts[part].items():
            plain = prefix + re.sub(r"(^|\.)module\.", r"\1", str(name))
            if not isinstance(value, Tensor):
                raise ValueError(f"{file} holds {type(value).__name__} instead of a tensor as {name}.")
            if plain in state:
                raise ValueError(f"{file} holds {plain} twice, with and without \"module.\".")
            state[plain] = value
    return state


def model_from(state: dict[str, Tensor], origin: str | Path) -> SelfConForImageClassification:
    """ImagiNet's network in float32 and eval mode with the weights of :func:`read_checkpoint`.

    Args:
        state: the weights.
        origin: their file, for errors.

    Raises:
        ValueError: if names or shapes differ from the network's, or a weight is not finite; it names the first ones.
    """
    model = SelfConForImageClassification(SelfConConfig(contents=CONTENTS, sub_classifier=False)).eval()
    own = model.state_dict()
    reshaped = [
        f"{name} {_shape(state[name])} instead of {_shape(own[name])}"
        for name in own if name in state and state[name].shape != own[name].shape
    ]
    differences = {
        "missing": [name for name in own if name not in state],
        "unexpected": [name for name in state if name not in own],
        "of another shape": reshaped,
    }
    said = [_first_of(names, kind) for kind, names in differences.items() if names]
    if said:
        raise ValueError(f"{origin} does not fit ImagiNet's network: {'; '.join(said)}.")
    spoilt = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if spoilt:
        raise ValueError(f"{origin} holds weights that are not finite numbers: {_first_of(spoilt, 'spoilt')}.")
    model.load_state_dict(state)
    return model


def convert(file: str | Path, folder: str | Path) -> Path:
    """Converts the checkpoint ``file`` into the new model folder ``folder``, with a model card; returns the folder.

    The folder appears whole or not at all; what a killed run left beside it is replaced by the next one.

    Raises:
        FileExistsError: if ``folder`` holds something already.
        FileNotFoundError, ValueError: if the checkpoint is not as expected.
    """
    check_free(folder)
    model = model_from(read_checkpoint(file), file)
    with new_folder(folder) as aside:
        made = save(model, SelfConImageProcessor(), aside / "model")
        (made / "README.md").write_text(_card(Path(file)), encoding="utf-8")
        for each in made.iterdir():
            each.rename(aside / each.name)
        made.rmdir()
    return Path(folder)


def _card(file: Path) -> str:
    with open(file, "rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    data = ModelCardData(
        library_name="transformers", pipeline_tag="image-classification", license="other", license_name="upstream",
        license_link=UPSTREAM, tags=["synthetic-image-detection", "selfcon", "imaginet"],
    )
    return str(ModelCard(f"""---
{data.to_yaml()}
---

# ImagiNet's published detector of synthetic images

Converted from `{file.name}` (SHA-256 `{digest}`) by `python -m scripts.convert_published_weights`. Nothing was trained here.

- **Origin and licence.** The weights are those of that file. ImagiNet's authors publish theirs at <{UPSTREAM}>
  (paper: <https://arxiv.org/abs/2407.20020>); their terms apply to the weights, so look there before you pass them on.
  The Python files in this folder are Apache-2.0.
- **What it learned**, if the file is theirs: real photos, paintings, faces and others against images of ProGAN, StyleGAN-XL,
  StyleGAN3, Stable Diffusion 2.1, SDXL 1.0, Animagine XL, Midjourney and DALL·E 3. It may miss images of any other generator.
- **Nothing was calibrated.** No temperature, bias or threshold was fitted: temperature is 1 and bias 0, and there are no
  operating points. A score of 0.5 is the bare network's zero, not a balance of errors. The paper's balanced accuracies use
  thresholds fitted on test images.
- **What is absent.** No classifier for families or generators and none on the sub-network: none was published, and an
  untrained one must not answer.
- **A trap.** An earlier model of theirs downsamples in its first layer and has weights of the same names and shapes. They
  cannot be told apart, and converted by this program that model gives wrong scores.

{usage_of("path/to/this/folder")}"""))


def _first_of(names: list[str], kind: str) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} {kind} ({', '.join(names[:SHOWN])}{more})"


def _shape(value: Tensor) -> str:
    return "×".join(map(str, value.shape)) or "scalar"


def main(arguments: list[str] | None = None) -> None:
    """The command line (default: ``sys.argv``). A mistake ends the program with one sentence and status 1."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.convert_published_weights", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Turns ImagiNet's published checkpoint into a model folder for pipeline(\"image-classification\").",
        epilog=f"The checkpoint is published at {UPSTREAM}. It is read without\nrunning any code that it may hold. "
        "The folder has no temperature and no threshold, and no classifier\nfor families or generators: none was published.",
    )
    parser.add_argument("checkpoint", metavar="imaginet_weights.pt", help="the published checkpoint")
    parser.add_argument("folder", metavar="OUT", help="new folder for model, code and card")
    given = parser.parse_args(arguments)
    with one_sentence_on_interrupt("scripts.convert_published_weights", "nothing was written"):
        try:
            folder = convert(given.checkpoint, given.folder)
        except (ValueError, OSError) as error:
            sys.exit(f"scripts.convert_published_weights: {error}")
    print(f'Model: {folder}   Use: pipeline("image-classification", model="{folder}", trust_remote_code=True)')


if __name__ == "__main__":
    main()
