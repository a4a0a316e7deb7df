"""Pages and pictures that say they do not want to be collected: heard on the wire, each a row."""

from __future__ import annotations

import pytest

from crawl.run import run
from store.home import Home
from tests.crawl.site import Answer, Site, picture, png, reasons, records, seen

REFUSES = [
    {"X-Robots-Tag": "noindex"},
    {"X-Robots-Tag": "noai"},
    {"X-Robots-Tag": "noimageai"},
    {"X-Robots-Tag": "none"},
    {"X-Robots-Tag": "NoImageIndex, max-snippet: 20"},
    {"X-Robots-Tag": "blindspot: noai"},
    {"X-Robots-Tag": "unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT"},
    {"X-Robots-Tag": "unavailable_after: 2010-06-25"},
    {"x-robots-tag": "other: noindex, blindspot: noai"},
    {"tdm-reservation": "1", "tdm-policy": "https://example.org/policy"},
]
ALLOWS = [
    {"X-Robots-Tag": "nofollow"},
    {"X-Robots-Tag": "all"},
    {"X-Robots-Tag": "otherbot: noindex, noai"},
    {"X-Robots-Tag": "unavailable_after: Fri, 25 Jun 2110 15:00:00 GMT"},
    {"X-Robots-Tag": "noindexing, nonsense: x"},
    {"tdm-reservation": "0"},
    {"X-Robots-Tag": "\x01\udcff"},
]


def pictures(headers: dict[str, str]) -> dict[str, Answer]:
    return {"/1.png": Answer(picture(1), kind="image/png", headers=headers), "/2.png": png(2)}


@pytest.mark.parametrize("headers", REFUSES)
def test_a_picture_that_refuses_is_not_kept(headers: dict[str, str], site: Site, home: Home) -> None:
    site.routes = {"/": Answer("<img src=1.png><img src=2.png>")} | pictures(headers)
    run(site.job("a.test/"), home)
    assert seen(home, site) == {"a.test/2.png"}
    assert reasons(home, site) == {"a.test/1.png": "opted_out"}
    assert len(list(home.blobs().ids())) == 1


@pytest.mark.parametrize("headers", ALLOWS)
def test_what_refuses_nothing_is_kept(headers: dict[str, str], site: Site, home: Home) -> None:
    site.routes = {"/": Answer("<img src=1.png><img src=2.png>", headers=headers)} | pictures(headers)
    run(site.job("a.test/"), home)
    assert seen(home, site) == {"a.test/1.png", "a.test/2.png"}
    assert records(home, "refusals") == []


@pytest.mark.parametrize("headers", REFUSES)
def test_a_page_that_refuses_is_a_row_and_its_pictures_are_left_alone(
    headers: dict[str, str], site: Site, home: Home
) -> None:
    page = '<img src=1.png><link rel=stylesheet href=a.css><a href="/two">2</a>'
    site.routes = {"/": Answer(page, headers=headers), "/two": Answer("<img src=2.png>")} | pictures({})
    site.routes["/a.css"] = Answer(".a {background: url(1.png)}", kind="text/css")
    run(site.job("a.test/"), home)
    follows = headers != {"X-Robots-Tag": "none"}
    assert seen(home, site) == ({"a.test/2.png"} if follows else set())
    (row,) = records(home, "refusals")
    assert (row["url"], row["reason"]) == (site.url("a.test"), "opted_out")
    assert "1 pictures left alone" in row["detail"]
    assert not {"/1.png", "/a.css"} & set(site.paths("a.test"))


@pytest.mark.parametrize(
    ("meta", "kept", "followed"),
    [
        ('name="robots" content="noindex"', False, True),
        ('name="ROBOTS" content="NOAI, NOIMAGEAI"', False, True),
        ('name="blindspot" content="noimageai"', False, True),
        ('name="robots" content="none"', False, False),
        ('name="robots" content="nofollow"', True, False),
        ('name="robots" content="unavailable_after: 2010-06-25"', False, True),
        ('name="tdm-reservation" content="1"', False, True),
        ('name="googlebot" content="noindex, nofollow"', True, True),
        ('name="robots" content="index, follow, max-image-preview:large"', True, True),
        ('name="tdm-reservation" content="0"', True, True),
    ],
)
def test_what_a_page_says_in_its_head(meta: str, kept: bool, followed: bool, site: Site, home: Home) -> None:
    site.routes = {"/": Answer(f'<meta {meta}><img src=1.png><a href="/two">2</a>'), "/two": Answer("<img src=2.png>")}
    site.routes |= pictures({})
    run(site.job("a.test/"), home)
    wanted = ({"a.test/1.png"} if kept else set()) | ({"a.test/2.png"} if followed else set())
    assert seen(home, site) == wanted
    assert reasons(home, site) == ({} if kept else {"a.test/": "opted_out"})


def test_a_link_that_says_nofollow_is_not_followed(site: Site, home: Home) -> None:
    site.routes = {"/": Answer('<img src=1.png><a rel="nofollow ugc" href="/two">2</a>'), "/two": Answer("x")}
    site.routes |= pictures({})
    run(site.job("a.test/"), home)
    assert "/two" not in site.paths("a.test")


def test_what_an_older_copy_says_counts_until_it_changes(site: Site, home: Home) -> None:
    tagged = {"ETag": '"1"'}
    site.routes = {"/": Answer('<meta name=robots content=noai><img src=1.png><a href="/two">2</a>', headers=tagged)}
    site.routes |= {"/two": Answer("<p>"), "/1.png": png(1)}
    run(site.job("a.test/"), home)
    run(site.job("a.test/"), home)
    assert [one.path for one in site.asked if one.headers["If-None-Match"]] == ["/"]
    assert "/1.png" not in site.paths("a.test")
    assert site.paths("a.test").count("/two") == 2


def test_a_copy_that_is_unchanged_may_have_been_closed_since(site: Site, home: Home) -> None:
    tagged = {"ETag": '"1"'}
    site.routes = {"/": Answer("<img src=1.png>"), "/1.png": Answer(picture(1), kind="image/png", headers=tagged)}
    run(site.job("a.test/"), home)
    closed = tagged | {"X-Robots-Tag": "noai"}
    site.routes["/1.png"] = Answer(picture(1), kind="image/png", headers=closed)
    run(site.job("a.test/"), home)
    assert len(records(home, "sightings")) == 1
    assert reasons(home, site) == {"a.test/1.png": "opted_out"}
