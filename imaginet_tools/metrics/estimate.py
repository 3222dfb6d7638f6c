"""A figure with its interval, for whoever shows figures and computes none."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A figure (0 to 1, but for log losses and differences) and its 95 % interval.

    ``low`` and ``high`` are None, and ``reason`` says why, where there is none.
    """

    value: float
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    def __str__(self) -> str:
        return f"{self.value:.3f}" + ("" if self.low is None else f" [{self.low:.3f}, {self.high:.3f}]")
