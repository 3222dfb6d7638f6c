"""What a long run has done, so that the same command goes on after it was stopped."""

import json
from pathlib import Path


class Lines:
    """One finished piece of work a line in FOLDER/journal.jsonl; a line that a kill has cut short is not counted.

    Attributes:
        done: name -> entry, a dict.
        seed: of the run.

    Raises:
        ValueError: if the folder holds a run with another seed.
    """

    def __init__(self, folder: Path, seed: int):
        folder.mkdir(parents=True, exist_ok=True)
        self.file, self.seed = folder / "journal.jsonl", seed
        lines = self.file.read_text().split("\n")[:-1] if self.file.exists() else []
        self.done = {entry["name"]: entry for entry in map(json.loads, lines)}
        other = {entry["seed"] for entry in self.done.values()} - {seed}
        if other:
            raise ValueError(f"{folder} holds a run with the seed {min(other)}; give that seed, or another --output.")
        self.file.write_text("".join(f"{line}\n" for line in lines))

    def add(self, name: str, entry: dict) -> None:
        """A piece of work is finished."""
        self.done[name] = {"name": name, "seed": self.seed, **entry}
        with open(self.file, "a", encoding="utf-8") as file:
            file.write(json.dumps(self.done[name]) + "\n")
