"""Writing a model folder that works anywhere: weights, configuration, image processor and the code of all of them."""

import os
import shutil
import tempfile
from pathlib import Path

from transformers import AutoModelForImageClassification
from transformers.pipelines import PIPELINE_REGISTRY

from .configuration_selfcon import SelfConConfig
from .image_processing_selfcon import SelfConImageProcessor
from .modeling_selfcon import SelfConForImageClassification
from .pipeline_selfcon import SyntheticImageDetectionPipeline

TASK = "synthetic-image-detection"


def save(model: SelfConForImageClassification, processor: SelfConImageProcessor, folder: str | Path) -> Path:
    """Saves a detector for ``pipeline("image-classification", model=folder, trust_remote_code=True)``.

    The folder appears whole or not at all: it is written beside its place and then renamed.

    Args:
        model: on the CPU or elsewhere, in any dtype.
        processor: its image processor.
        folder: new or empty.

    Returns:
        the folder.

    Raises:
        FileExistsError: if ``folder`` holds something already.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not empty; choose another folder for the model.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    SelfConConfig.register_for_auto_class()
    SelfConForImageClassification.register_for_auto_class("AutoModelForImageClassification")
    SelfConImageProcessor.register_for_auto_class("AutoImageProcessor")
    if TASK not in PIPELINE_REGISTRY.get_supported_tasks():
        PIPELINE_REGISTRY.register_pipeline(
            TASK, pipeline_class=SyntheticImageDetectionPipeline, pt_model=AutoModelForImageClassification, type="image"
        )
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        SyntheticImageDetectionPipeline(model=model, image_processor=processor, task=TASK).save_pretrained(aside)
        os.chmod(aside, 0o755)  # mkdtemp's folders are closed to others
        os.replace(aside, folder)
    except BaseException:
        shutil.rmtree(aside)  # our own half-written copy
        raise
    return folder
