"""`imaginet export --data_dir RAW --output imaginet/`: Parquet and a card, which load without any code of ours."""

import argparse
import os

from imaginet_tools.commands.errors import in_one_sentence
from imaginet_tools.commands.output_option import add_output
from imaginet_tools.publish.export import export
from imaginet_tools.publish.hub import check_data_set_repository, push_data_set


def main(arguments: list[str]) -> int:
    """Runs the command; returns 0, or ends with a sentence."""
    options = _options(arguments)
    of_builder = ("data_dir", "annotations", "locations", "registry", "track", "manifest", "allow_missing", "on_corrupt")
    keywords = {
        name: getattr(options, name)
        for name in (*of_builder, "audit")
        if getattr(options, name) is not None
    }
    with in_one_sentence("export"):
        if options.public and not options.redistributable:
            raise ValueError("--public needs --redistributable: only images whose terms allow it may be made public.")
        if options.public and not options.push_to_hub:
            raise ValueError("--public says how to push; give --push_to_hub OWNER/NAME too.")
        if options.push_to_hub:
            check_data_set_repository(options.push_to_hub, options.public)
        written = (
            options.push_to_hub
            and not keywords
            and options.config_name == "all"
            and os.path.isfile(f"{options.output}/README.md")
        )
        if not written:
            made = export(options.output, options.config_name, options.redistributable, options.push_to_hub, **keywords)
            print(f"{made.total(stored=True):,} of {made.total():,} images written to {options.output}, with a card (README.md)")
        if options.push_to_hub:
            print(f"pushed to {push_data_set(options.output, options.push_to_hub, options.public)}")
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="imaginet export",
        description="Writes Parquet and a card, which load anywhere without any code of ours, and pushes them to the Hub.",
    )
    add = parser.add_argument
    add_output(parser, "folder to make, e.g. imaginet/; its name is the name to load it by")
    add("--data_dir", help="folder of the raw images")
    add("--config_name", default="all", help="configuration to export: all, a content type, or sample (default: all)")
    add("--annotations", help="folder of the lists, if they lie elsewhere")
    add("--locations", help="YAML file: source -> folder, archive or URL")
    add("--registry", help="YAML file with sources of your own")
    add("--track", choices=("origin", "generator"), help="generator: synthetic images only")
    add(
        "--manifest",
        help="someone's redistributable export (folder or name on the Hub) to complete with the images of --data_dir",
    )
    add("--allow_missing", action="store_true", default=None, help="export what is there; the card names what is not")
    add("--on_corrupt", choices=("error", "skip"), help="skip: leave corrupt images out; the card names them")
    add("--audit", metavar="FILE", help="audit.json of these images (imaginet audit --output FOLDER); the card shows its figures")
    add("--redistributable", action="store_true", help="store only images that may be passed on; a manifest names the others")
    add(
        "--push_to_hub",
        metavar="OWNER/NAME",
        help="upload the folder to the Hub, private; without --data_dir, one that is written already",
    )
    add("--public", action="store_true", help="make the repository public; only with --redistributable")
    return parser.parse_args(arguments)
