"""Generators that a detector has never seen: one table of ideas, each trained four times, with one generator left out each time.

    python -m benchmarks.unseen --data_dir ../shared/lab --out runs/unseen --rows laptop ce supcon
    python -m benchmarks.unseen --table                                     # the table of the rows that are there

A run trains on real pictures and those of the other generators, and is scored on the generator left out against real pictures, in a
fold of the training list that it was kept from, by source picture. All rows get the same number of views (``--views``), on one
core; with ``--epochs`` they train in the preset's batches, which takes about 5 minutes for 100 epochs. The script may be stopped at any
moment; the same command goes on: finished rows are read, not computed again, and a run that was killed resumes from its last
checkpoint. ``--test_list`` scores the test list instead, after training on all of the training list: once, for what was chosen on
the folds.

Each row's scores are written to a JSON file in --rows_folder (one folder for each length), from which table and chart are
made: in --out, unseen.md, unseen.png, and curves.png where rows differ in how many generators are known or simulated.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.unseen.curves import curves_of, draw_curves
from benchmarks.unseen.parts import Lab, add_plan_options, folder_name, plan_of
from benchmarks.unseen.rows import ROWS
from benchmarks.unseen.runs import make_row, read_rows, write_row
from benchmarks.unseen.table import all_figures, draw, markdown
from imaginet_core.errors import sentence_of
from imaginet_core.storage.safe_writes import write_aside
from imaginet_tools.evaluation.charts import save_figure

ROWS_FOLDER = Path(__file__).with_name("rows")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line; a wrong value ends the program with one sentence."""
    parser = argparse.ArgumentParser(prog="benchmarks.unseen", description=__doc__.partition("\n")[0])
    add_plan_options(parser)
    parser.add_argument("--out", type=Path, default=Path("runs/unseen"), help="of runs, table and chart (default: runs/unseen)")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=[], metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--rows_folder", type=Path, default=ROWS_FOLDER, help="of the rows' JSON files (default: beside the program)")
    parser.add_argument("--table", action="store_true", help="make the table of the rows that are there, whatever was asked for")
    options = parser.parse_args(arguments)
    if not options.rows and not options.table:
        parser.error("name --rows to compute, or ask for the --table of those that are there.")
    if options.folds < 2 or options.views < 1:
        parser.error(f"--folds must be at least 2 and --views at least 1, got {options.folds} and {options.views}.")
    return options


def run(options: argparse.Namespace) -> str:
    """Computes what is missing; returns the table. Raises ValueError for what the user can mend."""
    folder, out = options.rows_folder / folder_name(options), (options.out / folder_name(options)).resolve()
    if options.rows:
        lab = Lab(options.data_dir)
        plan = plan_of(options, lab)
        for name in options.rows:
            if name in read_rows(folder, plan):
                print(f"{name} is there already, in {folder}.", flush=True)
                continue
            write_row(make_row(name, ROWS[name], lab, plan, out), folder)
    rows = read_rows(folder)
    if not rows:
        raise ValueError(f"There is no row in {folder}; name --rows to compute.")
    figures = all_figures(rows)
    text = markdown(rows, figures)
    options.out.mkdir(parents=True, exist_ok=True)
    with write_aside(options.out / "unseen.md") as aside:
        aside.write_text(text, encoding="utf-8")
    save_figure(draw(figures), options.out / "unseen.png")
    if curves := curves_of(figures):
        save_figure(draw_curves(curves), options.out / "curves.png")
    return text


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    try:
        print(run(options))
    except (ValueError, OSError) as error:
        sys.exit(f"benchmarks.unseen: {sentence_of(error)}")


if __name__ == "__main__":
    main()
