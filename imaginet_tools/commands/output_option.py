"""`--output`: the one name, over all commands, for the folder that a command writes."""

import argparse


def add_output(parser: argparse.ArgumentParser, help: str, required: bool = True) -> None:
    """Adds ``--output FOLDER``. ``--out`` and ``--output_dir``, as some commands called it, work too and are not shown."""
    action = parser.add_argument("--output", "--out", "--output_dir", required=required, metavar="FOLDER", help=help)
    show_as_output(action)


def show_as_output(action: argparse.Action) -> None:
    """Shows an option in help and errors by ``--output`` alone; its other names go on working."""
    action.option_strings = ["--output"]
