"""Every option of a training run, in eight groups. ``training.command_line`` makes the command line from them.

The defaults are the published recipe (https://arxiv.org/abs/2407.20020), which is the preset ``paper``. What we do differently
lives in the other presets or behind an option, never as a silent change of ``paper``.
"""

from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from imaginet_tools.images.data_options import DataOptions
from modeling.configuration_selfcon import HIGH_PASS
from training.views.recipes import VIEWS

OWN_METADATA = ("changes_result", "limits", "stored_as")
"""Of a field's metadata, what the command line does not know; see :func:`option`."""
LIMITS = {
    "positive": (lambda value: value > 0, "must be positive"),
    "not negative": (lambda value: value >= 0, "must not be negative"),
    "a share": (lambda value: 0 < value < 1, "is a share between 0 and 1"),
}
"""Name of what a number must be -> its test, and the end of a sentence about one that fails."""


def option(
    default, help: str, changes_result: bool = True, limits: str | None = None, stored_as: str | None = None, **arguments
) -> Any:
    """A dataclass field that is also a command-line option.

    Args:
        default: of the recipe.
        help: for ``--help``.
        changes_result: whether another value makes other weights; a checkpoint is only resumed with the same ones.
        limits: a name of ``LIMITS``, for numbers.
        stored_as: name in reports and checkpoints, where it differs from the field's.
        arguments: further ones of ``argparse``'s ``add_argument``.
    """
    metadata = {"help": help, "changes_result": changes_result, "limits": limits, "stored_as": stored_as, **arguments}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


class Group:
    """What the groups share: numbers are checked when one is made. Raises ValueError for one that its option forbids."""

    def __post_init__(self):
        for spec in fields(self):
            value, limits = getattr(self, spec.name), spec.metadata["limits"]
            if limits is not None and value is not None and not LIMITS[limits][0](value):
                raise ValueError(f"--{spec.name} {LIMITS[limits][1]}, got {value}.")


@dataclass(frozen=True)
class NetworkOptions(Group):
    """The network and the weights that it starts from."""

    _argument_group_name = "network"

    initial_weights: str = option(
        "imagenet", "'imagenet' (torchvision IMAGENET1K_V2, or timm's weights of --backbone; downloaded), 'none', a file with a "
        "torchvision state, or the folder of a run or of a saved or converted model"
    )
    backbone: str | None = option(
        None, "a timm model by name instead of the ResNet described below, e.g. convnext_tiny (needs `pip install timm`)"
    )
    frozen: bool = option(
        False, "keep the weights of --backbone as they are; what learns are the layers on it, heads and classifiers"
    )
    adapter_size: int = option(
        0, "size of the features that a small layer makes of those of --backbone, for sub-network and trunk each; 0: none",
        limits="not negative",
    )
    lora_rank: int = option(
        0, "with --frozen: rank of additions that learn beside the linear layers of --backbone, and are merged into them before the "
        "model is saved (needs `pip install peft`); 0: none", limits="not negative",
    )
    stem_kernel: int = option(7, "kernel of the first convolution")
    stem_stride: int = option(1, "stride of the first convolution")
    stem_width: int = option(64, "channels of the first convolution")
    stem_pool: bool = option(True, "max-pool (3×3, stride 1) after the first convolution")
    block: str = option("bottleneck", "residual block", choices=("bottleneck", "basic"))
    widths: list[int] = option([64, 128, 256, 512], "channels of each layer")
    depths: list[int] = option([3, 4, 6, 3], "blocks of each layer")
    sub_network_after: int = option(2, "the sub-network leaves the trunk after this layer, counted from 1")
    high_pass: str | None = option(
        None, "fixed front end: 'mean2x2' takes off the mean of each 2×2 block, 'local_contrast' adds the same by its local "
        "strength, at two scales", choices=tuple(HIGH_PASS),
    )
    statistics_centres: int = option(
        0, "centres of a classifier on plain statistics of the pixels, whose log-odds are added to the network's; 0: none",
        limits="not negative",
    )
    detail_relations: bool = option(
        False, "a second such classifier beside it, with as many centres, on how details go together across colours and scales"
    )
    shifts: list[int] = option(
        [0], "the network sees each picture that it scores once for each of these numbers, moved by so many pixels up and to the left, "
        "and the mean counts; with several, scoring takes as many times as long"
    )
    projection_size: int = option(128, "size of the embeddings that the contrastive loss compares")
    classifier_hidden: int = option(1024, "hidden units of the classifiers")

    def __post_init__(self):
        super().__post_init__()
        if len(self.widths) != len(self.depths):
            raise ValueError(f"--widths {self.widths} and --depths {self.depths} must have the same length.")
        for name, needed in (("frozen", "backbone"), ("adapter_size", "backbone"), ("lora_rank", "frozen")):
            if getattr(self, name) and not getattr(self, needed):
                raise ValueError(f"--{name} is for a network with --{needed}; give that too, or leave --{name} out.")
        if self.frozen and self.initial_weights == "none":
            raise ValueError("--frozen keeps the weights that --initial_weights names; 'none' would keep random ones.")

    def architecture(self) -> dict:
        """The options that are attributes of ``SelfConConfig`` by the same name."""
        others = ("initial_weights", "lora_rank")
        return {spec.name: getattr(self, spec.name) for spec in fields(self) if spec.name not in others}


@dataclass(frozen=True)
class ViewOptions(Group):
    """What is made of a training image before the network sees it, and how it is loaded."""

    _argument_group_name = "views"

    views: str = option("paper", "kind of random views, both stages", choices=tuple(VIEWS))
    aligned: bool = option(
        False, "crop and recompress real and synthetic training images alike, so that format and size tell nothing; off with "
        "--streaming"
    )
    reconstructions: str | None = option(
        None, "for each real training image a reconstruction by an autoencoder, in the same batch as a hard negative: 'small' "
        "(the default of the bare option) trains one on the training images, anything else is a model of diffusers",
        stored_as="twins", aliases=["--twins"], nargs="?", const="small",
    )
    simulate: str | None = option(
        None, "for each real training picture, in each epoch, a synthetic one as a generator drawn at random would make it, in the same "
        "batch: by 'filters', by small 'networks' fitted first, or 'all' (the default of the bare option); training pictures may then "
        "all be real", choices=("all", "filters", "networks"), nargs="?", const="all",
    )
    simulated_networks: int = option(8, "networks that --simulate fits, about fifteen seconds each", limits="positive")
    statistics_networks: int = option(
        0, "so many such networks simulate generators for the classifiers of --statistics_centres alone, where --simulate does not; 0: none",
        limits="not negative",
    )
    crop_cache: str | None = option(
        None, "folder for windows cut from the training images once, which saves decoding whole pictures for every view"
    )
    crop_cache_windows: int = option(4, "windows of each image in the crop cache; epochs take them in turn", limits="positive")
    crop_cache_epochs: int = option(20, "epochs after which the windows of the crop cache are drawn anew", limits="positive")
    crop_cache_gb: float = option(20.0, "largest size of the crop cache in GB", changes_result=False, limits="positive")
    view_epochs: int = option(
        0, "show the views of so many epochs in turn; 0: every epoch has new ones", limits="not negative"
    )
    feature_cache: str = option(
        "run", "with --frozen and --view_epochs: where what the backbone says of each view is kept, so that it sees it once: 'run' (in "
        "--output), 'none', or a folder that runs share; not with --lora_rank, --simulate or --reconstructions, whose views it sees anew",
        changes_result=False,
    )
    num_workers: int = option(
        2, "processes that load and augment images, per training process", changes_result=False, limits="not negative"
    )

    def __post_init__(self):
        super().__post_init__()
        for name in ("reconstructions", "crop_cache"):
            if self.simulate and getattr(self, name):
                raise ValueError(f"--simulate and --{name} cannot go together; leave one out.")
        if self.crop_cache and self.view_epochs:
            raise ValueError("--view_epochs shows the same windows again, so --crop_cache has nothing to save; leave one out.")

    @property
    def has_counterparts(self) -> bool:
        """Whether each real training image has a synthetic counterpart in the same batch."""
        return bool(self.reconstructions or self.simulate)


@dataclass(frozen=True)
class ContrastiveOptions(Group):
    """Stage 1, and what both stages share."""

    _argument_group_name = "stage 1 (contrastive)"

    objective: str = option(
        "selfcon", "selfcon (sub-network and trunk), supcon (trunk alone) or ce (cross-entropy alone)",
        choices=("selfcon", "supcon", "ce"),
    )
    consistency: bool = option(
        False, "each image also as a degraded view, as a further positive and held to the same answer"
    )
    consistency_weight: float = option(1.0, "weight of the consistency term", limits="not negative")
    crop_size: int = option(96, "side of the views in pixels", limits="positive")
    epochs: int = option(400, "passes over the training images", limits="not negative")
    batch_size: int = option(200, "images per step, over all processes; both stages", limits="positive")
    optimizer: str = option("sgd", "sgd (momentum 0.9) or adamw", choices=("sgd", "adamw"))
    learning_rate: float = option(0.005, "peak rate", limits="positive")
    weight_decay: float = option(1e-4, "weight decay", limits="not negative")
    warmup_epochs: int = option(10, "epochs of linear warm-up from 1e-4 of the rate", limits="not negative")
    temperature: float = option(0.07, "temperature of the contrastive loss", limits="positive")
    cross_entropy_weight: float = option(
        0.0, "weight of the origin classifiers' cross-entropy beside the contrastive loss (a random small network collapses "
        "without it)", limits="not negative",
    )
    embed_chunk: int | None = option(
        None, "gradient caching: images embedded at a time by each process; memory then does not grow with the batch, and batch "
        "normalisation uses the statistics of each chunk", limits="positive",
    )
    max_grad_norm: float | None = option(None, "clip gradients to this norm, in both stages", limits="positive")
    ema_decay: float | None = option(
        None, "keep a moving average of the weights with this decay per step, and use it after stage 1", limits="a share"
    )

    def __post_init__(self):
        super().__post_init__()
        if self.embed_chunk == 1:
            raise ValueError("--embed_chunk must be at least 2, as batch normalisation cannot use a single image.")


@dataclass(frozen=True)
class ClassifierOptions(Group):
    """Stage 2: classifiers on the frozen trunk."""

    _argument_group_name = "stage 2 (classifiers)"

    classifier_crop_size: int = option(256, "side of the views in pixels", limits="positive")
    classifier_epochs: int = option(5, "passes over the images", limits="not negative")
    classifier_learning_rate: float = option(1e-4, "rate of Adam", limits="positive")
    classifier_weight_decay: float = option(1e-3, "weight decay of Adam", limits="not negative")


@dataclass(frozen=True)
class ScoringOptions(Group):
    """How good the detector is said to be."""

    _argument_group_name = "scoring"

    test_crops: int = option(
        1, "crops whose mean is a picture's score, where it is larger than one crop", changes_result=False, limits="positive"
    )
    audit_images: int = option(
        400, "training images on which shortcuts are looked for, for report and card; 0: none", changes_result=False,
        limits="not negative",
    )
    bootstrap: int = option(1000, "resamples of the 95 %% intervals", changes_result=False, limits="positive")


@dataclass(frozen=True)
class RunOptions(Group):
    """Where and how a run works, and what it leaves."""

    _argument_group_name = "run"

    device: str = option("auto", "auto takes a GPU where there is one", choices=("auto", "cpu", "cuda"))
    mixed_precision: str = option(
        "no", "arithmetic of the training steps; 'auto' is bf16 where the processor computes in it and no elsewhere",
        choices=("no", "auto", "bf16", "fp16"),
    )
    cpu_threads: int | None = option(
        None, "threads of each process on the CPU; default: all cores, shared by the processes", limits="positive"
    )
    compile: bool = option(False, "compile the network with torch.compile (GPUs only: on a CPU it takes minutes to start)")
    seed: int = option(42, "seed of weights, order and views")
    output_dir: str = option(
        "runs/selfcon", "folder for model, report, pictures and checkpoints; must be new or empty unless --resume",
        changes_result=False, aliases=["--output"],
    )
    resume: bool = option(
        False, "go on from the last checkpoint in --output, or start if there is none", changes_result=False
    )
    accept_changed_options: bool = option(
        False, "resume although options or data are not those of the checkpoint", changes_result=False
    )
    checkpoint_every: int = option(
        500, "steps between checkpoints; one is also written at the end of each stage", changes_result=False, limits="positive"
    )
    checkpoints_kept: int = option(
        2, "latest checkpoints that are kept, beside the best one", changes_result=False, limits="positive"
    )
    tracker: str | None = option(
        None, "an Accelerate tracker by name, e.g. tensorboard or wandb, or 'all' that are installed", changes_result=False
    )


@dataclass(frozen=True)
class HubOptions(Group):
    """Whether the model is uploaded."""

    _argument_group_name = "Hub"

    push_to_hub: bool = option(False, "upload the model folder with its card when done", changes_result=False)
    hub_model_id: str | None = option(None, "repository to upload to, e.g. me/detector", changes_result=False)
    hub_private: bool = option(True, "create the repository private", changes_result=False)

    def __post_init__(self):
        super().__post_init__()
        if self.push_to_hub and not self.hub_model_id:
            raise ValueError("--push_to_hub needs --hub_model_id, e.g. --hub_model_id me/detector.")


@dataclass(frozen=True)
class TrainingOptions:
    """One training run. No two options of the groups have the same name, so each can also be given by its name alone.

    Raises ValueError for options of several groups that do not go together.
    """

    data: DataOptions = field(default_factory=DataOptions)
    network: NetworkOptions = field(default_factory=NetworkOptions)
    views: ViewOptions = field(default_factory=ViewOptions)
    stage_1: ContrastiveOptions = field(default_factory=ContrastiveOptions)
    stage_2: ClassifierOptions = field(default_factory=ClassifierOptions)
    scoring: ScoringOptions = field(default_factory=ScoringOptions)
    run: RunOptions = field(default_factory=RunOptions)
    hub: HubOptions = field(default_factory=HubOptions)

    def __post_init__(self):
        if self.data.streaming:
            for name in ("aligned", "reconstructions", "simulate", "crop_cache", "view_epochs"):
                if getattr(self.views, name):
                    raise ValueError(f"--streaming reads images once as they come, so --{name} cannot go with it; leave one out.")

    @property
    def keeps_features(self) -> bool:
        """Whether what a frozen backbone says of each view is computed once and kept."""
        views, network = self.views, self.network
        cycled = network.frozen and views.view_epochs and not network.lora_rank and not views.has_counterparts
        return bool(cycled) and views.feature_cache != "none"

    @classmethod
    def of(cls, **options) -> "TrainingOptions":
        """The recipe's options, but for those given by their names, whatever their groups."""
        return cls().replace(**options)

    def replace(self, **options) -> "TrainingOptions":
        """The same but for the options given by their names, whatever their groups. Raises TypeError for an unknown name."""
        changed = {}
        for part in fields(self):
            group = getattr(self, part.name)
            own = {spec.name for spec in fields(group)} & options.keys()
            changed[part.name] = replace(group, **{name: options.pop(name) for name in own})
        if options:
            raise TypeError(f"There is no option {', '.join(options)}.")
        return replace(self, **changed)

    def by_name(self) -> dict[str, Any]:
        """The values of all options by their names, whatever their groups."""
        return {spec.name: value for spec, value in self._all()}

    def as_dict(self) -> dict[str, Any]:
        """The options as plain values, flat, by the names that reports and checkpoints give them."""
        return {_stored_name(spec): value for spec, value in self._all()}

    def names_that_change_the_result(self) -> set[str]:
        """Of ``as_dict``, the names of the options with which other weights are learned."""
        names = {_stored_name(spec) for spec, _ in self._all() if spec.metadata.get("changes_result", True)}
        return names | ({"num_workers"} if self.data.streaming else set())  # loading processes deal out a stream's files

    def _all(self) -> list[tuple[Field, Any]]:
        groups = [getattr(self, part.name) for part in fields(self)]
        return [(spec, getattr(group, spec.name)) for group in groups for spec in fields(group)]


def _stored_name(spec: Field) -> str:
    return spec.metadata.get("stored_as") or spec.name
