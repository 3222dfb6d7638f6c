"""The model folder's last files, and its way to the Hub."""

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError  # HTTPError: of the client that it uses

from imaginet_tools.evaluation.picture_grids import TITLES
from imaginet_tools.evaluation.report import Report
from imaginet_tools.publish.model_card import card_of, without_places

UPLOADED_PICTURES = {name: TITLES[name] for name in ("roc.png", "scores.png", "confusion.png", "map.png", "training.png")}
"""Pictures without images of the data set, which we may not be allowed to pass on; file -> title."""


def check_hub_access(repository: str, private: bool) -> None:
    """Makes sure, before hours of training, that the model can be uploaded: makes the repository if it is not there.

    Args:
        repository: "me/detector".
        private: for a new repository.

    Raises:
        ConnectionError: if there is no token, no right to write or no connection; one sentence with what to do.
    """
    try:
        HfApi().create_repo(repository, private=private, exist_ok=True)
        HfApi().auth_check(repository, write=True)  # a repository that exists passes the line above even where we may only read
    except (HfHubHTTPError, HFValidationError, HTTPError, OSError) as error:
        raise ConnectionError(
            f"Cannot write to {repository} on the Hub ({_reason(error)}). Log in with `hf auth login` using a token that may "
            "write, or leave out --push_to_hub."
        ) from error


def push_to_hub(folder: Path, repository: str) -> str:
    """Uploads the whole model folder in one commit and returns the commit's address.

    Raises:
        ConnectionError: if that fails; the sentence says where the model lies and how to upload it later.
    """
    try:
        message = "SelfCon detector with report and card"
        commit = HfApi().upload_folder(repo_id=repository, folder_path=folder, commit_message=message)
    except (HfHubHTTPError, HTTPError, OSError, RuntimeError, ValueError) as error:  # the last two: large files, the card
        raise ConnectionError(
            f"The upload to {repository} failed ({_reason(error)}). The model is safe in {folder}; upload it later with "
            f"`hf upload {repository} {shlex.quote(str(folder))}`."
        ) from error
    return str(commit.commit_url)


def write_model_card(folder: Path, report: Report, pictures: list[Path], repository: str | None = None) -> None:
    """Writes README.md, report.json and the pictures that may be passed on into the model's folder.

    Args:
        folder: of the saved model.
        report: the run's report; every figure of the card is taken from it.
        pictures: of the report; only those in UPLOADED_PICTURES, which show no image, go along.
        repository: its name on the Hub, for the usage lines.
    """
    kept = [picture for picture in pictures if picture.name in UPLOADED_PICTURES]
    for picture in kept:
        shutil.copy(picture, folder / picture.name)
    listed = [{"file": picture.name, "title": UPLOADED_PICTURES[picture.name]} for picture in kept]
    public = replace(without_places(report), pictures=listed)
    public.write_json(folder)
    card = card_of(public, repository or folder.name, repository, [picture.name for picture in kept])
    (folder / "README.md").write_text(str(card), encoding="utf-8")


def _reason(error: BaseException) -> str:
    """The error in one line, with what the Hub answered."""
    lines = [line.strip().rstrip(".:") for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if not isinstance(error, HfHubHTTPError):
        parts = [" ".join(lines), *([_reason(error.__cause__)] if isinstance(error, RuntimeError) and error.__cause__ else [])]
    elif error.server_message and error.server_message not in lines[0]:
        parts = [lines[0], " ".join(error.server_message.split())]
    else:
        parts = lines[:1]
    return ": ".join(part.rstrip(".") for part in parts)
