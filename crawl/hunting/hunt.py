"""The hunt: which host is asked next, so that fetches go where blind spots are, and why.

Reads the published snapshot, writes nothing. A share of the choices always goes to the host that waited longest, so
that none starves and one that turned good is noticed. The others are Thompson draws from what the snapshot says of each
host; as long as it does not show that hosts differ by more than chance, they take turns as without the hunt.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray
from sqlalchemy.exc import SQLAlchemyError

from crawl.hunting.arms import beliefs_of, nothing
from crawl.hunting.roster import Roster
from crawl.hunting.yields import kind_of_page, part_of, read_yields
from crawl.text import clean
from store.errors import BlindspotError, UsageError
from store.home import Home

logger = logging.getLogger("crawl")

FAVOURITES = 256  # hosts that are named as the best; chosen by eye
LOOKED_AT = 256  # hosts that one choice looks at; of more, so many drawn at random. Chosen by eye
# Draws are as sure as if there were so many times the evidence, because the floor explores already. Simulated, a tenth
# of a web of 200 hosts: 1 found 3.7 times what taking turns found, 5 4.6, 10 4.7, 200 4.8. Some doubt is left for hosts
# that change.
CERTAINTY = 8.0
REST = 20.0  # a reading that took a second is not repeated for so many: it costs 5 % of a core at most
STEPS, MOST = 2.0, 9  # a priority is so many times log2 of how much more a part gives, and at most that. Chosen by eye


@dataclass(frozen=True)
class Choice:
    """The host to ask now and why: `explore`, `hunt`, `alike` or `off`, a colon, and words."""

    host: str
    why: str


class Hunt:
    """The chooser of one crawl; `choose`, `fetched` and `priority` in its event loop, `refresh` in a thread.

    `floor` in [0, 1]: the share of choices that goes to the host of the site asked least recently. The snapshot is read
    again when it has changed, at most every `every_s` by `clock`. Off, or with nothing to learn from, sites take turns.
    The same calls on the same snapshots give the same choices for a `seed`. Raises UsageError for a floor outside
    [0, 1].
    """

    def __init__(
        self,
        home: Home,
        job: str,
        on: bool = True,
        floor: float = 0.2,
        seed: int = 0,
        every_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 <= floor <= 1:
            raise UsageError(f"the hunt's floor is a share from 0 to 1. Received: {floor}")
        self._home, self.job, self.on = home, job, on
        self._floor, self._every_s, self._clock = floor, every_s, clock
        self._random = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._beliefs, self._roster = nothing(), Roster()
        self._chosen = self._hunting = self._explored = 0
        self._next_at = -np.inf
        self._snapshot: tuple[int, ...] | None = None
        self._edge: int | None = None
        # The best of the hosts that wait, as of the last refresh; none as long as hosts take turns.
        self.waiting: Callable[[], Iterable[str]] = tuple
        self.favourites: tuple[str, ...] = ()

    # ---- learning ------------------------------------------------------------------------------------------

    def refresh(self) -> bool:
        """Read the snapshot if it has changed and the time has come; whether it did. What cannot be read is logged."""
        changed = self._read()
        hunting = self.on and self._beliefs.spread.differ
        self.favourites = self._roster.best(list(self.waiting()), FAVOURITES, self._lock) if hunting else ()
        return changed

    def _read(self) -> bool:
        began = self._clock()
        found = _signature(self._home) if self.on and began >= self._next_at else None
        if found is None or found == self._snapshot:
            return False
        self._snapshot = found
        try:
            yields = read_yields(self._home, self._edge)
        except (BlindspotError, duckdb.Error, SQLAlchemyError) as error:
            logger.warning("%s: the hunt goes on with what it knew: %s", self.job, clean(str(error)))
            return False
        finally:
            ended = self._clock()
            self._next_at = ended + max(self._every_s, REST * (ended - began))
        beliefs, self._edge = beliefs_of(yields), yields.edge
        self._roster.learn(beliefs, self._lock)
        self._beliefs = beliefs
        return True

    def fetched(self, host: str, kind: str) -> None:
        """A request of any `kind` went to `host`: a fetch is spent, whatever comes of it."""
        with self._lock:
            self._roster.spend(self._roster.place_of(host))

    # ---- choosing ------------------------------------------------------------------------------------------

    def choose(self, hosts: Sequence[str]) -> Choice:
        """One of `hosts`, which may all be asked now. Raises ValueError when there are none."""
        if not hosts:
            raise ValueError("the hunt wants at least one host to choose from. Received: none")
        if len(hosts) > LOOKED_AT:
            hosts = [hosts[i] for i in np.sort(self._random.integers(0, len(hosts), LOOKED_AT)).tolist()]
        with self._lock:
            roster = self._roster
            places = roster.places_of(hosts)
            at, why = self._pick(places)
            self._chosen += 1
            roster.ask(int(places[at]), self._chosen)
        return Choice(hosts[at], why)

    def _pick(self, places: NDArray[np.int64]) -> tuple[int, str]:
        """Which of the hosts at `places`, and why."""
        roster, spread = self._roster, self._beliefs.spread
        if not self.on or not spread.differ:
            turn = f"alike: no host gives more than chance ({spread.evidence:.2g})" if self.on else "off: oldest"
            return roster.waited_longest(places), turn
        self._hunting += 1
        if self._explored + 1 <= self._floor * self._hunting:
            self._explored += 1
            return roster.waited_longest(places), "explore: oldest"
        draws = self._random.standard_gamma(CERTAINTY * roster.shape[places])
        draws *= roster.mean[places] / (CERTAINTY * roster.weight[places])
        at = int(draws.argmax())
        return at, self._because(int(places[at]), float(draws[at]))

    def _because(self, place: int, draw: float) -> str:
        judged, rewards = self._roster.judged[place], self._roster.rewards[place]
        drawn = f"draw {draw * self._beliefs.hit:.3f}"
        if not judged:
            return f"hunt: nothing judged yet ({self._roster.mean[place] * self._beliefs.hit:.3f} expected, {drawn})"
        return f"hunt: {rewards:.3g} of {judged:.0f} were blind spots ({rewards / judged:.3f}, {drawn})"

    def priority(self, url: str, page: str | None, kind: str = "picture") -> int:
        """From -9 to 9: how much sooner than others of its host `url` is asked; 0 when nothing is known.

        `page` named it. For a URL that is itself a page give `kind="page"`: then its own form counts.
        """
        beliefs = self._beliefs
        if not (self.on and (beliefs.folders or beliefs.kinds or beliefs.spread.differ)):
            return 0
        part = part_of(url)
        lift = beliefs.folders.get(part, 0.0)
        if page:
            named = part_of(page)
            if named != part:
                lift += beliefs.folders.get(named, 0.0)
            if named[0] != part[0]:  # a host that serves many: pictures of the better sites first
                lift += beliefs.lift_of(named[0])
        form = url if kind == "page" else page
        if form:
            lift += beliefs.kinds.get(kind_of_page(form), 0.0)
        return max(-MOST, min(MOST, round(STEPS * lift)))

    # ---- telling -------------------------------------------------------------------------------------------

    def report(self, limit: int = 20) -> list[dict[str, Any]]:
        """The hosts that were asked most in this crawl, what they gave, and what is thought of them now.

        `blind_spots` are rewards (a finding without a verdict counts as its detector has proved right so far) of the
        `judged` sightings in the snapshot, and `rate` their quotient with a 95 % interval.
        """
        with self._lock:
            roster, beliefs = self._roster, self._beliefs
            asked = [host for host, place in roster.place.items() if roster.fetched[place]]
            asked.sort(key=lambda host: -roster.fetched[roster.place[host]])
            return [roster.row(host, beliefs) for host in asked[:limit]]


def _signature(home: Home) -> tuple[int, ...] | None:
    """What changes with every snapshot that is published; None before the first."""
    try:
        found = home.snapshot.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
