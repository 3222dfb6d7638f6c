"""Thresholds for one's own pictures: fitted on a folder of real ones, and synthetic ones where there are any, into a new model folder."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from imaginet_core.detection.early_exit import is_sure, to_network_logit
from imaginet_core.pictures.sources import format_of
from imaginet_core.storage.files import walk_files
from imaginet_core.storage.safe_writes import check_new_folder, new_folder
from imaginet_tools.inference.networks.network import Settings
from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.metrics.calibration import fit_temperature_and_bias, operating_points, rate_points, uncertain_band
from imaginet_tools.metrics.early_exit import fit_early_exit

AT_ONCE = 64


class Calibration(NamedTuple):
    """What was fitted, as config.json of a model has it; see ``SelfConConfig`` for each.

    Attributes:
        temperature, bias: None where there were no synthetic pictures to fit them; the model's own stay.
        operating_points: without "balanced" where there were no synthetic pictures.
        uncertain, early_exit: None where there was no such band or no such pair. Without synthetic pictures the
            model's own stay, but for early exit's thresholds of false-alarm rates.
    """

    temperature: float | None
    bias: float | None
    operating_points: list[dict]
    uncertain: dict | None
    early_exit: dict | None = None


class FolderScores(NamedTuple):
    """A detector's logits for the pictures of a folder.

    Attributes:
        logit: float64 (N,), before temperature and bias.
        sub_logit: float64 (N,), of the sub-network; None without one.
        refused: path -> sentence of what could not be read.
    """

    logit: np.ndarray = np.empty(0)
    sub_logit: np.ndarray | None = None
    refused: dict[str, str] = {}


def scores_of_folder(detector: SavedDetector, folder: str) -> FolderScores:
    """A detector's logits for all pictures below a folder.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it holds no picture that can be read.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"There is no folder {folder}; give one with pictures.")
    files = sorted(str(Path(folder, name)) for name in walk_files(folder) if _is_picture(Path(folder, name)))
    parts, refused = [], {}
    with tqdm(total=len(files), desc=f"scoring {folder}", unit="image", dynamic_ncols=True, mininterval=1.0) as bar:
        for start in range(0, len(files), AT_ONCE):
            some = files[start : start + AT_ONCE]
            answers = detector.scores(some)
            refused.update((file, error) for file, error in zip(some, answers.error, strict=True) if error)
            fine = [error is None for error in answers.error]
            if any(fine):
                parts.append([None if column is None else column[fine] for column in (answers.logit, answers.sub_logit)])
            bar.update(len(some))
    if not parts:
        raise ValueError(f"{folder} holds no picture that can be read; give a folder of pictures.")
    return FolderScores(*(None if column[0] is None else np.concatenate(column) for column in zip(*parts, strict=True)), refused)


def fit(detector: SavedDetector, real: FolderScores, synthetic: FolderScores, fitted_on: str) -> Calibration:
    """Fits what the scores of real and synthetic pictures allow; there may be no synthetic ones.

    Without synthetic pictures only the thresholds of false-alarm rates can be had: they need real ones alone.
    """
    settings = detector.network.settings
    labels = np.repeat([0, 1], [len(real.logit), len(synthetic.logit)])
    logits = np.concatenate([real.logit, synthetic.logit])
    temperature, bias = settings.temperature, settings.bias
    if len(synthetic.logit):
        temperature, bias = fit_temperature_and_bias(logits, labels)
    probability = settings._replace(temperature=temperature, bias=bias).probability(logits)
    if not len(synthetic.logit):
        return Calibration(None, None, rate_points(probability, labels, fitted_on), None, _rates_with_early_exit(settings, real, fitted_on))
    points = operating_points(probability, labels, fitted_on)
    early_exit = None
    if real.sub_logit is not None:
        early_exit = fit_early_exit(np.concatenate([real.sub_logit, synthetic.sub_logit]), logits, labels, temperature, bias, fitted_on)
    return Calibration(temperature, bias, points, uncertain_band(probability, labels), early_exit)


def _rates_with_early_exit(settings: Settings, real: FolderScores, fitted_on: str) -> dict | None:
    """The model's own early exit, if there is one, with thresholds of false-alarm rates set anew."""
    early_exit = settings.early_exit
    if early_exit is None or real.sub_logit is None:
        return early_exit
    together = np.where(is_sure(real.sub_logit, early_exit), to_network_logit(real.sub_logit, early_exit), real.logit)
    points = rate_points(settings.probability(together), np.zeros(len(together), int), fitted_on)
    return {**early_exit, "operating_points": merge_points(early_exit["operating_points"], points)}


def merge_points(before: list[dict], fitted: list[dict]) -> list[dict]:
    """Operating points of which those of the same names are replaced."""
    names = {point["name"] for point in fitted}
    return [point for point in before if point["name"] not in names] + fitted


def check_places(model: str, output: str) -> None:
    """Makes sure, before any work, that :func:`write_calibrated` can copy ``model`` to ``output``; raises what it raises."""
    if not (Path(model) / "config.json").is_file():
        raise FileNotFoundError(f"{model} is no folder of a saved or exported model; download it first (hf download NAME --local-dir FOLDER).")
    if Path(output).resolve().is_relative_to(Path(model).resolve()):
        raise ValueError(f"{output} lies in the model's own folder; choose another place for the calibrated copy.")
    check_new_folder(output)


def write_calibrated(model: str, output: str, calibration: Calibration) -> Path:
    """A copy of a model folder with another calibration. The folder appears whole or not at all.

    Operating points of other names, such as "balanced" where only real pictures were at hand, stay as they were. What the model's
    report and card tell of thresholds is of the old ones, so that the card gets a sentence which says so.

    Raises:
        FileNotFoundError: if ``model`` is no folder.
        FileExistsError, ValueError: if ``output`` exists, is the model itself or lies in it.
    """
    check_places(model, output)
    source = Path(model)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config["operating_points"] = merge_points(config.get("operating_points") or [], calibration.operating_points)
    if calibration.temperature is not None:
        config |= {"temperature": calibration.temperature, "bias": calibration.bias, "uncertain": calibration.uncertain}
    if calibration.temperature is not None or calibration.early_exit is not None:
        config["early_exit"] = calibration.early_exit
    with new_folder(output) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        card = folder / "README.md"
        if card.is_file():
            told = f"\nThe thresholds of this copy were set anew ({calibration.operating_points[0]['fitted_on']}); tables above tell of the old ones.\n"
            card.write_text(card.read_text(encoding="utf-8") + told, encoding="utf-8")
    return Path(output)


def _is_picture(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as content:
        return format_of(content.read(64)) is not None
