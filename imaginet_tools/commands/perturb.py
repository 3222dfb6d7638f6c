"""`imaginet perturb --folder IMAGES --output DIR`: the perturbed copy of any images."""

import argparse
import os

import imaginet
from imaginet_core.storage.safe_writes import check_writable
from imaginet_tools.commands.errors import in_one_sentence
from imaginet_tools.commands.image_options import add_arguments, collect_images
from imaginet_tools.commands.output_option import add_output
from imaginet_tools.images.perturbed_copies import METADATA, perturb_all


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    description = "Makes the perturbed copy of images: a random square resized to 256 x 256, three in four compressed."
    parser = argparse.ArgumentParser(prog="imaginet perturb", description=description)
    add_arguments(parser)
    parser.add_argument("--num_proc", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    parser.add_argument("--on_corrupt", default="error", choices=("error", "skip"), help="what to do about broken images")
    add_output(parser, "folder to make, or one to go on in")
    options = parser.parse_args(arguments)
    if options.num_proc < 1:
        parser.error("--num_proc must be at least 1")
    return options


def main(arguments: list[str]) -> int:
    """Runs the command; returns 0 when all is done, or ends with a sentence."""
    options = parse(arguments)
    with in_one_sentence("perturb", interrupted="the same command goes on where it was"):
        check_writable(options.output)
        images = collect_images(options)
        outcome = perturb_all(images, options.output, options.num_proc, options.on_corrupt)
    absent = f" {images.missing:,} listed images are not there." if images.missing else ""
    broken = f" {len(outcome.left_out):,} broken ones are named in {imaginet.LEFT_OUT}." if outcome.left_out else ""
    print(f"{outcome.images:,} images in {options.output}, with {METADATA}.{absent}{broken}")
    return 0
