"""The hosts of one crawl as columns of numbers, so that a choice among hundreds takes microseconds.

Reads and writes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crawl.hunting.arms import HALF_LIFE, Beliefs, interval, nothing
from store.sources import domain_of

ADDED_AT_ONCE = 1_000  # hosts for which one lock is held, well under a millisecond each. Chosen by eye


class Roster:
    """Every host that was offered, asked or read, by its place.

    Columns: `shape` and `weight` of the Gamma posterior of its multiplier, `mean` hits per fetch at a multiplier of 1;
    `judged` sightings and their `rewards`; `unseen` fetches that no snapshot has shown yet (on the way, or without a
    picture); `asked`, the number of the choice that last fell on it, before this crawl's first as far below 0 as its
    newest sighting is old; `site`, the place of the first host of its registered domain, where `turned` is the latest
    `asked` of them all; and `fetched` in this crawl. Not locked: `learn` runs beside everything else and takes the lock
    where it must.
    """

    COLUMNS = ("shape", "weight", "mean", "judged", "rewards", "unseen", "asked", "fetched", "site", "turned")

    def __init__(self) -> None:
        self.place: dict[str, int] = {}
        self.shape, self.weight, self.mean, self.judged = (np.zeros(256) for _ in range(4))
        self.rewards, self.unseen, self.asked, self.fetched, self.turned = (np.zeros(256) for _ in range(5))
        self.site = np.zeros(256, np.int64)
        self._first: dict[str, int] = {}  # site → the place of its first host
        self._beliefs = nothing()

    def place_of(self, host: str) -> int:
        """Where `host` stands; a new one with what is believed of a host unknown."""
        place = self.place.get(host)
        if place is None:
            place = self.place[host] = len(self.place)
            if place == len(self.shape):
                for name in self.COLUMNS:
                    column = getattr(self, name)
                    setattr(self, name, np.concatenate([column, np.zeros_like(column)]))
            self.shape[place] = self.weight[place] = self._beliefs.spread.shape
            self.mean[place] = self._beliefs.mean_of(host)
            self.asked[place] = self.turned[place] = -np.inf
            self.site[place] = self._first.setdefault(domain_of(host), place)
        return place

    def places_of(self, hosts: Sequence[str]) -> NDArray[np.int64]:
        """Where `hosts` stand, new ones too."""
        try:
            return np.fromiter(map(self.place.__getitem__, hosts), np.int64, len(hosts))
        except KeyError:
            return np.array([self.place_of(host) for host in hosts], np.int64)

    def waited_longest(self, places: NDArray[np.int64]) -> int:
        """Which of `places` is asked next by turns: sites first, so that one of endless hosts has one turn for all."""
        return int(np.lexsort((self.asked[places], self.turned[self.site[places]]))[0])

    def ask(self, place: int, number: int) -> None:
        """The choice of this `number` fell on `place`."""
        self.asked[place] = self.turned[self.site[place]] = number

    def best(self, hosts: Sequence[str], most: int, lock: threading.Lock) -> tuple[str, ...]:
        """Those of `hosts` that are thought to give most, the best first; one that was never offered is not known."""
        known = [host for host in hosts if host in self.place]
        places = np.array([self.place[host] for host in known], np.int64)
        with lock:
            worth = self.mean[places] * self.shape[places] / self.weight[places]
        return tuple(known[i] for i in np.argsort(-worth, kind="stable")[:most])

    def spend(self, place: int) -> None:
        """One fetch that has shown nothing yet: it counts as one without a find, else all would go to the favourite."""
        self.fetched[place] += 1
        self.unseen[place] += 1
        self.weight[place] += self.mean[place]

    def learn(self, beliefs: Beliefs, lock: threading.Lock) -> None:
        """Take over what was read: sightings that arrived are unseen no more, and push back fetches that gave none."""
        names = list(beliefs.hosts)
        read: list[int] = []
        for start in range(0, len(names), ADDED_AT_ONCE):
            with lock:
                read += map(self.place_of, names[start : start + ADDED_AT_ONCE])
        known = list(self.place)
        means = np.array([beliefs.mean_of(host) for host in known])
        with lock:
            self._beliefs = beliefs
            self._forget(beliefs, means)
            self.shape[read], self.mean[read] = beliefs.shape, beliefs.mean
            self.judged[read], self.rewards[read] = beliefs.judged, beliefs.rewards
            self.asked[read] = np.where(self.asked[read] > 0, self.asked[read], -beliefs.back)
            np.maximum.at(self.turned, self.site[read], self.asked[read])
            left = np.maximum(self.unseen[read] - beliefs.arrived, 0) * np.exp2(-beliefs.arrived / HALF_LIFE)
            self.unseen[read] = left
            self.weight[read] = beliefs.weight + beliefs.mean * (beliefs.waiting + left)

    def _forget(self, beliefs: Beliefs, means: Any) -> None:
        """Every host as if nothing had been read of it."""
        self.shape[:] = beliefs.spread.shape
        self.mean[:] = beliefs.rate
        self.mean[: len(means)] = means
        self.weight = self.shape + self.mean * self.unseen
        self.judged[:] = self.rewards[:] = 0

    def row(self, host: str, beliefs: Beliefs) -> dict[str, Any]:
        """What a person is told of `host`."""
        place = self.place[host]
        judged, rewards, total = self.judged[place], self.rewards[place], max(1.0, self.fetched.sum())
        low, high = interval(rewards / beliefs.hit, judged)
        times = self.mean[place] * self.shape[place] / self.weight[place] / beliefs.rate
        return {
            "host": host,
            "fetched": int(self.fetched[place]),
            "judged": int(judged),
            "blind_spots": round(float(rewards), 2),
            "rate": round(float(rewards / judged), 5) if judged else None,
            "low_rate": round(float(low * beliefs.hit), 5) if judged else None,
            "high_rate": round(float(high * beliefs.hit), 5) if judged else None,
            "share_of_fetches": round(float(self.fetched[place] / total), 4),
            "why": f"thought to give {times:.2g} times the average" if beliefs.spread.differ else "hosts take turns",
        }
