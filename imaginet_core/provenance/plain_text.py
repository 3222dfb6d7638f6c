"""Texts of strangers made fit to be shown in one line."""

MOST = 300
"""Characters of a text that is shown."""


def plain(text: object, most: int = MOST) -> str:
    """``text`` in one line without control characters, cut to ``most`` characters."""
    shown = " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)[: 4 * most]).split())
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
