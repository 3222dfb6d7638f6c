"""The command `imaginet`, and `python imaginet.py`: finds the command that is named and hands the rest of the line to it."""

import sys
from collections.abc import Callable

from imaginet_core.interrupts import end_at_once_on_interrupt


COMMANDS = {
    "doctor": "what of the raw images is there, what is missing or broken, and where to get it",
    "audit": "which shortcuts (formats, sizes, compression) a data set offers a detector",
    "perturb": "the perturbed copy of any images, made as ImagiNet's perturbed test set is",
    "export": "a data set as Parquet with a card, for others to load, and its upload to the Hub",
    "score": "scores for any number of pictures: folders, archives, buckets, data sets",
    "evaluate": "how good any detectors are on any images: a report with intervals and baselines",
    "compare": "what two reports on the same images differ by, with intervals",
    "serve": "a detector as an HTTP service",
    "app": "a detector as a page in the browser",
    "calibrate": "thresholds set on your own pictures, in a copy of a model's folder",
    "provenance": "what picture files state about their origin, and what that is worth",
    "export-model": "a saved detector for ONNX Runtime or OpenVINO, compared with PyTorch",
}
"""Name -> what it does."""


def find_command(name: str) -> Callable[[list[str]], int]:
    """The function that runs a command; imports the libraries of that command alone."""
    match name:
        case "doctor":
            from imaginet_tools.commands.doctor import main as command
        case "audit":
            from imaginet_tools.commands.audit import main as command
        case "perturb":
            from imaginet_tools.commands.perturb import main as command
        case "export":
            from imaginet_tools.commands.export import main as command
        case "score":
            from imaginet_tools.commands.score import main as command
        case "evaluate":
            from imaginet_tools.commands.evaluation.evaluate import main as command
        case "compare":
            from imaginet_tools.commands.evaluation.compare import main as command
        case "serve":
            from imaginet_tools.commands.serving.serve import main as command
        case "app":
            from imaginet_tools.commands.serving.app import main as command
        case "calibrate":
            from imaginet_tools.commands.calibrate import main as command
        case "provenance":
            from imaginet_tools.commands.provenance import main as command
        case "export-model":
            from imaginet_tools.commands.export_model import main as command
    return command


def usage() -> str:
    """What there is, a line a command."""
    lines = [f"  {name:12} {what}" for name, what in COMMANDS.items()]
    return "\n".join(["usage: imaginet COMMAND [options]", "", *lines, "", "imaginet COMMAND --help lists a command's options."])


def main(arguments: list[str] | None = None) -> int:
    """Runs a command line (default: that of the process). Returns the exit status; 2 where no command is named."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] in (["--help"], ["-h"]):
        print(usage())
        return 0
    if not arguments or arguments[0] not in COMMANDS:
        unknown = f"imaginet has no command {arguments[0]}.\n\n" if arguments else ""
        print(f"{unknown}{usage()}", file=sys.stderr)
        return 2
    name, *options = arguments
    end_at_once_on_interrupt(f"imaginet {name}")  # until its libraries are imported, which takes seconds
    from imaginet_tools.commands.errors import in_one_sentence, quiet_when_nobody_reads, sentence_of_missing_package

    try:
        command = find_command(name)
    except ModuleNotFoundError as error:
        sys.exit(sentence_of_missing_package(name, error))
    with quiet_when_nobody_reads(), in_one_sentence(name):
        return command(options)


if __name__ == "__main__":
    sys.exit(main())
