"""The named questions: each runs on an empty home and on a small one, answers what it says, and takes text as text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from samples import NOW, card, catalog, install, later, picture, select

from store.console import ask
from store.errors import QueryError
from store.fold import fold
from store.home import Home
from store.named import ask_named, listing, pairs, question, settle, shown, tables
from store.parameters import TEXT, Parameter
from store.policy import read_policy
from store.questions import QUESTIONS, _rate
from store.schema import metadata
from store.views import MEANINGS, VIEWS
from tests.conftest import SMALL_POLICY
from train.statistics import wilson

OLD, NEW = "small.00000001", "small.00000002"
HOSTILE = ["'; DROP TABLE pictures; --", "' OR '1'='1", "$version", "NULL", "", "x\ny", "😀" * 200, "{0}", "%s"]
# Every parameter with the first text, and one of either kind with all of them.
ASKED = [(name, one.name, HOSTILE[0]) for name, asked in QUESTIONS.items() for one in asked.parameters]
ASKED += [(*which, text) for which in (("flips", "after"), ("refusals", "reason")) for text in HOSTILE[1:]]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("empty"))
    fold(home)
    return home


def score(name: str, version: str, flag: float, view: str = "as_shown") -> dict[str, Any]:
    row = {"picture": name, "version": version, "view": view, "probabilities": [flag, 1 - flag, 0.0]}
    return row | {"scored_at": later(version == NEW)}


def sighting(name: str, host: str, n: int = 0) -> dict[str, Any]:
    row = {"picture": name, "url": f"https://{host}/{name}{n}", "host": host, "source": host, "job": "web"}
    return row | {"seen_at": later(1)}


def verdict(name: str, class_: str, reviewer: str, policy: str) -> dict[str, Any]:
    row = {"verdict": name + reviewer, "picture": name, "class": class_, "reviewer": reviewer}
    return row | {"policy_version": policy, "lane": "flagged", "decided_at": NOW}


def refusal(url: str | None, reason: str, **more: Any) -> dict[str, Any]:
    return {"url": url, "stage": "fetch", "reason": reason, "job": "web", "refused_at": later(9)} | more


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Pictures a to f, b a copy of a; the new version mends a, breaks c, and has never seen e and f."""
    home = Home(tmp_path_factory.mktemp("small"))
    home.policy.write_text(SMALL_POLICY, encoding="utf-8")
    for version in (OLD, NEW):
        install(home, card(version=version))
    policy = read_policy(home.policy).version
    promotion = {"policy_version": policy, "threshold": 0.5, "how": "first", "by": "ada"}
    run = {
        "crawl": "1",
        "job": "web",
        "spider": "pages",
        "started_at": NOW,
        "ended_at": later(2),
        "stopped": "finished",
    }
    counts = {"pages": 3, "pictures": 5, "new_pictures": 4, "summary": '{"refused": {"robots": 2, "http_404": 1}}'}
    looks_alike = {"hash_version": "1", "representative": "a"}
    catalog(
        home,
        pictures=[picture(name, source="a.test" if name < "d" else "b.test") for name in "abcdefg"],
        sightings=[sighting("a", "one.test"), sighting("b", "one.test"), sighting("c", "two.test")]
        + [sighting("d", "three.test", n) for n in range(12)],
        copies=[looks_alike | {"picture": "a", "distance_bits": 0}, looks_alike | {"picture": "b", "distance_bits": 3}],
        look_alikes=[
            {"picture": one, "base": "base", "look_alike": other, "cosine": cosine}
            for one, other, cosine in (("a", "c", 0.8), ("c", "a", 0.80001), ("a", "d", 0.9), ("c", "d", 0.5))
        ],
        raw_scores=[
            *(score(name, OLD, flag) for name, flag in zip("abcdg", (0.9, 0.2, 0.1, 0.7, 0.4), strict=True)),
            *(score(name, NEW, flag) for name, flag in zip("abcdg", (0.1, 0.2, 0.8, 0.9, 0.4), strict=True)),
            score("d", NEW, 0.3, "on_black"),
        ],
        promotions=[promotion | {"version": v, "promoted_at": later(n)} for n, v in enumerate((OLD, NEW))],
        findings=[
            {"detector": "odd_size", "picture": "a", "score": 1.0, "threshold": 0.5, "reason": "r"},
            {"detector": "near_threshold", "picture": "c", "score": 1, "threshold": 0.5, "reason": "r", "version": OLD},
        ],
        verdict_records=[
            verdict("a", "shoe", "ada", policy), verdict("b", "shoe", "bob", policy),
            verdict("c", "shoe", "ada", policy), verdict("c", "bag", "bob", policy),
            verdict("d", "shoe", "ada", policy),
        ],
        suite_pictures=[
            {"suite": "s", "role": "ordinary", "picture": "c", "class": "other", "batch": "1", "added_at": NOW},
            {"suite": "t", "role": "positives", "picture": "g", "class": "bag", "batch": "1", "added_at": NOW},
        ],
        refusals=[
            refusal("https://u@one.test:80/a0?x", "http_404"), refusal("https://[::1]:80/x", "robots"),
            refusal("https://one.test/a0", "http_404"), refusal(None, "broken", picture="e", stage="decode"),
        ],
        crawls=[run | counts],
    )  # fmt: skip
    return home


def rows(home: Home, name: str, **given: str) -> list[dict[str, Any]]:
    answer = ask_named(home, name, given)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


# ---- every question ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_runs_on_any_home_with_the_columns_it_says(name: str, empty: Home, small: Home) -> None:
    nothing, something = ask_named(empty, name, {}), ask_named(small, name, {})
    assert tuple(nothing.columns) == tuple(something.columns) == QUESTIONS[name].columns
    assert nothing.rows == []
    assert something.rows


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_uses_its_parameters_and_no_others(name: str) -> None:
    one = QUESTIONS[name]
    names = [parameter.name for parameter in one.parameters]
    # All that a default needs counts too: `version` of `other`.
    used = set(re.findall(r"\$([a-z_]+)", one.sql))
    assert used == set(names)
    assert len(names) == len(set(names))
    assert one.meaning.endswith("?")
    assert "\n" not in one.meaning


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_sql_that_is_shown_gives_the_same_answer_as_it_stands(name: str, small: Home) -> None:
    text = shown(name, settle(small, name, {}))
    assert text.startswith(f"/* {name}: ")
    assert "$" not in re.sub(r"'[^']*'", "", text)
    assert ask(small, text) == ask_named(small, name, {})


@pytest.mark.parametrize(("name", "parameter", "text"), ASKED)
def test_any_text_is_plain_data(name: str, parameter: str, text: str, small: Home) -> None:
    before = small.snapshot.read_bytes()
    if question_takes(name, parameter):
        assert rows(small, name, **{parameter: text}) == []
        assert ask(small, shown(name, settle(small, name, {parameter: text}))).rows == []
    else:
        with pytest.raises(QueryError, match=rf"^{parameter} wants one of the .*\. Received: [^\n]*$"):
            ask_named(small, name, {parameter: text})
    assert small.snapshot.read_bytes() == before


def question_takes(name: str, parameter: str) -> bool:
    """Whether a parameter takes any text."""
    return next(one.kind for one in QUESTIONS[name].parameters if one.name == parameter) is TEXT


# ---- what they answer --------------------------------------------------------------------------------------


def test_flips_are_between_the_last_two_champions_and_both_ways(small: Home) -> None:
    assert settle(small, "flips", {}) == {"after": NEW, "before": OLD, "view": "as_shown"}
    found = {row["picture"]: (row["change"], round(row["score_before"], 2)) for row in rows(small, "flips")}
    assert found == {"a": ("no longer flagged", 0.9), "c": ("now flagged", 0.1)}
    back = {row["picture"]: row["change"] for row in rows(small, "flips", after=OLD)}
    assert back == {"a": "now flagged", "c": "no longer flagged"}, "before is then the other one"
    assert settle(small, "flips", {"before": NEW}) == {"after": OLD, "before": NEW, "view": "as_shown"}
    assert rows(small, "flips", view="on_black") == []


def test_without_two_champions_the_versions_that_were_made_last_are_compared(home: Home) -> None:
    for version, hour in ((NEW, 13), (OLD, 12), ("small.00000003", 14)):
        install(home, card(version=version, made_at=f"2026-11-23T{hour}:00:00+00:00"))
    catalog(home, raw_scores=[score("a", OLD, 0.9), score("a", NEW, 0.1), score("a", "not.declared", 0.1)])
    assert settle(home, "flips", {}) == {"after": NEW, "before": OLD, "view": "as_shown"}
    assert [row["picture"] for row in rows(home, "flips")] == ["a"]


def test_mended_and_broken_are_told_by_what_is_known(small: Home) -> None:
    found = {row["picture"]: (row["change"], row["known_class"], row["origin"]) for row in rows(small, "mended")}
    assert found == {"a": ("mended", "shoe", "verdict"), "c": ("broken", "other", "suite")}


def test_one_picture_with_two_answers(small: Home) -> None:
    (row,) = rows(small, "view_flips")
    assert (row["picture"], row["flagged_views"], row["other_views"]) == ("d", ["as_shown"], ["on_black"])
    assert rows(small, "view_flips", version=OLD) == []


def test_disagreement_counts_both_sides_with_an_interval(small: Home) -> None:
    found = {row["source"]: row for row in rows(small, "disagreement")}
    ours = found["a.test"]
    assert (ours["differ"], ours["pictures"], ours["only_version"], ours["only_other"]) == (2, 3, 1, 1)
    assert (found["b.test"]["differ"], found["b.test"]["pictures"]) == (0, 2)
    assert [row["source"] for row in rows(small, "disagreement", at_least="3")] == ["a.test"]


def test_findings_of_another_version_do_not_count(small: Home) -> None:
    (source,), (host,) = rows(small, "worst_sources"), rows(small, "worst_hosts")
    assert (source["source"], source["detector"], source["found"], source["pictures"]) == ("a.test", "odd_size", 1, 3)
    assert (host["host"], host["found"], host["pictures"]) == ("one.test", 1, 2)
    assert {row["detector"] for row in rows(small, "worst_sources", version=OLD)} == {"odd_size", "near_threshold"}
    assert [row["host"] for row in rows(small, "worst_hosts", version=OLD, detector="near_threshold")] == ["two.test"]


def test_wrong_answers_of_both_kinds(small: Home) -> None:
    assert [row["picture"] for row in rows(small, "false_positives")] == ["d", "c"]
    assert [row["picture"] for row in rows(small, "false_positives", version=OLD)] == ["a", "d"]
    (miss,) = rows(small, "misses")
    assert (miss["picture"], miss["known_class"], miss["origin"], miss["threshold"]) == ("g", "bag", "suite", 0.5)


def test_copies(small: Home) -> None:
    assert [(row["picture"], row["distance_bits"], row["urls"]) for row in rows(small, "copies_of")] == [
        ("a", 0, 1),
        ("b", 3, 1),
    ]
    assert rows(small, "copies_of", picture="b") == rows(small, "copies_of", picture="a")
    assert rows(small, "copies_of", picture="c") == []
    (group,) = rows(small, "copy_groups")
    assert group == {"representative": "a", "pictures": 2, "sources": 1, "largest_bits": 3}


def test_look_alikes_are_told_from_both_sides_with_what_is_said_of_them(small: Home) -> None:
    found = [(row["picture"], row["cosine"], row["flag_score"]) for row in rows(small, "look_alikes_of", picture="b")]
    assert found == [("d", 0.9, pytest.approx(0.9)), ("c", 0.80001, pytest.approx(0.8))]
    assert [row["picture"] for row in rows(small, "look_alikes_of", picture="d")] == ["a", "c"]
    assert rows(small, "look_alikes_of", picture="e") == []


def test_what_hosts_refused_lost_and_served_again_and_again(small: Home) -> None:
    found = {(row["host"], row["reason"]): row["refused"] for row in rows(small, "refusals")}
    assert found == {("one.test", "http_404"): 2, ("::1", "robots"): 1, (None, "broken"): 1}
    assert [row["reason"] for row in rows(small, "refusals", reason="robots", job="web")] == ["robots"]
    first = rows(small, "link_rot")[0]
    assert (first["host"], first["gone"], first["urls"]) == ("one.test", 1, 2)
    assert rows(small, "placeholders") == [{"representative": "d", "host": "three.test", "pictures": 1, "urls": 12}]


def test_what_a_run_brought(small: Home) -> None:
    (row,) = rows(small, "runs", job="web")
    assert (row["seconds"], row["refused"], row["brought"], row["blind_spots"]) == (120.0, 3, 4, 2)


def test_what_was_never_scored_and_why(small: Home) -> None:
    assert [(row["picture"], row["reason"]) for row in rows(small, "never_scored")] == [
        ("e", "broken"),
        ("f", "not yet"),
    ]


def test_reviewers(small: Home) -> None:
    (row,) = rows(small, "reviewer_agreement")
    assert (row["reviewer"], row["other"], row["same"], row["pictures"], row["same_flag"]) == ("ada", "bob", 1, 2, 1)
    (row,) = rows(small, "disputed")
    assert (row["picture"], row["answers"], row["flags_differ"]) == ("c", ["ada: shoe", "bob: bag"], True)


@pytest.mark.parametrize(("errors", "n"), [(0, 1), (1, 1), (0, 10), (3, 7), (10, 10), (17, 100_000)])
def test_the_interval_is_wilsons(errors: int, n: int, empty: Home) -> None:
    ((rate, low, high),) = ask(empty, f"SELECT {_rate(str(errors), str(n))}").rows
    assert (rate, low, high) == pytest.approx((errors / n, *wilson(errors, n)), abs=1e-4)
    assert str(low) != "-0.0"


def test_of_nothing_there_is_no_rate(empty: Home) -> None:
    assert ask(empty, f"SELECT {_rate('0', '0')}").rows == [(None, None, None)]


# ---- what is refused, and what is listed -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("flip", {}, ["no question is named 'flip'", "flips", "disputed"]),
        ("flips", {"from": OLD}, ["flips has no parameter 'from'", "after, before, view"]),
        ("placeholders", {"host": "x"}, ["placeholders has no parameter 'host'", "it has: none"]),
        ("flips", {"after": "v9"}, ["after wants one of the versions with scores", OLD, NEW, "Received: 'v9'"]),
        ("flips", {"view": "sideways"}, ["as_shown, on_black"]),
        ("worst_hosts", {"at_least": "many"}, ["at_least wants one of the whole numbers from 0 on. Received: 'many'"]),
        ("worst_hosts", {"at_least": "9" * 50}, ["at_least wants one of the whole numbers"]),
        ("copies_of", {"picture": "z"}, ["picture wants one of the stored pictures"]),
    ],
)
def test_wrong_names_and_values_are_one_line(name: str, given: dict[str, str], words: list[str], small: Home) -> None:
    with pytest.raises(QueryError) as caught:
        ask_named(small, name, given)
    assert [word for word in words if word not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


def test_where_nothing_is_there_to_choose_from_it_is_said(empty: Home) -> None:
    with pytest.raises(QueryError, match=r"versions with scores \(there are none\)"):
        ask_named(empty, "flips", {"after": "v1"})


def test_pairs() -> None:
    assert pairs(["a=b", "c=d=e", "f="]) == {"a": "b", "c": "d=e", "f": ""}
    for words in (["a"], ["=b"], ["a=1", "a=2"]):
        with pytest.raises(QueryError, match="--with wants"):
            pairs(words)


def test_the_listing_names_every_question_parameter_and_column() -> None:
    assert [row[0] for row in listing()] == list(QUESTIONS)
    (flips,) = [row for row in listing() if row[0] == "flips"]
    assert flips[1:3] == (QUESTIONS["flips"].meaning, "after=VERSION before=VERSION view=VIEW")
    assert flips[3].split() == list(QUESTIONS["flips"].columns)
    assert all(isinstance(one, Parameter) and one.meaning for name in QUESTIONS for one in question(name).parameters)


def test_every_table_and_view_has_a_meaning_of_one_line_and_its_columns(small: Home) -> None:
    found = {name: (kind, meaning, columns) for name, kind, meaning, columns in tables(small)}
    assert set(found) == set(metadata.tables) | set(VIEWS)
    assert set(MEANINGS) == set(VIEWS)
    assert [name for name, (_, meaning, _) in found.items() if not meaning or "\n" in meaning] == []
    assert {name for name, (kind, _, _) in found.items() if kind == "view"} == set(VIEWS)
    for name, (_, _, columns) in found.items():
        assert [part.split(" ")[0] for part in columns.split(", ")] == ask(small, f"SELECT * FROM {name}").columns
    assert tables(small, "scores") == [("scores", *found["scores"])]
    with pytest.raises(QueryError, match="no table or view is named 'score'; there are: certificates, "):
        tables(small, "score")


def test_a_home_without_a_policy_or_an_older_snapshot_is_no_defect(tmp_path: Path) -> None:
    home = Home(tmp_path)
    fold(home)
    assert select(home, "SELECT count(*) FROM scores") == [(0,)]
    assert ask_named(home, "flips", {}).rows == []
