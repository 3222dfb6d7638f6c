"""Writes the table of sources into docs/data.md from the registry: ``python -m scripts.update_sources_table``."""

if __name__ == "__main__":  # before the libraries, which take seconds
    from imaginet_core.interrupts import end_at_once_on_interrupt

    end_at_once_on_interrupt("scripts.update_sources_table")

from pathlib import Path

from imaginet import SOURCES

BEGIN = "<!-- sources: begin (python -m scripts.update_sources_table) -->"
END = "<!-- sources: end -->"


def table() -> str:
    """The registry as a Markdown table."""
    lines = ["| source | folders under RAW | what, and where to get it | terms | may be passed on |", "| --- | --- | --- | --- | --- |"]
    for source in SOURCES.values():
        folders = ", ".join(f"`{folder}/`" for folder in source.folders)
        home = " and ".join(f"<{part}>" if part.startswith("http") else part for part in source.home.split(" and "))
        lines.append(f"| `{source.name}` | {folders} | {source.what}; {home} | {source.licence} | {'yes' if source.redistributable else 'no'} |")
    return "\n".join(lines)


def with_table(text: str) -> str:
    """``text`` with the table between its two marks brought up to date. Raises ValueError if a mark is missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"docs/data.md lacks the marks {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    file = Path(__file__).resolve().parents[1] / "docs" / "data.md"
    file.write_text(with_table(file.read_text(encoding="utf-8")), encoding="utf-8")
