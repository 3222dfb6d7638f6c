"""Ways of setting a threshold on held-out images of known generators, and what each loses on the generator left out.

    python -m benchmarks.unseen.thresholds --data_dir ../shared/lab --views 3840 [--row preset] [--out runs/unseen]

On the finished runs of a row, see ``benchmarks.unseen``, which makes them. What a way loses is how far its balanced accuracy lies
below that of the best threshold for the very pictures scored. Some of this is luck of the best one, which no way of setting a
threshold beforehand can have; so the table ends with what a threshold loses that was the best one for the other half of these
source pictures. "Known": pictures of the other generators among those scored. "Simulated": of the held-out images the real ones alone, and
counterparts of these by simulated generators that trained nothing. A second table has what lies between this threshold and the stored
one, where a run calls a label a guess.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from sklearn.metrics import balanced_accuracy_score, roc_curve

from benchmarks.unseen.parts import Lab, Part, add_plan_options, folder_name, plan_of
from benchmarks.unseen.rows import ROWS
from benchmarks.unseen.runs import finished_folder, options_of, splits_of
from benchmarks.unseen.scores import CONDITIONS, scores_of
from imaginet_core.text_tables import markdown_table
from imaginet_tools.evaluation.predict import predict
from imaginet_tools.images.image_set import REAL, ImageSet
from imaginet_tools.inference.detector import Detector
from imaginet_tools.inference.saved_detector import open_detector
from imaginet_tools.metrics.calibration import balanced_threshold
from training.simulation.held_out import held_out_images

HALVES = 20
"""Draws of half of the source pictures."""


def false_alarms(rate: float) -> Callable[[np.ndarray, np.ndarray], float]:
    """The threshold above which this share of the real images lies."""
    return lambda probability, label: float(np.quantile(probability[label == 0], 1 - rate))


STORED, SIMULATED, LUCK = "balanced, clean (stored)", "balanced, clean, simulated", "best of the other half of the pictures scored"
WAYS: dict[str, tuple[Callable[[np.ndarray, np.ndarray], float], str]] = {
    STORED: (balanced_threshold, "clean"),
    "balanced, all conditions": (balanced_threshold, "all"),
    "balanced, each condition by itself": (balanced_threshold, "each"),
    SIMULATED: (balanced_threshold, "simulated"),
    "20 % false alarms, clean": (false_alarms(0.2), "clean"),
    "20 % false alarms, each condition by itself": (false_alarms(0.2), "each"),
}
"""Name -> from probabilities and labels to a threshold, and which images it is fitted on."""


def losses(fitted_on: dict, scored: dict) -> dict[str, list[float]]:
    """What each way loses on ``scored``, both as ``scores.scores_of`` gives them, ``fitted_on`` also with :func:`against_simulated` as
    "simulated" where there are any: name -> of each column, the last: :func:`luck`."""
    found = {
        name: [_loss(scored, column, _threshold(way, on, fitted_on, column)) for column in CONDITIONS]
        for name, (way, on) in WAYS.items() if on != "simulated" or on in fitted_on
    }
    return {**found, LUCK: [luck(scored, column) for column in CONDITIONS]}


def guesses(fitted_on: dict, scored: dict) -> dict[str, list[float]]:
    """What lies between the stored threshold and that of simulated counterparts, both classes weighing the same; given what
    :func:`losses` is given: name -> of each column."""
    low, high = sorted(_threshold(*WAYS[way], fitted_on, "clean") for way in (STORED, SIMULATED))
    stored, label = _threshold(*WAYS[STORED], fitted_on, "clean"), np.array(scored["label"])
    weight, found = (0.5 / np.bincount(label))[label], []
    for column in CONDITIONS:
        probability = np.array(scored["probability"][column])
        between, wrong = (probability >= low) & (probability <= high), (probability >= stored) != (label == 1)
        shares = [float(np.average(wrong[where], weights=weight[where])) if where.any() else np.nan for where in (between, ~between)]
        found.append([float(weight[between].sum()), *shares])
    return dict(zip(("pictures between both", "labels wrong between both", "labels wrong elsewhere"), np.transpose(found).tolist(), strict=True))


def luck(scored: dict, column: str, seed: int = 0) -> float:
    """What the best threshold of half of the source pictures loses on the other half, against the best there."""
    sources, number = np.unique(scored["source_image"], return_inverse=True)
    label, rng, found = np.array(scored["label"]), np.random.default_rng(seed), []
    for _ in range(HALVES):
        one = rng.permutation(len(sources))[number] < len(sources) // 2
        if all(len(set(label[half].tolist())) == 2 for half in (one, ~one)):
            found += [_loss(_select(scored, ~half), column, _best(_select(scored, half), column)[0]) for half in (one, ~one)]
    return float(np.mean(found))


def _threshold(way: Callable, on: str, fitted_on: dict, column: str) -> float:
    if on == "simulated":
        fitted_on, on = fitted_on[on], "clean"
    columns = {"clean": ["clean"], "all": list(CONDITIONS), "each": [column]}[on]
    return way(np.concatenate([fitted_on["probability"][each] for each in columns]), np.tile(fitted_on["label"], len(columns)))


def _loss(scored: dict, column: str, threshold: float) -> float:
    label, probability = np.array(scored["label"]), np.array(scored["probability"][column])
    return _best(scored, column)[1] - balanced_accuracy_score(label, probability >= threshold)


def _best(scored: dict, column: str) -> tuple[float, float]:
    """The threshold with the highest balanced accuracy on these pictures, and that accuracy."""
    alarms, found, thresholds = roc_curve(scored["label"], scored["probability"][column])
    best = int(np.argmax(found - alarms))
    return float(thresholds[best]), float((found[best] + 1 - alarms[best]) / 2)


def _select(scored: dict, chosen: np.ndarray) -> dict:
    """Some of the pictures."""
    number = np.flatnonzero(chosen)
    return {
        "label": [scored["label"][each] for each in number],
        "probability": {column: [values[each] for each in number] for column, values in scored["probability"].items()},
    }


def against_simulated(detector: Detector, held_out: dict, simulated: ImageSet) -> dict:
    """Labels and probabilities, clean, of the held-out real images, whose scores are there, and of simulated counterparts."""
    real = [value for value, label in zip(held_out["probability"]["clean"], held_out["label"], strict=True) if label == REAL]
    made = predict(detector, simulated, "clean").probability.tolist()
    return {"label": [0] * len(real) + [1] * len(made), "probability": {"clean": real + made}}


def known_of(part: Part, lab: Lab, folds: int) -> ImageSet:
    """The real pictures scored, and those of the other generators beside them."""
    pool = lab.pool(part.fold, folds)
    return pool.select(pool.generator != part.generator)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.unseen.thresholds", description=__doc__.partition("\n")[0])
    add_plan_options(parser)
    parser.add_argument("--out", type=Path, default=Path("runs/unseen"), help="of the runs (default: %(default)s)")
    parser.add_argument("--row", choices=ROWS, default="preset", metavar="ROW", help="whose runs (default: %(default)s)")
    options = parser.parse_args()
    lab = Lab(options.data_dir)
    plan, out, row = plan_of(options, lab), (options.out / folder_name(options)).resolve(), ROWS[options.row]
    scores: list[tuple[dict, dict, dict]] = []  # of held-out pictures, of those with the generator left out, of those with the others
    for generator in lab.generators:
        part = lab.part(generator, plan.folds, row.known)
        detector = open_detector(str(finished_folder(options.row, part, plan, out) / "model"), device="cpu", name=options.row)
        run = options_of(row, part, lab, plan, out)
        images, simulated = held_out_images(splits_of(run), run, out / "simulated", Accelerator(cpu=True), least=0)
        held_out = scores_of(detector, part._replace(scored=images))
        if simulated is not None:
            held_out["simulated"] = against_simulated(detector, held_out, simulated)
        scores.append((held_out, *(scores_of(detector, part._replace(scored=images)) for images in (part.scored, known_of(part, lab, plan.folds)))))
    print(table(losses, scores))
    if "simulated" in scores[0][0]:
        print(f"\n{table(guesses, scores)}")


def table(told: Callable[[dict, dict], dict[str, list[float]]], scores: list[tuple[dict, dict, dict]]) -> str:
    """The mean over runs of what ``told`` says, unseen and known, as Markdown; where nothing lies between thresholds that run is left out."""
    unseen, known = ([told(each[0], each[number]) for each in scores] for number in (1, 2))
    lines = [
        [name, *(f"{value:.3f}" for value in np.hstack([np.nanmean([each[name] for each in runs], 0) for runs in (unseen, known)]))]
        for name in unseen[0]
    ]
    return markdown_table(["threshold", *(f"{of}, {column}" for of in ("unseen", "known") for column in CONDITIONS)], lines)


if __name__ == "__main__":
    main()
