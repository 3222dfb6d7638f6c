"""What the classifiers of statistics cost beside the network: processor time a picture of 256×256, on one core.

    python -m benchmarks.unseen.cost runs/lab/selfcon_seed42/model

Rounds of all parts take turns, so that other programs slow all of them down alike; shown is the least time of each.
"""

import argparse
import sys
import time
from collections.abc import Callable

import torch

from imaginet_core.errors import sentence_of
from imaginet_core.text_tables import markdown_table
from modeling import SelfConForImageClassification

WHOLE = "the whole detector"
PICTURES, ROUNDS, SIDE = 8, 7, 256


def parts_of(model: SelfConForImageClassification) -> dict[str, Callable[[torch.Tensor], object]]:
    """Name -> what computes that part of the answer for pixels, float (B, 3, H, W). Raises ValueError for a model without statistics."""
    statistics = model.statistics_classifier
    if statistics is None:
        raise ValueError("This model has no classifier of statistics; train one with --statistics_centres 300.")
    found = {WHOLE: model, "its classifiers of statistics": statistics}
    return found if statistics.relations is None else {**found, "the second of these": statistics.relations}


@torch.inference_mode()
def least_seconds(parts: dict[str, Callable], pixels: torch.Tensor, rounds: int = ROUNDS) -> dict[str, float]:
    """Name -> the least processor time of a round, in seconds a picture."""
    found: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(rounds + 1):
        for name, part in parts.items():
            started = time.process_time()
            part(pixels)
            found[name].append((time.process_time() - started) / len(pixels))
    return {name: min(seconds[1:]) for name, seconds in found.items()}  # the first round warms up


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.unseen.cost", description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="folder of a saved model")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pixels = torch.randn(PICTURES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    try:
        parts = parts_of(SelfConForImageClassification.from_pretrained(options.model).eval())
    except (ValueError, OSError) as error:
        sys.exit(f"benchmarks.unseen.cost: {sentence_of(error)}")
    seconds = least_seconds(parts, pixels)
    lines = [[name, f"{1000 * each:.1f}", f"{each / seconds[WHOLE]:.0%}"] for name, each in seconds.items()]
    print(markdown_table(["part", "ms a picture", "of the whole"], lines))


if __name__ == "__main__":
    main()
