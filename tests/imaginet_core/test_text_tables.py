"""Tables of text."""

from imaginet_core.text_tables import markdown_table, text_table


def test_markdown_keeps_bars_inside_their_cells():
    table = markdown_table(["name", "images"], [["a|b", 3], ["already\\|escaped", "4"]])
    assert table.splitlines() == ["| name | images |", "| --- | --- |", "| a\\|b | 3 |", "| already\\|escaped | 4 |"]


def test_columns_on_the_screen_are_as_wide_as_their_widest_cell():
    assert text_table(["name", "n"], [["x", "100"], ["longer name", "2"]]) == ["name         n", "x            100", "longer name  2"]
