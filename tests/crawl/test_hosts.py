"""What a crawl does with the robots.txt of its hosts, on the wire."""

from __future__ import annotations

import itertools
import signal
import time
from collections import Counter

import pytest

from crawl.run import run
from store.errors import CrawlError
from store.home import Home
from tests.crawl.canary import Canary
from tests.crawl.site import Answer, Site, png, reasons, records, seen
from tests.crawl.test_crawl_kills import started
from tests.crawl.test_spacing import MEASURING_S, at, gaps_s

ALL_OFF = "User-agent: *\nDisallow: /\n"


def robots(text: str, **headers: str) -> Answer:
    return Answer(text, kind="text/plain", headers=headers)


def shop(site: Site) -> None:
    site.routes |= {"/": Answer("<img src=1.png>"), "/1.png": png(1)}


@pytest.mark.parametrize("status", [301, 401, 403, 404, 410, 418, 451])
def test_a_missing_robots_txt_allows_everything(status: int, site: Site, home: Home) -> None:
    shop(site)
    site.routes["/robots.txt"] = Answer(ALL_OFF, status=status, kind="text/plain")
    assert run(site.job("a.test/"), home).pictures == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 599])
def test_a_robots_txt_that_cannot_be_had_allows_nothing(status: int, site: Site, home: Home) -> None:
    shop(site)
    site.routes["a.test/robots.txt"] = Answer("", status=status)
    site.routes["b.test/"] = Answer(f'<img src="{site.url("a.test", "/1.png")}">')
    run(site.job("a.test/", "b.test/"), home)
    assert site.paths("a.test") == ["/robots.txt"]
    rows = {row["url"]: (row["reason"], row["detail"]) for row in records(home, "refusals")}
    why = ("robots", f"robots.txt answered {status}")
    assert rows == {site.url("a.test"): why, site.url("a.test", "/1.png"): why}


@pytest.mark.parametrize("how", ["silent", "drop", "refused"])
def test_a_robots_txt_that_never_comes_allows_nothing(how: str, site: Site, home: Home) -> None:
    shop(site)
    site.routes["/robots.txt"] = (
        Answer(drop=True) if how == "drop" else lambda path: time.sleep(1) or Answer()  # type: ignore[func-returns-value]
    )
    job = site.job("a.test/", timeout_s=0.3)
    if how == "refused":
        job = site.job(urls=("http://a.test:1/",), allow_addresses=("127.0.0.1:1",))
    with pytest.raises(CrawlError):
        run(job, home)
    assert site.paths("a.test") == ([] if how == "refused" else ["/robots.txt"] * 3)
    assert min(gaps_s(site.asked), default=1) >= 0.5 - MEASURING_S, "the pause doubles from a quarter of a second"
    (row,) = records(home, "refusals")
    assert row["url"] == job.urls[0]
    assert row["reason"] == {"silent": "timeout", "drop": "connection_failed", "refused": "connection_failed"}[how]


# ---- redirects --------------------------------------------------------------------------------------------


def chain(site: Site, hops: int, last: Answer) -> None:
    """The robots.txt of a.test moves so often: first on the host, then to others."""
    hosts = ["a.test", "a.test", "b.test", "b.test", "c.test", "a.test", "b.test"]
    places = [(hosts[number], f"/rules/{number}" if number else "/robots.txt") for number in range(hops + 1)]
    for (host, path), (other, target) in itertools.pairwise(places):
        site.routes[f"{host}{path}"] = Answer(status=301, headers={"Location": site.url(other, target)})
    site.routes["".join(places[-1])] = last


@pytest.mark.parametrize("hops", [1, 2, 5])
def test_a_robots_txt_is_followed_over_five_redirects(hops: int, site: Site, home: Home) -> None:
    shop(site)
    chain(site, hops, robots("User-agent: *\nDisallow: /1.png\nCrawl-delay: 0.3"))
    run(site.job("a.test/", delay_s=0.15), home)
    assert reasons(home, site) == {"a.test/1.png": "robots"}
    assert len(site.asked) == hops + 2
    for host in ("a.test", "b.test"):
        assert min(gaps_s(at(site, host)), default=1) >= 0.15 - MEASURING_S / 2
    *_, rules, page = site.asked
    assert rules.host != page.host or page.at_s - rules.at_s >= 0.3 - MEASURING_S


def test_beyond_five_it_is_taken_as_missing(site: Site, home: Home) -> None:
    shop(site)
    chain(site, 6, robots(ALL_OFF))
    assert run(site.job("a.test/"), home).pictures == 1
    assert not [one for one in site.asked if one.path == "/rules/6"]


def test_a_redirect_of_robots_txt_waits_for_the_host_that_it_leads_to(site: Site, home: Home) -> None:
    pictures = "".join(f"<img src={number}.png>" for number in range(6))
    site.routes = {f"/{number}.png": png(number) for number in range(6)}
    site.routes["b.test/"] = Answer(pictures)
    for number in range(4):
        site.routes[f"r{number}.test/"] = Answer("<p>")
        site.routes[f"r{number}.test/robots.txt"] = Answer(
            status=302, headers={"Location": site.url("b.test", f"/rules/{number}")}
        )
    job = site.job("b.test/", *(f"r{number}.test/" for number in range(4)), delay_s=0.2)
    assert run(job, home).pages == 5
    assert len(at(site, "b.test")) == 2 + 6 + 4
    assert min(gaps_s(at(site, "b.test"))) >= 0.2 - MEASURING_S


def test_a_robots_txt_that_leads_to_a_refused_address_allows_nothing(site: Site, home: Home, canary: Canary) -> None:
    shop(site)
    target = f"http://127.0.0.1:{canary.port}/robots.txt"
    site.routes["/robots.txt"] = Answer(status=301, headers={"Location": target})
    with pytest.raises(CrawlError, match="address_refused"):
        run(site.job("a.test/"), home)
    assert canary.visits() == 0
    assert site.paths("a.test") == ["/robots.txt"]


# ---- what it says -----------------------------------------------------------------------------------------


def test_of_600_kb_the_first_500_kib_count(site: Site, home: Home) -> None:
    shop(site)
    site.routes["/2.png"] = png(2)
    site.routes["/"] = Answer("<img src=1.png><img src=2.png>")
    filler = "".join(f"# {number:>60}\n" for number in range(8_200))
    early, late = "User-agent: *\nDisallow: /1.png\n", "Disallow: /2.png\n"
    assert len(early + filler) > 500 * 1024
    site.routes["/robots.txt"] = robots(early + filler + late + "# " + "x" * 100_000)
    assert len(site.routes["/robots.txt"].body) > 600_000  # type: ignore[union-attr, arg-type]
    run(site.job("a.test/"), home)
    assert reasons(home, site) == {"a.test/1.png": "robots"}
    assert seen(home, site) == {"a.test/2.png"}


RULES = """
User-agent: Other
Disallow: /

uSeR-AgEnT: BLINDspot/2.0
User-agent: third
Disallow: /Case/
Disallow: /*.gif$
Disallow: /a/*/c
Disallow: /q?secret=
Allow: /Case/open
Disallow: /caf%C3%A9/
Disallow: /%7Euser/

User-agent: *
Disallow: /
"""


def test_agents_cases_and_wildcards(site: Site, home: Home) -> None:
    forbidden = ["/Case/1.png", "/x/1.gif", "/a/b/c/1.png", "/q?secret=1.png", "/caf%C3%A9/1.png", "/~user/1.png"]
    allowed = ["/case/1.png", "/1.gif?x", "/a/c/1.png", "/q?open=1.png", "/Case/open/1.png", "/Case%2F1.png"]
    site.routes["/robots.txt"] = robots(RULES)
    site.routes["/"] = Answer("".join(f'<img src="{path}">' for path in forbidden + allowed))
    for path in forbidden + allowed:
        site.routes[path.partition("?")[0]] = png(1)
    run(site.job("a.test/"), home)
    assert reasons(home, site) == {f"a.test{path}": "robots" for path in forbidden}
    assert seen(home, site) == {f"a.test{path}" for path in allowed}


# ---- how long it is known ---------------------------------------------------------------------------------


def test_it_is_asked_for_once_within_its_age(site: Site, home: Home) -> None:
    shop(site)
    site.routes["/robots.txt"] = robots("User-agent: *\nDisallow: /2.png", **{"Cache-Control": "max-age=0"})
    for _ in range(3):
        assert run(site.job("a.test/"), home).pictures == 1
    assert Counter(site.paths("a.test")) == {"/robots.txt": 1, "/": 3, "/1.png": 3}


def test_it_is_not_asked_for_again_after_a_kill(site: Site, home: Home) -> None:
    site.routes = {"/robots.txt": robots("User-agent: *\nCrawl-delay: 0.2")}
    site.routes["/"] = Answer("".join(f"<img src={number}.png>" for number in range(6)))
    site.routes |= {f"/{number}.png": png(number) for number in range(6)}
    job = site.job("a.test/", delay_s=0.05)
    crawl = started(job, home)
    while len(site.asked) < 4 and crawl.poll() is None:
        time.sleep(0.01)
    crawl.send_signal(signal.SIGKILL)
    crawl.communicate(timeout=60)
    assert run(job, home).resumed
    assert len(seen(home, site)) == 6
    asked = Counter(site.paths("a.test"))
    assert asked["/robots.txt"] == 1
    assert sum(asked.values()) - len(asked) <= 1
    assert min(gaps_s(site.asked)) >= 0.2 - MEASURING_S


def test_a_host_that_could_not_say_is_asked_again_in_a_while(
    site: Site, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(site)
    site.routes["/robots.txt"] = Answer(status=503)
    for _ in range(2):
        with pytest.raises(CrawlError, match="robots"):
            run(site.job("a.test/"), home)
    assert site.paths("a.test") == ["/robots.txt"]
    site.routes["/robots.txt"] = robots("")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 1_000)
    assert run(site.job("a.test/"), home).pictures == 1
