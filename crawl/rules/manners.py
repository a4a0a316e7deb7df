"""How often a host may be asked: spacing, back-off, Retry-After and giving up. Pure but for the clock it is given.

One turn-taker asks it, in one thread. Reads and writes nothing.
"""

from __future__ import annotations

import datetime as dt
import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from crawl.rules.dates import moment

DAY_S = 86_400.0
# Statuses of a host that has too much to do. RFC 6585 and RFC 9110; another 5xx may be one broken page.
STRAINED = frozenset({429, 502, 503, 504})
# All chosen by eye: the pause after a first failure without any delay, the longest one, and how much of a pause is
# added at random, so that hosts behind one machine do not get all our requests at the same moment.
FIRST_PAUSE_S, MAX_PAUSE_S, JITTER = 0.5, 600.0, 0.25
# Source: AutoThrottle of Scrapy, AUTOTHROTTLE_MAX_DELAY and a target concurrency of 1.
MAX_STRETCH_S = 60.0
# A host that failed so often in a row is left alone for so long, and after each further failure for twice as long, at
# most a day; with a delay of 1 s the pauses before that amount to a minute. Chosen by eye.
FAILURES, BLOCKED_S = 6, 3600.0
# No wait is shorter: a time so far from zero as a clock's must differ once it is added. Chosen by eye.
TICK_S = 0.001


def retry_after_s(value: str, now: dt.datetime) -> float | None:
    """The seconds, 0–86,400, that a Retry-After header asks for at `now` (aware); None for rubbish.

    Source: RFC 9110, 10.2.3: seconds, or a date in one of three forms.
    """
    written = value.strip()
    if written.isascii() and written.isdigit():
        return min(float(written), DAY_S)
    until = moment(written)
    return None if until is None else min(max(0.0, (until - now).total_seconds()), DAY_S)


@dataclass(slots=True)
class _Host:
    """What is remembered of a host; times are those of the clock."""

    touched_at: float
    started_at: float = -math.inf  # the last start of a request
    slowed_at: float = -math.inf  # the last time its pause grew
    held_until: float = -math.inf
    running: int = 0
    failures: int = 0  # in a row; those of requests that ran at the same time count once
    crawl_delay_s: float = 0.0
    pause_s: float = 0.0  # back-off
    stretch_s: float = 0.0  # how slow its answers are


class Manners:
    """When each host may be asked again.

    Between two starts lie at least `delay_s`, the host's crawl-delay, its back-off (doubled by 429, 502, 503,
    504 and by no answer, halved by an answer below 500) and, where there is a delay at all, the time that its
    answers take. One that only fails is left alone for hours. A host is forgotten when nothing about it matters any
    more: 10 minutes after its last request, a day after it where it has a crawl-delay, two where it was left alone.
    """

    def __init__(
        self, delay_s: float, per_host: int, clock: Callable[[], float] = time.monotonic, seed: int | None = None
    ) -> None:
        self._pressed_at = -math.inf  # when an earlier crawl may have asked any host
        self._delay_s, self._per_host, self._clock = delay_s, per_host, clock
        self._random = random.Random(seed)
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    def __len__(self) -> int:
        """How many hosts are remembered."""
        return len(self._hosts)

    def wait_s(self, host: str) -> float:
        """Seconds until a request to `host` may start: 0 now, inf when one of those that run must end first."""
        known = self._hosts.get(host) or _Host(self._pressed_at, self._pressed_at)
        if known.running >= self._per_host:
            return math.inf
        now = self._clock()
        # The time since the start, and not the time to come: rounding must not make it shorter.
        left = max(self._spacing_s(known) - (now - known.started_at), known.held_until - now)
        return max(left, TICK_S) if left > 0 else 0.0

    def started(self, host: str) -> None:
        """A request to `host` starts now; `wait_s` has just said 0."""
        known = self._touch(host)
        known.started_at = known.touched_at
        known.running += 1
        self._forget()

    def sent(self, host: str) -> None:
        """The request that was started goes out now: the host sees it only after the connection is made."""
        self._touch(host).started_at = self._clock()

    def ended(self, host: str, status: int | None, seconds: float, retry_after_s: float | None = None) -> None:
        """A request to `host` ended after `seconds`; `status` None when no whole answer came, 0 when nothing was asked.

        Nothing was asked when the gate refused the address: the host knows nothing of it.
        """
        known = self._touch(host)
        known.running = max(0, known.running - 1)
        if status == 0:
            return
        seconds = seconds if seconds > 0 else 0.0
        # What was under way when the host was last slowed down says nothing about how it is now.
        news = known.touched_at - seconds >= known.slowed_at
        if status is None or status in STRAINED:
            if news:
                self._slow_down(known)
        elif status < 500:
            known.failures = 0
            if news:
                half = known.pause_s / 2
                known.pause_s = half if half > self._floor_s(known) else 0.0
        if status is not None and self._delay_s > 0:
            self._stretch(known, seconds, lower=status == 200)
        if retry_after_s is not None and retry_after_s > 0:
            self.hold(host, retry_after_s)

    def press(self) -> None:
        """Any host may have been asked just now, by the crawl that this one goes on with."""
        self._pressed_at = self._clock()

    def hold(self, host: str, seconds: float) -> None:
        """`host` is not asked for so many seconds, at most a day: it said so to an earlier crawl."""
        known = self._touch(host)
        known.held_until = max(known.held_until, known.touched_at + min(seconds, DAY_S))

    def crawl_delay(self, host: str, seconds: float | None) -> None:
        """`host` wants so many seconds between requests; the largest wish holds until the host is forgotten.

        Largest, because a host may have several robots.txt, one for each port.
        """
        if seconds is not None and seconds > self._delay_s and math.isfinite(seconds):
            known = self._touch(host)
            known.crawl_delay_s = max(known.crawl_delay_s, seconds)

    def blocked(self, host: str) -> bool:
        """Whether `host` failed six times in a row or more, and its long pause is not over."""
        known = self._hosts.get(host)
        return known is not None and known.failures >= FAILURES and self._clock() < known.held_until

    def _floor_s(self, known: _Host) -> float:
        """What a pause is doubled from, and where it ends."""
        return max(self._delay_s, known.crawl_delay_s, FIRST_PAUSE_S / 2)

    def _spacing_s(self, known: _Host) -> float:
        return max(self._delay_s, known.crawl_delay_s, known.pause_s, known.stretch_s)

    def _slow_down(self, known: _Host) -> None:
        known.failures += 1
        known.slowed_at = known.touched_at
        known.pause_s = min(2 * max(known.pause_s, self._floor_s(known)), MAX_PAUSE_S)
        pause_s = known.pause_s
        if (further := known.failures - FAILURES) >= 0:
            pause_s = min(BLOCKED_S * 2.0 ** min(further, 10), DAY_S)
        until = known.touched_at + pause_s * self._random.uniform(1, 1 + JITTER)
        known.held_until = max(known.held_until, until)

    def _stretch(self, known: _Host, seconds: float, lower: bool) -> None:
        """Source: Scrapy's AutoThrottle: the delay goes to what answers take, at once when that is more, else halfway.

        Only a 200 lowers it: error pages come fast.
        """
        wanted = min(max(seconds, (known.stretch_s + seconds) / 2), MAX_STRETCH_S)
        if lower or wanted > known.stretch_s:
            known.stretch_s = wanted

    def _touch(self, host: str) -> _Host:
        now = self._clock()
        known = self._hosts.get(host)
        if known is None:
            known = self._hosts[host] = _Host(now, self._pressed_at)
        known.touched_at = now
        self._hosts.move_to_end(host)
        return known

    def _forget(self) -> None:
        """Look at the two hosts that were looked at or touched the longest ago: no more are added at a time."""
        for _ in range(2):
            host, known = next(iter(self._hosts.items()))
            if self._matters(known):
                self._hosts.move_to_end(host)
            else:
                del self._hosts[host]

    def _matters(self, known: _Host) -> bool:
        now = self._clock()
        # Within a day its robots.txt is read again, and its crawl-delay told again.
        kept_s = 2 * DAY_S if known.failures >= FAILURES else DAY_S if known.crawl_delay_s > 0 else MAX_PAUSE_S
        idle_s = now - known.touched_at
        return known.running > 0 or idle_s <= max(kept_s, self._spacing_s(known)) or now <= known.held_until
