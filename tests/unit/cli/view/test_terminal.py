"""How things look on a terminal."""

from datetime import UTC, datetime

import pytest

from zkoperator.cli.view.terminal import Colour, Style, age, printable, table, wants_colours, whole_table

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("is_terminal", "environ", "painted"),
    [
        (True, {}, True),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, True),
        (False, {"TERM": "xterm"}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(is_terminal: bool, environ: dict[str, str], painted: bool) -> None:
    assert wants_colours(is_terminal=is_terminal, environ=environ) is painted


def test_columns_line_up_whatever_is_painted() -> None:
    style = Style(colours=True)
    shown = table(("A", "B"), [(style.paint("long", Colour.BAD), "x"), ("s", "y")])
    assert shown.replace("\x1b[31m", "").replace("\x1b[0m", "").splitlines() == ["A     B", "long  x", "s     y"]


def test_lines_have_no_white_space_at_their_end() -> None:
    assert table(("A", "B"), [("x", "")]) == "A  B\nx"


def test_nothing_is_painted_without_colours() -> None:
    assert Style(colours=False).paint("x", Colour.GOOD) == "x"
    assert Style(colours=True).paint("", Colour.GOOD) == ""


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        ("2026-01-01T23:59:59Z", "1s"),
        ("2026-01-01T23:58:01Z", "119s"),
        ("2026-01-01T23:00:00Z", "60m"),
        ("2026-01-01T00:00:00Z", "24h"),
        ("2025-12-01T00:00:00Z", "32d"),
        ("2026-01-02T00:00:05Z", "0s"),
        ("", ""),
    ],
)
def test_an_age_is_in_its_largest_sensible_unit(since: str, shown: str) -> None:
    assert age(since, NOW) == shown


def test_names_from_the_cluster_cannot_drive_the_terminal() -> None:
    assert printable("a\x1b[2Jb\nc") == "a?[2Jb?c"


def test_a_long_message_is_cut_where_the_line_ends_and_breaks_no_table() -> None:
    shown = table(("NAME", "MESSAGE"), [("main", "x" * 500), ("a", "y")], width=60)
    assert [len(line) <= 60 for line in shown.splitlines()] == [True, True, True]
    assert shown.splitlines()[1].endswith("…")
    assert len(table(("NAME", "MESSAGE"), [("main", "x" * 500)])) > 500, "a file has room for everything"


@pytest.mark.parametrize("width", [30, 50, 80])
def test_a_long_text_goes_on_below_itself_and_no_line_is_wider_than_the_terminal(width: int) -> None:
    message = "the quorum is lost: members 1 and 2 do not answer, see the runbook"
    lines = whole_table(("TYPE", "MESSAGE"), [("Ready", message), ("Other", "short")], width).splitlines()
    assert max(map(len, lines)) <= width
    assert " ".join(line[7:] for line in lines[1:-1]) == message
    assert lines[-1] == "Other  short"


def test_a_text_for_no_terminal_stays_in_its_line() -> None:
    assert whole_table(("A", "B"), [("x", "y " * 90)], None).count("\n") == 1
