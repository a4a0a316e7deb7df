"""Endless sites, crawled for real: each costs no more than its caps, says so in a row, and slows nobody else."""

from __future__ import annotations

import asyncio
import random
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crawl.job import Summary
from crawl.run import run
from store.home import Home
from tests.crawl.hostile import NOTHING, Hostile, Rest, Script, answer, png, serving_raw, shows
from tests.crawl.site import picture, records

PAGES = 110  # what a job here takes of a host: more than a calendar's share
TRAP = "trap.test"
Chance = random.Random


@pytest.fixture
def web() -> Iterator[Hostile]:
    with serving_raw() as running:
        yield running


def name(chance: Chance) -> str:
    """A word that no rule knows."""
    return "".join(chance.choice(string.ascii_lowercase) for _ in range(chance.randint(4, 9)))


def number(path: str) -> int:
    """The last number in a path, 0 without one."""
    found = re.findall(r"\d+", path)
    return int(found[-1]) if found else 0


def crawl(web: Hostile, home: Home, *starts: str, **settings: Any) -> Summary:
    web.routes.setdefault("/robots.txt", NOTHING)
    return run(
        web.job(*(starts or (f"{TRAP}/",)), **({"max_pages_per_host": PAGES, "max_depth": 10**6} | settings)), home
    )


def refused(home: Home) -> dict[str, int]:
    return dict(Counter(row["reason"] for row in records(home, "refusals")))


# ---- pages without end -------------------------------------------------------------------------------------

Onward = Callable[[str, Chance], tuple[str, ...]]  # what the page at a path links to


def calendar(chance: Chance) -> Onward:
    """Months, with the next and the one before, in one of the ways that calendars are written."""
    root = f"/{name(chance)}"
    write = chance.choice(
        [
            lambda year, month: f"{root}/{year}/{month:02}",
            lambda year, month: f"{root}?day={year}-{month:02}-01",
            lambda year, month: f"{root}?year={year}&month={month}",
            lambda year, month: f"{root}/{year}-{month:02}-15/",
            lambda year, month: f"{root}?view=week&date={year}{month:02}28",
        ]
    )

    def onward(path: str, _: Chance) -> tuple[str, ...]:
        found = re.search(r"(\d{4})\D*(\d{1,2})", path)
        month = int(found[1]) * 12 + int(found[2]) - 1 if found else 24_300
        return tuple(write(*((one // 12, one % 12 + 1))) for one in (month - 1, month + 1))

    return onward


def rounds(chance: Chance) -> Onward:
    """Links that the server takes for relative ones, again and again: /a/b/a/b/a/b."""
    words = [name(chance) for _ in range(chance.randint(1, 3))]

    def onward(path: str, _: Chance) -> tuple[str, ...]:
        return (f"{path.rstrip('/')}/{words[path.count('/') % len(words)]}/", f"{path.rstrip('/')}/{words[0]}/")

    return onward


def deeper(chance: Chance) -> Onward:
    return lambda path, chance: (f"{path.rstrip('/')}/{name(chance)}", f"{path.rstrip('/')}/{name(chance)}/")


def facets(chance: Chance) -> Onward:
    """One filter more, or another value of one: any combination, in any order."""
    names, root = [name(chance) for _ in range(12)], f"/{name(chance)}"

    def onward(path: str, chance: Chance) -> tuple[str, ...]:
        queries = (chance.sample(names, chance.randint(1, 9)) for _ in range(12))
        return tuple(f"{root}?{'&'.join(f'{one}={name(chance)}' for one in query)}" for query in queries)

    return onward


def spellings(chance: Chance) -> Onward:
    """The page itself, in upper and lower case and with and without a slash."""
    word = "".join(name(chance) for _ in range(3))

    def onward(path: str, chance: Chance) -> tuple[str, ...]:
        drawn = ("".join(chance.choice((one, one.upper())) for one in word) for _ in range(8))
        return tuple(f"/{one}{chance.choice(('', '/'))}" for one in drawn)

    return onward


def made_up_ids(chance: Chance) -> Onward:
    root, length = name(chance), chance.choice((8, 16, 32))
    return lambda path, chance: tuple(f"/{root}/{chance.getrandbits(4 * length):0{length}x}" for _ in range(9))


def counter(chance: Chance) -> Onward:
    write = chance.choice([f"/{name(chance)}/%d.html", f"/{name(chance)}?page=%d", f"/{name(chance)}-%d"])
    return lambda path, _: tuple(write % (8 * number(path) + more) for more in range(1, 9))


def endless(web: Hostile, seed: int, of: Callable[[Chance], Onward]) -> None:
    """Every path is a page of two pictures that leads on."""
    chance = Chance(seed)
    onward = of(chance)
    web.rest = lambda host, path: shows("/1.png", "/2.png", links=onward(path, chance))
    web.routes |= {"/1.png": png(1), "/2.png": png(2)}


# Family → how many of its pages may be asked for, and the reasons that its rows may have.
FAMILIES: dict[Callable[[Chance], Onward], tuple[int, set[str]]] = {
    calendar: (102, {"trap"}),
    rounds: (40, {"trap"}),
    deeper: (PAGES, {"trap", "budget"}),
    facets: (PAGES, {"trap", "budget"}),
    spellings: (PAGES, {"trap", "budget"}),
    made_up_ids: (PAGES, {"budget"}),
    counter: (PAGES, {"budget"}),
}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
@pytest.mark.parametrize("of", FAMILIES, ids=lambda of: of.__name__)
def test_an_endless_site_ends_and_leaves_a_row(
    of: Callable[[Chance], Onward], seed: int, web: Hostile, home: Home
) -> None:
    endless(web, seed, of)
    summary = crawl(web, home)
    most, reasons = FAMILIES[of]
    asked = [path for path in web.hits if not path.endswith((".png", "/robots.txt"))]
    assert len(asked) == summary.pages <= most
    assert max(web.hits.values()) == 1
    assert set(refused(home)) <= reasons, "and no other"
    assert 0 < len(records(home, "refusals")) <= 21, "more rows of one site say nothing new"
    assert summary.refused.keys() == refused(home).keys()
    assert summary.pictures == 2, "what it shows is taken"


@pytest.mark.slow
@pytest.mark.parametrize("of", [counter, made_up_ids, spellings], ids=lambda of: of.__name__)
def test_one_pattern_has_its_share_without_any_setting(
    of: Callable[[Chance], Onward], web: Hostile, home: Home
) -> None:
    endless(web, 2, of)
    summary = crawl(web, home, max_pages_per_host=5_000)
    assert (summary.stopped, set(refused(home))) == ("finished", {"trap"})
    assert 2_000 <= summary.pages <= 4_010, "with and without a slash at its end is two patterns"


@pytest.mark.parametrize("depth", [1, 4])
def test_what_lies_too_deep_is_said_once(depth: int, web: Hostile, home: Home) -> None:
    endless(web, depth, deeper)
    summary = crawl(web, home, max_depth=depth)
    assert summary.pages == 2 ** (depth + 1) - 1
    (row,) = records(home, "refusals")
    assert (row["reason"], row["detail"]) == ("budget", f"what lies deeper than {depth} links is left alone")


# ---- the same page under many names ------------------------------------------------------------------------

SESSION = {
    "?PHPSESSID={}": "0123456789abcdefghijklmnopqrstuv",
    "?sid={}": "0123456789abcdef",
    "?a=1&sessionid={}": "0123456789abcdef",
    ";jsessionid={}": "0123456789ABCDEF",
    ";jsessionid={}?a=1": "0123456789ABCDEF",
    "?utm_source={}&utm_medium={}": string.ascii_lowercase,
    "?fbclid={}": string.ascii_letters,
    "?cfid={}&cftoken={}": string.digits,
    "#{}": string.ascii_letters,
}


@pytest.mark.parametrize("form", SESSION)
def test_a_page_that_has_a_new_name_for_every_visitor_is_asked_once(form: str, web: Hostile, home: Home) -> None:
    chance = Chance(form)

    def drawn() -> str:
        return "2a" + "".join(chance.choice(SESSION[form]) for _ in range(30))

    def page(host: str, path: str) -> bytes:
        links = [f"/page{n}{form.replace('{}', drawn())}" for n in range(6) for _ in range(5)]
        return shows("/1.png", links=tuple(links))

    web.rest, web.routes = page, {"/1.png": png(1)}
    summary = crawl(web, home)
    assert (summary.pages, summary.pictures, summary.refused) == (7, 1, {})
    plain = {re.split("[;?]", path)[0] for path in web.hits}
    assert len(plain) == len(web.hits) == 9


def test_slashes_at_the_end_are_few_pages(web: Hostile, home: Home) -> None:
    web.rest = lambda host, path: shows(links=(f"{path}/", path.rstrip("/") or "/x", f"{path}//", f"{path}/?"))
    summary = crawl(web, home)
    assert summary.pages <= 12
    assert set(refused(home)) == {"trap"}


# ---- pictures and bytes without end, and names without end -------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        ({"max_pictures_per_host": 30}, 30),
        ({"max_pictures_per_site": 20}, 20),
        ({"max_bytes_per_host": 40 * len(picture(1))}, 40),
        ({"max_per_source": 25}, 25),
        ({"max_per_format": 15}, 15),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_pictures_without_end_end_at_each_cap(limit: dict[str, int], most: int, web: Hostile, home: Home) -> None:
    def rest(host: str, path: str) -> bytes:
        if path.endswith(".png"):
            return png(number(path))
        here = number(path)
        shown = (f"/{40 * here + more}.png" for more in range(40))
        return shows(*shown, links=(f"/p/{here + 1}",))

    web.rest = rest
    summary = crawl(web, home, max_pages_per_host=4, **limit)
    assert 0 < summary.pictures <= most + 15, "those under way are kept"
    assert set(refused(home)) == {"budget"}


def farm(web: Hostile, seed: int, slow_s: float = 0.0) -> Rest:
    """Each host of one domain names twenty others, which all exist."""
    chance = Chance(seed)

    def rest(host: str, path: str) -> bytes | Script:
        deep = (".".join(name(chance) for _ in range(chance.randint(1, 3))) for _ in range(20))
        page = shows(links=tuple(web.url(f"{one}.{TRAP}", f"/{name(chance)}") for one in deep))
        return late(page, slow_s) if slow_s else page

    return rest


def late(data: bytes, seconds: float) -> Script:
    async def say(send: Callable[[bytes], Any]) -> None:
        await asyncio.sleep(seconds)
        await send(data)

    return say


@pytest.mark.parametrize("seed", [0, 1])
def test_a_farm_of_names_is_one_site(seed: int, web: Hostile, home: Home) -> None:
    web.rest = farm(web, seed)
    summary = crawl(web, home, allow_hosts=(TRAP,), max_pages_per_site=30)
    assert summary.pages == web.count(TRAP) + web.count(f"*.{TRAP}") == 30
    (row,) = records(home, "refusals")
    assert (row["reason"], row["detail"]) == ("budget", f"30 pages of site {TRAP}; what waits is left for later")


# ---- one trap beside nine honest sites ---------------------------------------------------------------------

HONEST = tuple(f"honest{n}.test" for n in range(9))
HONEST_PAGES, DELAY_S, TRAP_PAGES, SLOWER = 7, 0.2, 10, 1.5


def with_honest(web: Hostile, trap: Rest | None) -> tuple[str, ...]:
    """Nine sites whose pages are a tree, each with its picture; the starts, with that of the trap before them."""

    def rest(host: str, path: str) -> bytes | Script | None:
        if host not in HONEST:
            return trap(host, path) if trap else None
        here = number(path)
        if path.endswith(".png"):
            return png(here)
        links = (f"/{child}" for child in (2 * here + 1, 2 * here + 2) if child < HONEST_PAGES)
        return shows(f"/{here}.png", links=tuple(links))

    web.rest = rest
    starts = tuple(f"{host}/" for host in HONEST)
    return (f"www.{TRAP}/", *starts) if trap else starts


def endless_slow(web: Hostile) -> Rest:
    onward, chance = facets(Chance(5)), Chance(6)
    return lambda host, path: late(shows(links=onward(path, chance)), 0.6)


def endless_fast(web: Hostile) -> Rest:
    onward, chance = counter(Chance(5)), Chance(6)
    return lambda host, path: shows(links=onward(path, chance))


TRAPS: dict[str, Callable[[Hostile], Rest]] = {
    "slow": endless_slow,
    "fast": endless_fast,
    "farm": lambda web: farm(web, 7),
    "slow farm": lambda web: farm(web, 7, slow_s=1.5),
    "large": lambda web: lambda host, path: answer("<p>words" * 60_000 + f"<a href=/{number(path) + 1}>on</a>"),
}


def took_s(web: Hostile, home: Home, trap: Rest | None) -> dict[str, float]:
    """Crawl side by side; per honest host the time from the crawl's first request to its own last, all being asked."""
    starts = with_honest(web, trap)
    limits = {"max_pages_per_host": TRAP_PAGES, "max_pages_per_site": TRAP_PAGES, "allow_hosts": (TRAP,)}
    crawl(web, home, *starts, delay_s=DELAY_S, **limits)
    assert {host: web.count(host) for host in HONEST} == dict.fromkeys(HONEST, 2 * HONEST_PAGES)
    last = {host: when for when, host, _ in web.arrivals}
    return {host: last[host] - web.arrivals[0][0] for host in HONEST}


@pytest.fixture(scope="module")
def alone_s(tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long the slowest of the nine takes when there is no trap."""
    with serving_raw() as web:
        return max(took_s(web, Home(tmp_path_factory.mktemp("alone") / "home"), None).values())


@pytest.mark.parametrize("kind", TRAPS)
def test_a_trap_does_not_slow_nine_honest_sites(kind: str, alone_s: float, web: Hostile, home: Home) -> None:
    slowest = max(took_s(web, home, TRAPS[kind](web)).values())
    assert slowest <= SLOWER * alone_s
    assert refused(home).keys() == {"budget"}
    assert web.count(f"*.{TRAP}") == TRAP_PAGES
    assert len(records(home, "sightings")) == 9 * HONEST_PAGES


@pytest.mark.parametrize("hunt", [True, False])
@pytest.mark.parametrize("kind", ["fast", "farm"])
def test_one_at_a_time_a_trap_has_one_turn_in_ten(kind: str, hunt: bool, web: Hostile, tmp_path: Path) -> None:
    starts = with_honest(web, TRAPS[kind](web))
    crawl(web, Home(tmp_path / "home"), *starts, concurrency=1, hunt=hunt, allow_hosts=(TRAP,), max_pages_per_site=40)
    hosts = [host for _, host, _ in web.arrivals]
    last = max(place for place, host in enumerate(hosts) if host in HONEST)
    trapped = sum(host.endswith(TRAP) for host in hosts[:last])
    assert 0 < trapped <= 2 + (2 * HONEST_PAGES + 1) * 1.1
