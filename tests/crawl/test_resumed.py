"""A crawl that goes on with one that was broken off: traps have had their share, hosts have been asked just now."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from crawl.collect import Tally
from crawl.frontier import Frontier, Kept, Link
from crawl.hunting.hunt import Hunt
from crawl.job import Job
from crawl.keep import Rows
from crawl.links import PAGE, PICTURE, Links
from crawl.rules.manners import FAILURES
from crawl.rules.templates import TemplateCaps
from crawl.run import run
from store.forgetting.tombstones import Tombstones
from store.home import Home
from tests.crawl.site import Answer, Site, png, records
from tests.crawl.test_spacing import MEASURING_S, at, gaps_s


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates have 10 pages."""
    monkeypatch.setattr("crawl.links.TemplateCaps", lambda: TemplateCaps(10))


def links_of(home: Home) -> Links:
    job = Job("test", "pages", urls=("http://a.test/",))
    return Links(job, Tombstones.load(home), Hunt(home, "test", on=False), Tally())


def let_in(links: Links, numbers: range) -> list[Link]:
    rows: Rows = []
    found = (links.to(f"http://a.test/photo/{number}", PAGE, None, 0, rows) for number in numbers)
    return [link for link in found if link]


def frontier_of(home: Home) -> Frontier:
    return Frontier(home.root / "frontier" / "test.sqlite")


def recalled(home: Home) -> Links:
    frontier, links = frontier_of(home), links_of(home)
    assert frontier.begin(), "the crawl goes on"
    asyncio.run(links.recall(frontier))
    frontier.close()
    return links


@pytest.mark.usefixtures("few")
def test_a_trap_has_its_share_once(home: Home) -> None:
    first, frontier = links_of(home), frontier_of(home)
    frontier.begin()
    frontier.add(let_in(first, range(7)))
    for entry in frontier.take("a.test", 3):  # whether asked or waiting, it was let in
        frontier.finish(entry)
    frontier.close()
    again = recalled(home)
    assert len(let_in(again, range(7))) == 7, "those it has"
    assert len(let_in(again, range(7, 100))) == 3


@pytest.mark.usefixtures("few")
def test_a_gallery_keeps_its_credit_and_one_picture_gives_it_once(home: Home) -> None:
    first, frontier = links_of(home), frontier_of(home)
    frontier.begin()
    frontier.add(let_in(first, range(10)))
    pictures = [f"{number}" * 64 for number in (1, 2, 3, 3, 3, 3)]
    urls = [f"http://a.test/{number}.png" for number in range(len(pictures))]
    frontier.add(Link(url, PICTURE, "a.test", f"http://a.test/photo/{n}") for n, url in enumerate(urls))
    frontier.add([Link("http://a.test/lost.png", PICTURE, "a.test", "http://a.test/photo/9")])
    for entry in frontier.take("a.test", 20, without=[PAGE]):
        number = urls.index(entry.url) if entry.url in urls else None
        frontier.finish(entry, kept=None if number is None else Kept(picture=pictures[number]))
    frontier.close()
    assert len(let_in(recalled(home), range(10, 100))) == 3


@pytest.mark.usefixtures("few")
def test_the_next_crawl_begins_anew(home: Home) -> None:
    frontier = frontier_of(home)
    frontier.begin()
    frontier.add(let_in(links_of(home), range(10)))
    frontier.end()
    frontier.begin()
    links = links_of(home)
    asyncio.run(links.recall(frontier))
    frontier.close()
    assert len(let_in(links, range(100, 200))) == 10


def test_hosts_are_not_pressed_by_starting_again(site: Site, home: Home) -> None:
    site.routes = {"/": Answer("".join(f"<img src={n}.png>" for n in range(9)))}
    site.routes |= {f"/{number}.png": png(number) for number in range(9)}
    for _ in range(4):
        run(site.job("a.test/", delay_s=0.3, max_pictures=2), home)
    asked = at(site, "a.test")
    assert len(asked) >= 2 + 4 * 2, "robots.txt, the page, and two pictures each time"
    assert min(gaps_s(asked)) >= 0.3 - MEASURING_S


def test_a_host_is_not_asked_before_the_time_that_it_has_told_the_last_crawl(site: Site, home: Home) -> None:
    site.routes = {
        "/": Answer("<img src=busy.png><img src=1.png><img src=2.png>"),
        "/busy.png": Answer("later", status=503, headers={"Retry-After": "3"}),
        "/1.png": png(1),
        "/2.png": png(2),
    }
    assert run(site.job("a.test/", delay_s=0.05, patience_s=1), home).stopped == "waiting"
    told_at = at(site, "a.test", "/busy.png")[-1].at_s
    before = len(site.asked)
    site.routes["/busy.png"] = png(3)
    assert run(site.job("a.test/", delay_s=0.05, patience_s=9), home).stopped == "finished"
    assert len(site.asked) > before
    assert site.asked[before].at_s - told_at >= 3 - MEASURING_S


def test_recalling_is_cheap(tmp_path: Path) -> None:
    home = Home(tmp_path)
    frontier, links = frontier_of(home), links_of(home)
    frontier.begin()
    frontier.add(Link(f"http://h{n % 500}.test/a/{n}.html", PAGE, f"h{n % 500}.test") for n in range(20_000))
    longest = 0.0

    async def beside() -> None:
        nonlocal longest
        recalling = asyncio.ensure_future(links.recall(frontier))
        while not recalling.done():
            began = time.monotonic()
            await asyncio.sleep(0)
            longest = max(longest, time.monotonic() - began)

    asyncio.run(beside())
    frontier.close()
    assert longest < 0.25
    assert sum(links._templates._counts.values()) == pytest.approx(20_000, abs=100)


def test_a_host_that_only_fails_is_a_row_and_left_for_the_next_crawl(site: Site, home: Home) -> None:
    broken = "".join(f"<img src={n}.png>" for n in range(20))
    site.routes = {"/": Answer(broken)} | {f"/{n}.png": Answer(drop=True) for n in range(20)}
    summary = run(site.job("a.test/", delay_s=0.02, patience_s=60), home)
    assert (summary.stopped, summary.pictures) == ("waiting", 0)
    assert summary.left_links > 10
    rows = [row for row in records(home, "refusals") if row["url"] == "http://a.test/"]
    assert [row["reason"] for row in rows] == ["connection_failed"]
    assert len(site.paths("a.test")) == 2 + FAILURES
