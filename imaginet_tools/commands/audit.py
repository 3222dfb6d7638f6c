"""`imaginet audit --data_dir RAW --output FOLDER`: which shortcuts a data set offers a detector."""

import argparse
import os

from imaginet_tools.audit import report
from imaginet_tools.audit.audit import LIMIT, audit
from imaginet_tools.audit.findings import VIEWS
from imaginet_tools.commands.errors import in_one_sentence
from imaginet_tools.commands.image_options import add_arguments, collect_images
from imaginet_tools.commands.output_option import add_output


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line of the audit."""
    description = "Says which shortcuts a data set offers and what they are worth."
    parser = argparse.ArgumentParser(prog="imaginet audit", description=description)
    add_arguments(parser)
    parser.add_argument("--view", default="raw", choices=VIEWS, help="look at what alignment or perturbation makes of the images")
    parser.add_argument("--limit", type=int, default=LIMIT, help=f"images to look at, 0 for all (default {LIMIT})")
    parser.add_argument("--num_proc", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    add_output(parser, "folder for audit.json, audit.md and audit.png", required=False)
    options = parser.parse_args(arguments)
    if options.num_proc < 1 or options.limit < 0:
        parser.error("--num_proc must be at least 1 and --limit at least 0")
    return options


def main(arguments: list[str]) -> int:
    """Runs the command; returns 0 when the audit was done, whatever it found."""
    options = parse(arguments)
    with in_one_sentence("audit"):
        if options.output:
            report.check_free(options.output)
        result = audit(collect_images(options), options.view, options.limit, options.num_proc)
        print(report.screen(result))
        if options.output:
            report.write(result, options.output)
            print(f"Written to {options.output}: {', '.join(report.FILES)}")
    return 0
