"""Trains a SelfCon detector of synthetic images, reports how good it is, and saves (and uploads) it ready for use.

    accelerate launch train_selfcon.py --preset demo                                # the embedded sample, minutes
    accelerate launch train_selfcon.py --preset laptop --data_dir RAW               # own data on two CPU cores
    accelerate launch train_selfcon.py --preset paper --data_dir RAW --push_to_hub --hub_model_id me/detector
    torchrun --standalone --nproc_per_node 2 train_selfcon.py --preset laptop --data_dir RAW     # two CPU processes

Stage 1 trains trunk, sub-network and projection heads with the SelfCon loss, stage 2 the classifiers on the frozen
trunk (https://arxiv.org/abs/2407.20020). Temperature, bias and thresholds come from source images held out of the
training list. The test list is scored once, at the end, beside a logistic regression on a dozen pixel statistics.

In --output_dir: model/ (for pipeline("image-classification", model=..., trust_remote_code=True)), report.json, report.md, PNG.
"""

import sys
import time
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration, set_seed
from huggingface_hub.errors import StrictDataclassError

from evaluation.tables import screen_table
from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageProcessor, save
from training.calibrate import calibrate
from training.classifiers import train_classifiers
from training.contrastive import train_contrastive
from training.data import Splits, load_splits, read_calibration_list, sentence
from training.hardware import check_processes, mixed_precision, use_cpu_threads
from training.initial_weights import load_initial_weights
from training.options import TrainingOptions, parse_options, prepare_output_folder
from training.predict import same_weights_everywhere
from training.publish import check_hub_access, push_to_hub, write_model_card
from training.random_views import RandomViews
from training.run_report import evaluate, write_report
from training.views import VIEWS

NETWORK_OPTIONS = (
    "stem_kernel", "stem_stride", "stem_width", "stem_pool", "block", "widths", "depths", "sub_network_after", "high_pass",
    "projection_size", "classifier_hidden",
)
"""Options that are attributes of SelfConConfig by the same name."""


def make_model(options: TrainingOptions, splits: Splits) -> SelfConForImageClassification:
    """The network of the options, with classifiers for the families and generators of the training images.

    Raises ValueError for options that make no network.
    """
    try:
        config = SelfConConfig(
            **{name: getattr(options, name) for name in NETWORK_OPTIONS},
            contents=splits.contents, families=splits.families, generators=splits.generators,
        )
    except StrictDataclassError as error:  # only says that validation failed; its cause says why
        raise ValueError(str(error.__cause__ or error)) from error
    return SelfConForImageClassification(config).to(memory_format=torch.channels_last)


def train(options: TrainingOptions) -> Path:
    """One run from options to model folder; every process of the launch calls it. Returns the output folder."""
    accelerator = Accelerator(
        cpu=not torch.accelerator.is_available(),  # unless told, Accelerate makes single processes of several on a CPU
        mixed_precision=mixed_precision(options.mixed_precision),
        dataloader_config=DataLoaderConfiguration(split_batches=True, use_seedable_sampler=True, data_seed=options.seed),
    )
    check_processes(accelerator)
    use_cpu_threads(accelerator, options.cpu_threads)
    say = accelerator.print
    start = time.monotonic()
    set_seed(options.seed)
    if accelerator.is_main_process:
        output = prepare_output_folder(options.output_dir)
        if options.push_to_hub:
            check_hub_access(options.hub_model_id, options.hub_private)
    accelerator.wait_for_everyone()
    output = Path(options.output_dir)

    with accelerator.main_process_first():  # the first prepares the data set, the others find it in the cache
        splits = load_splits(options)
    say(splits.description)
    say(f"{len(splits.train)} images to train on, {len(splits.held_out)} held out, "
        f"{len(splits.test) if splits.test else 0} to score; {accelerator.num_processes} process(es) on {accelerator.device}.")

    model = make_model(options, splits)
    say(load_initial_weights(model, options.initial_weights))

    # stage 1: contrastive
    contrastive_view, classifier_view = VIEWS[options.views]
    views = RandomViews(splits.train, contrastive_view(options.crop_size), splits.families, splits.generators, options.seed)
    history = train_contrastive(accelerator, model, views, options)

    # stage 2: classifiers on the frozen trunk
    listed = read_calibration_list(splits.train, options.calibration_list) if options.calibration_list else splits.train
    stage_2_views = RandomViews(
        listed, classifier_view(options.classifier_crop_size), splits.families, splits.generators, options.seed
    )
    history += train_classifiers(accelerator, model, stage_2_views, options)
    training_seconds = time.monotonic() - start

    # what a score means: fitted on images that trained nothing
    same_weights_everywhere(accelerator, model)
    processor = SelfConImageProcessor()
    calibrate(accelerator, model, processor, splits.held_out, options.num_workers)

    # how good it is, beside the pixel statistics
    report, scores = evaluate(accelerator, model, processor, splits, options, history, training_seconds)
    if accelerator.is_main_process:
        say(screen_table(report.figures))
        pictures = write_report(report, scores, splits, views, output)
        save(model.to("cpu"), processor, output / "model")
        write_model_card(output / "model", report, pictures, options.hub_model_id)
        if options.push_to_hub:
            say(f"Uploaded to {push_to_hub(output / 'model', options.hub_model_id)}")
        say(f"Model: {output / 'model'}   Report: {output / 'report.md'}   Total: {(time.monotonic() - start) / 60:.1f} minutes")
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return output


def main() -> None:
    options = parse_options()
    try:
        train(options)
    except (ValueError, OSError, FloatingPointError) as error:
        sys.exit(f"train_selfcon.py: {sentence(error)}")


if __name__ == "__main__":
    main()
