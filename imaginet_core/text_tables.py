"""Tables of text: Markdown for files and cards, columns of a fixed width for the screen."""

from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table of Markdown. Cells are taken as Markdown, but for "|", which is escaped; see also ``safe_text.escape_markdown``."""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(_without_bars(str(cell)) for cell in row) + " |" for row in rows)


def text_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table whose columns are as wide as their widest cell, two spaces apart; the header first."""
    rows = [header, *lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _without_bars(cell: str) -> str:
    return cell.replace("\\|", "|").replace("|", "\\|")
