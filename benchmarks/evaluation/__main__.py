"""How long a whole report takes from the scores of 40,000 images, 1,000 draws of source pictures, all tables; and how much memory.

    python -m benchmarks.evaluation [--images 40000] [--resamples 1000]

Scores are drawn at random for images as ImagiNet's test list has them: four content types, two families and a dozen generators.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from imaginet_tools.evaluation.figures import Scored
from imaginet_tools.evaluation.report_parts import DetectorFacts
from imaginet_tools.evaluation.reports.build_report import Plan, build_report
from imaginet_tools.evaluation.reports.report_folder import write_report_folder
from imaginet_tools.evaluation.stored.score_files import NoFiles, RecordedScores
from imaginet_tools.images.image_set import ImageSet
from imaginet_tools.inference.detector import Answers

GENERATORS = {
    "photos": ("ProGAN", "SD 2.1", "SDXL"), "paintings": ("StyleGAN3", "SD 2.1", "SDXL", "Animagine XL"),
    "faces": ("StyleGAN-XL", "SD 2.1", "SDXL"), "uncategorized": ("Midjourney", "DALL-E 3"),
}


def random_images(count: int, seed: int = 0) -> tuple[ImageSet, np.ndarray]:
    """Images without pictures, half of them synthetic, three quarters with a source picture of their own, and their scores."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 2
    content = rng.choice(list(GENERATORS), count)
    generator = np.array([rng.choice(GENERATORS[of]) if value else "real" for value, of in zip(label, content, strict=True)])
    family = np.where(label == 0, "real", np.where(np.char.find(generator, "GAN") >= 0, "GAN", "diffusion"))
    number = np.arange(count).astype(str)
    source = np.where(np.arange(count) % 8 < 6, number, (np.arange(count) // 8).astype(str))
    images = ImageSet(NoFiles(), label, content, family, generator, source, number, np.zeros(count, dtype=bool), title="random scores")
    logit = 1.5 * (label - 0.5) + rng.standard_normal(count)
    return images, 1 / (1 + np.exp(-logit))


def main(arguments: list[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="benchmarks.evaluation", description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=40_000)
    parser.add_argument("--resamples", type=int, default=1000)
    options = parser.parse_args(arguments)
    images, probability = random_images(options.images)
    detector = RecordedScores("random", 0.5, [], [])
    scored = [Scored(detector, "clean", images, Answers(probability), 0.5)]
    facts = [DetectorFacts("random", "scores", "random", 0.5, "0.5")]
    start, processor = time.perf_counter(), time.process_time()
    report, scored = build_report(scored, facts, Plan(resamples=options.resamples))
    built = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        write_report_folder(report, scored, Path(folder))
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{options.images:,} images, {options.resamples:,} draws, {len(report.figures)} rows: {seconds:.1f} s (figures {built:.1f} s; "
        f"{processor:.1f} s of processor), {memory:.2f} GiB, on {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
