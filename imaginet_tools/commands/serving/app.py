"""`imaginet app --model M`: a detector as a page in the browser, or as the folder of a Space."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from imaginet_core.pictures.sources import LIMITS
from imaginet_tools.commands.errors import in_one_sentence
from imaginet_tools.commands.serving.listen import listen
from imaginet_tools.inference.networks.engines import AUTO, ENGINES
from imaginet_tools.inference.saved_detector import open_detector

MISSING = 'The page needs gradio, which is not installed; pip install "imaginet[app]" brings it.'


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="imaginet app", description="Shows a page on which one drops pictures and reads what a detector says of them, and what that is worth."
    )
    add = parser.add_argument
    add("--model", required=True, help="folder of a saved or exported model, or name on the Hub")
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine alone)")
    add("--port", type=int, default=7860, help="(default: 7860)")
    add("--examples", help="folder with pictures to try (default: some of the sample's)")
    add("--max_bytes", type=int, default=2**25, help="of a picture's file (default: 32 MiB)")
    add("--max_pixels", type=int, default=64_000_000, help="of a picture (default: 64 million)")
    add("--max_queue", type=int, default=32, help="requests that may wait before others are turned away (default: 32)")
    add("--operating_point", help="the one that is chosen at first (default: balanced)")
    add("--backend", default=AUTO, choices=(AUTO, *ENGINES), help="what computes (default: what the folder was made for)")
    add("--device", help="cpu, cuda, ... (default: the best that there is)")
    add("--revision", help="of a model on the Hub")
    add("--trust_remote_code", action="store_true", help="run the code of a model on the Hub")
    add("--export", metavar="FOLDER", help="do not serve; write a folder that a Space of the Hub can be made of")
    options = parser.parse_args(arguments)
    for name in ("max_bytes", "max_pixels", "max_queue"):
        if getattr(options, name) <= 0:
            parser.error(f"--{name} must be positive, got {getattr(options, name)}")
    return options


def main(arguments: list[str]) -> int:
    """Serves until it is stopped. Returns 0, or ends with a sentence."""
    options = parse(arguments)
    with in_one_sentence("app", interrupted="uploads were deleted"):
        from imaginet_tools.inference.app.examples import examples_of_folder, examples_of_sample

        examples = examples_of_folder(options.examples) if options.examples else examples_of_sample()
        if options.export:
            from imaginet_tools.inference.app.space import write_space

            print(f"Wrote {write_space(options.model, options.export, examples)}; it was not run on the Hub. See its README.md.")
            return 0
        with _folder_of_uploads() as uploads:
            os.environ["GRADIO_TEMP_DIR"] = uploads  # where Gradio stores them
            try:
                from imaginet_tools.inference.app.page import PageOptions, launch_page, make_page
            except ModuleNotFoundError as error:
                raise ModuleNotFoundError(MISSING) if error.name == "gradio" else error
            _serve(options, examples, make_page, launch_page, PageOptions)
    return 0


@contextmanager
def _folder_of_uploads() -> Iterator[str]:
    """A folder that goes when the page does, also on SIGTERM."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with tempfile.TemporaryDirectory(prefix="imaginet-app-", ignore_cleanup_errors=True) as folder:
            yield folder
    finally:
        signal.signal(signal.SIGTERM, before)


def _serve(options: argparse.Namespace, examples, make_page, launch_page, make_options) -> None:
    from imaginet_tools.inference.app.card_limits import limits_of_model
    from imaginet_tools.publish.heat_map_section import find_regions

    listen(options.host, options.port).close()
    hub = {"trust_remote_code": True} if options.trust_remote_code else {}
    detector = open_detector(
        options.model, options.backend, options.device, operating_point=options.operating_point,
        limits=replace(LIMITS, bytes=options.max_bytes, pixels=options.max_pixels),
        **hub, **({"revision": options.revision} if options.revision else {}),
    )
    limits = tuple(limits_of_model(options.model, options.revision))
    shown = make_options(limits, examples, options.max_queue, show_maps=find_regions(Path(options.model)))
    print(f"Showing {detector.name} at http://{options.host}:{options.port} (Ctrl+C ends it)", flush=True)
    launch_page(make_page(detector, shown), options.max_bytes, options.host, options.port)
