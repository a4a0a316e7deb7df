"""Whose turn it is, of more sites than the hunt can look at, and of hosts that fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from crawl.frontier import Entry, Frontier, Link
from crawl.hunting.arms import Spread
from crawl.hunting.hunt import Hunt
from crawl.rules.manners import BLOCKED_S, FAILURES, Manners
from crawl.rules.robots import Rules
from crawl.turns import CANDIDATES, Turns
from store.home import Home
from store.sources import domain_of

SITES = 4 * CANDIDATES


class NoRobots:
    def known(self, origin: str) -> Rules:
        return Rules("", 1e18)

    def where(self, origin: str) -> str:
        return f"{origin}/robots.txt"


@pytest.fixture
def frontier(home: Home) -> Iterator[Frontier]:
    frontier = Frontier(home.root / "frontier" / "test.sqlite")
    frontier.begin()
    yield frontier
    frontier.close()


def turns_of(frontier: Frontier, hunt: Hunt, manners: Manners) -> Turns:
    return Turns(frontier, manners, hunt, NoRobots(), domain_of, lambda entry, rules: None, 1)


def ask(turns: Turns, frontier: Frontier, status: int | None = 200) -> Entry | None:
    entry = turns.next()
    if entry:
        frontier.finish(entry)
        turns.ended(entry, status, 0.01)
    return entry


def waiting(frontier: Frontier, sites: int, each: int) -> list[str]:
    hosts = [f"www.{number:05d}.com" for number in range(sites)]
    frontier.add(Link(f"http://{host}/{n}.png", "picture", host) for host in hosts for n in range(each))
    return hosts


def test_a_good_host_is_found_behind_many_others(home: Home, frontier: Frontier) -> None:
    hunt = Hunt(home, "test")
    turns = turns_of(frontier, hunt, Manners(0.0, 1))
    hosts = waiting(frontier, SITES, 20)
    turns.wake(hosts)
    hunt._beliefs = replace(hunt._beliefs, spread=Spread(1.0, 1e9))
    good = hosts[-1]
    places = hunt._roster.places_of(hosts)
    hunt._roster.shape[places] = 0.01
    hunt._roster.shape[places[-1]] = 50.0
    hunt.refresh()
    assert hunt.favourites[0] == good
    asked = [entry.host for _ in range(60) if (entry := ask(turns, frontier))]
    assert len(asked) == 60
    assert asked.count(good) == 20, "all that it has, though a thousand sites wait before it"
    assert asked[:15].count(good) >= 10
    assert {"hunt", "explore"} == set(turns.chosen)


def test_none_is_out_of_the_hunts_sight(home: Home, frontier: Frontier) -> None:
    hunt = Hunt(home, "test")
    turns = turns_of(frontier, hunt, Manners(0.0, 1))
    turns.wake(waiting(frontier, SITES, 1))
    hunt.favourites = ("www.00000.com", "elsewhere.com")
    offered = Counter(site for _ in range(300) for site in turns._offered())
    assert len(offered) == SITES
    assert offered["00000.com"] >= 300
    assert max(len(turns._offered()) for _ in range(50)) <= CANDIDATES


def test_without_favourites_sites_take_turns(home: Home, frontier: Frontier) -> None:
    turns = turns_of(frontier, Hunt(home, "test", on=False), Manners(0.0, 1))
    hosts = waiting(frontier, SITES, 2)
    turns.wake(hosts)
    asked = [entry.host for _ in range(2 * SITES) if (entry := ask(turns, frontier))]
    assert asked == hosts * 2


def test_a_host_that_fails_is_asked_again_after_a_long_pause(home: Home, frontier: Frontier) -> None:
    now = [0.0]
    manners = Manners(1.0, 1, lambda: now[0], seed=1)
    turns = turns_of(frontier, Hunt(home, "test", on=False), manners)
    (host,) = waiting(frontier, 1, 30)
    turns.wake([host])

    def pass_time() -> None:
        now[0] += manners.wait_s(host)
        if turns._later:
            turns._later[:] = [(0.0, host)]  # due

    def fails() -> bool:
        """Whether the next failure, as soon as it may be, blocks the host."""
        pass_time()
        entry = turns.next()
        assert entry
        before = len(turns.blocked)
        frontier.finish(entry)
        turns.ended(entry, None, 0.01)
        return len(turns.blocked) > before

    assert [fails() for _ in range(FAILURES)] == [False] * (FAILURES - 1) + [True]
    assert not turns.idle, "it is not given up"
    assert turns.idle_for(300.0)
    assert not turns.idle_for(2 * BLOCKED_S)
    for times in (1, 2, 4):
        assert times * BLOCKED_S <= manners.wait_s(host) <= times * BLOCKED_S * 1.25
        assert fails(), "each further failure is told"
    pass_time()
    assert ask(turns, frontier, 200)
    assert (turns.blocked, manners.blocked(host)) == (set(), False)
    assert manners.wait_s(host) < 600.0
