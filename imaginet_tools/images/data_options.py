"""Which images a run works on: the options that name a data set and say how it is split."""

from dataclasses import dataclass, field


def _option(default, help: str):
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class DataOptions:
    """A data set of ``load_dataset`` or ``save_to_disk``, and its split into images that train, are held out, and are scored.

    Raises ValueError for values that no data set can meet.
    """

    _argument_group_name = "data"  # for transformers' HfArgumentParser

    dataset: str = _option("imaginet", "name or folder for load_dataset; it needs the columns image and label")
    config_name: str | None = _option(
        None, "configuration of the dataset; imaginet has all (its default), photos, paintings, faces, uncategorized and sample"
    )
    data_dir: str | None = _option(None, "folder with the raw images and lists (see README.md); not needed for 'sample'")
    image_column: str = _option("image", "column of the dataset with the images")
    label_column: str = _option("label", "column of the dataset with the labels: words for real and synthetic, or 0 and 1")
    annotations: str | None = _option(None, "folder with the lists, if they lie elsewhere than in --data_dir")
    locations: str | None = _option(None, "YAML file: sources that lie elsewhere than in --data_dir (see README.md)")
    registry: str | None = _option(None, "YAML file with sources of your own (see imaginet_core/storage/registry_file.py)")
    on_corrupt: str = field(default="error", metadata={
        "help": "what to do about images that cannot be decoded, which are looked for before anything is trained: stop, or leave them out",
        "choices": ("error", "skip"),
    })
    streaming: bool = _option(False, "read the training images as they come, without preparing the data set first")
    held_out: float = _option(0.1, "share of the training source images kept for temperature, bias and thresholds")
    fold: str | None = _option(
        None, "'2/4': score the second of four folds of the training list (by source image) instead of the test list"
    )
    calibration_list: str | None = _option(
        None, "stage 2 uses only the images on this list (upstream's calibration.txt); default: those that the data set marks as "
        "calibration images, or all training images"
    )

    def __post_init__(self):
        if not 0 < self.held_out < 0.5:
            raise ValueError(f"--held_out is a share between 0 and 0.5, got {self.held_out}.")
        if self.on_corrupt not in ("error", "skip"):
            raise ValueError(f"--on_corrupt is error or skip, got {self.on_corrupt!r}.")
        if self.streaming and self.fold:
            raise ValueError("--streaming reads images once as they come, so --fold cannot go with it; leave one out.")
        for name in ("annotations", "locations", "registry"):
            if getattr(self, name) and self.dataset != "imaginet":
                raise ValueError(f"--{name} belongs to the dataset imaginet, not to {self.dataset}.")
        if self.fold is not None:
            self.fold_numbers()

    def fold_numbers(self) -> tuple[int, int]:
        """``fold`` "2/4" as (2, 4). Raises ValueError if it is not of that form."""
        number, _, count = self.fold.partition("/")
        if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count) and int(count) >= 2):
            raise ValueError(f"--fold is written 2/4 for the second of four folds, got {self.fold!r}.")
        return int(number), int(count)
