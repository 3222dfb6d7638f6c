"""Thresholds for one's own pictures: fitted on a folder of real ones, and synthetic ones where there are any, into a new model folder."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from imaginet_core.pictures.sources import format_of
from imaginet_core.storage.files import walk_files
from imaginet_core.storage.safe_writes import check_new_folder, new_folder
from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.metrics.calibration import fit_temperature_and_bias, operating_points, rate_points, uncertain_band

AT_ONCE = 64


class Calibration(NamedTuple):
    """What was fitted, as config.json of a model has it; see ``SelfConConfig`` for each.

    Attributes:
        temperature, bias: None where there were no synthetic pictures to fit them; the model's own stay.
        operating_points: without "balanced" where there were no synthetic pictures.
        uncertain: None where there was no such band, or there were no synthetic pictures.
    """

    temperature: float | None
    bias: float | None
    operating_points: list[dict]
    uncertain: dict | None


def scores_of_folder(detector: SavedDetector, folder: str) -> tuple[np.ndarray, dict[str, str]]:
    """A detector's logits for all pictures below a folder.

    Returns:
        logits, float64 (N,), before temperature and bias; and path -> sentence of what could not be read.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it holds no picture that can be read.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"There is no folder {folder}; give one with pictures.")
    files = sorted(str(Path(folder, name)) for name in walk_files(folder) if _is_picture(Path(folder, name)))
    logits, refused = [], {}
    with tqdm(total=len(files), desc=f"scoring {folder}", unit="image", dynamic_ncols=True, mininterval=1.0) as bar:
        for start in range(0, len(files), AT_ONCE):
            some = files[start : start + AT_ONCE]
            answers = detector.scores(some)
            refused.update((file, error) for file, error in zip(some, answers.error, strict=True) if error)
            logits.append(answers.logit[[error is None for error in answers.error]])
            bar.update(len(some))
    found = np.concatenate([np.empty(0), *logits])
    if not len(found):
        raise ValueError(f"{folder} holds no picture that can be read; give a folder of pictures.")
    return found, refused


def fit(detector: SavedDetector, real: np.ndarray, synthetic: np.ndarray, fitted_on: str) -> Calibration:
    """Fits what real and synthetic logits, float64 (N,), allow; ``synthetic`` may be empty.

    Without synthetic pictures only the thresholds of false-alarm rates can be had: they need real ones alone.
    """
    settings = detector.network.settings
    labels = np.repeat([0, 1], [len(real), len(synthetic)])
    logits = np.concatenate([real, synthetic])
    temperature, bias = settings.temperature, settings.bias
    if len(synthetic):
        temperature, bias = fit_temperature_and_bias(logits, labels)
    probability = settings._replace(temperature=temperature, bias=bias).probability(logits)
    if not len(synthetic):
        return Calibration(None, None, rate_points(probability, labels, fitted_on), None)
    points = operating_points(probability, labels, fitted_on)
    return Calibration(temperature, bias, points, uncertain_band(probability, labels))


def write_calibrated(model: str, output: str, calibration: Calibration) -> Path:
    """A copy of a model folder with another calibration. The folder appears whole or not at all.

    Operating points of other names, such as "balanced" where only real pictures were at hand, stay as they were. What the model's
    report and card tell of thresholds is of the old ones, so that the card gets a sentence which says so.

    Raises:
        FileNotFoundError: if ``model`` is no folder.
        FileExistsError, ValueError: if ``output`` exists, is the model itself or lies in it.
    """
    source = Path(model)
    if not (source / "config.json").is_file():
        raise FileNotFoundError(f"{model} is no folder of a saved or exported model; download it first (hf download NAME --local-dir FOLDER).")
    if Path(output).resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{output} lies in the model's own folder; choose another place for the calibrated copy.")
    check_new_folder(output)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    fitted = {point["name"] for point in calibration.operating_points}
    kept = [point for point in config.get("operating_points") or [] if point["name"] not in fitted]
    config["operating_points"] = kept + calibration.operating_points
    if calibration.temperature is not None:
        changed = {name: value for name, value in calibration._asdict().items() if name != "operating_points"}
        config.update(changed)
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
