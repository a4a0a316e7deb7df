"""Manners as a server sees them: when requests arrive, whatever they are for and whatever they are answered."""

from __future__ import annotations

import datetime as dt
import itertools
import statistics
import time
from collections.abc import Iterable
from email.utils import format_datetime

import pytest

from crawl.run import run
from store.home import Home
from tests.crawl.site import Answer, Asked, Site, picture, png, reasons

# A server thread of a busy machine notes an arrival late, and the gap after it is the shorter for it.
MEASURING_S = 0.1


def gaps_s(asked: Iterable[Asked]) -> list[float]:
    """The times between arrivals that follow each other."""
    return [later.at_s - one.at_s for one, later in itertools.pairwise(asked)]


def at(site: Site, host: str, *paths: str) -> list[Asked]:
    """The arrivals at `host`, of all paths or of these."""
    return [one for one in site.asked if one.host == host and (not paths or one.path in paths)]


HOSTS = ("a.test", "b.test", "c.test", "www.a.test")


def mixed(site: Site) -> None:
    """Pages, pictures, style sheets, redirects and errors, on every host and from each to the next."""
    following = dict(zip(HOSTS, (*HOSTS[1:], HOSTS[0]), strict=True))
    for host, other in following.items():
        there = site.url(other, "")
        site.routes[f"{host}/"] = Answer(
            "<link rel=stylesheet href=/all.css><img src=/1.png><img src=/moved.png><img src=/gone.png>"
            f'<a href=/two>2</a><a href="{there}/">on</a><img src="{there}/1.png">'
            f'<link rel=stylesheet href="{there}/all.css">'
        )
        site.routes[f"{host}/moved.png"] = Answer(status=302, headers={"Location": f"{there}/2.png"})
    site.routes |= {
        "/all.css": Answer(".a {background: url(3.png)}", kind="text/css"),
        "/two": Answer("<img src=/broken.png><img src=/slow.png>"),
        "/broken.png": Answer("sorry", status=500),
        "/slow.png": lambda path: time.sleep(0.3) or png(4),  # type: ignore[func-returns-value]
    }
    site.routes |= {f"/{number}.png": png(number) for number in range(1, 4)}


def test_no_two_requests_reach_a_host_within_the_delay(site: Site, home: Home) -> None:
    mixed(site)
    began = time.monotonic()
    summary = run(site.job(*(f"{host}/" for host in HOSTS), delay_s=0.25), home)
    took_s = time.monotonic() - began
    assert summary.pictures == 4 * len(HOSTS)
    assert {one.host for one in site.asked} == set(HOSTS)
    every: list[float] = []
    for host in HOSTS:
        here = at(site, host)
        assert here[0].path == "/robots.txt"
        assert len(here) >= 12
        assert min(gaps_s(here)) >= 0.25 - MEASURING_S
        every += gaps_s(here)
    assert statistics.median(every) >= 0.25 - 0.02
    assert took_s < sum(every), "hosts are asked side by side"


def test_a_server_that_hangs_up_is_asked_again_but_not_at_once(site: Site, home: Home) -> None:
    site.routes = {"/": Answer("<img src=1.png><img src=rude.png>"), "/1.png": png(1), "/rude.png": Answer(drop=True)}
    assert run(site.job("a.test/", delay_s=0.1), home).pictures == 1
    rude = at(site, "a.test", "/rude.png")
    assert len(rude) == 3
    assert reasons(home, site) == {"a.test/rude.png": "connection_failed"}
    assert min(gaps_s(rude)) >= 0.5 - MEASURING_S, "each failure doubles the pause, from a quarter of a second"
    assert min(gaps_s(at(site, "a.test"))) >= 0.1 - MEASURING_S / 2


def test_a_crawl_delay_holds_from_the_robots_txt_on(site: Site, home: Home) -> None:
    site.routes = {
        "a.test/robots.txt": Answer("User-agent: *\nCrawl-delay: 0.6", kind="text/plain"),
        "/": Answer(f'<img src=1.png><img src=2.png><img src="{site.url("b.test", "/3.png")}">'),
    }
    site.routes |= {f"/{number}.png": png(number) for number in range(1, 4)}
    assert run(site.job("a.test/", delay_s=0.1), home).pictures == 3
    assert [one.path for one in at(site, "a.test")][:2] == ["/robots.txt", "/"]
    assert min(gaps_s(at(site, "a.test"))) >= 0.6 - MEASURING_S
    assert max(gaps_s(at(site, "b.test"))) < 0.6


# ---- what servers ask for ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/busy", "/busy.png"])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_holds_the_whole_host_and_no_other(path: str, status: int, site: Site, home: Home) -> None:
    site.routes = {
        "/": Answer("<img src=busy.png><img src=1.png><img src=2.png><a href=busy>1</a><a href=more>2</a>"),
        "b.test/": Answer("".join(f'<a href="/more?{number}">b</a>' for number in range(6))),
        "/busy": Answer("<p>"),
        "/more": Answer("<p>"),
        "/busy.png": png(9),
        "/1.png": png(1),
        "/2.png": png(2),
    }
    answers = itertools.chain(
        [Answer(status=status, headers={"Retry-After": "1"})], itertools.repeat(site.routes[path])
    )
    site.routes[f"a.test{path}"] = lambda asked: next(answers)  # type: ignore[arg-type, return-value]
    summary = run(site.job("a.test/", "b.test/", delay_s=0.05, patience_s=5), home)
    assert (summary.pages, summary.pictures, summary.refused) == (3 + 7, 3, {})
    busy = at(site, "a.test", path)[0].at_s
    later = [one.at_s - busy for one in at(site, "a.test") if one.at_s > busy]
    assert len(later) >= 2
    assert min(later) >= 1 - MEASURING_S
    assert max(gaps_s(at(site, "b.test"))) < 1 - MEASURING_S


def test_retry_after_may_be_a_date(site: Site, home: Home) -> None:
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=4)).replace(microsecond=0)
    told: list[float] = []

    def busy(path: str) -> Answer:
        told.append(time.time())
        if len(told) > 1:
            return png(1)
        return Answer(status=503, headers={"Retry-After": format_datetime(until, usegmt=True)})

    site.routes = {"/": Answer("<img src=1.png>"), "/1.png": busy}
    assert run(site.job("a.test/", delay_s=0.05, patience_s=10), home).pictures == 1
    assert len(told) == 2
    assert told[1] >= until.timestamp() - MEASURING_S


def test_too_many_requests_double_the_pause(site: Site, home: Home) -> None:
    site.routes = {"/": Answer("<img src=1.png>"), "/1.png": Answer(status=429)}
    run(site.job("a.test/", delay_s=0.3), home)
    first, second = gaps_s(at(site, "a.test", "/1.png"))
    assert first >= 0.6 - MEASURING_S
    assert second >= 1.2 - MEASURING_S
    assert reasons(home, site) == {"a.test/1.png": "http_429"}


def test_a_host_whose_files_are_refused_is_no_host_that_fails(site: Site, home: Home) -> None:
    names = [f"{number}.png" for number in range(9)]
    site.routes = {f"/{name}": Answer(picture(1) + bytes(20_000), kind="image/png") for name in names}
    site.routes["/"] = Answer("".join(f"<img src={name}>" for name in names) + "<img src=fine.png>")
    site.routes["/fine.png"] = png(1)
    summary = run(site.job("a.test/", delay_s=0.02, max_bytes=10_000), home)
    assert (summary.pictures, summary.refused, summary.left_links) == (1, {"too_large": 9}, 0)
    assert summary.seconds < 3, "no pause grows"


# ---- clocks -----------------------------------------------------------------------------------------------


def test_a_clock_that_jumps_by_hours_changes_nothing(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed(site)
    real, jumps = time.time, itertools.cycle([0, 7_200, -7_200, 90_000, -90_000])
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    summary = run(site.job(*(f"{host}/" for host in HOSTS), delay_s=0.2), home)
    assert (summary.stopped, summary.pictures, summary.left_links) == ("finished", 4 * len(HOSTS), 0)
    for host in HOSTS:
        assert min(gaps_s(at(site, host))) >= 0.2 - MEASURING_S
        assert len(at(site, host, "/robots.txt")) == 1


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_clock_that_was_set_between_two_crawls(
    hours: int, site: Site, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.routes = {"/": Answer("<img src=1.png><img src=2.png>"), "/1.png": png(1)}
    site.routes["/2.png"] = Answer(status=503, headers={"Retry-After": "3"})
    first = run(site.job("a.test/", patience_s=0.5), home)
    assert (first.stopped, first.left_links) == ("waiting", 1)
    site.routes["/2.png"] = png(2)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * 3_600)
    # Set back, what waits has a day at most to wait; and how old a robots.txt of the future is, nobody knows.
    assert run(site.job("a.test/", patience_s=0.5), home).stopped == ("finished" if hours > 0 else "waiting")
    other = run(site.job("a.test/", name="other"), home)
    assert (other.stopped, other.pictures) == ("finished", 2)


@pytest.mark.parametrize("hours", [-30, -1, 23, 25])
def test_a_robots_txt_of_an_age_that_cannot_be_is_asked_for_again(
    hours: int, site: Site, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.routes = {"/": Answer("<img src=1.png>"), "/1.png": png(1)}
    run(site.job("a.test/"), home)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * 3_600)
    assert run(site.job("a.test/"), home).pictures == 1
    assert len(at(site, "a.test", "/robots.txt")) == (1 if hours == 23 else 2)
