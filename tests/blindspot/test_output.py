"""How commands speak: strict JSON, one row a line for programs, nothing that a name from the web could paint."""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from blindspot.output import plain, printable, progress, show, show_rows, user

NOON = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (0.5, 0.5),
        (float("nan"), None),
        (float("-inf"), None),
        (Decimal("1.50"), 1.5),
        (Decimal("NaN"), None),
        (b"\x00\xff", "00ff"),
        (NOON, "2026-11-01T12:00:00+00:00"),
        (NOON.date(), "2026-11-01"),
        (dt.timedelta(seconds=2), "0:00:02"),
        ({1: (b"a", {2}), None: []}, {"1": ["61", [2]], "None": []}),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.array([[1.0, np.nan]]), [[1.0, None]]),
    ],
    ids=repr,
)
def test_every_value_has_a_place_in_json(value: Any, wanted: Any) -> None:
    found = plain(value)
    assert found == wanted
    assert type(found) is type(wanted)
    assert json.loads(json.dumps(found, allow_nan=False)) == wanted


def test_rows_as_json_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows(["a", "b"], [("é\n\x1b[31m", float("nan")), (NOON, b"x")], True, as_json=True)
    shown = capsys.readouterr()
    assert shown.out.count("\n") == 1
    assert json.loads(shown.out) == {
        "columns": ["a", "b"],
        "rows": [["é\n\x1b[31m", None], ["2026-11-01T12:00:00+00:00", "78"]],
        "truncated": True,
    }
    assert shown.err == "", "what was left out stands in the JSON"


def test_a_table_that_no_terminal_ends_has_one_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("x" * 500, 0.123456, None, NOON), ("two\nlines", 1, True, "[bold]no markup[/bold] :smile:")]
    show_rows(["name", "rate", "none", "at"], rows, True, as_json=False)
    shown = capsys.readouterr()
    lines = [line.split() for line in shown.out.splitlines()]
    assert lines[0] == ["name", "rate", "none", "at"]
    assert lines[1] == ["x" * 500, "0.1235", "-", "2026-11-01", "12:00:00+00:00"]
    assert lines[2] == ["two", "lines", "1", "True", "[bold]no", "markup[/bold]", ":smile:"]
    assert shown.err == "only the first 2 rows; --limit shows more\n"


def test_control_characters_do_not_reach_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert printable("a\x1b[31mb\x07\u202ec\n") == "a�[31mb�\u202ec\n".replace("\u202e", "�")
    show_rows(["n\x1bame"], [("\x1b]0;title\x07",)], False, as_json=False)
    assert "\x1b" not in capsys.readouterr().out


def test_text_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show({"a": 1}, "one line", as_json=False)
    assert capsys.readouterr() == ("one line\n", "")


def test_progress_is_silent_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("working") as update:
        update(1, 2)
        update(2, None)
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    """What says that it is one."""

    def isatty(self) -> bool:
        return True


def test_progress_shows_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress("working") as update:
        update(1, 2)
    assert "working" in terminal.getvalue()
    assert "1/2" in terminal.getvalue()


def test_a_narrow_terminal_folds_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    show_rows(["name"], [("x" * 100,)], False, as_json=False)
    assert max(len(line) for line in terminal.getvalue().splitlines() if "x" in line) <= 40


def test_an_account_without_a_name_has_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert user()

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert user().startswith("uid ")
