"""Every option of a training run, the presets, and the command line made from them.

``paper`` is the published recipe to the letter (https://arxiv.org/abs/2407.20020). What we do differently lives in other presets
or behind an option, never as a silent change of ``paper``.
"""

import argparse
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path

from imaginet_tools.images.data_options import DataOptions
from modeling.configuration_selfcon import HIGH_PASS
from training.presets import PRESET_HELP, PRESETS
from training.views.recipes import VIEWS

FINISHED = "finished.txt"
"""In the output folder: what a run writes last, when the model is saved and, if asked for, uploaded."""


def option(default, group: str, help: str, **arguments):
    """A dataclass field that is also a command-line option of the named group."""
    metadata = {"group": group, "help": help, **arguments}
    if isinstance(default, (list, dict)):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class TrainingOptions:
    """One training run. The defaults are the published recipe; see ``training.presets`` for the others."""

    # data
    dataset: str = option("imaginet", "data", "name or folder for load_dataset; it needs the columns image and label")
    config_name: str | None = option(
        None, "data", "configuration of the dataset; imaginet has all (its default), photos, paintings, faces, uncategorized and "
        "sample"
    )
    data_dir: str | None = option(None, "data", "folder with the raw images and lists (see README.md); not needed for 'sample'")
    annotations: str | None = option(None, "data", "folder with the lists, if they lie elsewhere than in --data_dir")
    locations: str | None = option(None, "data", "YAML file: sources that lie elsewhere than in --data_dir (see README.md)")
    registry: str | None = option(None, "data", "YAML file with sources of your own (see imaginet_core/storage/registry_file.py)")
    streaming: bool = option(False, "data", "read the training images as they come, without preparing the data set first")
    aligned: bool = option(
        False, "data", "crop and recompress real and synthetic training images alike, so that format and size tell nothing; "
        "off with --streaming"
    )
    twins: str | None = option(
        None, "data", "for each real training image a reconstruction by an autoencoder, in the same batch as a hard negative: "
        "'small' (the default of the bare option) trains one on the training images, anything else is a model of diffusers",
        nargs="?", const="small",
    )
    calibration_list: str | None = option(
        None, "data", "stage 2 uses only the images on this list (upstream's calibration.txt); default: those that the data set "
        "marks as calibration images, or all training images"
    )
    held_out: float = option(0.1, "data", "share of the training source images kept for temperature, bias and thresholds")
    fold: str | None = option(
        None, "data", "'2/4': score the second of four folds of the training list (by source image) instead of the test list"
    )
    crop_cache: str | None = option(
        None, "data", "folder for windows cut from the training images once, which saves decoding whole pictures for every view"
    )
    crop_cache_windows: int = option(4, "data", "windows of each image in the crop cache; epochs take them in turn")
    crop_cache_epochs: int = option(20, "data", "epochs after which the windows of the crop cache are drawn anew")
    crop_cache_gb: float = option(20.0, "data", "largest size of the crop cache in GB")
    num_workers: int = option(2, "data", "processes that load and augment images, per training process")

    # network
    initial_weights: str = option(
        "imagenet", "network", "'imagenet' (torchvision IMAGENET1K_V2, or timm's weights of --backbone; downloaded), 'none', a file "
        "with a torchvision state, or the folder of a run or of a saved or converted model"
    )
    backbone: str | None = option(
        None, "network", "a timm model by name instead of the ResNet described below, e.g. convnext_tiny (needs `pip install timm`)"
    )
    stem_kernel: int = option(7, "network", "kernel of the first convolution")
    stem_stride: int = option(1, "network", "stride of the first convolution")
    stem_width: int = option(64, "network", "channels of the first convolution")
    stem_pool: bool = option(True, "network", "max-pool (3×3, stride 1) after the first convolution")
    block: str = option("bottleneck", "network", "residual block", choices=("bottleneck", "basic"))
    widths: list[int] = option([64, 128, 256, 512], "network", "channels of each layer")
    depths: list[int] = option([3, 4, 6, 3], "network", "blocks of each layer")
    sub_network_after: int = option(2, "network", "the sub-network leaves the trunk after this layer, counted from 1")
    high_pass: str | None = option(
        None, "network", "fixed front end: 'mean2x2' takes off the mean of each 2×2 block, 'local_contrast' adds the same by its "
        "local strength, at two scales", choices=tuple(HIGH_PASS),
    )
    projection_size: int = option(128, "network", "size of the embeddings that the contrastive loss compares")
    classifier_hidden: int = option(1024, "network", "hidden units of the classifiers")

    # stage 1: contrastive
    objective: str = option(
        "selfcon", "stage 1 (contrastive)", "selfcon (sub-network and trunk), supcon (trunk alone) or ce (cross-entropy alone)",
        choices=("selfcon", "supcon", "ce"),
    )
    consistency: bool = option(
        False, "stage 1 (contrastive)", "each image also as a degraded view, as a further positive and held to the same answer"
    )
    consistency_weight: float = option(1.0, "stage 1 (contrastive)", "weight of the consistency term")
    views: str = option("paper", "stage 1 (contrastive)", "kind of random views, both stages", choices=tuple(VIEWS))
    crop_size: int = option(96, "stage 1 (contrastive)", "side of the views in pixels")
    epochs: int = option(400, "stage 1 (contrastive)", "passes over the training images")
    batch_size: int = option(200, "stage 1 (contrastive)", "images per step, over all processes; both stages")
    optimizer: str = option("sgd", "stage 1 (contrastive)", "sgd (momentum 0.9) or adamw", choices=("sgd", "adamw"))
    learning_rate: float = option(0.005, "stage 1 (contrastive)", "peak rate")
    weight_decay: float = option(1e-4, "stage 1 (contrastive)", "weight decay")
    warmup_epochs: int = option(10, "stage 1 (contrastive)", "epochs of linear warm-up from 1e-4 of the rate")
    temperature: float = option(0.07, "stage 1 (contrastive)", "temperature of the contrastive loss")
    cross_entropy_weight: float = option(
        0.0, "stage 1 (contrastive)", "weight of the origin classifiers' cross-entropy beside the contrastive loss (a random "
        "small network collapses without it)"
    )

    embed_chunk: int | None = option(
        None, "stage 1 (contrastive)", "gradient caching: images embedded at a time by each process; memory then does not grow with "
        "the batch, and batch normalisation uses the statistics of each chunk"
    )
    max_grad_norm: float | None = option(None, "stage 1 (contrastive)", "clip gradients to this norm, in both stages")
    ema_decay: float | None = option(
        None, "stage 1 (contrastive)", "keep a moving average of the weights with this decay per step, and use it after stage 1"
    )

    # stage 2: classifiers on the frozen trunk
    classifier_crop_size: int = option(256, "stage 2 (classifiers)", "side of the views in pixels")
    classifier_epochs: int = option(5, "stage 2 (classifiers)", "passes over the images")
    classifier_learning_rate: float = option(1e-4, "stage 2 (classifiers)", "rate of Adam")
    classifier_weight_decay: float = option(1e-3, "stage 2 (classifiers)", "weight decay of Adam")

    # scoring
    test_crops: int = option(1, "scoring", "crops whose mean is a picture's score, where it is larger than one crop")
    audit_images: int = option(400, "scoring", "training images on which shortcuts are looked for, for report and card; 0: none")

    # run
    device: str = option("auto", "run", "auto takes a GPU where there is one", choices=("auto", "cpu", "cuda"))
    mixed_precision: str = option(
        "no", "run", "arithmetic of the training steps; 'auto' is bf16 where the processor computes in it and no elsewhere",
        choices=("no", "auto", "bf16", "fp16"),
    )
    cpu_threads: int | None = option(
        None, "run", "threads of each process on the CPU; default: all cores, shared by the processes"
    )
    compile: bool = option(False, "run", "compile the network with torch.compile (GPUs only: on a CPU it takes minutes to start)")
    seed: int = option(42, "run", "seed of weights, order and views")
    output_dir: str = option("runs/selfcon", "run", "folder for model, report, pictures and checkpoints; must be new or empty unless --resume")
    resume: bool = option(False, "run", "go on from the last checkpoint in --output_dir, or start if there is none")
    accept_changed_options: bool = option(False, "run", "resume although options or data are not those of the checkpoint")
    checkpoint_every: int = option(500, "run", "steps between checkpoints; one is also written at the end of each stage")
    checkpoints_kept: int = option(2, "run", "latest checkpoints that are kept, beside the best one")
    tracker: str | None = option(None, "run", "an Accelerate tracker by name, e.g. tensorboard or wandb, or 'all' that are installed")
    bootstrap: int = option(1000, "run", "resamples of the 95 %% intervals")

    # Hub
    push_to_hub: bool = option(False, "Hub", "upload the model folder with its card when done")
    hub_model_id: str | None = option(None, "Hub", "repository to upload to, e.g. me/detector")
    hub_private: bool = option(True, "Hub", "create the repository private")

    def __post_init__(self):
        positive = ("crop_size", "batch_size", "classifier_crop_size", "learning_rate", "classifier_learning_rate")
        positive += ("temperature", "bootstrap", "cpu_threads", "embed_chunk", "max_grad_norm", "test_crops", "checkpoint_every")
        positive += ("checkpoints_kept", "crop_cache_windows", "crop_cache_epochs", "crop_cache_gb")
        for name in positive:
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise ValueError(f"--{name} must be positive, got {getattr(self, name)}.")
        not_negative = ("epochs", "classifier_epochs", "warmup_epochs", "num_workers", "weight_decay", "cross_entropy_weight")
        for name in (*not_negative, "consistency_weight", "audit_images"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name} must not be negative, got {getattr(self, name)}.")
        if self.embed_chunk == 1:
            raise ValueError("--embed_chunk must be at least 2, as batch normalisation cannot use a single image.")
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ValueError(f"--ema_decay is a share between 0 and 1, got {self.ema_decay}.")
        for name in ("aligned", "twins", "crop_cache"):
            if self.streaming and getattr(self, name):
                raise ValueError(f"--streaming reads images once as they come, so --{name} cannot go with it; leave one out.")
        if len(self.widths) != len(self.depths):
            raise ValueError(f"--widths {self.widths} and --depths {self.depths} must have the same length.")
        if self.push_to_hub and not self.hub_model_id:
            raise ValueError("--push_to_hub needs --hub_model_id, e.g. --hub_model_id me/detector.")
        self.data_options()

    def data_options(self) -> DataOptions:
        """The options that name the images. Raises ValueError for values that no data set can meet."""
        return DataOptions(**{spec.name: getattr(self, spec.name) for spec in fields(DataOptions)})

    def as_dict(self) -> dict:
        """The options as plain values, for the report."""
        return asdict(self)


def make_parser() -> argparse.ArgumentParser:
    """The command line: one option per field of :class:`TrainingOptions`, grouped, plus ``--preset``."""
    parser = argparse.ArgumentParser(
        prog="train_selfcon.py",
        usage="%(prog)s [--preset {paper,laptop,demo}] [options below, each wins over the preset]",
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=30, width=120),
        description="Trains a SelfCon detector of synthetic images and reports how good it is.",
        epilog="presets:\n" + "\n".join(f"  {name:8} {text}" for name, text in PRESET_HELP.items()),
    )
    parser.add_argument("--preset", choices=tuple(PRESETS), default="laptop", help="starting point (default: laptop)")
    groups = {}
    for spec in fields(TrainingOptions):
        meta = dict(spec.metadata)
        title, help_text = meta.pop("group"), meta.pop("help")
        group = groups.setdefault(title, parser.add_argument_group(title))
        default = spec.default if spec.default is not MISSING else spec.default_factory()
        arguments = _argument_type(spec.type, default)
        group.add_argument(
            f"--{spec.name}", default=argparse.SUPPRESS, help=f"{help_text}{_defaults(spec.name, default)}", **arguments, **meta
        )
    return parser


def _defaults(name: str, default) -> str:
    """What the presets say of an option, for the help: " (default: 256)" or " (paper: 7, laptop: 3, demo: 3)"."""
    values = {preset: " ".join(map(str, value)) if isinstance(value := settings.get(name, default), list) else value
              for preset, settings in PRESETS.items()}
    if len(set(values.values())) > 1:
        return f" ({', '.join(f'{preset}: {value}' for preset, value in values.items() if value is not None)})"
    return "" if default is None else f" (default: {values['paper']})"


def _argument_type(kind, default) -> dict:
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if isinstance(default, list):
        return {"type": int, "nargs": "+", "metavar": "N"}
    if kind in (int, int | None):
        return {"type": int, "metavar": "N"}
    return {"type": float, "metavar": "X"} if kind in (float, float | None) else {"type": str}


def parse_options(arguments: list[str] | None = None) -> TrainingOptions:
    """Reads the command line (default: ``sys.argv``). A wrong value ends the program with one sentence."""
    parser = make_parser()
    given = vars(parser.parse_args(arguments))
    preset = given.pop("preset")
    if given.get("streaming"):
        given.setdefault("aligned", False)  # needs the headers of all images beforehand
    try:
        return replace(TrainingOptions(**PRESETS[preset]), **given)
    except ValueError as error:
        parser.error(str(error))


def prepare_output_folder(folder: str, resume: bool = False) -> Path:
    """Makes the run's folder. To resume, it may hold what an unfinished run left.

    Raises FileExistsError if it already holds something else: nothing of the user's is overwritten.
    """
    path = Path(folder)
    if (path / FINISHED).exists():
        raise FileExistsError(f"The run in {folder} is complete; choose another --output_dir or move it away.")
    if path.is_dir() and any(path.iterdir()):
        if not resume:
            raise FileExistsError(
                f"The output folder {folder} is not empty; choose another --output_dir or move it away, or go on from its last "
                "checkpoint with --resume."
            )
        if not any((path / own).is_dir() for own in ("checkpoints", "twins", "streamed", "tracking")):
            raise FileExistsError(f"The output folder {folder} is not empty and holds no run to resume; choose another.")
    path.mkdir(parents=True, exist_ok=True)
    return path
