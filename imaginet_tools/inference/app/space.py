"""The page as a folder that a Space of the Hub can be made of: model, pictures to try, code, and what it needs."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import imaginet_core
import imaginet_tools
from imaginet_core.storage.safe_writes import check_new_folder, new_folder
from imaginet_tools.inference.app.examples import CREDITS, Example

SDK, PYTHON = "6.31.0", "3.12"
"""Versions of Gradio and of Python that the Space asks for; a Space with a GPU that is lent for each call has Python 3.12 or 3.10."""
REQUIREMENTS = (
    "aiohttp>=3.9", "datasets>=5.0.1,<6", "filelock>=3.24", "fsspec[http]>=2024.6", "huggingface_hub>=1.31,<3", "jinja2>=3.1.6,<4", "matplotlib>=3.8",
    "numpy>=2.0", "opencv-python-headless>=4.9", "pillow>=12.3,<13", "pyarrow>=21", "pyyaml>=6", "safetensors>=0.4", "threadpoolctl>=3.5", "tqdm>=4.66",
    "torch>=2.6,<2.12", "transformers>=5.10.4,<6", "c2pa-python>=0.38", "pillow-heif>=1.0",
)
"""Of the page alone; Gradio comes with the Space. Graphics processors that are lent take torch up to 2.11."""
TEMPLATES = Path(__file__).parent / "templates"


def write_space(model: str, output: str, examples: Sequence[Example]) -> Path:
    """Writes the folder; it appears whole or not at all.

    Args:
        model: folder of a saved or exported model; it is copied.
        output: folder to make.
        examples: pictures to try.

    Raises:
        FileNotFoundError: if ``model`` is no folder of a model.
        FileExistsError, ValueError: if ``output`` exists or lies in the model's folder.
    """
    source = Path(model)
    if not (source / "config.json").is_file():
        raise FileNotFoundError(f"{model} is no folder of a saved or exported model; download it first (hf download NAME --local-dir FOLDER).")
    if Path(output).resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{output} lies in the model's own folder; choose another place for the Space.")
    check_new_folder(output)
    with new_folder(output) as folder:
        shutil.copytree(source, folder / "model", ignore=shutil.ignore_patterns("__pycache__"))
        for package in (imaginet_core, imaginet_tools):
            place = Path(package.__file__).parent
            shutil.copytree(place, folder / place.name, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "examples").mkdir()
        for number, example in enumerate(examples, 1):
            (folder / "examples" / f"{number} {example.file_name}").write_bytes(example.content)
        _write_credits(folder / "examples")
        readme = (TEMPLATES / "space_readme.md").read_text(encoding="utf-8")
        (folder / "README.md").write_text(readme.replace("SDK_VERSION", SDK).replace("PYTHON_VERSION", PYTHON), encoding="utf-8")
        (folder / "requirements.txt").write_text("\n".join(REQUIREMENTS) + "\n", encoding="utf-8")
        (folder / "app.py").write_text((TEMPLATES / "space_app.txt").read_text(encoding="utf-8"), encoding="utf-8")
        (folder / ".gitattributes").write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n*.jpeg filter=lfs diff=lfs merge=lfs -text\n")
    return Path(output)


def _write_credits(folder: Path) -> None:
    """The licences of the sample's pictures, which ask for their authors' names."""
    import imaginet  # brings datasets, which a Space does not need

    shutil.copy(Path(imaginet.sample_folder()) / CREDITS, folder / CREDITS)
