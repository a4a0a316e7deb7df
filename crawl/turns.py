"""Whose turn it is: which waiting entry is asked next, so that no host is pressed and none waits for another.

Sites take turns, and within a site its hosts; the hunt may prefer some of those whose turn it could be. A host is
asked only when `Manners` says so, and after its robots.txt is known. Leases entries of the frontier; fetches nothing.
"""

from __future__ import annotations

import heapq
import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Protocol
from urllib.parse import urlsplit

from crawl.frontier import Entry, Frontier
from crawl.hunting.hunt import Hunt
from crawl.ready import Ready
from crawl.rules.manners import Manners
from crawl.rules.robots import Rules

READY, LATER, PARKED = "ready", "later", "parked"
ROBOTS = "robots"  # Entry.kind of a robots.txt, which no frontier holds
LEASED_AT_ONCE = 16  # entries per host that are leased ahead: one statement for many. Chosen by eye
# Sites that the hunt may choose among; of more, those whose turn comes first, the best that it knows, and some that are
# drawn, so that none is out of its sight. Chosen by eye.
CANDIDATES, FIRST, DRAWN = 256, 96, 64
OTHER_BUSY_S = 0.1  # until a redirected robots.txt is tried again, when the host it is at runs a request. By eye
SPARED = 4  # one place in so many is kept for other sites; chosen by eye
FORBIDDEN_AT_ONCE = 50  # entries that robots.txt forbids are settled without a turn, so many before others look in


class RobotsCache(Protocol):
    """Where the rules of an origin are found."""

    def known(self, origin: str) -> Rules | None:
        """The rules of `origin`, None when they have to be asked for."""

    def where(self, origin: str) -> str:
        """The URL to ask for them next: robots.txt, or where it has redirected to."""


class Turns:
    """The turn-taker of one crawl; one thread. `limit` entries at most are out at the same time."""

    def __init__(
        self,
        frontier: Frontier,
        manners: Manners,
        hunt: Hunt,
        robots: RobotsCache,
        site_of: Callable[[str], str],
        forbid: Callable[[Entry, Rules], None],
        limit: int,
    ) -> None:
        self._frontier, self._manners, self._hunt, self._robots = frontier, manners, hunt, robots
        self._site_of, self._forbid, self._limit = site_of, forbid, limit
        self.out = 0
        self.closed: defaultdict[str, set[str]] = defaultdict(set)  # kinds that a host ("" = all) is not asked for
        self.closed_sites: defaultdict[str, set[str]] = defaultdict(set)
        self.blocked: set[str] = set()  # hosts that failed too often in a row, until they are asked again
        self.chosen: Counter[str] = Counter()
        self._leased: dict[str, deque[Entry]] = {}
        self._ready = Ready()
        self._favourites: tuple[tuple[str, ...], list[str]] = (), []  # the hunt's, and their sites
        self._later: list[tuple[float, str]] = []
        self._place_of: dict[str, str] = {}  # host → ready, later, or parked: somebody must end first
        hunt.waiting = self._place_of.copy
        self._out_of: Counter[str] = Counter()  # how many are out, by site
        self._met: set[str] = set()  # hosts whose robots.txt has just come: theirs is their site's next turn
        self._asking: set[str] = set()  # hosts whose robots.txt is under way
        self._wanted: defaultdict[str, list[str]] = defaultdict(list)  # host → origins whose rules somebody waits for

    def wake(self, hosts: Iterable[str]) -> None:
        """Entries of these hosts now wait."""
        for host in hosts:
            if host not in self._place_of:
                self._place(host)

    def resume(self) -> None:
        """Go on with a crawl that was broken off: its hosts may just have been asked, or have said when to come again.

        Before anything is woken.
        """
        self._manners.press()
        for host, seconds in self._frontier.held():
            self._manners.hold(host, seconds)

    def want(self, origin: str) -> None:
        """Ask for the robots.txt of `origin` in its turn, though nothing of it waits."""
        host = urlsplit(origin).hostname or ""
        self._wanted[host].append(origin)
        self.wake([host])

    def next(self) -> Entry | None:
        """The entry to ask now, or None: nothing may be asked at this moment."""
        self._due()
        while self._ready and self.out < self._limit:
            host = self._choose()
            entry = self._entry_of(host)
            if entry is None:
                continue
            self._manners.started(entry.host)
            self.blocked.discard(entry.host)
            self._hunt.fetched(host, entry.kind)
            self._count(self._site_of(host), 1)
            if entry.kind == ROBOTS:
                self._asking.add(host)
            self._place(host)
            return entry
        return None

    def _count(self, site: str, change: int) -> None:
        """One more or one less is out of `site`, which leaves a quarter of what others leave it to whoever comes.

        Else one whose hosts all answer slowly would hold every place.
        """
        self.out += change
        self._out_of[site] += change
        for one in {site, *self._ready.held}:
            left = self._limit - self.out + self._out_of[one]
            if self._out_of[one] >= left - left // SPARED:
                self._ready.hold(one)
            elif one in self._ready.held:
                self._ready.release(one)
        if not self._out_of[site]:
            del self._out_of[site]

    def ended(self, entry: Entry, status: int | None, seconds: float, retry_after_s: float | None = None) -> None:
        """An entry that `next` gave is settled; the rest as `Manners.ended` wants it."""
        asked_for = (urlsplit(entry.page or "").hostname or "") if entry.kind == ROBOTS else entry.host
        self._count(self._site_of(asked_for), -1)
        if asked_for in self._asking:
            self._asking.discard(asked_for)
            self._met.add(asked_for)
        self._manners.ended(entry.host, status, seconds, retry_after_s)
        if self._manners.blocked(entry.host):
            self.blocked.add(entry.host)
        for host in {entry.host, asked_for}:
            if self._place_of.get(host, PARKED) == PARKED:
                self._place(host)

    def close(self, host: str, kinds: set[str]) -> None:
        """Ask `host` (all hosts: "") for no more of these kinds in this crawl; what waits goes on waiting."""
        self.closed[host] |= kinds
        for one in [host] if host else [*self._place_of, *self._leased]:
            self._shed(one)

    def close_site(self, site: str, kinds: set[str]) -> None:
        """The same for every host of a site, also for those that are found later."""
        self.closed_sites[site] |= kinds
        for host in [*self._place_of, *self._leased]:
            if self._site_of(host) == site:
                self._shed(host)

    def _shed(self, host: str) -> None:
        """Give back what is leased of closed kinds, and wait for nothing that will not be asked."""
        kept: deque[Entry] = deque()
        for entry in self._leased.pop(host, ()):
            if entry.kind in self._without(host):
                self._frontier.give_back(entry, tried=False)
            else:
                kept.append(entry)
        if kept:
            self._leased[host] = kept
        if self._place_of.get(host) == LATER:
            self._place(host)

    def soonest_s(self) -> float:
        """Seconds until `next` may have an entry; inf when somebody must end, or something be added, first."""
        if self.out >= self._limit:
            return math.inf
        if self._ready:
            return 0.0
        return max(0.0, self._later[0][0] - time.monotonic()) if self._later else math.inf

    def idle_for(self, patience_s: float) -> bool:
        """Whether nothing is out, and nothing waits that may be asked within so many seconds."""
        return self.idle or (not self.out and patience_s < self.soonest_s() < math.inf)

    @property
    def idle(self) -> bool:
        """Whether nothing is out and nothing waits that may be asked in this crawl."""
        return not (self.out or self._place_of)

    def _without(self, host: str) -> set[str]:
        closed = self.closed[""] | self.closed.get(host, set())
        return closed | self.closed_sites.get(self._site_of(host), set()) if self.closed_sites else closed

    def _place(self, host: str, at_least_s: float = 0.0) -> None:
        """Put a host where it belongs: ready, later, parked, or nowhere when nothing of it waits."""
        self._place_of.pop(host, None)
        here = self._leased.get(host) or self._wanted.get(host)
        wait_s: float | None = 0.0 if here else self._frontier.next_in_s(host, self._without(host))
        if wait_s is None:
            return
        wait_s = math.inf if host in self._asking else max(wait_s, at_least_s, self._manners.wait_s(host))
        if wait_s == math.inf:
            self._place_of[host] = PARKED
        elif wait_s > 0:
            self._place_of[host] = LATER
            heapq.heappush(self._later, (time.monotonic() + wait_s, host))
        else:
            self._place_of[host] = READY
            self._ready.add(self._site_of(host), host, first=host in self._met)
            self._met.discard(host)

    def _due(self) -> None:
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            _, host = heapq.heappop(self._later)
            if self._place_of.get(host) == LATER:  # else it was placed anew since
                self._place(host)

    def _choose(self) -> str:
        candidates = {self._ready.first(site): site for site in self._offered()}
        choice = self._hunt.choose(list(candidates))
        self.chosen[choice.why.partition(":")[0]] += 1
        host = self._ready.take(candidates[choice.host])
        del self._place_of[host]
        return host

    def _offered(self) -> list[str]:
        """Sites that the hunt may choose among, all of them or CANDIDATES; without favourites it only takes turns."""
        known = self._hunt.favourites
        if len(self._ready) <= CANDIDATES or not known:
            return self._ready.oldest(CANDIDATES)
        if known is not self._favourites[0]:
            self._favourites = known, list(dict.fromkeys(map(self._site_of, known)))
        best = [site for site in self._favourites[1] if site in self._ready]
        drawn = self._ready.drawn(DRAWN)
        return self._ready.oldest(FIRST) + best[: CANDIDATES - FIRST - DRAWN] + drawn

    def _entry_of(self, host: str) -> Entry | None:
        """The next entry of a ready host; None when it has none after all, or may not be asked now."""
        if self._manners.wait_s(host) > 0:
            self._place(host)
            return None
        while self._wanted.get(host):
            if self._robots.known(self._wanted[host][0]) is None:
                return self._robots_of(host, self._wanted[host][0])
            self._wanted[host].pop(0)
        for _ in range(FORBIDDEN_AT_ONCE):
            waiting = self._leased.get(host)
            if not waiting:
                self._leased.pop(host, None)
                waiting = deque(self._frontier.take(host, LEASED_AT_ONCE, self._without(host)))
                if not waiting:
                    self._place(host)
                    return None
                self._leased[host] = waiting
            origin = origin_of(waiting[0].url)
            rules = self._robots.known(origin)
            if rules is None:
                return self._robots_of(host, origin)
            if rules.crawl_delay_s:
                self._manners.crawl_delay(host, rules.crawl_delay_s)
                if self._manners.wait_s(host) > 0:  # the delay holds from its robots.txt on
                    break
            entry = waiting.popleft()
            if not waiting:
                del self._leased[host]
            if rules.allows(entry.url):
                return entry
            self._forbid(entry, rules)
        self._place(host)
        return None

    def _robots_of(self, host: str, origin: str) -> Entry | None:
        """The request for the robots.txt of `origin`, which may have moved to a host that must not be pressed either.

        Its `page` is the origin that it is asked for.
        """
        url = self._robots.where(origin)
        asked = urlsplit(url).hostname or ""
        wait_s = self._manners.wait_s(asked)
        if wait_s > 0:
            self._place(host, min(wait_s, OTHER_BUSY_S))
            return None
        return Entry(0, url, ROBOTS, asked, origin, 0, 0, 0, None, None, None, None)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL: what one robots.txt speaks for."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
