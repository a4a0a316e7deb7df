"""The loop of a crawl: starts what may be asked, and settles what is answered, until nothing is left.

Pages go through Scrapy to their spider; pictures and style sheets are fetched here, on the same event loop, by the same
fetcher, under the same manners.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import sqlite3
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from scrapy.http import Request

from crawl.fetch import Answer
from crawl.frontier import Entry
from crawl.links import PAGE, STYLE
from crawl.read.formats import picture_format
from crawl.reasons import Failed, Refused
from crawl.room import Place
from crawl.rules.manners import retry_after_s
from crawl.rules.outcomes import Here, Outcome, Unchanged, outcome_of, outcome_of_error
from crawl.turns import ROBOTS
from crawl.urls import referer
from store.errors import BlindspotError

if TYPE_CHECKING:
    from crawl.extension import Blindspot

logger = logging.getLogger("crawl")

LONGEST_NAP_S = 1.0  # the loop looks up at least so often
AT_A_TIME = 32  # entries that are started before others of the event loop have their turn
PICTURE_HEADERS = {"Accept": "image/avif,image/webp,image/*;q=0.9,*/*;q=0.5", "Accept-Encoding": "identity"}


class Loop:
    """Keeps one crawl busy. Make it inside the event loop."""

    def __init__(self, crawl: Blindspot) -> None:
        self.crawl, self.all_started = crawl, not crawl.owns_pages
        self._turns, self._settler = crawl.turns, crawl.settler
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._places: dict[int, Place] = {}
        self._pages_asked = 0

    def poke(self) -> None:
        """Something was added, has ended, or is to stop."""
        self._changed.set()

    async def run(self) -> None:
        """Start what may be asked, until nothing is left or somebody says stop. Never raises."""
        try:
            await self._run()
        except Exception as error:
            self.crawl.fail(error)

    async def _run(self) -> None:
        begun = 0
        while not self.crawl.stopped:
            if self.crawl.outbox.failure:
                self.crawl.fail(self.crawl.outbox.failure)
            elif self.crawl.outbox.full:
                await asyncio.sleep(0.1)
            elif entry := self._turns.next():
                self._start(entry)
                begun += 1
                if begun % AT_A_TIME == 0:
                    await asyncio.sleep(0)
            elif self._turns.idle and self.all_started and self.crawl.owns_pages:
                self.crawl.stop("max_pages" if self._turns.closed[""] else "finished")
            else:
                await self._wait()

    async def ended(self) -> None:
        """What is under way here is settled."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _wait(self) -> None:
        """Until something changes or somebody's time has come; a wait beyond all patience ends the crawl."""
        soonest_s = self._turns.soonest_s()
        impatient = self.crawl.job.patience_s < soonest_s < float("inf")
        if impatient and not self._turns.out and self.all_started and self.crawl.owns_pages:
            self.crawl.stop("waiting")
            return
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), max(min(soonest_s, LONGEST_NAP_S), 0.001))

    def _start(self, entry: Entry) -> None:
        if entry.kind == PAGE and self.crawl.owns_pages:
            self._ask_page(entry)
            return
        task = asyncio.ensure_future(self._ask(entry))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- pages, which Scrapy asks for ----------------------------------------------------------------------

    def _ask_page(self, entry: Entry) -> None:
        self._pages_asked += not (entry.hops or entry.tries)
        if self._pages_asked >= self.crawl.job.max_pages:
            self._turns.close("", {PAGE})
        self._settler.asking_page(entry)
        request = Request(
            entry.url,
            headers=referer(entry.page, entry.url) | validators(entry),
            errback=self.on_page_failure,
            meta={"entry": entry, "download_maxsize": self.crawl.job.max_page_bytes, **self._told(entry)},
            dont_filter=True,
        )
        self.crawl.engine.crawl(request)

    def on_page_failure(self, failure: object) -> None:
        """Scrapy's errback of our page requests."""
        error: BaseException = failure.value  # type: ignore[attr-defined]
        entry: Entry = failure.request.meta["entry"]  # type: ignore[attr-defined]
        cause = error.__cause__ if isinstance(error.__cause__, Failed) else error
        with self._settling(entry):
            self._settler.other(entry, outcome_of_error(entry, cause))
        self.settled(entry, cause.status if isinstance(cause, Refused) else None, 0.0)

    def on_fault(self, entry: Entry, error: Exception) -> None:
        """A fault of our own, or of the spider's, while a page was read."""
        self._fault(entry, error)
        self.settled(entry, None, 0.0)

    # ---- everything else -----------------------------------------------------------------------------------

    async def _ask(self, entry: Entry) -> None:
        """Ask for anything but a page, and settle it."""
        status, seconds, told = None, 0.0, None
        with self._settling(entry):
            if entry.kind == ROBOTS:
                assert entry.page is not None  # the origin that it is asked for
                status, seconds, told = await self.crawl.hosts.ask(entry.page, self._on_sent(entry))
            elif isinstance(answer := await self._answer(entry), Answer):
                status, seconds, now = answer.status, answer.seconds, dt.datetime.now(dt.UTC)
                told = retry_after_s(answer.headers.get("Retry-After", ""), now)
                await self._settle(entry, outcome_of(entry, status, answer.headers, now), answer)
            else:
                status = answer.status
                self._settler.other(entry, outcome_of_error(entry, answer))
        self.settled(entry, status, seconds, told)

    async def _answer(self, entry: Entry) -> Answer | Refused | Failed:
        headers = PICTURE_HEADERS if entry.kind != STYLE else {}
        headers = headers | referer(entry.page, entry.url) | validators(entry)
        try:
            limit = self.crawl.job.max_page_bytes if entry.kind == STYLE else None
            return await self.crawl.fetcher.fetch(entry.url, headers, max_bytes=limit, **self._told(entry))
        except (Refused, Failed) as error:
            return error

    async def _settle(self, entry: Entry, outcome: Outcome, answer: Answer) -> None:
        self._settler.weighed(entry, len(answer.body))
        if isinstance(outcome, Unchanged):
            await self._settler.unchanged(entry)
        elif not isinstance(outcome, Here):
            self._settler.other(entry, outcome)
        else:
            self.crawl.tally.answered += 1
            if entry.kind == STYLE:
                await self._style(entry, answer)
            elif picture_format(answer.body) is None:
                self._settler.gone(entry, "not_a_picture", answer.headers.get("Content-Type", ""))
            elif not await self._settler.picture(entry, answer.status, answer.headers, answer.body):
                self.crawl.stop("max_pictures")

    async def _style(self, entry: Entry, answer: Answer) -> None:
        named = await self.crawl.reader.style(answer.url, answer.headers, answer.body)
        if named.kind == "unreadable":
            self._settler.gone(entry, "unreadable", named.problem)
        else:
            await self._settler.style(entry, named)

    # ---- both ----------------------------------------------------------------------------------------------

    def settled(self, entry: Entry, status: int | None, seconds: float, told: float | None = None) -> None:
        """An entry is settled: its host may be asked again."""
        if place := self._places.pop(entry.id, None):
            place.leave()
        try:
            known = len(self._turns.blocked)
            self._turns.ended(entry, status, seconds, told)
            if len(self._turns.blocked) > known:
                self._settler.blocked(entry.host)
        except Exception as error:
            self.crawl.fail(error)
        self._changed.set()

    def _told(self, entry: Entry) -> dict[str, Any]:
        """What a fetch has to know of its entry: whom to tell that it goes out, and where a large body is counted."""
        place = self._places[entry.id] = self.crawl.fetcher.place()
        return {"on_sent": self._on_sent(entry), "place": place}

    def _on_sent(self, entry: Entry) -> partial[None]:
        return partial(self.crawl.manners.sent, entry.host)

    @contextlib.contextmanager
    def _settling(self, entry: Entry) -> Iterator[None]:
        """Whatever goes wrong meanwhile is seen to."""
        try:
            yield
        except Exception as error:
            self._fault(entry, error)

    def _fault(self, entry: Entry, error: Exception) -> None:
        """The log has the trace, the URL gets its row. Never raises.

        What the machine is to blame for ends the crawl; the entry stays leased, and so waits for the next one.
        """
        if isinstance(error, (BlindspotError, OSError, sqlite3.Error)):
            self.crawl.fail(error)
            return
        logger.error("a fault at %s", entry.url, exc_info=error)
        if entry.kind != ROBOTS:
            with self._settling(entry):
                self._settler.gone(entry, "crawl_error", f"{type(error).__name__}: {error}")


def validators(entry: Entry) -> dict[str, str]:
    """The headers of a conditional request, from what the last answer said. Source: RFC 9110, 13.1."""
    names = {"If-None-Match": entry.etag, "If-Modified-Since": entry.modified}
    return {name: value for name, value in names.items() if value}
