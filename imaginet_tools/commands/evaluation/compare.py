"""`imaginet compare A B`: what two reports on the same images differ by, with paired intervals."""

import argparse

from imaginet_core.text_tables import text_table
from imaginet_tools.commands.errors import in_one_sentence
from imaginet_tools.evaluation.comparison.compare_reports import compare_reports
from imaginet_tools.evaluation.comparison.comparison_tables import signed
from imaginet_tools.evaluation.tables import FIGURES


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="imaginet compare", description="Says by what the detectors of two reports differ on the same images, the first minus the second.",
    )
    parser.add_argument("first", metavar="A", help="folder that imaginet evaluate wrote")
    parser.add_argument("second", metavar="B", help="another, on the same images")
    parser.add_argument("--resamples", type=int, default=1000, help="draws of source pictures for the intervals (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.resamples < 2:
        parser.error("--resamples must be at least 2")
    return options


def main(arguments: list[str]) -> int:
    """Runs the command; returns 0 when the reports could be compared, or ends with a sentence."""
    options = parse(arguments)
    with in_one_sentence("compare"):
        found = compare_reports(options.first, options.second, options.resamples, options.seed)
    lines = [(each.condition, each.first, each.second, FIGURES[each.figure], signed(each.value)) for each in found]
    print("\n".join(text_table(("condition", "first", "second", "figure", "first minus second"), lines)))
    print("With 95 % intervals from the same draws of source images for both; where one holds 0, which is better is open.")
    return 0
