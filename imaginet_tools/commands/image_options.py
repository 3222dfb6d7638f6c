"""The options by which a command is told its images: raw data, a prepared data set, a folder, a CSV file, the sample."""

import argparse

from imaginet_tools.images.image_set import ImageSet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that name images, for :func:`collect_images`."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--data_dir", help="folder of raw images, as for load_dataset")
    which.add_argument("--dataset", help="a prepared data set: a folder of save_to_disk, or what load_dataset takes")
    which.add_argument("--folder", help="folder with real/ and synthetic/")
    which.add_argument("--csv", help="CSV file with the columns path and label")
    which.add_argument("--sample", action="store_true", help="the embedded sample")
    parser.add_argument("--config_name", help="configuration of --data_dir (all) or --dataset")
    parser.add_argument("--split", help="one split only, of --data_dir, --dataset or --sample")
    for name, what in (
        ("annotations", "folder of the lists"), ("locations", "YAML file: source -> place"), ("registry", "YAML file of sources"),
    ):
        parser.add_argument(f"--{name}", help=f"{what}, with --data_dir")
    parser.add_argument("--image_column", default="image", help="of --dataset")
    parser.add_argument("--label_column", default="label", help="of --dataset")
    parser.add_argument("--real", help="the label of --dataset that means real")


def collect_images(options: argparse.Namespace) -> ImageSet:
    """The images that the command line names."""
    if options.folder:
        return ImageSet.from_folder(options.folder)
    if options.csv:
        return ImageSet.from_csv(options.csv)
    if options.dataset:
        columns = options.image_column, options.label_column
        return ImageSet.from_dataset(options.dataset, options.config_name, options.split, *columns, options.real)
    given = {name: getattr(options, name) for name in ("data_dir", "annotations", "locations", "registry")}
    name = "sample" if options.sample else options.config_name or "all"
    return ImageSet.from_raw(name, (options.split,) if options.split else (), **given)
