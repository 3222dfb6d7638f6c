"""`imaginet export-model MODEL OUT --format onnx`: a detector for ONNX Runtime or OpenVINO, compared with PyTorch."""

import argparse

from imaginet_tools.commands.errors import in_one_sentence
from imaginet_tools.inference.export_model import FORMATS, Wish, export_model
from imaginet_tools.inference.networks.exported import EXACT, PRECISIONS


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    description = "Exports a saved detector for ONNX Runtime or OpenVINO and compares it with PyTorch before it is kept."
    parser = argparse.ArgumentParser(prog="imaginet export-model", description=description)
    parser.add_argument("model", help="folder of a saved model, or name on the Hub")
    parser.add_argument("output", help="folder to make")
    parser.add_argument("--format", required=True, choices=FORMATS)
    parser.add_argument(
        "--precision", default=EXACT, choices=PRECISIONS,
        help="fp32 gives PyTorch's numbers (default); bf16 (OpenVINO) and int8 are approximate, and fall back to fp32 where they fail",
    )
    parser.add_argument("--pictures", metavar="FOLDER", help="pictures to compare on, best in real/ and synthetic/ (default: the sample's)")
    parser.add_argument("--calibration", metavar="FOLDER", help="training pictures that set the scales of int8 (default: the sample's)")
    parser.add_argument("--limit", type=float, help="largest difference of a probability that is admitted (default: by precision)")
    parser.add_argument("--revision", help="commit, branch or tag on the Hub")
    parser.add_argument("--trust_remote_code", action="store_true", help="run the code of a model on the Hub; read it first")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Runs the command; returns 0 when the export is kept, or ends with a sentence."""
    options = parse(arguments)
    wish = Wish(options.format, options.precision, options.pictures, options.calibration, options.limit)
    with in_one_sentence("export-model"):
        found = export_model(
            options.model, options.output, wish, revision=options.revision, trust_remote_code=options.trust_remote_code
        )
    print("\n".join([*found.sentences(), f"Written to {options.output}."]))
    return 0
