"""`imaginet serve --model M`: a detector as an HTTP service."""

import argparse
import os
import signal
from dataclasses import replace

from imaginet_core.pictures.sources import LIMITS
from imaginet_tools.commands.errors import in_one_sentence
from imaginet_tools.commands.serving.listen import listen
from imaginet_tools.inference.networks.engines import AUTO, ENGINES
from imaginet_tools.inference.saved_detector import open_detector

TOKEN = "IMAGINET_TOKEN"


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="imaginet serve",
        description="Scores pictures over HTTP: POST them to /score. /docs describes it, /health and /metrics watch it. "
        f"A token that requests must bring is read from the environment variable {TOKEN}.",
    )
    add = parser.add_argument
    add("--model", required=True, help="folder of a saved or exported model, or name on the Hub")
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine alone)")
    add("--port", type=int, default=8000, help="(default: 8000)")
    add("--urls", action="store_true", help="fetch pictures that are named by http(s) address; never from private addresses")
    add("--max_bytes", type=int, default=2**25, help="of a picture's file (default: 32 MiB)")
    add("--max_pixels", type=int, default=LIMITS.pixels, help=f"of a picture (default: {LIMITS.pixels:,})")
    add("--max_seconds", type=float, default=30.0, help="for a request (default: 30)")
    add("--max_heatmap_pixels", type=int, default=2**24, help="of a picture of which a heat map is asked (default: 16,777,216)")
    add("--max_queue", type=int, default=256, help="pictures that may wait before others are turned away (default: 256)")
    add("--batch_size", type=int, help="crops that the network takes at a time (default: the backend's)")
    add("--readers", type=int, default=os.cpu_count() or 1, help="threads that decode pictures (default: all cores)")
    add("--operating_point", help="one of the model's thresholds (default: balanced)")
    add("--early_exit", action="store_true", help="let the sub-network answer alone where it is sure, if the model was fitted for that")
    add("--backend", default=AUTO, choices=(AUTO, *ENGINES), help="what computes (default: what the folder was made for)")
    add("--device", help="cpu, cuda, ... (default: the best that there is)")
    add("--revision", help="of a model on the Hub")
    add("--trust_remote_code", action="store_true", help="run the code of a model on the Hub")
    options = parser.parse_args(arguments)
    for name in ("max_bytes", "max_pixels", "max_heatmap_pixels", "max_seconds", "max_queue", "readers", "batch_size"):
        if (value := getattr(options, name)) is not None and value <= 0:
            parser.error(f"--{name} must be positive, got {value}")
    return options


def main(arguments: list[str]) -> int:
    """Serves until it is stopped; what was asked before is answered. Returns 0, or ends with a sentence."""
    options = parse(arguments)
    with in_one_sentence("serve", interrupted="what was asked before was answered"):
        import uvicorn

        from imaginet_tools.inference.service.app import ServiceOptions, make_app

        listening = listen(options.host, options.port)
        hub = {"trust_remote_code": True} if options.trust_remote_code else {}
        detector = open_detector(
            options.model, options.backend, options.device, operating_point=options.operating_point, batch_size=options.batch_size,
            early_exit=options.early_exit,
            limits=replace(LIMITS, bytes=options.max_bytes, pixels=options.max_pixels, seconds=min(LIMITS.seconds, options.max_seconds)),
            **hub, **({"revision": options.revision} if options.revision else {}),
        )
        service = ServiceOptions(
            options.max_seconds, options.max_queue, options.urls, os.environ.get(TOKEN) or None, options.readers, options.max_heatmap_pixels
        )
        print(f"Serving {detector.name} at http://{options.host}:{listening.getsockname()[1]}/score (see /docs)", flush=True)
        config = uvicorn.Config(make_app(detector, service), log_level="warning", timeout_graceful_shutdown=int(options.max_seconds) + 1)
        signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn answers what was asked, stops, and raises it once more
        uvicorn.Server(config).run(sockets=[listening])
    return 0
