"""queue, families and sql: what is shown, to persons and to programs, and what is refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.blindspot.calls import Front


def test_sql_answers_in_three_ways(door: Front) -> None:
    query = "SELECT range AS n, 'a,b' AS t, NULL AS nothing FROM range(3)"
    assert door("sql", query, "--json").json == {
        "columns": ["n", "t", "nothing"],
        "rows": [[0, "a,b", None], [1, "a,b", None], [2, "a,b", None]],
        "truncated": False,
    }
    assert door("sql", query, "--csv").out == 'n,t,nothing\n0,"a,b",\n1,"a,b",\n2,"a,b",\n'
    assert [line.split() for line in door("sql", query).out.splitlines()][:2] == [
        ["n", "t", "nothing"],
        ["0", "a,b", "-"],
    ]


def test_sql_is_cut_at_the_limit_and_says_so(door: Front) -> None:
    query = "SELECT * FROM range(1000)"
    found = door("sql", query, "--json").json
    assert (len(found["rows"]), found["truncated"]) == (100, True)
    for words in ([], ["--csv"]):
        shown = door("sql", query, "--limit", "7", *words)
        assert len(shown.out.splitlines()) == 8
        assert shown.err == "only the first 7 rows; --limit shows more\n"


def test_sql_gives_values_that_every_json_reader_takes(door: Front) -> None:
    query = """SELECT 'nan'::DOUBLE, 0.5, 1.5::DECIMAL(9, 2), '\\xC3\\xA9'::BLOB, TIMESTAMP '2026-01-01', [1, NULL],
               {'a': DATE '2026-01-02'}, MAP {'k': 1}, sum(1)::HUGEINT, INTERVAL 1 DAY, uuid() IS NULL"""
    assert door("sql", query, "--json").rows == [
        [
            None,
            0.5,
            1.5,
            "c3a9",
            "2026-01-01T00:00:00",
            [1, None],
            {"a": "2026-01-02"},
            {"k": 1},
            1,
            "1 day, 0:00:00",
            False,
        ]
    ]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELEC 1", ["syntax error", '"SELEC"']),
        ("", ["wanted one SQL statement"]),
        ("SELECT 1; SELECT 2", ["wanted one SQL statement", "2"]),
        ("SELECT * FROM picture", ["picture", "SHOW TABLES"]),
        ("SELECT nosuch FROM pictures", ["nosuch"]),
        ("DELETE FROM pictures", ["only looks", "DELETE"]),
        ("ATTACH 'x.db'", ["only looks", "ATTACH"]),
        ("COPY pictures TO 'x.csv'", ["only looks", "COPY"]),
        ("SET enable_external_access = true", ["only looks", "SET"]),
        ("SELECT * FROM read_text('blindspot.toml')", ["disabled"]),
        ("SELECT * FROM 'catalog.duckdb'", ["disabled"]),
        ("SELECT * FROM glob('*')", ["disabled"]),
        ("SELECT $x", ["parameter"]),
    ],
)
def test_sql_that_does_not_only_look_is_one_line(
    query: str, words: list[str], door: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(door.home.root)
    before = sorted(path.name for path in door.home.root.iterdir())
    door("sql", query).complaint(2, *words)
    assert sorted(path.name for path in door.home.root.iterdir()) == before


def test_sql_that_takes_too_long_is_stopped(door: Front) -> None:
    door("sql", "SELECT count(*) FROM range(100000000000) a, range(1000) b", "--timeout", "0.3").complaint(
        2, "longer than 0.3 s", "--timeout"
    )


def test_sql_speaks_one_language_at_a_time(door: Front) -> None:
    door("sql", "SELECT 1", "--csv", "--json").complaint(2, "one of --csv and --json")


@pytest.mark.parametrize(
    "words", [["queue"], ["families"], ["sql", "SELECT 1"], ["verdicts", "export"], ["suite", "list"]]
)
def test_a_snapshot_that_is_gone_or_rubbish_is_one_line(words: list[str], door: Front) -> None:
    snapshot = door.home.snapshot
    whole = snapshot.read_bytes()
    snapshot.unlink()
    door(*words, "--json").complaint(1, str(snapshot), "`blindspot fold`")
    for rubbish in (b"rubbish", whole[: len(whole) // 2]):
        snapshot.write_bytes(rubbish)
        door(*words).complaint(1, str(snapshot), "doctor --repair")


def test_the_queue_shows_what_to_look_at_and_why(queued_door: Front) -> None:
    found = queued_door("queue", "--json").json
    assert found["columns"] == ["rank", "lane", "picture", "value", "reason"]
    rows = found["rows"]
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[0][1] == "flagged", "false positives first"
    assert all(len(row[2]) == 64 and row[4] for row in rows)
    two = queued_door("queue", "--limit", "2")
    assert len(two.out.splitlines()) == 3, "one line a row, however long the reason"
    assert rows[0][4] in two.out
    assert queued_door("queue", "--limit", "2", "--json").json["truncated"] is True


def test_the_sheet_holds_as_many_as_asked(queued_door: Front, tmp_path: Path) -> None:
    sheet = tmp_path / "a sheet.html"
    assert queued_door("queue", "--sheet", sheet, "--limit", "3", "--json").json == {"sheet": str(sheet), "entries": 3}
    page = sheet.read_text(encoding="utf-8")
    shown = [row[2] in page for row in queued_door("queue", "--json", "--limit", "4").rows]
    assert shown == [True, True, True, False]
    assert "verdicts import" in queued_door("queue", "--sheet", sheet).out
    queued_door("queue", "--sheet", tmp_path / "no" / "s.html").complaint(2, "--sheet", "folder that exists")


def test_families_show_rates_beside_their_counts(mined_door: Front) -> None:
    found = mined_door("families", "--json").json
    rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
    discs = next(row for row in rows if row["family"] == "discs" and row["false_positives"])
    rate = discs["false_positives"] / discs["known_negatives"]
    assert discs["false_positive_rate"] == pytest.approx(rate, abs=1e-4)
    assert 0 <= discs["low_rate"] <= rate <= discs["high_rate"] <= 1
    shown = mined_door("families").out.splitlines()
    assert len(shown) == len(rows) + 1
    assert shown[0].split() == found["columns"]
    assert mined_door("families", "--limit", "1", "--json").json["truncated"] is True


def test_families_without_a_known_answer_have_no_interval(queued_door: Front) -> None:
    found = queued_door("families", "--json").json
    (row,) = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"] if row[0] == "discs"]
    assert (row["n"], row["known_negatives"], row["low_rate"], row["high_rate"]) == (12, 0, None, None)
    assert row["flagged"] == 12, "the blind spot"


def test_csv_is_read_back_by_a_csv_reader(queued_door: Front) -> None:
    query = "SELECT lane, reason || chr(10) || '\"quoted\", é' AS reason FROM queue"
    shown = queued_door("sql", query, "--csv", "--limit", "1000").out
    assert list(csv.reader(io.StringIO(shown, newline="")))[1:] == queued_door.sql(query)
