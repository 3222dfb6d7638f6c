# /// script
# requires-python = ">=3.11"
# dependencies = ["accelerate>=1.10,<2", "imaginet[evaluate,score]", "safetensors>=0.4", "torchvision>=0.21,<1"]
# ///
"""A training run as a job: hf jobs uv run --flavor a10g-small jobs/train.py CLONE --dataset OWNER/IMAGES --output_dir runs/x ...

Training runs from a clone of the repository, which the job gets first: CLONE is its folder, or its address for git. All other
arguments are those of `train_selfcon.py`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Runs the training; returns its exit status."""
    if not arguments or arguments[0].startswith("-"):
        print("usage: jobs/train.py CLONE [options of train_selfcon.py]; CLONE is a folder or an address for git", file=sys.stderr)
        return 2
    place, *options = arguments
    folder = Path(place)
    if not folder.is_dir():
        folder = Path(tempfile.mkdtemp()) / "imaginet"
        cloned = subprocess.run(["git", "clone", "--depth", "1", place, str(folder)])
        if cloned.returncode:
            print(f"jobs/train.py: {place} is neither a folder nor a repository that git can clone", file=sys.stderr)
            return 1
    script = folder / "train_selfcon.py"
    if not script.is_file():
        print(f"jobs/train.py: {place} has no train_selfcon.py; name a clone of this repository", file=sys.stderr)
        return 1
    return subprocess.run([sys.executable, str(script.resolve()), *options]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
