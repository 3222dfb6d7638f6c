"""Where a run's data set comes from: a name or folder of ``load_dataset``, also ImagiNet, or a folder of ``save_to_disk``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets

import imaginet  # noqa: F401  (registers its builder with load_dataset)
from training.options import TrainingOptions

SHARDS = 64
"""Parts that a data set of ``save_to_disk`` is streamed in, so that processes and workers can share them."""

Loaded = datasets.DatasetDict | datasets.IterableDatasetDict


def load_any(options: TrainingOptions, streaming: bool = False) -> Loaded:
    """The data set of the options by split, with at least the split "train".

    Args:
        options: ``dataset`` with its ``config_name``, ``data_dir``, ``annotations``, ``locations`` and ``registry``.
        streaming: give streams, which prepare nothing.

    Raises:
        ValueError: if it cannot be built, a split is empty or there is no train split.
        OSError: if there is no such data set.
    """
    folder = Path(options.dataset)
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        loaded = _saved(folder, options, streaming)
    else:
        loaded = _load(options, streaming)
    if "train" not in loaded:
        raise ValueError(f"{options.dataset} has no train split (only {', '.join(loaded)}); training needs one.")
    return loaded


def _load(options: TrainingOptions, streaming: bool) -> Loaded:
    given = {name: getattr(options, name) for name in ("data_dir", "annotations", "locations", "registry")}
    keywords = {name: value for name, value in given.items() if value}
    with plain_errors(options.dataset):
        return datasets.load_dataset(options.dataset, options.config_name, streaming=streaming, **keywords)


@contextmanager
def plain_errors(name: str) -> Iterator[None]:
    """Turns what datasets raises while it builds the data set ``name`` into a ValueError that says why."""
    try:
        yield
    except datasets.exceptions.DatasetGenerationError as error:  # only says that it failed; its cause says why
        raise ValueError(f"{name} could not be built: {error.__cause__ or error}") from error
    except ValueError as error:
        if "corresponds to no data" in str(error):  # what datasets says of a split without rows
            raise ValueError(f"A split of {name} has no image ({error})") from error
        raise


def _saved(folder: Path, options: TrainingOptions, streaming: bool) -> Loaded:
    """What ``Dataset.save_to_disk`` (one split, taken as train) or ``DatasetDict.save_to_disk`` wrote."""
    if options.config_name or options.data_dir:
        raise ValueError(f"{folder}, written by save_to_disk, has no configurations; leave --config_name and --data_dir out.")
    try:
        loaded = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{folder} was written by save_to_disk but cannot be read ({error}); write it again.") from error
    splits = loaded if isinstance(loaded, datasets.DatasetDict) else datasets.DatasetDict({"train": loaded})
    if not streaming:
        return splits
    return datasets.IterableDatasetDict({
        name: rows.to_iterable_dataset(num_shards=max(1, min(SHARDS, len(rows)))) for name, rows in splits.items()
    })
