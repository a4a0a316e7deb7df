"""The second crawl of a job: conditional requests, what is unchanged, what has changed."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from crawl.run import run
from store.blobs import picture_id
from store.catalog import Snapshot
from store.fold import fold
from store.forgetting.requests import RETENTION, ask_to_forget
from store.home import Home
from tests.crawl.site import Answer, Asked, Site, picture, png, records, seen

DAY = "Mon, 23 Nov 2020 12:00:00 GMT"


def tagged(shade: int, **headers: str) -> Answer:
    return Answer(picture(shade), kind="image/png", headers={name.replace("_", "-"): v for name, v in headers.items()})


def conditions(site: Site, start: int) -> dict[str, tuple[str | None, str | None]]:
    """The conditions of each request since `start`, by path."""
    asked: list[Asked] = site.asked[start:]
    return {one.path: (one.headers["If-None-Match"], one.headers["If-Modified-Since"]) for one in asked}


def test_what_servers_said_of_a_copy_is_said_back_to_them(site: Site, home: Home) -> None:
    site.routes = {
        "/": Answer("<img src=1.png><img src=2.png><img src=3.png><img src=4.png>", headers={"ETag": 'W/"page"'}),
        "/1.png": tagged(1, ETag='"one"'),
        "/2.png": tagged(2, Last_Modified=DAY),
        "/3.png": tagged(3, ETag='"three"', Last_Modified=DAY),
        "/4.png": png(4),
    }
    first = run(site.job("a.test/"), home)
    assert (first.pages, first.pictures, first.new_pictures) == (1, 4, 4)
    stored = {path: path.stat().st_mtime_ns for path in (home.root / "pictures").rglob("*") if path.is_file()}
    start = len(site.asked)
    second = run(site.job("a.test/"), home)
    assert conditions(site, start) == {
        "/": ('W/"page"', None),
        "/1.png": ('"one"', None),
        "/2.png": (None, DAY),
        "/3.png": ('"three"', DAY),
        "/4.png": (None, None),
    }
    assert (second.pictures, second.new_pictures, second.refused) == (4, 0, {})
    assert second.bytes == len(picture(4)), "of the others came no byte"
    statuses = Counter((row["url"].rpartition("/")[2], row["http_status"]) for row in records(home, "sightings"))
    again = {(f"{number}.png", 304): 1 for number in (1, 2, 3)} | {("4.png", 200): 2}
    assert statuses == {(f"{number}.png", 200): 1 for number in (1, 2, 3)} | again
    assert {path: path.stat().st_mtime_ns for path in (home.root / "pictures").rglob("*") if path.is_file()} == stored
    fold(home)
    assert len({row["picture"] for row in records(home, "pictures")}) == 0, "folded"


def test_an_unchanged_page_is_not_sent_and_its_links_and_pictures_are_asked(site: Site, home: Home) -> None:
    site.routes = {
        "/": Answer('<img src=1.png><link rel=stylesheet href=a.css><a href="/two">2</a>', headers={"ETag": '"p"'}),
        "/two": Answer("<img src=2.png><a href=/three>3</a>", headers={"Last-Modified": DAY}),
        "/three": Answer("<img src=3.png>"),
        "/a.css": Answer(".a {background: url(4.png)}", kind="text/css"),
    }
    site.routes |= {f"/{number}.png": png(number) for number in range(1, 5)}
    run(site.job("a.test/"), home)
    start = len(site.asked)
    second = run(site.job("a.test/"), home)
    assert set(conditions(site, start)) == {"/", "/two", "/three", "/a.css", *(f"/{n}.png" for n in range(1, 5))}
    assert (second.pictures, second.new_pictures, second.stopped) == (4, 0, "finished")


def test_changed_pictures_are_stored_anew(site: Site, home: Home) -> None:
    site.routes = {"/": Answer("<img src=1.png><img src=2.png>"), "/1.png": tagged(1, ETag='"1"'), "/2.png": png(2)}
    run(site.job("a.test/"), home)
    site.routes |= {"/1.png": tagged(11, ETag='"2"'), "/2.png": png(12)}
    assert run(site.job("a.test/"), home).new_pictures == 2
    assert len(list(home.blobs().ids())) == 4
    start = len(site.asked)
    assert run(site.job("a.test/"), home).new_pictures == 0
    assert conditions(site, start)["/1.png"] == ('"2"', None)


def test_a_picture_that_has_gone_is_a_row_and_its_conditions_are_forgotten(site: Site, home: Home) -> None:
    site.routes = {"/": Answer("<img src=1.png>"), "/1.png": tagged(1, ETag='"1"')}
    run(site.job("a.test/"), home)
    site.routes["/1.png"] = Answer(status=410)
    assert run(site.job("a.test/"), home).refused == {"http_410": 1}
    site.routes["/1.png"] = tagged(1, ETag='"1"')
    start = len(site.asked)
    assert run(site.job("a.test/"), home).pictures == 1
    assert conditions(site, start)["/1.png"] in {(None, None), ('"1"', None)}


def test_a_site_that_turns_its_redirects_round_is_no_loop(site: Site, home: Home) -> None:
    there = {"/old": "/new"}
    for path, target in there.items():
        site.routes[path] = Answer(status=301, headers={"Location": target})
    site.routes |= {"/new": Answer("<img src=1.png>"), "/1.png": png(1)}
    assert run(site.job("a.test/old"), home).pictures == 1
    site.routes |= {"/new": Answer(status=301, headers={"Location": "/old"}), "/old": Answer("<img src=1.png>")}
    second = run(site.job("a.test/new", name="test"), home)
    assert (second.pictures, second.refused) == (1, {})


def test_a_304_that_nobody_asked_for_is_no_picture(site: Site, home: Home) -> None:
    site.routes = {"/": Answer("<img src=1.png>"), "/1.png": Answer(status=304)}
    assert run(site.job("a.test/"), home).refused == {"http_304": 1}
    assert seen(home, site) == set()


def test_strange_validators_hurt_nobody(site: Site, home: Home) -> None:
    strange = {"/1.png": '"\udcff"', "/2.png": "x" * 9_000, "/3.png": '"thé"', "/4.png": "\x01\x02", "/5.png": " "}
    site.routes = {path: tagged(number, ETag=value) for number, (path, value) in enumerate(strange.items())}
    site.routes["/"] = Answer("".join(f"<img src={path}>" for path in strange), headers={"ETag": '"caf\udce9"'})
    for _ in range(3):
        summary = run(site.job("a.test/"), home)
        assert (summary.pictures, summary.refused) == (len(strange), {})
    assert len(list(home.blobs().ids())) == len(strange)


def test_a_picture_whose_bytes_were_dropped_comes_back_when_it_is_sent_again(site: Site, home: Home) -> None:
    site.routes = {
        "/": Answer("<img src=1.png><img src=2.png>"),
        "/1.png": png(1),
        "/2.png": tagged(2, ETag='"two"'),
    }
    run(site.job("a.test/"), home)
    fold(home)
    now = dt.datetime.now(dt.UTC)
    ask_to_forget(home, RETENTION, now.isoformat())
    fold(home)
    assert list(home.blobs().ids()) == []
    second = run(site.job("a.test/"), home)
    assert (second.pictures, second.new_pictures, second.refused) == (2, 1, {}), "what is unchanged sends no bytes"
    fold(home)
    assert list(home.blobs().ids()) == [picture_id(picture(1))]
    with Snapshot(home) as snapshot:
        assert [row["picture"] for row in snapshot.rows("SELECT picture FROM dropped_pictures")] == [
            picture_id(picture(2))
        ]
        assert snapshot.value("SELECT count(*) FROM pictures") == 2
        newest = snapshot.value("SELECT max(first_seen_at) FROM pictures")
        assert newest < now.replace(tzinfo=None), "first seen is first seen"
        assert snapshot.value("SELECT count(*) FROM sightings") == 4
