"""Peak memory of one step of stage 1 against the batch size, with and without gradient caching (--embed_chunk).

    python benchmarks/gradient_cache.py [--batch_sizes 16 32 64 128 256] [--embed_chunk 16] [--preset laptop]

Each point is a process of its own, as the peak of a process never falls; its peak before the step (libraries, network, batch) is
taken off. Printed: a table of MB. Images are 96×96 crops of the embedded sample, in float32. What still grows with caching is the
batch of pictures itself, about 0.3 MB an image while it is normalised.
"""

import argparse
import json
import resource
import subprocess
import sys

CHUNK, SIZES = 16, (16, 32, 64, 128, 256)


def measure(preset: str, size: int, chunk: int | None) -> dict[str, float]:
    """MB at the process's peak before the step, and by how much the step raised it."""
    import torch
    from stage_1 import Accelerator, Stage1Loss, gradients, make_optimizer, network_of, options_of, sample_batches

    from training.stages.normalise import laid_out_as_pixels

    torch.set_num_threads(1)
    options = options_of(preset, batch_size=size)
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    network = laid_out_as_pixels(network_of(options))
    network, optimizer = accelerator.prepare(network, make_optimizer(network, options.stage_1))
    batch, loss_of = sample_batches(1, size, options.stage_1.crop_size)[0], Stage1Loss(accelerator, options.stage_1)
    before = peak()
    gradients(accelerator, network, loss_of, chunk, batch)
    optimizer.step()
    return {"before": before, "step": peak() - before}


def peak() -> float:
    """Largest resident memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def in_process(preset: str, size: int, chunk: int | None) -> dict[str, float]:
    """:func:`measure` in a process of its own."""
    command = [sys.executable, __file__, "--preset", preset, "--point", str(size), *([str(chunk)] if chunk else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=SIZES, help=f"(default: {' '.join(map(str, SIZES))})")
    parser.add_argument("--embed_chunk", type=int, default=CHUNK, help=f"images embedded at a time (default: {CHUNK})")
    parser.add_argument("--preset", default="laptop", help="whose network (default: laptop)")
    parser.add_argument("--point", type=int, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        print(json.dumps(measure(options.preset, options.point[0], (options.point + [None])[1])))
        return
    print(f"| batch | whole: MB | --embed_chunk {options.embed_chunk}: MB | before the step: MB |", flush=True)
    print("| --- | --- | --- | --- |", flush=True)
    for size in options.batch_sizes:
        whole, chunked = (in_process(options.preset, size, chunk) for chunk in (None, options.embed_chunk))
        print(f"| {size} | {whole['step']:,.0f} | {chunked['step']:,.0f} | {whole['before']:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
