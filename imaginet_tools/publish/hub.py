"""Pushing models and data sets to the Hugging Face Hub: data sets private by default, and public only what may be passed on."""

import os
import shlex
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError  # HTTPError: of the client that it uses

import imaginet
from imaginet_core.storage.files import check_regular
from imaginet_core.storage.parquet_shards import column_counts
from imaginet_tools.publish.dataset_card import MANIFEST

REFUSALS = (HfHubHTTPError, HFValidationError, HTTPError, OSError)
"""What is raised when the Hub refuses, or cannot be reached."""
KINDS = {"model": "model", "dataset": "data set"}
"""Of repository -> what it is called."""


def check_write_access(repo_id: str, private: bool, repo_type: str = "model") -> None:
    """Makes sure, before hours of work, that something can be uploaded: makes the repository if it is not there.

    Args:
        repo_id: "me/detector".
        private: for a new repository; one that exists stays what it is.
        repo_type: "model" or "dataset".

    Raises:
        ConnectionError: if there is no token, no right to write or no connection; one sentence with what to do.
    """
    try:
        api = HfApi()
        api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True)
        api.auth_check(repo_id, repo_type=repo_type, write=True)  # one that exists passes the line above though we may only read
    except REFUSALS as error:
        raise ConnectionError(
            f"Cannot write to the {KINDS[repo_type]} {repo_id} on the Hub ({_reason(error)}). Log in with `hf auth login` using a "
            "token that may write, or leave out --push_to_hub."
        ) from error


def upload(folder: str | Path, repo_id: str, message: str, repo_type: str = "model") -> str:
    """Uploads a whole folder in one commit; an interrupted upload goes on where it was when this is called again.

    Returns:
        the commit's address.

    Raises:
        ConnectionError: if that fails; the sentence says where the folder lies and how to upload it later.
    """
    try:
        commit = HfApi().upload_folder(repo_id=repo_id, repo_type=repo_type, folder_path=folder, commit_message=message)
    except (*REFUSALS, RuntimeError, ValueError) as error:  # the last two: large files, a card that the Hub does not take
        command = f"hf upload {'' if repo_type == 'model' else f'--repo-type {repo_type} '}{repo_id} {shlex.quote(str(folder))}"
        raise ConnectionError(
            f"The upload to {repo_id} failed ({_reason(error)}). The {KINDS[repo_type]} is safe in {folder}; upload it later with "
            f"`{command}`."
        ) from error
    return str(commit.commit_url)


def check_data_set_repository(repo_id: str, public: bool) -> None:
    """:func:`check_write_access` for a data set, which must also be as public as was asked for.

    Raises:
        ConnectionError: as :func:`check_write_access`.
        ValueError: if it exists and is public although it should be private, or the other way round: a push changes neither.
    """
    check_write_access(repo_id, not public, "dataset")
    try:
        private = HfApi().dataset_info(repo_id).private
    except REFUSALS as error:
        raise ConnectionError(f"The Hub does not say whether the data set {repo_id} is private ({_reason(error)}).") from error
    if private == public:
        there, option = ("private", "leave out --public") if private else ("public", "push with --redistributable --public")
        raise ValueError(
            f"The data set {repo_id} exists on the Hub and is {there}; nothing was pushed. Change that in its settings "
            f"there, choose another name, or {option}."
        )


def push_data_set(folder: str, repo_id: str, public: bool = False) -> str:
    """Uploads an exported folder.

    Args:
        folder: what ``imaginet_tools.publish.export.export`` wrote.
        repo_id: "me/imaginet"; made if it is not there.
        public: whether everybody may see it; only for a folder that holds nothing but what may be passed on.

    Returns:
        the address of the last commit.

    Raises:
        ValueError: if the folder may not become public, or the repository holds other files, which would mix with these.
        ConnectionError: if the upload fails; the sentence says how to go on.
    """
    if public:
        refuse_what_may_not_be_public(folder)
    check_data_set_repository(repo_id, public)
    ours = {
        os.path.relpath(os.path.join(at, name), folder).replace(os.sep, "/") for at, _, names in os.walk(folder) for name in names
    }
    for name in ours:
        check_regular(os.path.join(folder, name))
    try:
        others = sorted(set(HfApi().list_repo_files(repo_id, repo_type="dataset")) - ours - {".gitattributes"})
    except REFUSALS as error:
        raise ConnectionError(f"The Hub does not say which files the data set {repo_id} holds ({_reason(error)}).") from error
    if others:
        raise ValueError(
            f"The data set {repo_id} on the Hub holds {len(others)} file(s) that are not of this export, e.g. {others[0]}; "
            "nothing was pushed. Delete them there, or choose another name."
        )
    return upload(folder, repo_id, "Data set with card", "dataset")


def refuse_what_may_not_be_public(folder: str) -> None:
    """Looks into the shards themselves, whatever options they were written with. Raises ValueError."""
    if not os.path.isfile(f"{folder}/{MANIFEST}"):
        raise ValueError(f"{folder} was not exported with --redistributable, so it may not be made public; export it anew.")
    kept = [
        name
        for name in column_counts(folder, "source")
        if name in imaginet.SOURCES and not imaginet.SOURCES[name].redistributable
    ]
    if kept:
        raise ValueError(
            f"{folder} holds images of {', '.join(sorted(kept))}, which may not be passed on, so it may not be made public."
        )


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
