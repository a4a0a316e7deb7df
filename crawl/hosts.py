"""What hosts ask for in their robots.txt: found in the frontier, asked for once, followed through redirects.

Every hop passes the same gate. Writes the answers to the job's frontier.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from crawl.fetch import Answer, Fetcher
from crawl.frontier import Frontier
from crawl.reasons import Failed, Refused
from crawl.rules.manners import retry_after_s
from crawl.rules.outcomes import MAX_TRIES
from crawl.rules.robots import Rules, rules_of
from crawl.text import clean
from crawl.urls import as_sent, resolve

MAX_HOPS = 5  # Source: RFC 9309, 2.3.1.2
MAX_BYTES = 512_000  # Source: RFC 9309, 2.5: at least 500 KiB are read; of a longer one the beginning counts
LARGE_BYTES = 65_536  # beyond it, reading takes milliseconds of the event loop
REMEMBERED = 2_000  # parsed rules in memory; chosen by eye


class Hosts:
    """The robots.txt of every origin of a crawl."""

    def __init__(self, frontier: Frontier, fetcher: Fetcher) -> None:
        self._frontier, self._fetcher = frontier, fetcher
        self._rules: OrderedDict[str, Rules] = OrderedDict()
        self._failures: Counter[str] = Counter()
        self._moved: dict[str, tuple[str, int]] = {}  # origin → where its robots.txt redirects to, after so many

    def known(self, origin: str) -> Rules | None:
        """The rules of `origin`, None when they have to be asked for."""
        rules, now = self._rules.get(origin), self._frontier.now_s()
        if rules is None and (found := self._frontier.robots(origin)) is not None:
            _, _, fetched_at_s, _ = found
            # What was fetched in the future was fetched while the clock was wrong: nobody knows how old it is.
            rules = self._remember(origin, rules_of(*found)) if fetched_at_s <= now else None
        return rules if rules is not None and rules.expires_s > now else None

    def where(self, origin: str) -> str:
        """The URL to ask for the rules of `origin` next."""
        url, _ = self._moved.get(origin, (f"{origin}/robots.txt", 0))
        return url

    def why(self, origin: str, rules: Rules) -> tuple[str, str]:
        """The (reason, detail) of what the rules of `origin` forbid: they say so, or nobody could ask for them."""
        status, body, *_ = self._frontier.robots(origin) or (0, b"")
        if status is None and body:
            reason, _, detail = body.decode("utf-8", "replace").partition(": ")
            return reason, detail
        return "robots", rules.why

    async def ask(self, origin: str, on_sent: Callable[[], None]) -> tuple[int | None, float, float | None]:
        """Ask for the robots.txt of `origin`, one redirect at a time; (status, seconds, Retry-After in seconds).

        Status None: no answer came, 0: nobody was asked. A redirect is followed when its host's turn has come. That
        no answer comes is remembered after the third try only: until then it is asked for again, spaced as all is.
        """
        began = time.monotonic()
        url, hops = self._moved.get(origin, (f"{origin}/robots.txt", 0))
        try:
            answer = await self._fetcher.fetch(url, max_bytes=MAX_BYTES, cut=True, on_sent=on_sent)
        except (Refused, Failed) as error:
            self._failures[origin] += 1
            if isinstance(error, Refused) or self._failures[origin] >= MAX_TRIES:
                await self._keep(origin, None, f"{error.reason}: {clean(error.detail)}".encode())
            return error.status, time.monotonic() - began, None
        target = resolve(url, answer.headers.get("Location", "")) if 300 <= answer.status < 400 else None
        if target is None:
            await self._keep(origin, answer.status, answer.body, _max_age_s(answer))
        elif hops < MAX_HOPS:
            self._moved[origin] = as_sent(target), hops + 1
        else:  # RFC 9309, 2.3.1.2: beyond five redirects it may be taken as unavailable
            await self._keep(origin, 404, b"")
        told = retry_after_s(answer.headers.get("Retry-After", ""), dt.datetime.now(dt.UTC))
        return answer.status, answer.seconds, told

    async def _keep(self, origin: str, status: int | None, body: bytes, max_age_s: float | None = None) -> None:
        self._moved.pop(origin, None)
        self._failures.pop(origin, None)
        now = self._frontier.now_s()
        self._frontier.keep_robots(origin, status, body, now, max_age_s)
        large = len(body) > LARGE_BYTES
        known = (status, body, now, max_age_s)
        self._remember(origin, await asyncio.to_thread(rules_of, *known) if large else rules_of(*known))

    def _remember(self, origin: str, rules: Rules) -> Rules:
        self._rules[origin] = rules
        self._rules.move_to_end(origin)
        if len(self._rules) > REMEMBERED:
            self._rules.popitem(last=False)
        return rules


def _max_age_s(answer: Answer) -> float | None:
    """`max-age` of a Cache-Control header, in seconds."""
    for part in answer.headers.get("Cache-Control", "").lower().split(","):
        name, _, value = part.strip().partition("=")
        if name == "max-age" and value.strip('"').isdigit():
            return float(value.strip('"')[:9])
    return None
