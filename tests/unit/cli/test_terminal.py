"""Tables, as people see them at terminals of different widths."""

import re
import sys

import pytest

from connector.cli import terminal

ROUTES = ("name", "state", "backlog", "lag", "delivered", "filtered", "refused", "dead\nletters")
ROWS = [
    ("published-for-opencti", "not running", 0, None, 1_234_567, 0, 6, 6),
    ("siem-events-in-cef", "running", 12, "5 min", 200, 0, 0, 0),
]
LETTERS = ("id", "route", "reason")
LETTER = ("7", "events", "the mapping has no word for the entity type hash_list, which VirusTotal does not document")


@pytest.fixture
def shown(monkeypatch, capsys):
    """What a terminal with so many columns shows of a table, as lines without blanks at their ends."""

    def show(width, *table):
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        terminal.table(*table)
        unstyled = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
        return [line.rstrip() for line in unstyled.splitlines()]

    return show


def test_a_table_that_fits_has_a_row_on_each_line(shown):
    lines = shown(100, "Routes", ROUTES, ROWS)
    assert lines[0] == "Routes"
    assert " published-for-opencti  not running        0  -      1,234,567         0        6        6" in lines


def test_a_row_of_a_table_that_does_not_fit_is_a_heading_with_its_values_below_none_of_them_cut(shown):
    assert shown(80, "Routes", ROUTES, ROWS) == [
        "Routes",
        "published-for-opencti  not running",
        "  backlog: 0   delivered: 1,234,567   filtered: 0   refused: 6   dead letters: 6",
        "siem-events-in-cef  running",
        "  backlog: 12   lag: 5 min   delivered: 200   filtered: 0   refused: 0",
        "  dead letters: 0",
        "",
    ]


def test_the_last_column_is_folded_where_the_others_then_fit(shown):
    lines = shown(80, "Dead letters", LETTERS, [LETTER])
    (first,) = [line for line in lines if line.startswith(" 7   events  the mapping has no word")]
    assert len(first) <= 80
    assert lines[lines.index(first) + 1].strip() == "VirusTotal does not document"


@pytest.mark.parametrize("width", [20, 80])
def test_a_value_longer_than_a_line_goes_on_on_the_next(shown, width):
    lines = shown(
        width, "Judgements", ("id", "verdict", "what", "by", "note"), [("1", "benign", "ab" * 60, "me", "why")]
    )
    assert "".join(line.strip() for line in lines).count("ab" * 60) == 1
    assert all(len(line) <= width for line in lines)


def test_what_others_wrote_steers_no_terminal_and_is_shortened(shown):
    lines = shown(80, "", ("id", "by", "note"), [("1", "\x1b[31m", "x" * 1000)])
    assert r"\x1b[31m" in "".join(lines)
    assert "".join(lines).count("x") == terminal._LONGEST
