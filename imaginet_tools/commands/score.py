"""`imaginet score PATHS --model M --output scores.parquet`: a row for every picture, wherever it lies."""

import argparse
import itertools
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from datasets.utils import tqdm

from imaginet_core.detection.windows import MEAN, RULES
from imaginet_core.pictures.sources import LIMITS
from imaginet_tools.commands.errors import in_one_sentence
from imaginet_tools.commands.ray_options import add_ray_options, check_ray_options, told_what_ray_needs
from imaginet_tools.inference.heat_maps.local_scores import check_heat_maps
from imaginet_tools.inference.networks.engines import AUTO, ENGINES
from imaginet_tools.inference.saved_detector import SavedDetector, open_detector
from imaginet_tools.inference.scoring.inputs import Input, list_inputs, list_rows
from imaginet_tools.inference.scoring.output import Output
from imaginet_tools.inference.scoring.score import score
from imaginet_tools.inference.scoring.work import Summary

RESUMABLE = "what is scored is kept; the same command with --resume goes on where it was"


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line of scoring."""
    parser = argparse.ArgumentParser(
        prog="imaginet score",
        description="Scores files, folders, archives, buckets and data sets: one row each, with a score or the reason why not.",
    )
    add = parser.add_argument
    add(
        "paths",
        nargs="*",
        metavar="PATH",
        help="file, folder, pattern, zip, tar or 7z, Parquet, http(s), hf:// or any other fsspec URL",
    )
    add("--model", required=True, help="folder of a saved or exported model, or name on the Hub")
    add("--output", required=True, help="scores.parquet, scores.csv, scores.jsonl, or a folder for Parquet in parts")
    add("--resume", action="store_true", help="go on with an output that is there")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes that read pictures (default: all cores)")
    add("--batch_size", type=int, help="crops that the network takes at a time (default: the backend's)")
    add("--crops", type=_crops, help='places in which a picture is seen, or "all" (default: as the model says)')
    add("--windows", type=_crops, help='the same, with --window_rule: "all" for large pictures')
    add("--window_rule", default=MEAN, choices=tuple(RULES), help="how the windows of a picture become one answer (default: the mean of logits)")
    add("--operating_point", help="one of the model's thresholds (default: balanced)")
    add("--early_exit", action="store_true", help="let the sub-network answer alone where it is sure, if the model was fitted for that")
    add("--backend", default=AUTO, choices=(AUTO, *ENGINES), help="what computes (default: what the folder was made for)")
    add("--device", help="cpu, cuda, … (default: the best that there is)")
    add("--dataset", metavar="NAME", help="a data set that load_dataset takes, beside or in place of paths")
    add("--config_name", help="configuration of --dataset")
    add("--split", help="split of --dataset (default: all)")
    add("--image_column", help="of data sets and Parquet files (default: the first that holds images)")
    add("--private_addresses", action="store_true", help="let http(s) URLs lead into this machine's own network")
    add("--skip_unreachable", action="store_true", help="give inputs a row, and go on, where the network fails or a bucket is closed")
    add("--provenance", action="store_true", help="also write what each file states about its origin; no part of any score")
    add("--revision", help="of a model on the Hub")
    add("--trust_remote_code", action="store_true", help="run the code of a model on the Hub")
    add_ray_options(add)
    add("--html", metavar="FILE.html", help="also write a page with thumbnails, provenance and notes, to look through and send on")
    add("--heatmaps", action="store_true", help="with --html: where each picture looks synthetic; a second pass over every picture")
    options = parser.parse_args(arguments)
    if options.workers < 1 or (options.batch_size is not None and options.batch_size < 1):
        parser.error("--workers and --batch_size must be at least 1")
    if not options.paths and not options.dataset:
        parser.error("name what to score: PATHS, or --dataset")
    check_ray_options(parser, options)
    if options.heatmaps and not options.html:
        parser.error("--heatmaps are shown on the page of --html; name its file")
    return options


def main(arguments: list[str]) -> int:
    """Runs the command; returns 0 when every input has its row, or ends with a sentence."""
    options = parse(arguments)
    with in_one_sentence("score", RESUMABLE):
        write_page = _page_writer(options) if options.html else None
        output = Output(options.output, options.resume)
        detector = _detector(options, options.device if options.engine == "local" else "cpu")
        if options.heatmaps:
            check_heat_maps(detector.network)
        summary = _score(options, _inputs(options, output), detector, output)
        print("\n".join(summary.lines()))
        print(f"Written to {options.output}")
        if write_page is not None:
            print(f"Page: {write_page(detector, output)}")
    return 0


def _inputs(options: argparse.Namespace, output: Output) -> Iterable[Input]:
    inputs = list_inputs(options.paths, output.is_ours, options.image_column)
    if options.dataset:
        given = {name: getattr(options, name) for name in ("config_name", "split", "image_column")}
        inputs = itertools.chain(inputs, list_rows({"name": options.dataset, **given}, options.dataset))
    return inputs


def _score(options: argparse.Namespace, inputs: Iterable[Input], detector: SavedDetector, output: Output) -> Summary:
    if options.engine == "local":
        return score(
            inputs, detector, output, options.workers, options.image_column, options.skip_unreachable, options.provenance
        )
    with told_what_ray_needs():
        from imaginet_tools.inference.scoring.ray_engine import score_with_ray
    return score_with_ray(
        inputs, detector, output, options.ray_address, options.actors, options.device, options.image_column, options.skip_unreachable,
        options.provenance,
    )


def _page_writer(options: argparse.Namespace) -> Callable[[SavedDetector, Output], Path]:
    """What writes the page of --html when all is scored; whatever stands against that is said now. The pictures are read once more."""
    try:
        from imaginet_tools.inference.score_report.facts import facts_of
        from imaginet_tools.inference.score_report.pictures import show_pictures
        from imaginet_tools.inference.score_report.write_report import check_report, rows_of_output, thumbnail_side, write_report
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f'--html needs {error.name}; run pip install "imaginet[report]".', name=error.name) from error
    place = check_report(options.html, options.resume)

    def write(detector: SavedDetector, output: Output) -> Path:
        rows, inputs = rows_of_output(output), _inputs(options, output)
        pictures = show_pictures(
            tqdm(inputs, desc="Page", unit=" images", total=len(rows)), detector, options.workers, thumbnail_side(len(rows)),
            options.heatmaps, options.image_column,
        )
        return write_report(place, rows, pictures, facts_of(detector), detector.threshold)

    return write


def _detector(options: argparse.Namespace, device: str | None) -> SavedDetector:
    hub = {"trust_remote_code": True} if options.trust_remote_code else {}
    return open_detector(
        options.model,
        options.backend,
        device,
        operating_point=options.operating_point,
        crops=options.crops,
        windows=options.windows,
        window_rule=options.window_rule,
        batch_size=options.batch_size,
        early_exit=options.early_exit,
        limits=replace(LIMITS, private_addresses=options.private_addresses),
        **hub,
        **({"revision": options.revision} if options.revision else {}),
    )


def _crops(text: str) -> int | str:
    return text if text == "all" else int(text)
