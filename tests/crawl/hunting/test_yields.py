"""What the snapshot says that hosts, folders and kinds of pages have given."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from crawl.hunting import yields
from crawl.hunting.yields import kind_of_page, part_of, read_yields
from crawl.urls import resolve
from store.catalog import Snapshot
from store.errors import CatalogError
from store.fold import fold
from store.home import Home

CHAMPION = "small.00000001"
NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
BODY = json.dumps({"classes": {"bag": {"flagged": True}, "shoe": {"flagged": False}}})


def later(minutes: float) -> dt.datetime:
    return NOW + dt.timedelta(minutes=minutes)


def add(home: Home, **rows: list[dict[str, Any]]) -> None:
    for kind, records in rows.items():
        home.inbox().append(kind, records)
    fold(home)


def serve(home: Home) -> None:
    """A champion that flags bags, under a policy that does."""
    champion = {"version": CHAMPION, "policy_version": "p", "threshold": 0.5, "how": "first", "promoted_at": NOW}
    add(
        home,
        policies=[{"policy_version": "p", "body": BODY, "since_at": NOW}],
        flag_masks=[{"version": CHAMPION, "policy_version": "p", "mask": [1.0, 0.0]}],
        promotions=[champion],
    )


def seen(picture: str, host: str, page_host: str | None = None, minutes: float = 0, **more: Any) -> dict[str, Any]:
    row = {"picture": picture, "url": f"http://{host}/img/{picture}.png", "host": host, "seen_at": later(minutes)}
    return row | {"page": f"http://{page_host or host}/list/1", "job": "j", "source": host, **more}


def pictures(*names: str, minutes: float = 0) -> list[dict[str, Any]]:
    return [{"picture": name, "size_bytes": 1, "source": "s", "first_seen_at": later(minutes)} for name in names]


def finding(picture: str, score: float = 0.8, detector: str = "odd_size", version: str | None = None) -> dict[str, Any]:
    row = {"detector": detector, "picture": picture, "score": score, "threshold": 0.5, "version": version}
    return row | {"found_at": NOW}


def score(picture: str, flag: float = 0.9, version: str = CHAMPION) -> dict[str, Any]:
    row = {"picture": picture, "version": version, "view": "as_shown", "scored_at": later(1)}
    return row | {"probabilities": [flag, 1 - flag]}


def verdict(picture: str, class_: str, minutes: float = 0, **more: Any) -> dict[str, Any]:
    row = {"verdict": f"{picture}-{minutes}", "picture": picture, "class": class_, "reviewer": "ada"}
    return row | {"policy_version": "p", "decided_at": later(minutes), **more}


def told(home: Home, *columns: str) -> dict[str, Any]:
    """host → the sums of `columns` over its ages, one or a tuple."""
    sums: dict[str, list[float]] = {}
    for row in read_yields(home, None).hosts.to_pylist():
        old = sums.setdefault(row["host"], [0.0] * len(columns))
        sums[row["host"]] = [round(a + row[name], 6) for a, name in zip(old, columns, strict=True)]
    return {host: values[0] if len(values) == 1 else tuple(values) for host, values in sums.items()}


def test_a_home_without_a_snapshot_cannot_be_read(home: Home) -> None:
    with pytest.raises(CatalogError):
        read_yields(home, None)


def test_an_empty_home_has_given_nothing(home: Home) -> None:
    fold(home)
    read = read_yields(home, None)
    assert (read.hosts.num_rows, read.folders.num_rows, read.kinds.num_rows, read.edge) == (0, 0, 0, -1)


def test_a_finding_counts_by_how_often_its_detector_was_right(home: Home) -> None:
    serve(home)
    names = ["a", "b", "c"]
    add(home, pictures=pictures(*names), sightings=[seen("a", "one"), seen("b", "two"), seen("c", "two")])
    add(home, findings=[finding("a"), finding("b", 0.5), finding("b", 0.4, "line_art")])
    assert told(home, "judged", "reward") == {"one": (1, 0.08), "two": (2, 0.05)}  # nobody has looked yet: 1 of 10
    asked = [f"q{i}" for i in range(10)]
    right = [verdict(name, "shoe") for name in asked[:9]]  # the champion flags them: it is wrong
    add(home, pictures=pictures(*asked), raw_scores=[score(name) for name in asked])
    add(home, findings=[finding(name) for name in asked], verdict_records=[*right, verdict("q9", "bag")])
    assert told(home, "reward") == {"one": 0.4, "two": 0.25}  # 9 of 10 on top: one in two


def test_the_newest_verdict_says_what_is_a_blind_spot(home: Home) -> None:
    serve(home)
    names = ["false_alarm", "missed", "right", "changed", "undone"]
    add(home, pictures=pictures(*names), sightings=[seen(name, name) for name in names])
    add(home, findings=[finding(name) for name in names])
    add(home, raw_scores=[score(name, 0.1 if name == "missed" else 0.9) for name in names])
    records = [verdict("false_alarm", "shoe"), verdict("missed", "bag"), verdict("right", "bag")]
    records += [verdict("changed", "shoe", 1), verdict("changed", "bag", 2), verdict("undone", "shoe", 1)]
    add(home, verdict_records=[*records, verdict("undone", "", 2, **{"class": None, "undoes": "undone-1"})])
    rewards = told(home, "reward")
    assert 0 < rewards.pop("undone") < 1  # what its detector says is left
    assert rewards == {"false_alarm": 1, "missed": 1, "right": 0, "changed": 0}


def test_a_verdict_under_another_policy_says_nothing(home: Home) -> None:
    serve(home)
    add(home, pictures=pictures("a"), sightings=[seen("a", "one")], raw_scores=[score("a")])
    add(home, verdict_records=[verdict("a", "shoe", policy_version="older")])
    assert told(home, "judged", "reward") == {"one": (1, 0)}


def test_copies_are_paid_once(home: Home) -> None:
    serve(home)
    names = ["a", "a2", "a3", "b"]
    add(home, pictures=pictures(*names), findings=[finding("a2"), finding("a3")])
    stars = [{"picture": name, "representative": "a", "distance_bits": 1} for name in names[:3]]
    add(home, copies=[{**star, "hash_version": "1"} for star in stars])
    rows = [seen("a", "first"), seen("a2", "copier", minutes=1), seen("a3", "copier", minutes=2)]
    add(home, sightings=[*rows, seen("a", "again", minutes=3), seen("b", "first", minutes=4)])
    assert told(home, "judged", "reward") == {"first": (2, 0.08), "copier": (2, 0), "again": (1, 0)}


def test_a_verdict_answers_for_all_copies(home: Home) -> None:
    serve(home)
    add(home, pictures=pictures("a", "a2"), raw_scores=[score("a"), score("a2")], findings=[finding("a")])
    stars = [{"picture": name, "representative": "a", "distance_bits": 1, "hash_version": "1"} for name in ("a", "a2")]
    add(home, copies=stars, sightings=[seen("a", "one"), seen("a2", "one")], verdict_records=[verdict("a2", "bag")])
    assert told(home, "reward") == {"one": 0}


def test_pictures_of_a_suite_are_no_blind_spots(home: Home) -> None:
    add(home, pictures=pictures("a"), sightings=[seen("a", "one")], findings=[finding("a")])
    suite = {"suite": "s", "role": "ordinary", "picture": "a", "class": "shoe", "batch": "1", "added_at": NOW}
    add(home, suite_pictures=[suite])
    assert told(home, "reward") == {"one": 0}


def test_a_placeholder_is_paid_once_at_most(home: Home) -> None:
    rows = [seen("gone", host, url=f"http://{host}/{i}.png", minutes=i) for i in range(20) for host in ("one", "two")]
    add(home, pictures=pictures("gone"), sightings=rows, findings=[finding("gone")])
    assert sum(told(home, "reward").values()) == 0.08
    assert told(home, "judged") == {"one": 20, "two": 20}


def test_page_and_picture_hosts_are_both_credited(home: Home) -> None:
    serve(home)
    add(home, pictures=pictures("a", "b", "c"), findings=[finding("a")])
    rows = [seen("a", "cdn", "blog"), seen("b", "cdn", "shop"), seen("c", "blog"), seen("c", "list", page=None)]
    add(home, sightings=rows)
    assert told(home, "judged", "reward") == {"cdn": (2, 0.08), "blog": (2, 0.08), "shop": (1, 0), "list": (1, 0)}


def test_what_the_champion_has_not_scored_waits(home: Home) -> None:
    serve(home)
    add(home, pictures=pictures("a", "b", "c"), sightings=[seen(name, "one") for name in "abc"])
    assert told(home, "judged", "waiting") == {"one": (3, 0)}  # no scores at all: others judge
    add(home, raw_scores=[score("a"), score("b", version="another")], findings=[finding("c")])
    assert told(home, "judged", "waiting") == {"one": (2, 1)}


def test_findings_of_another_version_count_only_without_a_champion(home: Home) -> None:
    add(home, pictures=pictures("a"), sightings=[seen("a", "one")], findings=[finding("a", version="old")])
    assert told(home, "reward") == {"one": 0.08}
    serve(home)
    assert told(home, "reward") == {"one": 0}


def test_only_new_sightings_have_arrived(home: Home) -> None:
    add(home, pictures=pictures("a", "b"), sightings=[seen("a", "one", "blog")])
    first = read_yields(home, None)
    assert first.hosts["arrived"].to_pylist() == [0, 0]
    add(home, sightings=[seen("b", "one", "blog", minutes=1)])
    rows = read_yields(home, first.edge).hosts.to_pylist()
    # The blog's page named the picture, but no request went there for it.
    assert {(row["host"], row["arrived"]) for row in rows if row["age"] == 0} == {("one", 1), ("blog", 0)}


def test_what_lies_beyond_the_newest_sightings_is_forgotten(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yields, "YIELDS", yields.YIELDS.replace(str(yields.RECENT), "2"))
    monkeypatch.setattr(yields, "RECENT", 2)
    names = ["a", "b", "c"]
    add(home, pictures=[row for i, name in enumerate(names) for row in pictures(name, minutes=i)])
    for i, name in enumerate(names):
        add(home, sightings=[seen(name, name, minutes=i)])
    add(home, sightings=[seen("a", "again", minutes=3)], findings=[{**finding(n), "found_at": later(9)} for n in names])
    assert told(home, "judged", "reward") == {"c": (1, 0.08), "again": (1, 0)}  # a is no new picture


def test_folders_and_kinds_of_pages(home: Home) -> None:
    names = [f"{i:02}" for i in range(24)]
    urls = [f"http://one/{'big' if i % 2 else 'small'}/{i}.png?v=1" for i in range(24)]
    rows = [
        seen(name, "one", url=url, page=f"http://one/{'big' if i % 2 else 'go'}/x{i % 2 * 7}/")
        for i, (name, url) in enumerate(zip(names, urls, strict=True))
    ]
    add(home, pictures=pictures(*names), sightings=rows, findings=[finding(names[1])])
    read = read_yields(home, None)
    folders = {row["folder"]: (row["judged"], round(row["reward"], 3)) for row in read.folders.to_pylist()}
    assert folders == {"big": (12, 0.08), "small": (12, 0), "go": (12, 0)}  # big counts once for picture and page
    assert {row["kind"]: row["judged"] for row in read.kinds.to_pylist()} == {"///": 24}


HOSTS = ["a.test", "B.Example", "127.0.0.1", "[::1]", "xn--bcher-kva.example", "bücher.example"]
PATHS = [
    "",
    "/",
    "//",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/",
    "/a/b/c/d.e/1",
    "/1",
    "/a1/b",
    "/é/ü/7",
    "/%41/b;c",
    "/@/:1/[]",
    "/~",
    "//a",
]
QUERIES = ["", "?", "?a=b", "?a/b/c/d", "?http://x.test/y/z", "?1?2"]


def test_sql_and_python_take_urls_apart_alike(home: Home) -> None:
    written = itertools.product(["http", "HTTPS"], HOSTS, ["", ":80", ":8443"], PATHS, QUERIES)
    urls = sorted({url for s, h, p, path, q in written if (url := resolve("", f"{s}://{h}{p}{path}{q}"))})
    assert len(urls) > 2_000
    add(home, sightings=[seen(f"{i}", part_of(url)[0], url=url, page=url) for i, url in enumerate(urls)])
    known = {"@edge": str(len(urls) - 1), "@before": "0", "@since": "TIMESTAMP '1970-01-01'"}
    with Snapshot(home) as snapshot:
        found = snapshot.rows(re.sub("@[a-z]+", lambda name: known[name[0]], yields.YIELDS))
    assert {(row["host"], row["folder"]) for row in found} == {part_of(url) for url in urls}
    assert {row["kind"] for row in found if row["kind"] is not None} == {kind_of_page(url) for url in urls}
    assert not any(row["new_host"] or row["new_folder"] for row in found if row["kind"] is not None)
    assert {part_of(url)[0] for url in urls} == {urlsplit(url).hostname for url in urls}


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        ("http://a.test/", "/"),
        ("http://a.test", ""),
        ("http://a.test/about", "/"),
        ("http://a.test/news/2024", "//#"),
        ("http://a.test/a/b/c/d/", "///"),
        ("http://a.test/search?q=1/2", "/?"),
        ("http://h1.test/x/y-7.html?p", "//#?"),
    ],
)
def test_kinds_of_pages(page: str, kind: str) -> None:
    assert kind_of_page(page) == kind
