"""The signed manifest (C2PA) of a picture's file, checked by c2pa-python in a process of its own with a time limit."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from imaginet_core.provenance import c2pa_process

STATES = ("none", "present", "valid", "trusted", "invalid")
INSTALL = 'c2pa-python is not installed: pip install "imaginet[provenance]"'
SECONDS = 10.0
"""That checking one file may take."""
MIME = {
    "JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif", "AVIF": "image/avif", "HEIF": "image/heif",
    "TIFF": "image/tiff",
}


class Manifest(NamedTuple):
    """What a file's manifest says.

    Attributes:
        state: "none"; "present", there but not checked; "valid", the file is as it was signed; "trusted", the same, and the
            signer's certificate leads to one that the user trusts; "invalid", file, manifest or signature do not fit.
        reason: why it was not checked, or what does not fit; None otherwise.
        signer, organisation: of the certificate, as stated; None where it says none.
        signed_at: by a time stamp; None without one.
        generator: the program that made the manifest, as stated.
        actions: such as "c2pa.created (Example Model)", in their order.
        source_types: IPTC digital source types of those actions, as URIs.
        ingredient_source_types: of the manifests of what the picture was made from.
    """

    state: str = "none"
    reason: str | None = None
    signer: str | None = None
    organisation: str | None = None
    signed_at: str | None = None
    generator: str | None = None
    actions: tuple[str, ...] = ()
    source_types: tuple[str, ...] = ()
    ingredient_source_types: tuple[str, ...] = ()


def check_manifest(content: bytes, format: str, trust_anchors: str | None = None, seconds: float = SECONDS) -> Manifest:
    """Checks the manifest of a file that has one.

    Args:
        content: of the file.
        format: its name in ``pictures.sources.FORMATS``.
        trust_anchors: certificates in PEM that the user trusts; without any no signer is trusted.
        seconds: after which the check is given up.

    Raises:
        ValueError: for trust anchors that cannot be read.
    """
    head = json.dumps({"mime": MIME.get(format, ""), "anchors": trust_anchors}).encode() + b"\n"
    # -P: modules are not looked for beside the script, whose folder has names that others have too
    command = [sys.executable, "-P", str(Path(c2pa_process.__file__).resolve())]
    try:
        done = subprocess.run(command, input=head + content, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return Manifest("present", f"checking it took longer than {seconds:g} s")
    except OSError as error:
        return Manifest("present", f"no process could be started to check it ({error.strerror or error})")
    try:
        found = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return Manifest("present", f"c2pa-python ended on it with status {done.returncode}")
    return _manifest(found)


def check_anchors(trust_anchors: str | None) -> None:
    """Raises ValueError for a text that holds no certificate in PEM; c2pa-python would pass over it without a word."""
    if trust_anchors is not None and "-----BEGIN CERTIFICATE-----" not in trust_anchors:
        raise ValueError("The trusted certificates are no text in PEM (-----BEGIN CERTIFICATE-----); give a file that is.")


def _manifest(found: dict) -> Manifest:
    if "missing" in found:
        return Manifest("present", INSTALL if found["missing"] == "c2pa" else f"c2pa-python needs {found['missing']}")
    if "bad_anchors" in found:
        raise ValueError(f"The trusted certificates cannot be read ({found['bad_anchors']}); give a file of certificates in PEM.")
    if "unreadable" in found:
        return Manifest("invalid", f"it cannot be read ({found['unreadable']})")
    state, failures = found["state"] if found["state"] in STATES else "invalid", found.pop("failures")
    single = {name: next(iter(found[name]), None) for name in ("signer", "organisation", "signed_at", "generator")}
    several = {name: tuple(found[name]) for name in ("actions", "source_types", "ingredient_source_types")}
    return Manifest(state, "does not fit: " + ", ".join(failures) if state == "invalid" and failures else None, **single, **several)
