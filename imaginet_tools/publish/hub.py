"""Pushing an exported data set to the Hugging Face Hub: private by default, and public only what may be passed on."""

import os
import shlex

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError

import imaginet
from imaginet_core.storage.parquet_shards import column_counts
from imaginet_tools.publish.dataset_card import MANIFEST

_OF_THE_HUB = (HfHubHTTPError, HFValidationError, HTTPError, OSError)


def check_repository(repo_id: str, public: bool) -> None:
    """Makes sure, before hours of exporting, that a data set can be pushed: makes the repository if it is not there.

    Args:
        repo_id: "me/imaginet".
        public: whether it is to be public; one that exists must be what was asked for, as a push does not change it.

    Raises:
        ConnectionError: if there is no token, no right to write or no connection.
        ValueError: if it exists and is public although it should be private, or the other way round.
    """
    try:
        api = HfApi()
        api.create_repo(repo_id, repo_type="dataset", private=not public, exist_ok=True)
        api.auth_check(
            repo_id, repo_type="dataset", write=True
        )  # one that exists passes the line above even where we may only read
        private = api.dataset_info(repo_id).private
    except _OF_THE_HUB as error:
        raise ConnectionError(
            f"Cannot write to the data set {repo_id} on the Hub ({_reason(error)}). Log in with `hf auth login` using a token "
            "that may write, or leave out --push_to_hub."
        ) from error
    if private == public:
        there, option = ("private", "leave out --public") if private else ("public", "push with --redistributable --public")
        raise ValueError(
            f"The data set {repo_id} exists on the Hub and is {there}; nothing was pushed. Change that in its settings "
            f"there, choose another name, or {option}."
        )


def push(folder: str, repo_id: str, public: bool = False) -> str:
    """Uploads an exported folder; an interrupted upload goes on where it was when this is called again.

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
    check_repository(repo_id, public)
    api = HfApi()
    ours = {
        os.path.relpath(os.path.join(at, name), folder).replace(os.sep, "/") for at, _, names in os.walk(folder) for name in names
    }
    try:
        others = sorted(set(api.list_repo_files(repo_id, repo_type="dataset")) - ours - {".gitattributes"})
        if others:
            raise ValueError(
                f"The data set {repo_id} on the Hub holds {len(others)} file(s) that are not of this export, e.g. {others[0]}; "
                "nothing was pushed. Delete them there, or choose another name."
            )
        commit = api.upload_folder(repo_id=repo_id, repo_type="dataset", folder_path=folder, commit_message="Data set with card")
    except (*_OF_THE_HUB, RuntimeError) as error:  # the last one: large files
        raise ConnectionError(
            f"The upload to {repo_id} failed ({_reason(error)}). The export is safe in {folder}; go on with `hf upload "
            f"--repo-type dataset {repo_id} {shlex.quote(folder)}`."
        ) from error
    return str(commit.commit_url)


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


def _reason(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
