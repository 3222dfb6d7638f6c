"""The rows of the table: what is tried, as options of train_selfcon.py beside the preset ``laptop``."""

from typing import NamedTuple

STATISTICS = "pixel statistics"
CORNER = "preset, network from the corner"
"""The same as "laptop", of the preset's own runs: its network trains as if nothing stood beside it."""
FORMER_CORNER = f"former {CORNER}"
"""That of runs whose training views had the grid of a compression at their corner (docs/unseen.md): what was there at first. As with
all rows that are called "former", no command makes it again."""


class Row(NamedTuple):
    """One idea.

    Attributes:
        options: of train_selfcon.py.
        known: how many generators it trains on beside real pictures; None: all but the one left out.
        statistics: whether it is no network but the logistic regression on a dozen pixel statistics.
        part: of the trained detector that is scored: "network" or "statistics" alone, or "corner", the network alone, of pictures that
            are not moved; None: all of it. Rows that differ in this alone share their runs.
    """

    options: tuple[str, ...] = ()
    known: int | None = None
    statistics: bool = False
    part: str | None = None


NETWORK_ALONE = ("--statistics_centres", "0", "--shifts", "0")
"""As the preset was before it had a classifier of statistics, and before its network saw pictures moved by a pixel. (Files of rows that
are called "with statistics" are of the time between: without the shift, and without a floor under the network.)"""
ROWS: dict[str, Row] = {
    STATISTICS: Row(statistics=True),
    "laptop": Row(NETWORK_ALONE),
    "ce": Row((*NETWORK_ALONE, "--objective", "ce")),
    "supcon": Row((*NETWORK_ALONE, "--objective", "supcon")),
    "consistency": Row((*NETWORK_ALONE, "--consistency")),
    "twins": Row((*NETWORK_ALONE, "--twins")),
    "simulate": Row((*NETWORK_ALONE, "--simulate")),
    "simulate filters": Row((*NETWORK_ALONE, "--simulate", "filters")),
    "simulate networks": Row((*NETWORK_ALONE, "--simulate", "networks")),
    "real alone": Row((*NETWORK_ALONE, "--simulate"), known=0),
    "preset": Row(),
    "preset, network": Row(part="network"),
    "preset, statistics": Row(part="statistics"),
    CORNER: Row(part="corner"),
    "preset simulate networks": Row(("--simulate", "networks")),
    "preset simulate networks, network": Row(("--simulate", "networks"), part="network"),
    "preset simulate networks, statistics": Row(("--simulate", "networks"), part="statistics"),
    "preset real alone networks": Row(("--simulate", "networks"), known=0),
    "preset real alone networks, statistics": Row(("--simulate", "networks"), known=0, part="statistics"),
    "preset simulate": Row(("--simulate",)),
    "preset simulate, statistics": Row(("--simulate",), part="statistics"),
    "preset real alone": Row(("--simulate",), known=0),
    f"{STATISTICS} simulate": Row(("--simulate",), statistics=True),
    f"{STATISTICS} real alone": Row(("--simulate",), known=0, statistics=True),
    f"{STATISTICS} real alone filters": Row(("--simulate", "filters"), known=0, statistics=True),
    f"{STATISTICS} real alone networks": Row(("--simulate", "networks"), known=0, statistics=True),
    **{
        f"{STATISTICS} real alone {count} networks": Row(
            ("--simulate", "networks", "--simulated_networks", str(count)), known=0, statistics=True,
        ) for count in (1, 2, 4, 16)
    },
    **{f"{STATISTICS} {count} known": Row(known=count, statistics=True) for count in (1, 2)},
    **{f"laptop {count} known": Row(NETWORK_ALONE, known=count) for count in (1, 2)},
    **{f"preset {count} known": Row(known=count) for count in (1, 2)},
    "ema": Row((*NETWORK_ALONE, "--ema_decay", "0.98")),
}
"""Name of a row -> what it is."""
CURVES: dict[str, dict[str, dict[int, str]]] = {
    "generators known (of the lab's four, one is left out)": {
        name: {1: f"{name} 1 known", 2: f"{name} 2 known", 3: name} for name in (STATISTICS, "laptop", "preset")
    },
    "simulated networks (real pictures alone)": {
        STATISTICS: {
            **{count: f"{STATISTICS} real alone {count} networks" for count in (1, 2, 4, 16)}, 8: f"{STATISTICS} real alone networks",
        },
    },
}
"""What a figure is drawn against -> name of a curve -> its rows by that number."""
LONG = ("--preset", "laptop", "--audit_images", "0", "--num_workers", "0", "--cpu_threads", "1")
"""Options of every run of so many epochs: the preset's own, in one process on one core, which makes seconds comparable."""
SHORT = (
    "--preset", "laptop", "--batch_size", "32", "--classifier_epochs", "0", "--audit_images", "0", "--num_workers", "0",
    "--cpu_threads", "1",
)
"""Options of every short run: small batches make more of few views; stage 2 is left out, as the preset's cross-entropy trains the
classifier of origin in stage 1."""
WARMUP = 0.1
"""Share of a short run's epochs in which the rate rises."""
