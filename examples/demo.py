"""The whole way in a few minutes: load the sample, train on it, read the report, use the model. Run by `make demo`.

    python examples/demo.py [--output runs/demo]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# what a stranger's program does with the model folder: nothing of this project is on its path
USE_THE_MODEL = """
import json, sys
from transformers import pipeline

folder, *pictures = sys.argv[1:]
detector = pipeline("image-classification", model=folder, trust_remote_code=True)
print(json.dumps([{each["label"]: each["score"] for each in answer} for answer in detector(pictures)]))
"""


def free_folder(wanted: Path) -> Path:
    """``wanted`` if it is new or empty, else the first free of wanted-2, wanted-3, ...: nothing is overwritten."""
    number, folder = 1, wanted
    while folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder


def held_out_pictures() -> list[dict]:
    """One real and one synthetic picture per content type of the sample's test split: path, content, generator."""
    import datasets

    import imaginet

    test = datasets.load_dataset("imaginet", "sample", split="test").remove_columns("image")
    print(test.info.description)
    chosen = {(row["content"], row["label"]): row for row in reversed(list(test))}
    content, generator = test.features["content"].names, test.features["generator"].names
    return [
        {"file": f"{imaginet.sample_folder()}/{row['path']}", "content": content[row["content"]], "generator": generator[row["generator"]]}
        for _, row in sorted(chosen.items())
    ]


def train(output: Path) -> None:
    """Runs train_selfcon.py with the preset "demo" through accelerate's launcher. Ends the program if it fails."""
    threads = str(os.cpu_count() or 1)
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "1", "--num_machines", "1", "--mixed_precision", "no",
        "--dynamo_backend", "no", "--num_cpu_threads_per_process", threads,
        "train_selfcon.py", "--preset", "demo", "--output", str(output),
    ]
    print("\n$ accelerate launch " + " ".join(command[command.index("train_selfcon.py") :]), flush=True)
    if subprocess.run(command, cwd=ROOT).returncode:
        sys.exit("examples/demo.py: training failed; what went wrong stands above.")


def classify(model: Path, pictures: list[dict]) -> list[dict]:
    """Scores of each picture by label, from the pipeline in a fresh process outside the clone."""
    command = [sys.executable, "-c", USE_THE_MODEL, str(model), *(picture["file"] for picture in pictures)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(command, cwd=elsewhere, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit("examples/demo.py: the saved model could not be used; what went wrong stands above.")
    return json.loads(done.stdout.splitlines()[-1])


def show(pictures: list[dict], scores: list[dict], grid: Path) -> None:
    """Prints the pictures' scores and draws the pictures with them."""
    import numpy as np
    from PIL import Image

    from imaginet_tools.evaluation.charts import save_figure
    from imaginet_tools.evaluation.picture_grids import draw_grid

    print("\nHeld-out pictures through pipeline(\"image-classification\"), in a fresh process:")
    captions = []
    for picture, score in zip(pictures, scores, strict=True):
        print(f"  {picture['content']:13}  {picture['generator']:20}  synthetic {score['synthetic']:.2f}  {Path(picture['file']).name}")
        captions.append(f"{picture['generator']}\nsynthetic {score['synthetic']:.2f}")
    tiles = [np.asarray(Image.open(picture["file"]).convert("RGB")) for picture in pictures]
    save_figure(draw_grid(tiles, captions, len(tiles) // 2, "Held-out pictures of the sample and the model's probability of \"synthetic\""), grid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", "--output_dir", type=Path, default=Path("runs/demo"), help="where everything goes (default: runs/demo)")
    output = free_folder(parser.parse_args().output.absolute())
    pictures = held_out_pictures()
    train(output)
    grid = output / "classified.png"
    show(pictures, classify(output / "model", pictures), grid)
    shown = os.path.relpath(output)
    print(f"\nModel:        {shown}/model")
    print(f"Report:       {shown}/report.md (as JSON: {shown}/report.json)")
    print(f"Picture grid: {shown}/classified.png (training views: training_views.png, mistakes: mistakes.png)")
    print("Your own data: put pictures into FOLDER/train/{real,synthetic} and FOLDER/test/{real,synthetic}, then run")
    print("               .venv/bin/accelerate launch train_selfcon.py --preset laptop --data_dir FOLDER")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("examples/demo.py: interrupted; what was made so far lies in its folder.", file=sys.stderr)
        sys.exit(130)
