"""Reads a C2PA manifest with c2pa-python, as a program of its own: `manifest.py` starts it and ends it when it takes too long.

It imports nothing of this project, reads a line of JSON and the file from standard input, and writes one line of JSON.
"""

import io
import json
import sys

MEMORY = 4 * 2**30
"""Bytes of address space that a file may make the library take."""
MOST = 50
"""Actions, source types and failures that are told; of each text 500 characters."""


def main() -> None:
    """See the module."""
    options = json.loads(sys.stdin.buffer.readline())
    try:
        found = read(sys.stdin.buffer.read(), options["mime"], options["anchors"])
    except ModuleNotFoundError as error:
        found = {"missing": error.name}
    print(json.dumps(found))


def read(content: bytes, mime: str, anchors: str | None) -> dict:
    """What the manifest says; or ``missing``, ``bad_anchors`` or ``unreadable`` with the reason."""
    import c2pa

    limit_memory()
    settings = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}  # it never asks the network
    if anchors:
        settings["trust"] = {"user_anchors": anchors}
    try:
        context = c2pa.Context.from_dict(settings)
    except c2pa.C2paError as error:
        return {"bad_anchors": short(error)}
    try:
        reader = c2pa.Reader.try_create(mime, io.BytesIO(content), context=context)
        return {"unreadable": "it holds no manifest"} if reader is None else summary(json.loads(reader.json()))
    except c2pa.C2paError as error:
        return {"unreadable": short(error)}


def summary(store: dict) -> dict:
    """The few fields of a manifest store's JSON that are shown."""
    manifests, active = store.get("manifests", {}), store.get("active_manifest")
    mine = manifests.get(active, {})
    signature = mine.get("signature_info") or {}
    failures = [each["code"] for each in store.get("validation_results", {}).get("activeManifest", {}).get("failure", ())]
    actions = list(actions_of(mine))
    generator = (mine.get("claim_generator_info") or [{}])[0].get("name") or mine.get("claim_generator")
    return {
        "state": str(store.get("validation_state", "Invalid")).lower(),
        "signer": texts([signature.get("common_name")]), "organisation": texts([signature.get("issuer")]),
        "signed_at": texts([signature.get("time")]), "generator": texts([generator]),
        "actions": texts(described(each) for each in actions),
        "source_types": texts(each.get("digitalSourceType") for each in actions),
        "ingredient_source_types": texts(
            each.get("digitalSourceType") for label, other in manifests.items() if label != active for each in actions_of(other)
        ),
        "failures": texts(failures),
    }


def actions_of(manifest: dict):
    """The actions in a manifest's assertions."""
    for assertion in manifest.get("assertions", ()):
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            yield from assertion.get("data", {}).get("actions", ())


def described(action: dict) -> str:
    """An action, and the program that is said to have done it."""
    agent = action.get("softwareAgent")
    agent = agent.get("name") if isinstance(agent, dict) else agent
    return f"{action.get('action')} ({agent})" if agent else str(action.get("action"))


def texts(values) -> list[str]:
    """Those that are there, each once, short."""
    return list(dict.fromkeys(short(value) for value in values if value))[:MOST]


def short(value) -> str:
    """As text of at most 500 characters."""
    return str(value)[:500]


def limit_memory() -> None:
    """Where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    main()
