"""A progress bar with loss, images per second and time left, on the main process only."""

import time

from accelerate import Accelerator
from tqdm import tqdm


class Progress:
    """Counts steps; shows loss, images/s and the time left. A context manager.

    Args:
        accelerator: only its main process shows the bar.
        name: of what is going on.
        steps: in total.
        images_per_step: over all processes.
    """

    def __init__(self, accelerator: Accelerator, name: str, steps: int, images_per_step: int):
        self.bar = tqdm(
            total=steps, desc=name, unit="step", disable=not accelerator.is_main_process, dynamic_ncols=True, mininterval=1.0
        )
        self.images_per_step = images_per_step

    def __enter__(self) -> "Progress":
        self.start = time.monotonic()
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()

    def step(self, loss: float | None = None) -> None:
        """One step is done; ``loss`` is its loss, if there is one."""
        speed = (self.bar.n + 1) * self.images_per_step / (time.monotonic() - self.start)
        self.bar.set_postfix_str(("" if loss is None else f"loss {loss:.3f}, ") + f"{speed:.0f} images/s", refresh=False)
        self.bar.update()
