"""The sites that may be asked at this moment, in the order of their turns, and within each its hosts.

However many there are, adding, taking and drawing one cost the same. Reads and writes nothing.
"""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from itertools import islice


class Ready:
    """Hosts by site. The draws are the same for a `seed`."""

    def __init__(self, seed: int = 0) -> None:
        self._hosts: OrderedDict[str, deque[str]] = OrderedDict()
        self._sites: list[str] = []  # in any order, to draw from
        self._place: dict[str, int] = {}
        self._held: dict[str, deque[str]] = {}
        self._random = random.Random(seed)

    def __len__(self) -> int:
        """How many sites there are."""
        return len(self._sites)

    def __contains__(self, site: object) -> bool:
        return site in self._place

    def add(self, site: str, host: str, first: bool = False) -> None:
        """The host may be asked now; of its site it comes last, or first."""
        if site in self._held:
            hosts = self._held[site]
        elif site in self._place:
            hosts = self._hosts[site]
        else:
            hosts = self._enter(site, deque())
        if first:
            hosts.appendleft(host)
        else:
            hosts.append(host)

    def _enter(self, site: str, hosts: deque[str]) -> deque[str]:
        self._hosts[site] = hosts
        self._place[site] = len(self._sites)
        self._sites.append(site)
        return hosts

    def _leave(self, site: str) -> deque[str]:
        last, place = self._sites.pop(), self._place.pop(site)
        if last != site:
            self._sites[place], self._place[last] = last, place
        return self._hosts.pop(site)

    def hold(self, site: str) -> None:
        """Give the site no turn until `release`, whichever of its hosts are or become ready."""
        if site not in self._held:
            self._held[site] = self._leave(site) if site in self._place else deque()

    @property
    def held(self) -> list[str]:
        """The sites that are given no turn."""
        return list(self._held)

    def release(self, site: str) -> None:
        """The site has turns again, the next one after all others."""
        if hosts := self._held.pop(site):
            self._enter(site, hosts)

    def first(self, site: str) -> str:
        """The host of `site` whose turn it is."""
        return self._hosts[site][0]

    def take(self, site: str) -> str:
        """The same, which is not ready any more; the site's next turn comes last."""
        hosts = self._hosts[site]
        host = hosts.popleft()
        if hosts:
            self._hosts.move_to_end(site)
        else:
            self._leave(site)
        return host

    def oldest(self, most: int) -> list[str]:
        """The sites whose turn comes first."""
        return list(islice(self._hosts, most))

    def drawn(self, count: int) -> list[str]:
        """So many sites drawn at random, some perhaps twice; at least one must be ready."""
        return self._random.choices(self._sites, k=count)
