"""Writing a model folder that works anywhere: weights, configuration, image processor and the code of all of them."""

import os
import shutil
import tempfile
from pathlib import Path

from .image_processing_selfcon import SelfConImageProcessor
from .modeling_selfcon import SelfConForImageClassification


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
    folder = check_free(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        model.save_pretrained(aside)
        processor.save_pretrained(aside)
        # temporary folders and the weights are closed to other users; open them as far as the umask lets new files be
        mode = (aside / "config.json").stat().st_mode & 0o777
        for file in aside.iterdir():
            file.chmod(mode)
        aside.chmod(mode | (mode & 0o444) >> 2)
        os.replace(aside, folder)
    except BaseException:
        shutil.rmtree(aside)  # our own half-written copy
        raise
    return folder


def check_free(folder: str | Path) -> Path:
    """Raises FileExistsError unless ``folder`` is a place for a new model: new, or an empty folder. Returns it."""
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not empty; choose another folder for the model.")
    return folder


def usage(where: str) -> str:
    """The part of a model card that says how to use a folder written by :func:`save`; ``where``: its path or name on the Hub."""
    return f"""## Use

```python
from transformers import pipeline

detector = pipeline("image-classification", model="{where}", trust_remote_code=True)
detector("picture.jpg")  # [{{"label": "synthetic", "score": ...}}, {{"label": "real", "score": ...}}]

detector = pipeline("synthetic-image-detection", model="{where}", trust_remote_code=True)
detector("picture.jpg")  # with threshold, family and generator where the model has them
```

Give it the file as it was found: the detector looks at 256×256 pixels without resampling; resized copies lose traces. It sees
the centre of a larger picture, or as many crops as `preprocessor_config.json` says; `detector("picture.jpg", crops=5)` gives the
mean over the centre and the four corners.
"""
