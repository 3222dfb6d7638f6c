"""Trains a SelfCon detector of synthetic images, reports how good it is, and saves (and uploads) it ready for use.

    accelerate launch train_selfcon.py --preset demo                                # the embedded sample, minutes
    accelerate launch train_selfcon.py --preset laptop --data_dir RAW               # own data on two CPU cores
    accelerate launch train_selfcon.py --preset laptop --data_dir RAW --resume      # the same, or on from where it was killed
    accelerate launch train_selfcon.py --preset foundation --data_dir RAW           # on a frozen backbone of timm, downloaded
    accelerate launch train_selfcon.py --preset paper --data_dir RAW --push_to_hub --hub_model_id me/detector
    torchrun --standalone --nproc_per_node 2 train_selfcon.py --preset laptop --data_dir RAW     # two CPU processes

Stage 1 trains trunk, sub-network and projection heads with the SelfCon loss, stage 2 the classifiers on the frozen
trunk (https://arxiv.org/abs/2407.20020). With --statistics_centres, a classifier on plain statistics of the pixels joins them.
Temperature, bias and thresholds come from source images held out of the training list. The test list is scored once, at the end,
beside a logistic regression on a dozen pixel statistics.

In --output: model/ (for pipeline("image-classification", model=..., trust_remote_code=True)), report.json, report.md, PNG
pictures, and checkpoints/.
"""

if __name__ == "__main__":  # before the libraries, which take seconds
    from imaginet_core.interrupts import end_at_once_on_interrupt

    end_at_once_on_interrupt("train_selfcon.py")

import shutil
import time
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs, set_seed
from huggingface_hub.errors import StrictDataclassError

from imaginet_tools.evaluation.calibrate import calibrate
from imaginet_tools.evaluation.detectors import TorchDetector
from imaginet_tools.evaluation.summary import false_alarm_sentences
from imaginet_tools.evaluation.tables import screen_table
from imaginet_tools.images.aligned import align_images
from imaginet_tools.images.image_set import SYNTHETIC, ImageSet
from imaginet_tools.images.splits import Splits, calibration_images, load_splits
from imaginet_tools.images.streamed import load_streamed_splits
from imaginet_tools.publish.hub import check_write_access, upload
from imaginet_tools.publish.model_card import usage_of
from imaginet_tools.publish.model_folder import write_model_card
from modeling import SelfConConfig, SelfConForImageClassification, SelfConImageProcessor, save
from training.command_line import parse_options
from training.options import TrainingOptions
from training.reconstructions.reconstructions import Reconstructions, make_reconstructions
from training.run.checkpoints import Checkpoints
from training.run.context import Run
from training.run.failures import is_first_process, one_sentence
from training.run.hardware import (
    available_cores,
    check_device,
    check_processes,
    copy_weights_to_all,
    mixed_precision,
    use_cpu_threads,
)
from training.run.initial_weights import load_initial_weights
from training.run.output_folder import CHECKPOINTS, FINISHED, RECONSTRUCTIONS, SIMULATED, is_finished, output_folder
from training.run.run_report import evaluate_run, write_report
from training.run.trackers import log_figures, start_trackers, tracker_arguments
from training.simulation.held_out import held_out_images
from training.simulation.simulated import SimulatedPictures, make_simulated
from training.stages import classifiers, contrastive
from training.stages.frozen_trunk import FrozenTrunk, add_low_rank, kept_features, merge_low_rank
from training.stages.held_out_loss import HeldOutViews
from training.stages.normalise import laid_out_as_pixels
from training.stages.statistics_classifier import add_statistics
from training.views.batches import Batches, ShuffledBatches
from training.views.crop_cache import CropCache
from training.views.random_views import RandomViews, margin_for, view_of_stage
from training.views.recipes import TURNED_UPRIGHT
from training.views.streamed_batches import StreamedBatches

Counterparts = Reconstructions | SimulatedPictures | None
"""Synthetic counterparts of the real training images."""
PROCESS_TIMEOUT = timedelta(days=1)
"""How long processes wait for one that prepares data, cuts out windows or uploads."""


def start(options: TrainingOptions) -> Accelerator:
    """The processes, their device and arithmetic, what is asked of other places.

    Raises ValueError or OSError, before any work, if one of them is not there.
    """
    precision = mixed_precision(options.run.mixed_precision, options.run.device)
    check_device(options.run.device, precision)
    accelerator = Accelerator(
        # unless told, Accelerate makes single processes of several on a CPU
        cpu=options.run.device == "cpu" or not torch.accelerator.is_available(),
        mixed_precision=precision, **tracker_arguments(options.run.tracker, options.run.output_dir),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PROCESS_TIMEOUT)],
    )
    check_processes(accelerator)
    use_cpu_threads(accelerator, options.run.cpu_threads)
    set_seed(options.run.seed)
    if accelerator.is_main_process and options.hub.push_to_hub:
        check_write_access(options.hub.hub_model_id, options.hub.hub_private)
    accelerator.wait_for_everyone()
    start_trackers(accelerator, options)
    return accelerator


def load(options: TrainingOptions) -> Splits:
    """The images of the run, as the recipe of its views sees them; of these only the training images are aligned.

    Raises ValueError for data that cannot be trained on.
    """
    turn_upright = TURNED_UPRIGHT[options.views.views]
    if options.data.streaming:
        return load_streamed_splits(options.data, options.run.seed, Path(options.run.output_dir)).as_seen(turn_upright)
    splits = load_splits(options.data, options.run.seed, real_only=bool(options.views.simulate)).as_seen(turn_upright)
    if not options.views.aligned or not (splits.train.label == SYNTHETIC).any():
        return splits
    alignment = align_images(splits.train, available_cores())
    return splits._replace(train=alignment.images, description=f"{splits.description} {alignment.description}".strip())


def make_model(options: TrainingOptions, splits: Splits) -> SelfConForImageClassification:
    """The network of the options, with classifiers for the families and generators of the training images.

    Raises ValueError for options that make no network.
    """
    try:
        config = SelfConConfig(
            **options.network.architecture(), contents=splits.contents, families=splits.families, generators=splits.generators,
        )
    except StrictDataclassError as error:  # only says that validation failed; its cause says why
        raise ValueError(str(error.__cause__ or error)) from error
    model = SelfConForImageClassification(config)
    if options.network.backbone:
        model.encoder.check_sizes([options.stage_1.crop_size, options.stage_2.classifier_crop_size])
    return laid_out_as_pixels(model)


def make_views(
    run: Run, images: ImageSet, stage: int, splits: Splits, counterparts: Counterparts = None, cached: bool = False
) -> RandomViews:
    """Random views of the images, and counterparts of the real ones, as stage 1 or 2 sees them; ``cached``: from the crop cache, if
    the options have one."""
    (view, degraded), cache, seed, options = view_of_stage(stage, run.options), None, run.options.run.seed, run.options.views
    if options.crop_cache and cached:
        cache = CropCache(
            Path(options.crop_cache), images, view, seed, options.crop_cache_windows, options.crop_cache_epochs,
            int(options.crop_cache_gb * 1e9), margin=margin_for(view, degraded),
        )
    kind = "simulated" if isinstance(counterparts, SimulatedPictures) else "reconstructions"
    return RandomViews(
        images, view, splits.families, splits.generators, seed, degraded=degraded, crops=cache, cycle=options.view_epochs,
        **{kind: counterparts},
    )


def make_batches(run: Run, stage: int, splits: Splits, counterparts: Counterparts, trunk: FrozenTrunk | None) -> Batches:
    """A stage's batches of training images; stage 2 sees those of the calibration list where there is one. ``trunk``: a frozen one
    that sees each view once; None where the network sees the pixels."""
    options = run.options
    if splits.stream is not None:
        return StreamedBatches(run.accelerator, splits, stage, options)
    images, batch_size, share = splits.train, options.stage_1.batch_size, 2 * run.accelerator.num_processes
    if stage == 2:
        listed = calibration_images(images, options.data.calibration_list, real_only=bool(options.views.simulate))
        images, counterparts = images.select(listed), counterparts.select(listed) if counterparts else None
        batch_size = min(batch_size, len(images) // share * share)  # of a short list
        if not batch_size:
            raise ValueError(f"The calibration list has only {len(images)} training images, too few for a batch of {share}.")
    views = make_views(run, images, stage, splits, counterparts, cached=stage == 1)
    if trunk is not None:  # whose answers are read in less time than another process would be asked
        return ShuffledBatches(run.accelerator, kept_features(run, stage, views, trunk), batch_size, options.run.seed, 0)
    return ShuffledBatches(run.accelerator, views, batch_size, options.run.seed, options.views.num_workers)


def make_counterparts(run: Run, splits: Splits) -> Counterparts:
    """What the options put beside each real training image; None without such an option."""
    options, output, seed = run.options.views, Path(run.options.run.output_dir), run.options.run.seed
    if options.reconstructions:
        made = make_reconstructions(
            splits.train, options.reconstructions, output / RECONSTRUCTIONS, seed, run.accelerator, options.num_workers
        )
        run.say(made.description)
        return made
    return simulate(run, splits, options.simulate, options.simulated_networks) if options.simulate else None


def counterparts_for_statistics(run: Run, splits: Splits, counterparts: Counterparts) -> Counterparts:
    """Those that the stages saw; where they saw none and the options ask for networks, simulated ones."""
    count = run.options.views.statistics_networks
    return simulate(run, splits, "networks", count) if count and counterparts is None else counterparts


def simulate(run: Run, splits: Splits, kind: str, networks: int) -> SimulatedPictures:
    """Simulated counterparts of the training images by generators that are fitted to the real ones."""
    options = run.options.run
    return make_simulated(
        splits.train, splits.train, kind, networks, Path(options.output_dir) / SIMULATED, options.seed, run.accelerator
    )


def train_stages(run: Run, model: SelfConForImageClassification, splits: Splits, counterparts: Counterparts) -> RandomViews:
    """Both stages, or what is left of them; returns stage 1's views for the report's pictures."""
    options = run.options
    views = make_views(run, splits.train, 1, splits, counterparts)
    trunk = FrozenTrunk(run.accelerator, model.encoder) if options.keeps_features else None

    if run.state.stage != classifiers.NAME:
        batches = make_batches(run, 1, splits, counterparts, trunk)
        rows = options.stage_1.embed_chunk or options.stage_1.batch_size
        held_out = HeldOutViews(run.accelerator, make_views(run, splits.held_out, 1, splits), rows, trunk)
        contrastive.train_contrastive(run, model, batches, held_out)

    batches = make_batches(run, 2, splits, counterparts, trunk)
    held_out = HeldOutViews(run.accelerator, make_views(run, splits.held_out, 2, splits), options.stage_1.batch_size, trunk)
    classifiers.train_classifiers(run, model, batches, held_out)
    merge_low_rank(model)
    copy_weights_to_all(run.accelerator, model)
    return views


def train(options: TrainingOptions) -> Path:
    """One run from options to model folder; every process of the launch calls it. Returns the output folder."""
    started = time.monotonic()
    accelerator, output = start(options), Path(options.run.output_dir)
    say = accelerator.print

    with accelerator.main_process_first():  # the first prepares the data set, the others find it in the cache
        splits = load(options)
    say(splits.description)
    say(f"{len(splits.train)} images to train on, {len(splits.held_out)} held out, "
        f"{len(splits.test) if splits.test else 0} to score; {accelerator.num_processes} process(es) on {accelerator.device}.")

    checkpoints = Checkpoints(accelerator, output / CHECKPOINTS, options, splits.train.fingerprint())
    state = checkpoints.resume()
    run = Run(accelerator, options, checkpoints, state)
    model = make_model(options, splits)
    if checkpoints.resumed_from:
        say(f"Resuming from {checkpoints.resumed_from}: stage {state.stage}, epoch {state.epoch}, step {state.step}.")
        if options.keeps_features:  # before the stages, which restore the rest
            checkpoints.restore_frozen(model.encoder)
    else:
        say(load_initial_weights(model, options.network.initial_weights))
    if options.network.lora_rank:
        say(add_low_rank(model, options.network.lora_rank))
    set_seed(options.run.seed, device_specific=True)  # for dropout; so far all processes drew the same weights
    counterparts = make_counterparts(run, splits)
    views = train_stages(run, model, splits, counterparts)
    training_seconds = sum(row["seconds"] for row in state.history)

    # what a score means: fitted on images that trained nothing
    processor = SelfConImageProcessor(crops=options.scoring.test_crops, turn_upright=splits.train.turn_upright)
    detector = TorchDetector(model, processor)
    held_out, simulated = held_out_images(splits, options, output / SIMULATED, accelerator)
    if options.network.statistics_centres:
        counterparts = counterparts_for_statistics(run, splits, counterparts)
        views_2, held_out_views = make_views(run, splits.train, 2, splits, counterparts), make_views(run, held_out, 2, splits)
        weight, floor = add_statistics(run, model, views_2, held_out_views)
        say(f"Pixel statistics weigh {weight:.2f} times what the network's logit does, which is held above about {-floor:.1f}, by "
            f"{len(held_out)} held-out images.")
    calibrate(detector, held_out, accelerator, options.views.num_workers, simulated)

    # how good it is, beside the pixel statistics
    report, scored = evaluate_run(accelerator, detector, splits, options, state.history, training_seconds)
    if accelerator.is_main_process:
        say("\n\n".join([screen_table(report.figures), *false_alarm_sentences(report.tracks)]))
        if (output / "model").exists():  # of this run, which was killed after that
            shutil.rmtree(output / "model")
        save(model.to("cpu"), processor, output / "model")
        log_figures(accelerator, report, state.steps)
        pictures = write_report(report, scored, views, output)
        repository = options.hub.hub_model_id
        write_model_card(output / "model", report, pictures, usage_of(repository or "path/to/this/folder"), repository)
        if options.hub.push_to_hub:
            say(f"Uploaded to {upload(output / 'model', repository, 'SelfCon detector with report and card')}")
        (output / FINISHED).write_text(f"{report.created}\n")
        minutes = (time.monotonic() - started) / 60
        say(f"Model: {output / 'model'}   Report: {output / 'report.md'}   Total: {minutes:.1f} minutes")
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return output


def main() -> None:
    with one_sentence("train_selfcon.py"):
        options = parse_options()
        folder, resume = options.run.output_dir, options.run.resume
        if resume and is_finished(folder):
            print(f"The run in {folder} is complete; nothing is left to do.")
            return
        with output_folder(folder, resume) if is_first_process() else nullcontext():
            train(options)


if __name__ == "__main__":
    main()
