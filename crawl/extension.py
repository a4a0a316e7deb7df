"""A crawl as a Scrapy extension: its parts, its beginning and its end.

Writes pictures to the blobs, and rows through the frontier's outbox to the inbox.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import sqlite3
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from scrapy import signals
from scrapy.exceptions import CloseSpider, DontCloseSpider

from crawl.collect import Outbox, Tally
from crawl.fetch import Fetcher
from crawl.frontier import Frontier
from crawl.hosts import Hosts
from crawl.hunting.hunt import Hunt
from crawl.job import Job
from crawl.keep import Keeper
from crawl.loop import Loop
from crawl.reader import Reader
from crawl.reasons import Refused
from crawl.record import record
from crawl.rules.manners import Manners
from crawl.settings import user_agent
from crawl.settle import Settler
from crawl.text import clean
from crawl.turns import Turns
from store.errors import BlindspotError, CrawlError
from store.home import Home

if TYPE_CHECKING:
    from scrapy import Spider
    from scrapy.core.engine import ExecutionEngine
    from scrapy.crawler import Crawler

logger = logging.getLogger("crawl")

PROGRESS_S = 0.25
HUNT_S = 1.0  # between two looks at the snapshot, which cost nothing while it is the same

Progress = Callable[[Tally], object]


class Blindspot:
    """The parts of one crawl. One per crawler."""

    def __init__(
        self,
        job: Job,
        home: Home,
        owns_pages: bool = True,
        progress: Progress | None = None,
        drain: Callable[[], object] | None = None,
        alone: bool = False,
    ) -> None:
        """Take the job's frontier. Raises JobRunning.

        `owns_pages`: pages wait in our frontier; else a foreign spider asks for them, and we take its pictures.
        `alone`: Scrapy runs the crawl, and nobody else is there to close it and to say what came of it.
        """
        self.job, self.home, self.owns_pages, self._alone = job, home, owns_pages, alone
        self.began, self.started_at = time.monotonic(), dt.datetime.now(dt.UTC)
        self._progress, self._drain = progress, drain
        self.frontier = Frontier(home.root / "frontier" / f"{job.frontier_name}.sqlite")
        self.tally, self.stopped, self.resumed = Tally(), "", False
        self.failure: BlindspotError | None = None
        self._crawler: Crawler | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Blindspot:
        """As Scrapy makes its components: what `run` has made, or from the settings of a foreign project."""
        ours = getattr(crawler.spider, "blindspot", None)
        if not isinstance(ours, cls):
            from crawl.addon import from_settings

            ours = from_settings(crawler)
        ours._crawler = crawler
        crawler.signals.connect(ours._opened, signals.spider_opened)
        crawler.signals.connect(ours._idle, signals.spider_idle)
        crawler.signals.connect(ours._closed, signals.spider_closed)
        return ours

    @classmethod
    def of(cls, crawler: Crawler) -> Blindspot:
        """The crawl that `crawler` runs."""
        found = crawler.get_extension(cls)
        assert found is not None, "crawl.addon sets it"
        return found

    @property
    def engine(self) -> ExecutionEngine:
        """Scrapy's engine."""
        assert self._crawler is not None
        assert self._crawler.engine is not None
        return self._crawler.engine

    async def _opened(self, spider: Spider) -> None:
        try:
            self._make_parts()
        except Exception as error:
            self.failure, self.stopped = self._complaint(error), "failed"
            raise CloseSpider("failed") from None
        beside = [self.outbox.keep_flushing(), self._show(), self._learn()]
        if self.resumed:
            beside.append(self.settler.links.recall(self.frontier))
        self._beside = [asyncio.ensure_future(self._watched(work)) for work in beside]
        self._running = asyncio.ensure_future(self._run())

    def _make_parts(self) -> None:
        job = self.job
        self.manners = Manners(job.delay_s, job.concurrency if job.delay_s == 0 else 1)
        self.hunt = Hunt(self.home, job.name, on=job.hunt, every_s=HUNT_S)
        self.fetcher = Fetcher(job.gate, user_agent(job.contact), job.timeout_s, job.max_bytes)
        self.hosts = Hosts(self.frontier, self.fetcher)
        self.reader = Reader()
        self.keeper = Keeper(self.home, job)
        self.settler = Settler(job, self.frontier, self.hosts, self.keeper, self.hunt, self.tally)
        self.turns = Turns(
            self.frontier, self.manners, self.hunt, self.hosts, job.site, self.settler.forbidden, job.concurrency
        )
        self.settler.turns = self.turns
        self.outbox = Outbox(self.home, self.frontier, self._drain)
        self.loop = Loop(self)
        self.resumed = self.frontier.begin()
        self.keeper.unsure = self.resumed
        if self.resumed:
            self.turns.resume()
        self.turns.wake(self.frontier.waiting())

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self.fail(error)

    async def _run(self) -> None:
        await self.loop.run()
        if (self.owns_pages or self.failure) and self.engine.spider is not None:
            self._closing = asyncio.ensure_future(self.engine.close_spider_async(reason=self.stopped))

    def started(self) -> None:
        """The spider has named everything it starts from."""
        self.loop.all_started = True
        self.loop.poke()

    def stop(self, reason: str) -> None:
        """Ask for nothing more; what is under way is finished first."""
        self.stopped = self.stopped or reason
        if hasattr(self, "loop"):
            self.loop.poke()

    def fail(self, error: Exception) -> None:
        """Stop because of `error`: the machine's, or a fault of our own."""
        self.failure = self.failure or self._complaint(error)
        self.stop("failed")

    def _complaint(self, error: Exception) -> BlindspotError:
        """One line on what ends the crawl, and what to do about it."""
        if isinstance(error, BlindspotError):
            return error
        if isinstance(error, sqlite3.Error):
            return self.frontier.complaint(error)
        if isinstance(error, OSError):
            return CrawlError(f"{clean(str(error))}; mend that and crawl again, nothing is lost")
        logger.error("a fault of the crawler", exc_info=error)
        return CrawlError(f"a fault of the crawler: {clean(f'{type(error).__name__}: {error}')}; the log says where")

    def refused_foreign(self, url: str, error: Refused) -> None:
        """A request of a foreign spider was refused: Scrapy passes over that in silence, we do not."""
        if not self.owns_pages:
            logger.warning("refused %s: %s", url, error)
            self.settler.refuse(url, error.reason, error.detail)

    def _idle(self) -> None:
        """Scrapy has nothing to do: ours decides for itself, a foreign spider is kept until its pictures are here."""
        if self.owns_pages or not (self.turns.idle_for(self.job.patience_s) or self.stopped):
            raise DontCloseSpider

    async def _closed(self, reason: str) -> None:
        """The spider is closed: what is under way is finished, and all rows go to the inbox."""
        self.stop("interrupted" if reason == "shutdown" else reason)
        if hasattr(self, "_running"):
            await self._finished()
        if hasattr(self, "fetcher"):
            await self.fetcher.close()
        if self._alone:
            self._say()

    def _say(self) -> None:
        left = self.close()
        try:
            logger.info("%s", record(self, left).sentence())
        except BlindspotError as error:
            logger.error("%s", error)

    async def _finished(self) -> None:
        await self._running
        await self.loop.ended()
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        if self.stopped == "interrupted":
            self.outbox.hurry()
        await self.outbox.flush()
        self.failure = self.failure or self.outbox.failure

    def close(self) -> int:
        """After the crawl, also a broken-off one: end the workers; how many links are left."""
        for part in ("reader", "keeper", "outbox"):
            if hasattr(self, part):
                getattr(self, part).close()
        left = self._left()
        self.frontier.close()
        self._tell()
        return left

    def _left(self) -> int:
        try:
            left = self.frontier.left()
            if self.stopped == "finished" and not left and not self.failure:
                self.frontier.end()
            return left
        except sqlite3.Error as error:
            self.fail(error)
            return 0

    async def _learn(self) -> None:
        while True:
            await asyncio.to_thread(self.hunt.refresh)
            await asyncio.sleep(HUNT_S)

    async def _show(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_S)
            self._tell()

    def _tell(self) -> None:
        if self._progress:
            self._progress(self.tally)
