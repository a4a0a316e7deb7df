"""`sql --named` and `sql --tables` at the command: listed, run, shown, and refused in one line."""

from __future__ import annotations

import os

import pytest

from store.named import listing
from store.questions import QUESTIONS
from store.views import VIEWS
from tests.blindspot.calls import Front, ended, start
from tests.mine.squares import champion


def test_without_a_name_all_questions_are_listed(door: Front) -> None:
    door.home.snapshot.unlink()  # what can be asked does not depend on what is known
    found = door("sql", "--named", "--json").json
    assert found["columns"] == ["name", "meaning", "parameters", "columns"]
    assert [tuple(row) for row in found["rows"]] == listing()
    assert len(door("sql", "--named").out.splitlines()) == len(QUESTIONS) + 1
    assert door("sql", "--named", "--limit", "2", "--json").json["truncated"] is True


def test_a_question_is_asked_by_name_with_what_was_asked_on_standard_error(mined_door: Front) -> None:
    found = mined_door("sql", "--named", "false_positives", "--json", "--limit", "3")
    assert tuple(found.json["columns"]) == QUESTIONS["false_positives"].columns
    assert (len(found.rows), found.json["truncated"]) == (3, True)
    assert found.err == f"false_positives: version={champion().name} view=as_shown\n"
    shown = mined_door("sql", "false_positives", "--named", "--csv", "--limit", "3").out.splitlines()
    assert shown[0] == "picture,source,flag_score,threshold,known_class,origin"
    assert [line.split(",")[0] for line in shown[1:]] == [row[0] for row in found.rows]


def test_flips_between_two_versions_by_their_names(mined_door: Front) -> None:
    repaired = next(
        row[0] for row in mined_door.sql("SELECT version FROM models WHERE parent IS NOT NULL ORDER BY ALL")
    )
    words = ("--with", f"before={champion().name}", "--with", f"after={repaired}", "--limit", "10000", "--json")
    query = f"""SELECT a.picture FROM scores a JOIN scores b USING (picture, view) WHERE a.version = '{repaired}'
                AND b.version = '{champion().name}' AND view = 'as_shown' AND a.flagged <> b.flagged ORDER BY ALL"""
    expected = mined_door.sql(query)
    assert sorted([row[0]] for row in mined_door("sql", "--named", "flips", *words).rows) == expected


def test_the_sql_that_is_shown_can_be_taken_further(mined_door: Front) -> None:
    words = ("sql", "--named", "worst_sources", "--with", "at_least=2")
    text = mined_door(*words, "--show").out
    assert mined_door(*words, "--show", "--json").json == {"name": "worst_sources", "sql": text.removesuffix("\n")}
    assert mined_door("sql", text, "--json").rows == mined_door(*words, "--json").rows


def test_a_query_of_ones_own_takes_parameters_too(door: Front) -> None:
    query = "SELECT $x AS x WHERE 5 > $n"
    assert door("sql", query, "--with", "x='; DROP TABLE pictures", "--with", "n=3", "--json").rows == [
        ["'; DROP TABLE pictures"]
    ]
    door("sql", query, "--with", "x=1").complaint(2, "parameter", "n")


def test_tables_are_listed_with_meaning_and_columns(door: Front) -> None:
    found = door("sql", "--tables", "--json", "--limit", "1000").rows
    assert {row[0] for row in found if row[1] == "view"} == set(VIEWS)
    assert all(row[2] and row[3] for row in found)
    (scores,) = door("sql", "--tables", "scores", "--json").rows
    assert "flag_score float" in scores[3]
    door("sql", "--tables", "score").complaint(2, "no table or view is named 'score'", "scores")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--named", "flip"], ["no question is named 'flip'", "flips"]),
        (["--named", "flips", "--with", "after"], ["--with wants NAME=VALUE", "'after'"]),
        (["--named", "flips", "--with", "nix=1"], ["no parameter 'nix'", "after, before, view"]),
        (["--named", "flips", "--with", "after='; DROP TABLE x"], ["after wants one of", "DROP TABLE x"]),
        (["--named", "flips", "--with", "after=1", "--with", "after=2"], ["--with wants after once"]),
        (["--named", "--with", "after=1"], ["--with wants a query"]),
        (["--named", "--tables"], ["one of --named and --tables"]),
        (["--named", "--show"], ["--show wants the name of a question"]),
        (["SELECT 1", "--show"], ["--show wants the name of a question"]),
        (["--tables", "--with", "a=1"], ["--with wants a query"]),
        (["--named", "flips", "SELECT 1"], ["unexpected extra argument"]),
        (["--named", "runs", "--csv", "--json"], ["one of --csv and --json"]),
        ([], ["Missing argument 'QUERY'", "--named", "--tables"]),
    ],
)
def test_wrong_words_are_one_line(words: list[str], told: list[str], door: Front) -> None:
    door("sql", *words).complaint(2, *told)


def test_a_parameter_that_is_no_text_is_one_line(door: Front) -> None:
    done = ended(start(door.home, "sql", "--named", "flips", "--with", os.fsdecode(b"after=\xff")))
    done.complaint(2, "UTF-8")


def test_without_a_snapshot_the_fold_is_named(door: Front) -> None:
    door.home.snapshot.unlink()
    for words in (["--named", "flips"], ["--tables"]):
        door("sql", *words).complaint(1, "`blindspot fold`")
