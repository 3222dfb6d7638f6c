"""`--engine ray` and what belongs to it, for the commands that score on a cluster, too."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def add_ray_options(add: Callable) -> None:
    """Adds them to a parser or a group of one, whose ``add_argument`` this is."""
    add("--engine", default="local", choices=("local", "ray"), help='ray: on a cluster (pip install "imaginet[ray]")')
    add("--ray_address", help="of the cluster's head, or auto (default: this machine alone)")
    add("--actors", type=int, help="most copies of the network with --engine ray (default: one a GPU, or one a CPU)")


def check_ray_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Ends the program with a sentence where they do not fit each other."""
    if options.engine != "ray" and (options.ray_address or options.actors is not None):
        parser.error("--ray_address and --actors belong to --engine ray")
    if options.actors is not None and options.actors < 1:
        parser.error("--actors must be at least 1")


@contextmanager
def told_what_ray_needs() -> Iterator[None]:
    """Says what to install where an import in here fails."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f'--engine ray needs {error.name}; run pip install "imaginet[ray]".', name=error.name) from error
