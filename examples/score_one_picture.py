"""Scores pictures with a detector through transformers' pipeline; nothing of this project has to be installed for that.

    python examples/score_one_picture.py runs/demo/model PICTURE [PICTURE ...]
"""

import sys

from transformers import pipeline


def main(arguments: list[str]) -> None:
    if len(arguments) < 2:
        sys.exit(__doc__)
    model, *pictures = arguments
    detector = pipeline("image-classification", model=model, trust_remote_code=True)
    for picture, answer in zip(pictures, detector(pictures), strict=True):
        scores = {each["label"]: each["score"] for each in answer}
        print(f"{picture}: synthetic with a probability of {scores['synthetic']:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
