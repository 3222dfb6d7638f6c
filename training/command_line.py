"""The command line of a training run: an option for each field of the groups in ``training.options``, plus ``--preset``."""

import argparse
from copy import copy
from dataclasses import Field, fields
from typing import get_args

from transformers import HfArgumentParser

from imaginet_tools.commands.output_option import show_as_output
from training.options import OWN_METADATA, TrainingOptions
from training.presets import PRESET_HELP, PRESETS
from training.run.failures import is_first_process

METAVARS = {int: "N", float: "X"}
GROUPS = {part.name: part.type for part in fields(TrainingOptions)}
"""Attribute of ``TrainingOptions`` -> class of the group."""


class OneSpelling:
    """Takes the options of ``parser`` without the second spelling that transformers gives them (``--crop-size``), with which
    an abbreviation such as ``--crop_s`` would be ambiguous in Python 3.11."""

    def __init__(self, parser: argparse.ArgumentParser):
        self.parser = parser

    def add_argument(self, *names: str, **arguments) -> None:
        self.parser.add_argument(*(name for name in names if "-" not in name.removeprefix("--")), **arguments)


class OptionParser(HfArgumentParser):
    """Transformers' parser of dataclasses, with ``--no-`` forms of every yes or no, whatever its default, and the presets' values
    in the help."""

    def _print_message(self, message: str, file=None) -> None:
        if is_first_process():  # all are given the same command line
            super()._print_message(message, file)

    @staticmethod
    def _parse_dataclass_field(parser: argparse.ArgumentParser, field: Field) -> None:
        arguments = {name: value for name, value in field.metadata.items() if name not in OWN_METADATA}
        arguments["help"] += preset_values(field.name)
        if field.type is bool:
            yes_or_no = argparse.BooleanOptionalAction
            parser.add_argument(f"--{field.name}", action=yes_or_no, default=argparse.SUPPRESS, **arguments)
            return
        for kind in {field.type, *get_args(field.type)} & METAVARS.keys():
            arguments["metavar"] = METAVARS[kind]
        own = copy(field)
        own.metadata = arguments
        HfArgumentParser._parse_dataclass_field(OneSpelling(parser), own)


def make_parser() -> OptionParser:
    """The command line, grouped."""
    parser = OptionParser(
        GROUPS.values(),
        prog="train_selfcon.py",
        usage=f"%(prog)s [--preset {{{','.join(PRESETS)}}}] [options below, each wins over the preset]",
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=30, width=120),
        description="Trains a SelfCon detector of synthetic images and reports how good it is.",
        epilog="presets:\n" + "\n".join(f"  {name:10} {text}" for name, text in PRESET_HELP.items()),
    )
    show_as_output(next(action for action in parser._actions if action.dest == "output_dir"))
    parser.add_argument("--preset", choices=tuple(PRESETS), default="laptop", help="starting point (default: laptop)")
    return parser


def parse_options(arguments: list[str] | None = None) -> TrainingOptions:
    """Reads the command line (default: ``sys.argv``). A wrong value ends the program with one sentence."""
    parser = make_parser()
    given, _ = parser.parse_known_args(arguments)
    defaults = TrainingOptions.of(**PRESETS[given.preset]).by_name()
    if getattr(given, "streaming", False):
        defaults["aligned"] = False  # needs the headers of all images beforehand
        defaults["view_epochs"] = 0
    parser.set_defaults(**defaults)
    try:
        *groups, _, unknown = parser.parse_args_into_dataclasses(
            arguments, return_remaining_strings=True, look_for_args_file=False
        )
        options = TrainingOptions(**dict(zip(GROUPS, groups, strict=True)))
    except ValueError as error:
        parser.error(str(error))
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


def preset_values(name: str) -> str:
    """What the presets say of an option, for the help: " (default: 256)" or " (paper: 7, laptop: 3, demo: 3)"."""
    found = {preset: TrainingOptions.of(**settings).by_name()[name] for preset, settings in PRESETS.items()}
    values = {preset: " ".join(map(str, value)) if isinstance(value, list) else value for preset, value in found.items()}
    if len(set(values.values())) > 1:
        return f" ({', '.join(f'{preset}: {value}' for preset, value in values.items() if value is not None)})"
    return "" if values["paper"] is None else f" (default: {values['paper']})"
