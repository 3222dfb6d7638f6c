"""Copies what a model needs of imaginet_core into modeling/, so that it travels with it: ``python -m scripts.update_picture_reader``.

The copies differ from the originals in their first line and in the names of the modules that they import from each other.
"""

if __name__ == "__main__":  # before the libraries, which take seconds
    from imaginet_core.interrupts import end_at_once_on_interrupt

    end_at_once_on_interrupt("scripts.update_picture_reader")

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIES = {
    "pictures/decode": "picture_reader", "pictures/notes": "picture_notes", "pictures/sources": "picture_sources",
    "detection/crops": "crops", "detection/heat_map": "heat_map", "detection/verdict": "verdict",
}
"""Module below imaginet_core -> module of modeling."""


def travelling_copy(module: str, text: str) -> str:
    """The copy of a module's text."""
    for original, copy in COPIES.items():
        text = text.replace(f"from imaginet_core.{original.replace('/', '.')} import", f"from .{copy} import")
    return f"# a copy of imaginet_core/{module}.py by scripts/update_picture_reader.py; change that file, not this one\n{text}"


def copies() -> dict[Path, str]:
    """Each copy's file -> the text that it must have."""
    originals = ROOT / "imaginet_core"
    return {
        ROOT / "modeling" / f"{copy}.py": travelling_copy(module, (originals / f"{module}.py").read_text(encoding="utf-8"))
        for module, copy in COPIES.items()
    }


if __name__ == "__main__":
    for file, text in copies().items():
        file.write_text(text, encoding="utf-8")
