"""One table of selfcon, supcon, ce, selfcon + consistency and selfcon + reconstructions: all else the same, the number of steps
too.

    python benchmarks/objectives.py --data_dir ../shared/lab --out runs/objectives [--epochs 400] [--seeds 42] [--fold 2/4]
        [--cpu_threads 2] [--variants selfcon supcon ...] [--also --held_out 0.2 ...]

Each run is `train_selfcon.py --preset laptop` with one word changed, in a folder of its own. The script may be stopped at any
moment; the same command goes on (finished runs are kept, an unfinished one resumes from its last checkpoint). An epoch with
reconstructions has more steps, so such a run gets fewer epochs. Make choices with --fold (a fold of the training list is scored);
without it the test list is. The folder then holds objectives.md and objectives.png, written anew after each run: AUC and balanced
accuracy by condition with 95 % intervals, and training seconds.
"""

import argparse
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.trainings.resumed import finish_run, steps_per_epoch  # noqa: E402
from imaginet_core.pictures.degradations import CONDITION_TITLES  # noqa: E402
from imaginet_tools.evaluation.report import Report  # noqa: E402
from imaginet_tools.images.splits import load_splits  # noqa: E402
from training.command_line import parse_options  # noqa: E402
from training.run.output_folder import is_finished  # noqa: E402

VARIANTS = {
    "selfcon": ("--objective", "selfcon"),
    "supcon": ("--objective", "supcon"),
    "ce": ("--objective", "ce"),
    "selfcon + consistency": ("--objective", "selfcon", "--consistency"),
    "selfcon + reconstructions": ("--objective", "selfcon", "--reconstructions"),
}
FIGURES = {"auc": "AUC", "balanced_accuracy": "balanced accuracy"}


def train(variant: str, seed: int, options: argparse.Namespace) -> None:
    """One run, from where it stands to its end; nothing if it is finished. Raises SystemExit if it fails."""
    command = command_of(variant, seed, options)
    finish_run(folder_of(variant, seed, options), command, "objectives.py", f"{variant}, seed {seed}")


def command_of(variant: str, seed: int, options: argparse.Namespace) -> list[str]:
    """The command line of one run, but for its folder."""
    data, epochs = Path(options.data_dir).resolve(), options.epochs
    command = [sys.executable, "train_selfcon.py", "--preset", options.preset, "--data_dir", str(data), "--seed", str(seed)]
    command += [*VARIANTS[variant], *(["--fold", options.fold] if options.fold else [])]
    command += ["--cpu_threads", str(options.cpu_threads)] if options.cpu_threads else []
    if "--reconstructions" in VARIANTS[variant]:
        epochs = epochs_with_reconstructions([*command[2:], *options.also], epochs)
    return [*command, "--epochs", str(epochs), *options.also]


def epochs_with_reconstructions(arguments: list[str], epochs: int) -> int:
    """How many epochs with reconstructions have about as many steps as ``epochs`` without."""
    options = parse_options(arguments)
    images = load_splits(options.data, options.run.seed).train
    with_reconstructions, without = (steps_per_epoch(each, images) for each in (options, options.replace(reconstructions=None)))
    return max(1, round(epochs * without / with_reconstructions))


def folder_of(variant: str, seed: int, options: argparse.Namespace) -> Path:
    return options.out / f"{variant.replace(' + ', '_')}_seed{seed}"


def reports_of(variant: str, options: argparse.Namespace) -> list[Report]:
    """The variant's finished runs of the seeds asked for. Raises SystemExit for a run with another fold or data."""
    found = []
    for folder in (folder_of(variant, seed, options) for seed in options.seeds):
        if not is_finished(folder):
            continue
        report = Report.read(folder / "report.json")
        data = Path(report.options["data_dir"]).resolve()
        if report.options["fold"] != options.fold or data != Path(options.data_dir).resolve():
            sys.exit(f"objectives.py: {folder} holds a run on other data or another fold; give another --out.")
        found.append(report)
    return found


def figure_of(reports: list[Report], detector: str, condition: str, figure: str) -> tuple[float, float, float]:
    """Mean over the reports of a figure and of the ends of its interval, which covers the choice of the scored images."""
    estimates = [
        getattr(row.metrics, figure) for report in reports for row in report.figures
        if (row.detector, row.condition, row.kind) == (detector, condition, "overall")
    ]
    ends = [(each.value, *((each.value, each.value) if each.low is None else (each.low, each.high))) for each in estimates]
    return tuple(statistics.fmean(column) for column in zip(*ends, strict=True))


def conditions_of(report: Report) -> list[str]:
    return list(dict.fromkeys(row.condition for row in report.figures))


def markdown(runs: dict[str, list[Report]], options: argparse.Namespace) -> str:
    """The table: a row per variant and figure, a column per condition; the pixel statistics of the same data last."""
    some = next(iter(runs.values()))
    conditions = conditions_of(some[0])
    part = f"fold {options.fold} of the training list" if options.fold else "the test list"
    lines = [
        f"Scored: {part} of {Path(options.data_dir).name}, {some[0].data['splits']['test']['images']} images; the mean of the seeds, "
        "with the mean of their 95 % intervals over source images. All runs have about the same number of steps.", "",
        f"| objective | seeds | steps × batch | seconds | figure | {' | '.join(CONDITION_TITLES[each] for each in conditions)} |",
        "| --- " * (5 + len(conditions)) + "|",
    ]
    detectors = [(name, reports, "model") for name, reports in runs.items()] + [("pixel statistics", some, "pixel statistics")]
    for name, reports, detector in detectors:
        seen = f"{statistics.fmean(each.training['images_seen'] for each in reports):,.0f}" if detector == "model" else ""
        seconds = f"{statistics.fmean(each.training['seconds'] for each in reports):,.0f}" if detector == "model" else ""
        for figure, title in FIGURES.items():
            cells = ["{:.3f} [{:.3f}, {:.3f}]".format(*figure_of(reports, detector, each, figure)) for each in conditions]
            lines.append(f"| {name} | {len(reports)} | {seen} | {seconds} | {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(runs: dict[str, list[Report]], file: Path) -> None:
    """AUC with intervals: a row per variant, a colour per condition."""
    from matplotlib.figure import Figure

    some = next(iter(runs.values()))
    rows = [(name, reports, "model") for name, reports in runs.items()] + [("pixel statistics", some, "pixel statistics")]
    figure = Figure(figsize=(9, 1.5 + 0.6 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for number, condition in enumerate(conditions_of(some[0])):
        for place, (_, reports, detector) in enumerate(rows):
            value, low, high = figure_of(reports, detector, condition, "auc")
            y = place + 0.2 * (number - 1)
            axes.plot([low, high], [y, y], color=f"C{number}", linewidth=2)
            axes.plot([value], [y], "o", color=f"C{number}", label=CONDITION_TITLES[condition] if place == 0 else None)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.invert_yaxis()
    axes.set(xlabel="AUC, with 95 % interval over source images")
    axes.legend(fontsize=8)
    figure.savefig(file, dpi=110, format="png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", default=str(ROOT.parent / "shared" / "lab"), help="raw images, as for train_selfcon.py")
    parser.add_argument("--out", type=Path, default=Path("runs/objectives"), help="folder of the runs (default: runs/objectives)")
    parser.add_argument("--preset", default="laptop", help="of train_selfcon.py (default: laptop)")
    parser.add_argument("--epochs", type=int, default=400, help="of a run without reconstructions (default: 400)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42], help="(default: 42)")
    parser.add_argument("--fold", help="'2/4': score the second of four folds of the training list instead of the test list")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="(default: all)")
    parser.add_argument("--cpu_threads", type=int, help="of each run (default: all cores)")
    parser.add_argument("--also", nargs=argparse.REMAINDER, default=[], help="last: further options for every run")
    options = parser.parse_args()
    options.out = options.out.resolve()
    for seed in options.seeds:  # all variants of one seed first, so that the table compares early
        for variant in options.variants:
            train(variant, seed, options)
            runs = {name: reports for name in options.variants if (reports := reports_of(name, options))}
            text = markdown(runs, options)
            (options.out / "objectives.md").write_text(text, encoding="utf-8")
            draw(runs, options.out / "objectives.png")
    print(text)


if __name__ == "__main__":
    main()
