"""The command `imaginet`, and `python imaginet.py`: finds the command that is named and hands the rest of the line to it."""

import sys
from collections.abc import Callable

from imaginet_core.interrupts import end_at_once_on_interrupt


def _doctor() -> Callable:
    from imaginet_tools.commands import doctor

    return doctor.main


def _audit() -> Callable:
    from imaginet_tools.commands import audit

    return audit.main


def _perturb() -> Callable:
    from imaginet_tools.commands import perturb

    return perturb.main


def _export() -> Callable:
    from imaginet_tools.commands import export

    return export.main


def _serve() -> Callable:
    from imaginet_tools.commands import serve

    return serve.main


def _calibrate() -> Callable:
    from imaginet_tools.commands import calibrate

    return calibrate.main


def _score() -> Callable:
    from imaginet_tools.commands import score

    return score.main


def _export_model() -> Callable:
    from imaginet_tools.commands import export_model

    return export_model.main


COMMANDS = {
    "doctor": (_doctor, "what of the raw images is there, what is missing or broken, and where to get it"),
    "audit": (_audit, "which shortcuts (formats, sizes, compression) a data set offers a detector"),
    "perturb": (_perturb, "the perturbed copy of any images, made as ImagiNet's perturbed test set is"),
    "export": (_export, "a data set as Parquet with a card, for others to load, and its upload to the Hub"),
    "score": (_score, "scores for any number of pictures: folders, archives, buckets, data sets"),
    "serve": (_serve, "a detector as an HTTP service"),
    "calibrate": (_calibrate, "thresholds set on your own pictures, in a copy of a model's folder"),
    "export-model": (_export_model, "a saved detector for ONNX Runtime or OpenVINO, compared with PyTorch"),
}
"""Name -> (imports the command's libraries only when it is called, what it does)."""


def usage() -> str:
    """What there is, a line a command."""
    lines = [f"  {name:12} {what}" for name, (_, what) in COMMANDS.items()]
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

    find, _ = COMMANDS[name]
    try:
        command = find()
    except ModuleNotFoundError as error:
        sys.exit(sentence_of_missing_package(name, error))
    with quiet_when_nobody_reads(), in_one_sentence(name):
        return command(options)


if __name__ == "__main__":
    sys.exit(main())
