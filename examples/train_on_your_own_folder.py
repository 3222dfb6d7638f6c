"""Trains a detector on your own pictures, in FOLDER/train/{real,synthetic} and FOLDER/test/{real,synthetic}.

    python examples/train_on_your_own_folder.py FOLDER runs/mine [further options of train_selfcon.py]

Given again, the command goes on where the run was stopped. About 20 minutes on two CPU cores for 500 pictures.
"""

import subprocess
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parents[1]


def command_of(folder: str, output: str, *further: str) -> list[str]:
    """The command line of the training run."""
    data, output = (str(Path(given).resolve()) for given in (folder, output))
    launcher = ["-m", "accelerate.commands.launch", "--num_processes", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    options = ["--preset", "laptop", "--data_dir", data, "--output_dir", output, "--resume", *further]
    return [sys.executable, *launcher, "--num_machines", "1", "train_selfcon.py", *options]


def main(arguments: list[str]) -> int:
    if len(arguments) < 2:
        sys.exit(__doc__)
    status = subprocess.run(command_of(*arguments), cwd=CLONE).returncode
    if status == 0:
        print(f"Now score a picture: python examples/score_one_picture.py {arguments[1]}/model PICTURE")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
