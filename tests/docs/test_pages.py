"""The documentation: short enough, no dead link, pictures and tables that fit what they are made from."""

import re

import pytest

from imaginet_core.pictures import decode
from imaginet_core.storage import archives, files, tar_archives
from scripts.update_results_picture import rows_of

PAGES = ("README.md", "docs/app.md", "docs/benchmarks_of_others.md", "docs/data.md",
         "docs/degradations.md", "docs/detecting.md", "docs/evaluation.md", "docs/heat_maps.md", "docs/house.md", "docs/provenance.md", "docs/publishing.md",
         "docs/reading_a_result.md", "docs/reading_pictures.md",
         "docs/results.md", "docs/scoring.md", "docs/shortcuts.md", "docs/training.md", "docs/unseen.md", "docs/your_own_images.md")


def test_the_readme_is_read_in_five_minutes(repository):
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 900 and "make demo" in text and "make test" in text
    assert text.index("](docs/results/lab_laptop.png)") < 1200  # a picture of real results, near the top


@pytest.mark.parametrize("page", PAGES)
def test_no_link_is_dead(repository, page):
    file = repository / page
    for link in re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", file.read_text(encoding="utf-8")):
        target, _, heading = link.partition("#")
        place = (file.parent / target).resolve()
        assert place.exists(), f"{page} links {link}"
        if heading:
            headings = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}, f"{page} links {link}"


def test_every_page_is_reached_from_the_readme(repository):
    text = (repository / "README.md").read_text(encoding="utf-8")
    for page in (repository / "docs").glob("*.md"):
        assert f"docs/{page.name}" in text, page.name


def test_the_picture_of_the_readme_is_drawn_from_the_table_of_results(repository):
    rows = rows_of((repository / "docs" / "results.md").read_text(encoding="utf-8"))
    assert len(rows) == 6 and rows[0] == ("clean", "model", 0.957, 0.923, 0.984)


def test_the_limits_that_are_told_are_those_that_hold(repository):
    text = (repository / "docs" / "reading_pictures.md").read_text(encoding="utf-8")
    for name, value in (
        ("ENTRY_BYTES", archives.ENTRY_BYTES), ("UNPACKED_BYTES", tar_archives.UNPACKED_BYTES), ("UNPACKED_RATIO", tar_archives.UNPACKED_RATIO),
        ("CONNECT_SECONDS", files.CONNECT_SECONDS), ("ANSWER_SECONDS", files.ANSWER_SECONDS), ("MOST_SCANS", decode.MOST_SCANS),
    ):
        [row] = [line for line in text.splitlines() if name in line]
        assert f"{value:,}" in row, name
