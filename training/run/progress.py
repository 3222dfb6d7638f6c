"""A progress bar with loss, images per second, share of waiting for data and time left, on the main process only."""

import time
from collections.abc import Iterable, Iterator

from accelerate import Accelerator
from tqdm import tqdm


class Progress:
    """Counts steps; shows loss, images/s, the share of time spent waiting for data, and the time left. A context manager.

    Args:
        accelerator: only its main process shows the bar.
        name: of what is going on.
        steps: in total; None where it is not known.
        done: steps done in an earlier run that is being resumed.
    """

    def __init__(self, accelerator: Accelerator, name: str, steps: int | None, done: int = 0):
        self.bar = tqdm(
            total=steps, initial=done, desc=name, unit="step", disable=not accelerator.is_main_process, dynamic_ncols=True,
            mininterval=1.0,
        )
        self.images, self.waited = 0, 0.0

    def __enter__(self) -> "Progress":
        self.start = time.monotonic()
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()

    def timed(self, batches: Iterable) -> Iterator:
        """The same batches; the time that it takes to get each counts as waiting for data."""
        batches = iter(batches)
        while True:
            start = time.monotonic()
            batch = next(batches, None)
            self.waited += time.monotonic() - start
            if batch is None:
                return
            yield batch

    def step(self, images: int, loss: float | None = None) -> None:
        """One step with so many images over all processes is done; ``loss`` is its loss, if there is one."""
        self.images += images
        seconds = time.monotonic() - self.start
        words = [] if loss is None else [f"loss {loss:.3f}"]
        words.append(f"{self.images / seconds:.0f} images/s")
        if self.waited:
            words.append(f"{self.waited / seconds:.0%} waiting for data")
        self.bar.set_postfix_str(", ".join(words), refresh=False)
        self.bar.update()
