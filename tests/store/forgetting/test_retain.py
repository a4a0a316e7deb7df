"""Retention drops the bytes of old pictures and nothing that is known of them."""

from __future__ import annotations

import datetime as dt
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from samples import NOW, later, picture, select

from store.errors import UsageError
from store.files import TEMPORARY
from store.fold import fold
from store.forgetting.requests import RETENTION, answer_of, ask_to_forget
from store.forgetting.retain import count_old, cutoff
from store.home import Home

OLD, NEW = later(0), later(120)
CUT = later(60)


@pytest.fixture
def stocked(home: Home) -> Home:
    """Two old pictures, an old one in a suite, a new one, and one that nobody knows the age of."""
    put = home.blobs().put
    ages = {"old": OLD, "older": OLD, "suite": OLD, "new": NEW, "ageless": None}
    rows = [picture(put(name.encode()), first_seen_at=age, source=name) for name, age in ages.items()]
    home.inbox().append("pictures", rows)
    home.inbox().append(
        "suite_pictures", [{"suite": "s", "role": "ordinary", "picture": row["picture"]} for row in rows[2:3]]
    )
    home.inbox().append("hashes", [{"picture": row["picture"], "thumbnail": b"t" * 256} for row in rows])
    home.inbox().append("raw_scores", [{"picture": row["picture"], "version": "v", "view": "v"} for row in rows])
    fold(home)
    return home


def retain(home: Home, before: dt.datetime = CUT, suites_too: bool = False) -> dict[str, Any]:
    request = ask_to_forget(home, RETENTION, before.isoformat(), suites_too=suites_too)
    assert fold(home).forgot == [request]
    answer = answer_of(home, request)
    assert answer is not None
    return answer


def stored(home: Home) -> list[str]:
    """The sources of the pictures whose bytes are there."""
    ids = set(home.blobs().ids())
    return sorted(source for found, source in select(home, "SELECT picture, source FROM pictures") if found in ids)


def test_old_bytes_go_and_everything_known_stays(stocked: Home) -> None:
    expected = {"pictures": 2, "bytes": 2}
    assert count_old(stocked, CUT, suites_too=False) == expected
    answer = retain(stocked)
    assert answer == {"pictures": 2, "pictures_dropped": 2, "bytes_dropped": 8, "pages": []}
    assert stored(stocked) == ["ageless", "new", "suite"]
    for table in ("pictures", "pool JOIN hashes USING (picture)", "raw_scores"):
        assert select(stocked, f"SELECT count(*) FROM {table}")[0][0] >= 4, table
    dropped = "SELECT source FROM dropped_pictures JOIN pictures USING (picture) ORDER BY source"
    assert select(stocked, dropped) == [("old",), ("older",)]
    verb = "SELECT verb, target, value IS NOT NULL, suites_too, done_at IS NOT NULL FROM forget_requests"
    assert select(stocked, verb) == [("retain", "older_than", True, False, True)]
    assert count_old(stocked, CUT, suites_too=False)["pictures"] == 0
    assert retain(stocked)["pictures"] == 0, "a second time there is nothing to do"


def test_suites_are_kept_unless_they_are_named(stocked: Home) -> None:
    assert count_old(stocked, CUT, suites_too=True)["pictures"] == 3
    assert retain(stocked, suites_too=True)["pictures_dropped"] == 3
    assert stored(stocked) == ["ageless", "new"]


def test_a_picture_that_is_seen_again_may_be_stored_anew(stocked: Home) -> None:
    retain(stocked)
    row = picture(stocked.blobs().put(b"old"), first_seen_at=NEW)
    stocked.inbox().append("pictures", [row])
    fold(stocked)
    assert stored(stocked) == ["ageless", "new", "old", "suite"]
    assert select(stocked, "SELECT source FROM dropped_pictures JOIN pictures USING (picture)") == [("older",)]
    assert select(stocked, "SELECT first_seen_at FROM pictures WHERE source = 'old'") == [(OLD.replace(tzinfo=None),)]
    assert retain(stocked)["pictures_dropped"] == 1, "first seen is first seen"


def test_a_late_row_of_dropped_bytes_brings_nothing_back(stocked: Home) -> None:
    row = picture(stocked.blobs().put(b"old"), first_seen_at=OLD)
    retain(stocked)
    stocked.inbox().append("pictures", [row])
    fold(stocked)
    assert select(stocked, "SELECT count(*) FROM dropped_pictures") == [(2,)]


def test_a_retention_that_was_killed_between_its_marks_and_the_bytes_goes_on(stocked: Home, tmp_path: Path) -> None:
    request = ask_to_forget(stocked, RETENTION, CUT.isoformat())
    (waiting,) = stocked.inbox().files()
    content = waiting.read_bytes()
    kept = stocked.blobs().get(select(stocked, "SELECT picture FROM pictures WHERE source = 'old'")[0][0])
    fold(stocked)
    stocked.blobs().put(kept)  # as if the kill had come before the bytes went, and before the request did
    waiting.write_bytes(content)
    assert fold(stocked).forgot == [request]
    assert stored(stocked) == ["ageless", "new", "suite"]
    assert select(stocked, "SELECT count(*) FROM forget_requests") == [(1,)]


def test_a_scan_under_way_does_not_take_dropped_bytes_for_a_fault(stocked: Home) -> None:
    retain(stocked)
    ids = dict(select(stocked, "SELECT source, picture FROM pictures"))
    lost = [{"picture": ids[name], "stage": "decode", "reason": "missing"} for name in ("old", "new")]
    broken = {"picture": ids["older"], "stage": "decode", "reason": "broken"}
    stocked.inbox().append("refusals", [*lost, broken, {"url": "http://a.test/", "stage": "fetch", "reason": None}])
    fold(stocked)
    refused = select(stocked, "SELECT picture, reason FROM refusals ORDER BY reason")
    assert refused == [(ids["older"], "broken"), (ids["new"], "missing"), (None, None)]


def test_pages_that_show_pictures_go_at_the_same_age(stocked: Home) -> None:
    stocked.runs.mkdir()
    shown, numbers = '<img src="data:image/png;base64,AA">', "<p>numbers</p>"
    for name, text in {"old.html": shown, "young.html": shown, "plain.html": numbers, "own.html": shown}.items():
        (stocked.runs / name).write_text(text)
    (stocked.runs / "own.html").rename(stocked.root / "own.html")
    for path in (stocked.runs / "old.html", stocked.runs / "plain.html", stocked.root / "own.html"):
        os.utime(path, (time.time() - 40 * 86_400,) * 2)
    assert retain(stocked, dt.datetime.now(dt.UTC) - dt.timedelta(days=30))["pages"] == ["runs/old.html"]
    assert {path.name for path in stocked.runs.iterdir()} == {"young.html", "plain.html"}
    assert (stocked.root / "own.html").exists(), "a file that its owner has put there"


def test_what_a_killed_writer_left_of_a_picture_goes_too(stocked: Home) -> None:
    (found,) = select(stocked, "SELECT picture FROM pictures WHERE source = 'old'")[0]
    for name in (found, "f" * 64):
        (stocked.root / "pictures" / found[:2] / f"{TEMPORARY}x-{name}").write_bytes(b"ol")
    retain(stocked)
    left = [path.name for path in (stocked.root / "pictures").glob(f"*/{TEMPORARY}*")]
    assert left == [f"{TEMPORARY}x-{'f' * 64}"]


def test_an_object_store_is_emptied_as_a_folder_is(home: Home) -> None:
    away = replace(home, pictures_url=f"memory://{home.root.name}-retain")
    away.inbox().append("pictures", [picture(away.blobs().put(b"picture"), first_seen_at=OLD)])
    fold(away)
    assert retain(away)["bytes_dropped"] == 7
    assert list(away.blobs().ids()) == []


@pytest.mark.parametrize(("age", "days"), [("36h", 1.5), ("30d", 30), ("12w", 84), ("0d", 0)])
def test_ages(age: str, days: float) -> None:
    assert cutoff(age, NOW) == NOW - dt.timedelta(days=days)


@pytest.mark.parametrize("age", ["", "30", "d", "-1d", "1.5d", "30 d", "3m", "٣d", "999999w", "9999999d"])
def test_what_is_no_age_is_refused_in_one_line(age: str) -> None:
    with pytest.raises(UsageError, match="--pictures-older-than") as caught:
        cutoff(age, NOW)
    assert "\n" not in str(caught.value)
