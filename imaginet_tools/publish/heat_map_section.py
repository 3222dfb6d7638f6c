"""The card's section on heat maps: how well they find a pasted region, as it was measured on the model, or that it was not."""

import json
import re
from pathlib import Path

from imaginet_core.storage.safe_writes import write_aside

FILE = "localisation.json"
"""In the model's folder: what ``benchmarks.explanations.localisation`` measured; map -> pair -> figure -> text."""
TITLE = "Heat maps"
MAP, RIVALS = "heat map", ("the same, of another picture", "local variance")
PASTED = {"synthetic into real": "a synthetic region in a real picture", "real into synthetic": "a real region in a synthetic picture"}
MEANING = "`heatmap=True` says where a picture looks synthetic. Such a map says where to look: it is no mask, and no proof of manipulation."
NOT_MEASURED = "How well the maps of this model find a changed region was not measured, so nothing is known of it (`python -m benchmarks.explanations.localisation`)."


def heat_map_section(folder: Path) -> str:
    """The section's text, without its heading, by what lies in the model's folder.

    Raises:
        ValueError: in one sentence, for a file that is damaged.
    """
    if not (folder / FILE).is_file():
        return f"{MEANING} {NOT_MEASURED}"
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        lines = [_line(found, pair, title) for pair, title in PASTED.items()]
        quiet = found[MAP]["real into real"]["above the threshold"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"{folder / FILE} is damaged; delete it, or measure again with benchmarks.explanations.localisation.") from error
    return "\n".join([MEANING, "", *lines, f"- Where a real region was pasted into a real picture, {quiet} of the picture is marked (0 would be right)."])


def find_regions(folder: Path) -> bool:
    """Whether it was measured that the maps of the model in this folder find both kinds of regions better than local variance does.

    Raises:
        ValueError: in one sentence, for a file that is damaged.
    """
    if not (folder / FILE).is_file():
        return False
    heat_map_section(folder)  # refuses a damaged file
    found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return all(_beats_variance(found, pair) for pair in PASTED)


def store_localisation(folder: Path, figures: dict) -> None:
    """Keeps what was measured in the model's folder, and writes the section of its card anew; all else in the card stays.

    Args:
        folder: of a saved model.
        figures: map -> pair -> figure -> text.

    Raises:
        FileNotFoundError: where there is no model.
    """
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} is no folder of a model; give one that training or imaginet export-model wrote.")
    with write_aside(folder / FILE) as aside:
        aside.write_text(json.dumps(figures, indent=1, ensure_ascii=False), encoding="utf-8")
    card = folder / "README.md"
    if not card.is_file():
        return
    text, section = card.read_text(encoding="utf-8"), f"## {TITLE}\n\n{heat_map_section(folder)}\n"
    replaced, count = re.subn(rf"^## {TITLE}\n.*?(?=^## |\Z)", lambda _: f"{section}\n", text, count=1, flags=re.DOTALL | re.MULTILINE)
    with write_aside(card) as aside:
        aside.write_text(replaced if count else f"{text.rstrip()}\n\n{section}", encoding="utf-8")


def _line(found: dict, pair: str, title: str) -> str:
    area = lambda name: found[name][pair]["pixel AUC"]
    ours = found[MAP][pair]
    told = (
        f"- Of {title}: AUC of pixels {area(MAP)} (chance: 0.5; {', '.join(f'{name}: {area(name)}' for name in RIVALS)}), on "
        f"{ours['pictures']} pictures of {ours['source pictures']} source pictures; the strongest place lies in the synthetic part in {ours['pointing']} "
        f"of them (chance: {ours['chance of pointing']})."
    )
    return told if _beats_variance(found, pair) else f"{told} **They do not beat local variance there: leave them off.**"


def _beats_variance(found: dict, pair: str) -> bool:
    ours, others = (float(found[name][pair]["pixel AUC"].split()[0]) for name in (MAP, "local variance"))
    return ours > others
