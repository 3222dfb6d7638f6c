"""How well heat maps find a pasted region, against maps that know less: shuffled maps, local variance, occlusion, Grad-CAM, gradients.

    python -m benchmarks.explanations.localisation --model MODEL --data_dir LAB [--slow] [--pictures 24] [--held_out 0.15] [--seed 42] [--json FILE] [--into_card]

MODEL was trained on LAB with the same --held_out and --seed. Into each picture a region of 64 to 128 pixels a side is pasted from one of
another source picture, at the same place: synthetic into real, real into synthetic, real into real. The result is saved as JPEG as a whole
(quality 95, 4:4:4, as the lab is), so that both parts have one history. Pictures of the training list that were held out choose each
map's sign and the threshold of its IoU: the best on synthetic into real of those that mark at most QUIET of real into real. Pictures of the
test list are reported.

Printed for each map, with 95 % intervals over source pictures: AUC of pixels (mean over pictures), by how much the heat map's is above it,
how often the strongest place lies in the synthetic part (chance is its share of the picture), IoU at that threshold, and for real into
real the share of pixels above it.
"""

import argparse
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from imaginet_core.text_tables import markdown_table  # noqa: E402
from imaginet_tools.images.data_options import DataOptions  # noqa: E402
from imaginet_tools.images.image_set import REAL, SYNTHETIC, ImageSet  # noqa: E402
from imaginet_tools.images.splits import load_splits  # noqa: E402
from imaginet_tools.inference.saved_detector import SavedDetector, open_detector  # noqa: E402
from imaginet_tools.publish.heat_map_section import store_localisation  # noqa: E402

SIDES = (64, 128)
PAIRS = {"synthetic into real": (REAL, SYNTHETIC), "real into synthetic": (SYNTHETIC, REAL), "real into real": (REAL, REAL)}
"""Name -> (label of the picture, label of what is pasted into it)."""
WINDOW = 17
"""Side in pixels of the window of the local variance."""
QUIET = 0.1
"""Share of real into real that a map's threshold may mark, on the pictures that choose it."""
SPARSE = 2
"""Every so many rows and columns of a map are compared."""
RESAMPLES = 2000
Map = Callable[[np.ndarray], np.ndarray]
"""uint8 RGB (H, W, 3) -> float (H, W), higher where it is synthetic."""


class Composite(NamedTuple):
    """A picture with a pasted region: uint8 (H, W, 3); bool (H, W), where it is synthetic; its source picture; whether it is for the choices."""

    pair: str
    pixels: np.ndarray
    synthetic: np.ndarray
    source: str
    chooses: bool


def compose(host: np.ndarray, guest: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
    """``guest`` within ``box`` of ``host``, both uint8 (H, W, 3), after one JPEG of the whole."""
    pasted, file = host.copy(), io.BytesIO()
    pasted[box] = guest[box]
    Image.fromarray(pasted).save(file, "JPEG", quality=95, subsampling=0)
    return np.array(Image.open(file))


def composites(images: ImageSet, seed: int, chooses: bool, most: int | None = None) -> list[Composite]:
    """For each image one of every pair that it can be the host of, with a guest of another source picture; ``most``: of a pair."""
    rng, found = np.random.default_rng(seed), []
    pixels = [images.pixels(index) for index in range(len(images))]
    for pair, (host_label, guest_label) in PAIRS.items():
        for host in rng.permutation(np.flatnonzero(images.label == host_label))[:most]:
            others = np.flatnonzero((images.label == guest_label) & (images.source_image != images.source_image[host]))
            others = [index for index in others if pixels[index].shape == pixels[host].shape]
            box = _draw_box(rng, pixels[host].shape)
            synthetic = np.full(pixels[host].shape[:2], host_label == SYNTHETIC)
            synthetic[box] = guest_label == SYNTHETIC
            mixed = compose(pixels[host], pixels[rng.choice(others)], box)
            found.append(Composite(pair, mixed, synthetic, str(images.source_image[host]), chooses))
    return found


def _draw_box(rng: np.random.Generator, shape: tuple) -> tuple[slice, slice]:
    sides = rng.integers(SIDES[0], SIDES[1] + 1, 2)
    starts = [int(rng.integers(0, have - side + 1)) for have, side in zip(shape[:2], sides, strict=True)]
    return tuple(slice(start, start + int(side)) for start, side in zip(starts, sides, strict=True))


# maps


def local_variance(pixels: np.ndarray) -> np.ndarray:
    """Standard deviation of the luma in a window around each pixel."""
    luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    mean, square = (cv2.blur(each, (WINDOW, WINDOW), borderType=cv2.BORDER_REFLECT) for each in (luma, luma * luma))
    return np.sqrt(np.maximum(square - mean * mean, 0))


def occlusion(detector: SavedDetector, side: int = 64, step: int = 32) -> Map:
    """How much the logit falls when a window is replaced by its mean colour (captum's FeatureAblation by windows, in numpy)."""

    def map_of(pixels: np.ndarray) -> np.ndarray:
        height, width = pixels.shape[:2]
        places = [(top, left) for top in range(0, height - side + 1, step) for left in range(0, width - side + 1, step)]
        changed = [pixels]
        for top, left in places:
            each = pixels.copy()
            each[top : top + side, left : left + side] = each[top : top + side, left : left + side].mean((0, 1)).astype(np.uint8)
            changed.append(each)
        logits = detector.scores(changed).logit
        total, times = np.zeros((height, width)), np.zeros((height, width))
        for (top, left), logit in zip(places, logits[1:], strict=True):
            total[top : top + side, left : left + side] += logits[0] - logit
            times[top : top + side, left : left + side] += 1
        return total / np.maximum(times, 1)

    return map_of


class _Logit:
    """The classifier's logit as a module for Grad-CAM and captum: float (B, 3, H, W) -> (B, 1)."""

    def __new__(cls, detector: SavedDetector):
        import torch

        class Module(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = detector.network.model

            def forward(self, pixels):
                return self.model(pixels).origin_logit[:, None]

        return Module().eval()


def grad_cam(detector: SavedDetector) -> Map:
    """Grad-CAM of the trunk's last stage, by the package grad-cam."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    encoder = detector.network.model.encoder
    camera = GradCAM(_Logit(detector), [getattr(encoder, encoder.layers[-1])])
    return lambda pixels: camera(detector.network._normalise(pixels[None]), [ClassifierOutputTarget(0)])[0]


def gradients(detector: SavedDetector) -> Map:
    """Input times gradient, by captum, smoothed as local variance is."""
    from captum.attr import InputXGradient

    method = InputXGradient(_Logit(detector))

    def map_of(pixels: np.ndarray) -> np.ndarray:
        found = method.attribute(detector.network._normalise(pixels[None]).requires_grad_(), target=0)
        return cv2.blur(found[0].sum(0).detach().numpy(), (WINDOW, WINDOW))

    return map_of


def maps_to_compare(detector: SavedDetector, slow: bool) -> dict[str, Map]:
    """Name -> map, ours first."""
    found: dict[str, Map] = {"heat map": lambda pixels: detector.heat_map(pixels).scores, "local variance": local_variance}
    if slow:
        found |= {"occlusion": occlusion(detector), "Grad-CAM": grad_cam(detector), "input × gradient": gradients(detector)}
    return found


# figures


def pixel_aucs(pictures: list[Composite], values: list[np.ndarray]) -> np.ndarray:
    """float (N,), of each composite; NaN where all of it is of one kind."""
    pairs = [(each.synthetic[::SPARSE, ::SPARSE].ravel(), value[::SPARSE, ::SPARSE].ravel()) for each, value in zip(pictures, values, strict=True)]
    return np.array([roc_auc_score(truth, value) if truth.any() and not truth.all() else np.nan for truth, value in pairs])


def measure(
    name: str, pictures: list[Composite], values: list[np.ndarray], ours: np.ndarray | None = None
) -> dict[str, dict[str, str]]:
    """Pair -> figure -> text, of one map's values (H, W) on all composites; ``ours``: ``pixel_aucs`` of the heat map."""
    area = pixel_aucs(pictures, values)
    mixed = [index for index, each in enumerate(pictures) if each.pair != "real into real"]
    choosing = [index for index in mixed if pictures[index].chooses]
    if name != "heat map" and area[choosing].mean() < 0.5:
        values, area = [-each for each in values], 1 - area  # a map that says nothing of which sign is synthetic gets the better one
    values, truth = [each[::SPARSE, ::SPARSE] for each in values], [each.synthetic[::SPARSE, ::SPARSE] for each in pictures]
    threshold = quiet_threshold(pictures, values, truth)
    found = {}
    for pair in PAIRS:
        reported = [index for index, each in enumerate(pictures) if each.pair == pair and not each.chooses]
        sources = [pictures[index].source for index in reported]
        interval = lambda figures, sources=sources: _interval(np.array(figures, float), sources)
        above = interval([(values[i] >= threshold).mean() for i in reported])
        if pair == "real into real":
            found[pair] = {"above the threshold": above}
            continue
        found[pair] = {
            "pixel AUC": interval(area[reported]),
            "heat map above it by": "" if ours is None else interval((ours - area)[reported]),
            "pointing": interval([truth[i].ravel()[values[i].argmax()] for i in reported]),
            "chance of pointing": f"{np.mean([truth[i].mean() for i in reported]):.2f}",
            "IoU": interval([iou(values[i] >= threshold, truth[i]) for i in reported]),
            "above the threshold": above, "pictures": str(len(reported)), "source pictures": str(len(set(sources))),
        }
    return found


def quiet_threshold(pictures: list[Composite], values: list[np.ndarray], truth: list[np.ndarray]) -> float:
    """Of the composites that choose: the best IoU on synthetic into real at which at most QUIET of real into real is marked."""
    pasted, quiet = (
        [index for index, each in enumerate(pictures) if each.chooses and each.pair == pair] for pair in ("synthetic into real", "real into real")
    )
    candidates = np.quantile(np.concatenate([values[index].ravel()[::7] for index in pasted + quiet]), np.linspace(0.02, 0.995, 196))
    marked = [np.mean([(values[i] >= level).mean() for i in quiet]) for level in candidates]
    allowed = [level for level, share in zip(candidates, marked, strict=True) if share <= QUIET] or [candidates[-1]]
    return max(allowed, key=lambda level: np.mean([iou(values[i] >= level, truth[i]) for i in pasted]))


def iou(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found & truth).sum() / max(1, (found | truth).sum()))


def _interval(figures: np.ndarray, sources: list[str]) -> str:
    """Mean and 95 % interval of a bootstrap that draws source pictures."""
    rng, names = np.random.default_rng(0), np.unique(sources)
    groups = [figures[np.array(sources) == name] for name in names]
    sums, counts = np.array([group.sum() for group in groups]), np.array([len(group) for group in groups])
    drawn = rng.integers(0, len(names), (RESAMPLES, len(names)))
    low, high = np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), (0.025, 0.975))
    return f"{figures.mean():.2f} [{low:.2f}, {high:.2f}]"


def compare(
    detector: SavedDetector, held_out: ImageSet, test: ImageSet, slow: bool, seed: int, most: int | None = None
) -> dict[str, dict[str, dict[str, str]]]:
    """Map -> pair -> figure -> text; seconds are the processor's, of all its cores."""
    pictures, found, ours = composites(held_out, seed, True, most) + composites(test, seed, False, most), {}, None
    for name, map_of in maps_to_compare(detector, slow).items():
        began = time.process_time()
        values = [map_of(each.pixels) for each in tqdm(pictures, desc=name, unit=" pictures")]
        seconds = f"{(time.process_time() - began) / len(pictures):.2f}"
        found[name] = measure(name, pictures, values, ours)
        found[name]["real into real"]["seconds a picture"] = seconds
        if name == "heat map":
            ours, order = pixel_aucs(pictures, values), np.random.default_rng(seed).permutation(len(values))
            shuffled = found["the same, of another picture"] = measure("shuffled", pictures, [values[index] for index in order], ours)
            shuffled["real into real"]["seconds a picture"] = seconds
    return found


def tables(found: dict[str, dict[str, dict[str, str]]]) -> str:
    """A Markdown table for each pair."""
    parts = []
    for pair in PAIRS:
        figures = list(next(iter(found.values()))[pair])
        parts += [f"**{pair}**", "", markdown_table(["map", *figures], [[name, *each[pair].values()] for name, each in found.items()]), ""]
    return "\n".join(parts)


def main(arguments: list[str]) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, help="folder of a saved model")
    parser.add_argument("--data_dir", required=True, help="folder of raw images with lists, as for training")
    parser.add_argument("--held_out", type=float, default=0.15, help="as in training (default: 0.15)")
    parser.add_argument("--seed", type=int, default=42, help="as in training")
    parser.add_argument("--slow", action="store_true", help="occlusion, Grad-CAM and captum too")
    parser.add_argument("--pictures", type=int, help="at most so many of each pair, held out and in the test list (default: all)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    parser.add_argument("--into_card", action="store_true", help="keep the figures in MODEL, and tell them in its card")
    options = parser.parse_args(arguments)
    splits = load_splits(DataOptions(data_dir=options.data_dir, held_out=options.held_out), options.seed)
    if splits.test is None:
        parser.error(f"{options.data_dir} has no test list; the figures are of its pictures.")
    found = compare(open_detector(options.model), splits.held_out, splits.test, options.slow, options.seed, options.pictures)
    print(tables(found))
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
    if options.into_card:
        store_localisation(Path(options.model), found)


if __name__ == "__main__":
    main(sys.argv[1:])
