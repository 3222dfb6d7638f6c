"""What a model's card says of its limits, as plain sentences."""

import re
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError

from imaginet_core.provenance.plain_text import plain

NONE = "This model comes without a card that tells its limits, so nothing is known of where it fails."
LONGEST, MOST = 800, 20
"""Characters of a limit, and limits, that are shown."""


def limits_of_model(place: str, revision: str | None = None) -> list[str]:
    """The limits that the card of a model tells, or the sentence that it tells none.

    Args:
        place: folder of the model, or its name on the Hub.
        revision: of a model on the Hub.
    """
    file = Path(place) / "README.md"
    if not Path(place).exists():
        try:
            file = Path(hf_hub_download(place, "README.md", revision=revision))
        except (HfHubHTTPError, OSError, ValueError):
            return [NONE]
    return limits_of_card(file.read_text(encoding="utf-8", errors="replace")) or [NONE] if file.is_file() else [NONE]


def limits_of_card(text: str) -> list[str]:
    """The points of the section "Limits" of a card in Markdown, without its markup; [] without such a section."""
    section = re.search(r"^##+ +Limits[^\n]*\n(.*?)(?=^##? |\Z)", text, re.MULTILINE | re.DOTALL | re.IGNORECASE)
    points = re.split(r"^[-*] +", section[1], flags=re.MULTILINE) if section else []
    return [found for point in points[:MOST] if (found := plain(_without_markup(point), LONGEST))]


def _without_markup(text: str) -> str:
    return re.sub(r"(\*\*|`)", "", re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text))
