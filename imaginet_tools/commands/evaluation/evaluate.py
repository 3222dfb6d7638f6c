"""`imaginet evaluate --model M --folder F --output REPORT`: how good any detectors are on any images, as a report one can publish."""

import argparse
import os
import shlex
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from imaginet_core.pictures.degradation_grid.conditions import names_of
from imaginet_core.storage.safe_writes import check_writable
from imaginet_tools.commands.errors import in_one_sentence
from imaginet_tools.commands.output_option import add_output
from imaginet_tools.commands.ray_options import add_ray_options, check_ray_options, told_what_ray_needs
from imaginet_tools.evaluation.report_parts import DetectorFacts
from imaginet_tools.evaluation.reports.build_report import Plan
from imaginet_tools.evaluation.reports.evaluate_detectors import Contestant, Work, evaluate_detectors
from imaginet_tools.evaluation.reports.paper_threshold import find_calibration_list, read_calibration_list
from imaginet_tools.evaluation.reports.report_folder import write_report_folder
from imaginet_tools.evaluation.stored.score_files import ScoreFile, images_of, read_scores, recorded
from imaginet_tools.evaluation.stored.score_images import Engine
from imaginet_tools.evaluation.stored.score_store import default_store
from imaginet_tools.evaluation.summary import summary_of
from imaginet_tools.evaluation.tables import screen_table
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.images.layouts.conventions import parse_label_map
from imaginet_tools.images.layouts.read_benchmark import LAYOUTS, read_benchmark, read_several_lists
from imaginet_tools.metrics.groups import PROTOCOLS

RESUMABLE = "every score that was computed is kept; the same command goes on where it was"
TEST = "test"


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="imaginet evaluate",
        description="Scores images with any detectors and writes a report: figures with intervals, tables, baselines beside them, charts.",
    )
    add = parser.add_argument
    of = parser.add_argument_group("detectors")
    of.add_argument(
        "--model", nargs="+", default=[], metavar="[NAME=]M",
        help="folder of a saved or exported model, or of any classifier of transformers, a name on the Hub, package.module:name, http address",
    )
    of.add_argument("--scores", nargs="+", default=[], metavar="[NAME=]FILE",
                    help="CSV, JSON lines or Parquet with path and probability, or a folder of imaginet score, in place of models")
    of.add_argument("--label_map", type=parse_label_map, help='what labels of detectors (or of --dataset) mean, e.g. "LABEL_0=real,LABEL_1=fake"')
    of.add_argument("--threshold", nargs="+", default=["model"], metavar="T",
                    help='model (its operating point, default), a number, or "refit N": fitted on N source pictures that are then excluded')
    for name, what in (("operating_point", "of models of ours (default: balanced)"), ("backend", "of models of ours"),
                       ("device", "cpu, cuda, …"), ("revision", "of models on the Hub")):
        of.add_argument(f"--{name}", help=what)
    of.add_argument("--trust_remote_code", action="store_true", help="run the code of a model of ours on the Hub")
    _add_images(parser)
    add("--conditions", nargs="+", default=["clean"], metavar="C",
        help="also score images after degradations: web, hard, jpeg, …, or one by name (docs/degradations.md)")
    add("--by", nargs="+", default=[], metavar="COLUMN", help="tables by the values of columns, e.g. platform release_date")
    add("--pairs", metavar="COLUMN", help="column that says which real and synthetic images belong together")
    add("--protocol", default="content", choices=list(PROTOCOLS), help="; ".join(f"{name}: {what}" for name, what in PROTOCOLS.items()))
    add("--calibration_list", metavar="FILE",
        help="with --protocol paper: images that thresholds are fitted on as in the paper, beside the detectors' own "
        "(default: test_calibration.txt beside the lists of --data_dir)")
    add("--no_baselines", action="store_true", help="leave the metadata and pixel-statistics classifiers out")
    add("--baseline_images", type=int, default=2000, help="training images that baselines are fitted on, where there are (default 2000; 0: none)")
    add("--out_of_scope", type=int, default=20, metavar="N",
        help="also N documents, N screenshots and N flat graphics, drawn on the spot, that no detector was made for (default 20; 0: none)")
    add("--attack", type=int, default=0, metavar="N", help="also the adversarial floor (PGD) of models of ours, on N images (default 0: not)")
    add("--feature_map", nargs="?", type=int, const=500, default=0, metavar="N",
        help="also a map in two dimensions of what the first model of ours sees in N images (without N: 500); a second pass over these")
    add("--heatmaps", action="store_true", help="show where models of ours see the most confident mistakes as synthetic; a pass over each of them")
    add("--on_corrupt", default="error", choices=("error", "skip"), help="what to do about images that cannot be read")
    add("--resamples", type=int, default=1000, help="draws of source pictures for the intervals (default 1000)")
    add("--seed", type=int, default=0)
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes that read pictures (default: all cores)")
    add("--store", type=Path, help="folder of scores that were computed before (default: the user's cache)")
    add_ray_options(add)
    add_output(parser, "folder for report.html, report.md, report.json, scores.csv, table.tex and charts")
    options = parser.parse_args(arguments)
    if not options.model and not options.scores:
        parser.error("name a detector: --model, or --scores")
    if not _named_images(options) and options.model:
        parser.error("name the images: --folder, --csv, --dataset, --data_dir or --sample")
    if options.workers < 1 or options.resamples < 2 or min(options.out_of_scope, options.attack, options.feature_map) < 0:
        parser.error("--workers must be at least 1, --resamples at least 2, --out_of_scope, --attack and --feature_map not below 0")
    if options.root and not options.csv:
        parser.error("--root is the folder of the images of lists; name them with --csv")
    check_ray_options(parser, options)
    options.threshold = _threshold(parser, options.threshold)
    if options.calibration_list and (options.protocol != "paper" or options.threshold[0] == "refit"):
        parser.error("--calibration_list needs --protocol paper, and no --threshold refit, which leaves images out")
    return options


def _add_images(parser: argparse.ArgumentParser) -> None:
    of = parser.add_argument_group("images")
    which = of.add_mutually_exclusive_group()
    which.add_argument("--data_dir", metavar="RAW", help="folder of ImagiNet's raw images, as for load_dataset")
    which.add_argument("--dataset", help="a prepared data set: a folder of save_to_disk, Parquet files, or a name on the Hub")
    which.add_argument("--folder", help="a benchmark's folder, e.g. with real/ and synthetic/")
    which.add_argument("--csv", nargs="+", metavar="FILE", help="CSV file with the columns path and label, or one or several of the paper's lists")
    which.add_argument("--sample", action="store_true", help="the embedded sample")
    of.add_argument("--layout", choices=list(LAYOUTS), help="of --folder, --csv or --dataset, where it is not recognised")
    of.add_argument("--config_name", help="configuration of --data_dir (all) or --dataset")
    of.add_argument("--split", help="default: test, where there is one")
    of.add_argument("--root", help="folder that the paths of lists start from (default: where the lists lie)")
    for name in ("annotations", "locations", "registry"):
        of.add_argument(f"--{name}", help="with --data_dir, as for load_dataset")
    for name in ("image_column", "label_column", "real"):
        of.add_argument(f"--{name}", help="of --dataset")
    of.add_argument("--limit", type=int, default=0, help="so many images, chosen by a checksum of their names (default 0: all)")


def _named_images(options: argparse.Namespace) -> bool:
    return bool(options.data_dir or options.dataset or options.folder or options.csv or options.sample)


def _threshold(parser: argparse.ArgumentParser, words: list[str]) -> tuple[str, float | None]:
    """("model", None), ("refit", N) or ("given", threshold)."""
    if words == ["model"]:
        return "model", None
    try:
        if words[0] == "refit" and len(words) == 2 and int(words[1]) > 1:
            return "refit", int(words[1])
        if len(words) == 1 and 0 < float(words[0]) < 1:
            return "given", float(words[0])
    except ValueError:
        pass
    parser.error(f'--threshold is model, a number between 0 and 1, or refit N with N above 1; got {" ".join(words)}')


def main(arguments: list[str]) -> int:
    """Runs the command; returns 0 when the report is written, or ends with a sentence."""
    options = parse(arguments)
    with in_one_sentence("evaluate", RESUMABLE):
        check_writable(options.output)
        files = {name: read_scores(file) for name, file in map(_named_file, options.scores)}
        images, limits, train = _images(options, list(files.values()))
        contestants = [*_opened(options), *(_recorded(name, file, images, options) for name, file in files.items())]
        kind, number = options.threshold
        if kind == "given":
            contestants = [each._replace(facts=replace(each.facts, threshold=number, threshold_from="given")) for each in contestants]
        plan = Plan(
            tuple(options.by), options.pairs, options.protocol, number if kind == "refit" else None, options.resamples, options.seed,
            _calibration(options, images),
        )
        command = shlex.join(["imaginet", "evaluate", *(arguments or sys.argv[1:])])
        with _engine(options) as engine:
            work = Work(
                tuple(names_of(["clean", *options.conditions])), options.store or default_store(), options.workers, options.on_corrupt,
                _named_images(options) and not options.no_baselines, train, options.out_of_scope, options.attack, options.feature_map, engine,
            )
            report, scored = evaluate_detectors(contestants, images, work, plan, limits, command, _title(options, images))
        report = write_report_folder(report, scored, Path(options.output), options.heatmaps)
    print(screen_table([row for row in report.figures if row.kind == "overall"]))
    print("\n".join(filter(None, ["", summary_of(report.figures), *report.limits, f"Written to {options.output}"])))
    return 0


def _engine(options: argparse.Namespace) -> AbstractContextManager[Engine | None]:
    """What computes in place of this machine."""
    if options.engine == "local":
        return nullcontext()
    with told_what_ray_needs():
        from imaginet_tools.evaluation.stored.ray_scoring import RayEngine
    return RayEngine(options.ray_address, options.actors, options.device)


def _named_file(text: str) -> tuple[str, str]:
    name, sign, file = text.partition("=")
    return (name, file) if sign and not os.path.exists(text) else (Path(text).stem, text)


def _images(options: argparse.Namespace, files: list[ScoreFile]) -> tuple[ImageSet, list[str], ImageSet | None]:
    """The images, sentences on how they were read, and training images where they are at hand."""
    if not _named_images(options):
        return images_of(files[0], options.label_map), [], None
    train, told = None, []
    if options.data_dir or options.sample:
        given = {name: getattr(options, name) for name in ("data_dir", "annotations", "locations", "registry")}
        name = "sample" if options.sample else options.config_name or "all"
        images, train = _of_raw(name, options.split, given, options.baseline_images)
        if images.missing:
            told.append(f"{images.missing} listed images are not there; figures are of the {len(images)} that are.")
    else:
        columns = {"image": options.image_column, "label": options.label_column, "real": options.real}
        labels = options.label_map if options.dataset else None
        if len(options.csv or ()) > 1:
            images, description = read_several_lists(options.csv, options.root)
        else:
            images, description = read_benchmark(
                options.folder or (options.csv or [None])[0] or options.dataset, options.layout, labels, options.split, options.config_name,
                options.root, **{name: value for name, value in columns.items() if value},
            )
        told.append(str(description))
    chosen = images.choose(options.limit)
    if len(chosen) < len(images):
        told.append(f"{len(chosen)} of {len(images)} images, chosen by a checksum of their names.")
        images = images.select(chosen)
    return images, told, train


def _calibration(options: argparse.Namespace, images: ImageSet) -> frozenset[str] | None:
    """Paths of the images that the paper's thresholds are fitted on; None where none are wanted, or there is no list of these images."""
    if options.protocol != "paper" or options.threshold[0] == "refit":
        return None
    if options.calibration_list:
        return read_calibration_list(options.calibration_list)
    found = find_calibration_list(options.data_dir, options.annotations) if options.data_dir else None
    listed = read_calibration_list(found) if found else frozenset()
    return listed if listed & set(images.path.tolist()) else None


def _title(options: argparse.Namespace, images: ImageSet) -> str:
    """What the images are called in the report; of a place on this machine only its last part."""
    if options.sample:
        return "imaginet-sample"
    if options.csv:
        return ", ".join(Path(file).name for file in options.csv)
    place = options.data_dir or options.folder or options.dataset or images.title
    return Path(place).resolve().name if os.path.exists(place) else place


def _of_raw(name: str, split: str | None, given: dict, most: int) -> tuple[ImageSet, ImageSet | None]:
    """The scored images of raw data, by default the test split, and some of the training split."""
    everything = ImageSet.from_raw(name, (split,) if split else (), **given)
    if split:
        return everything, None
    try:
        images = ImageSet.from_raw(name, (TEST,), **given)
    except ValueError:  # such as a test set of its own, which has one split
        return everything, None
    train = ImageSet.from_raw(name, ("train",), **given) if most else None
    return images, train.select(train.choose(most)) if train is not None and len(train) else None


def _opened(options: argparse.Namespace) -> list[Contestant]:
    if not options.model:
        return []
    from imaginet_tools.evaluation.rivals.open_any import Choice, open_any  # needs what computes, which scores from a file do not

    choice = Choice(
        options.label_map, options.device, options.backend or "auto", None, options.operating_point, options.revision,
        options.trust_remote_code,
    )
    opened = [open_any(text, choice) for text in options.model]
    return [Contestant(each.facts, each.scorer.detector, each.scorer) for each in opened]


def _recorded(name: str, file: ScoreFile, images: ImageSet, options: argparse.Namespace) -> Contestant:
    detector, answers = recorded(name, file, images)
    told = "0.5, as the file tells of no operating point"
    if file.threshold is not None:
        told = f"its operating point {file.threshold[1]}" if file.threshold[1] else "0.5, as the model has no operating points"
    facts = DetectorFacts(name, "scores", file.file, detector.threshold, told)
    return Contestant(facts, detector, given=answers)
