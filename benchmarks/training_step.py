"""One step of stage 1 as --mixed_precision auto computes it, against the same step in eager float32 with contiguous images.

    python benchmarks/training_step.py [--steps 20] [--batch_size 8] [--cpu_threads 2] [--preset paper]

Both start from the same weights (random, of preset paper's network: ResNet-50 with a stem of stride 1) and take the same batches
in turn, 96×96 crops of the embedded sample, so that whatever else the machine does slows both. Printed: seconds a step (medians, by
the clock and of the CPU), the ratios (bar: 1.6), the two curves of the loss, and their largest difference. That is compared with what rounding does anyway:
how far apart two runs of our own step come when each weight of the second is moved by 2^-9 of its size at most, half of bf16's
last place.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from stage_1 import Accelerator, Stage1Loss, gradients, make_optimizer, network_of, options_of, sample_batches

from training.run.hardware import mixed_precision
from training.stages.contrastive_loss import Outputs
from training.stages.normalise import laid_out_as_pixels, normalise

BAR = 1.6
WARM_UP = 2
"""Steps whose time does not count; kernels are chosen in them."""


def our_step(accelerator, network, options) -> Callable[[dict], float]:
    """The training loop's own step: autocast, channels last."""
    network, optimizer = accelerator.prepare(laid_out_as_pixels(network), make_optimizer(network, options.stage_1))
    loss_of = Stage1Loss(accelerator, options.stage_1)

    def step(batch: dict) -> float:
        optimizer.zero_grad()
        terms = gradients(accelerator, network, loss_of, None, batch)
        optimizer.step()
        return sum(terms.values())

    return step


def eager_step(accelerator, network, options) -> Callable[[dict], float]:
    """Float32 throughout, images and weights contiguous."""
    optimizer, loss_of = make_optimizer(network, options.stage_1), Stage1Loss(accelerator, options.stage_1)

    def step(batch: dict) -> float:
        optimizer.zero_grad()
        pixels = normalise(batch["pixels"].flatten(0, 1)).contiguous(memory_format=torch.contiguous_format)
        loss, terms = loss_of(Outputs(*network(pixels)), batch)
        loss.backward()
        optimizer.step()
        return sum(terms.values())

    return step


def moved(network: torch.nn.Module) -> torch.nn.Module:
    """A copy with each weight moved by up to 2^-9 of its size, at random."""
    network, generator = copy.deepcopy(network), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1 + 2**-9 * (2 * torch.rand(weight.shape, generator=generator) - 1))
    return network


def run(steps: dict[str, Callable], batches: list[dict]) -> tuple[dict, dict]:
    """(name -> (seconds by the clock, CPU seconds), name -> loss) of every batch, the steps in turn."""
    seconds, losses = ({name: [] for name in steps} for _ in range(2))
    for batch in batches:
        for name, step in steps.items():
            start, cpu = time.perf_counter(), time.process_time()
            losses[name].append(step(batch))
            seconds[name].append((time.perf_counter() - start, time.process_time() - cpu))
    return seconds, losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20, help="steps of each, at least 3 (default: 20)")
    parser.add_argument("--batch_size", type=int, default=8, help="images per step (default: 8)")
    parser.add_argument("--cpu_threads", type=int, help="default: as torch chooses")
    parser.add_argument("--preset", default="paper", help="whose network (default: paper)")
    arguments = parser.parse_args()
    if arguments.cpu_threads:
        torch.set_num_threads(arguments.cpu_threads)
    options = options_of(arguments.preset, batch_size=arguments.batch_size)
    accelerator = Accelerator(cpu=True, mixed_precision=mixed_precision("auto", "cpu"))
    network = network_of(options)
    steps = {
        "ours": our_step(accelerator, copy.deepcopy(network), options), "moved": our_step(accelerator, moved(network), options),
        "eager float32": eager_step(accelerator, network, options),
    }
    seconds, losses = run(steps, sample_batches(arguments.steps, arguments.batch_size, options.stage_1.crop_size))
    report(seconds, losses, accelerator.mixed_precision)


def report(seconds: dict, losses: dict, precision: str) -> None:
    """Prints table, ratio and curves."""
    medians = {name: [statistics.median(column) for column in zip(*each[WARM_UP:], strict=True)] for name, each in seconds.items()}
    print(f"{torch.get_num_threads()} thread(s), mixed precision {precision}\n")
    print("| step | seconds | CPU seconds | first loss | last loss |\n| --- | --- | --- | --- | --- |")
    for name in ("ours", "eager float32"):
        print(f"| {name} | {medians[name][0]:.3f} | {medians[name][1]:.3f} | {losses[name][0]:.4f} | {losses[name][-1]:.4f} |")
    print(f"\neager / ours, median of the steps (the bar is {BAR}):")
    for column, clock in enumerate(("seconds", "CPU seconds")):
        pairs = zip(seconds["eager float32"][WARM_UP:], seconds["ours"][WARM_UP:], strict=True)
        ratios = [slow[column] / fast[column] for slow, fast in pairs]
        print(f"- {clock}: {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")
    for name in ("ours", "eager float32"):
        print(f"loss, {name}: {' '.join(f'{loss:.3f}' for loss in losses[name])}")
    apart, noise = (
        max(abs(one - other) for one, other in zip(losses["ours"], losses[name], strict=True))
        for name in ("eager float32", "moved")
    )
    print(f"largest difference of the curves: {apart:.4f}; of two runs of ours whose weights differ by rounding: {noise:.4f}")


if __name__ == "__main__":
    main()
