"""`imaginet calibrate MODEL --real FOLDER [--synthetic FOLDER] --output NEW`: thresholds for one's own pictures."""

import argparse

from imaginet_tools.commands.errors import in_one_sentence
from imaginet_tools.commands.output_option import add_output
from imaginet_tools.inference.calibrate_detector import Calibration, FolderScores, check_places, fit, scores_of_folder, write_calibrated
from imaginet_tools.inference.saved_detector import open_detector


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="imaginet calibrate",
        description="Sets a model's thresholds on your own pictures and writes a copy of its folder. Never calibrate on pictures that you "
        "will report figures of.",
    )
    parser.add_argument("model", metavar="MODEL", help="folder of a saved or exported model")
    parser.add_argument("--real", required=True, metavar="FOLDER", help="real pictures: 59 or more for 5 %% false alarms, 299 for 1 %%")
    parser.add_argument("--synthetic", metavar="FOLDER", help="synthetic pictures; with them the probability is calibrated, too")
    add_output(parser, "folder to make for the calibrated copy")
    parser.add_argument("--device", help="cpu, cuda, ... (default: the best that there is)")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Runs the command; returns 0 when the copy is written, or ends with a sentence."""
    options = parse(arguments)
    with in_one_sentence("calibrate"):
        check_places(options.model, options.output)
        detector = open_detector(options.model, device=options.device)
        real = scores_of_folder(detector, options.real)
        synthetic = scores_of_folder(detector, options.synthetic) if options.synthetic else FolderScores()
        fitted_on = f"{len(real.logit)} real and {len(synthetic.logit)} synthetic pictures of one's own"
        calibration = fit(detector, real, synthetic, fitted_on)
        written = write_calibrated(options.model, options.output, calibration)
    print("\n".join(lines_of(calibration, {**real.refused, **synthetic.refused})))
    print(f"Written to {written}")
    return 0


def lines_of(calibration: Calibration, refused: dict[str, str]) -> list[str]:
    """What to tell the user: each threshold or why there is none, the uncertain band, early exit, and what could not be read."""
    lines = []
    for point in calibration.operating_points:
        if point["threshold"] is None:
            lines.append(f"{point['name']}: none ({point['reason']})")
            continue
        sure = f", with {point['confidence']:.0%} confidence" if point["confidence"] else ""
        found = "" if point["recall"] is None else f", finds {point['recall']:.1%} of {point['n_synthetic']} synthetic"
        lines.append(f"{point['name']}: {point['threshold']:.4f}{sure}; flags {point['false_alarm_rate']:.1%} of {point['n_real']} real{found}")
    if (band := calibration.uncertain) is not None:
        lines.append(
            f"uncertain: {band['low']:.4f} to {band['high']:.4f}, where more than {band['error']:.0%} of the labels were wrong; "
            f"{band['share']:.1%} of the pictures lie there"
        )
    if (early := calibration.early_exit) is not None:
        lines.append(
            f"early exit: {early['share']:.1%} of the {early['images']} pictures that it was fitted on leave early; "
            f"AUC {early['auc']:.4f} instead of {early['auc_whole']:.4f}"
        )
    if refused:
        lines.append(f"{len(refused):,} pictures could not be read and were left out, e.g. {next(iter(refused.values()))}")
    return lines
