"""Where a crawl's pictures go: bytes to the blobs, rows (`pictures`, `sightings`, `refusals`) to the inbox.

Nothing here blocks the event loop: bytes are hashed and written by a few threads, rows by one. A picture
counts as kept once its bytes and its rows are durable. When the inbox is full the crawl pauses; when nobody
folds it in time, the rows in memory are still written, and the crawl stops with InboxFull.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scrapy import signals

from crawl.text import clean
from crawl.urls import MAX_URL_CHARS
from store.blobs import picture_id
from store.errors import BlindspotError, CrawlError, InboxFull
from store.home import Home
from store.inbox import Inbox, InboxLimits

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

logger = logging.getLogger("crawl")

# Rows per batch, and how long a row waits at most: a slow crawl should not fill the inbox with tiny files, a
# killed one should lose little (its bytes are stored already). Chosen by eye.
BATCH_ROWS = 500
BATCH_S = 20.0
# Threads that write pictures. Measured on two cores: 1 gave 609 a second, 2 1,169, 4 1,371, 8 1,258 (20 kB).
PUT_THREADS = 4
PROGRESS_S = 0.2
KINDS = ("pictures", "sightings", "refusals")

Progress = Callable[[int, int, int], object]


@dataclass(frozen=True)
class Seen:
    """Where and how a picture was seen."""

    url: str
    page: str | None
    host: str
    source: str
    http_status: int | None
    content_type: str | None


@dataclass
class Batch:
    """Rows on their way to the inbox, by kind, and how many of the pictures were new to the store."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    new: int = 0

    def __len__(self) -> int:
        return sum(map(len, self.rows.values()))


@dataclass
class Tally:
    """What is durable so far: sightings, those of bytes that were new, refusals by reason; and pages read."""

    pages: int = 0
    answered: int = 0
    pictures: int = 0
    new_pictures: int = 0
    refused: Counter[str] = field(default_factory=Counter)


class Collector:
    """Takes what the spider brings. One per crawl; `close` is its last word."""

    def __init__(
        self,
        home: Home,
        job: str,
        progress: Progress | None = None,
        drain: Callable[[], object] | None = None,
    ) -> None:
        self.blobs, self.inbox, self.job = home.blobs(), home.inbox(), job
        # The limits are a brake for producers, not a wall: what is in memory when we give up still goes in.
        self._brakeless = Inbox(self.inbox.folder, InboxLimits(sys.maxsize, sys.maxsize))
        self._progress, self._drain = progress, drain
        self.tally, self.taken, self.refusals = Tally(), 0, 0
        self.failure: BlindspotError | None = None
        self.stopped = "interrupted"
        self.first_refusal = ""
        self._batch, self._putting, self._lock = Batch(), set[str](), threading.Lock()
        self._putters = ThreadPoolExecutor(PUT_THREADS, "put")
        self._writer = ThreadPoolExecutor(1, "inbox")
        self._crawler: Crawler | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._shown_at = 0.0

    def attach(self, crawler: Crawler) -> None:
        """Begin and end with `crawler`. Call inside its event loop."""
        self._crawler, self._loop = crawler, asyncio.get_running_loop()
        self._flushing = asyncio.Lock()
        self._ticking = self._loop.create_task(self._tick())
        crawler.signals.connect(self._closed, signals.spider_closed)

    # ---- what the spider brings ----------------------------------------------------------------------------

    async def keep(self, data: bytes, seen: Seen) -> None:
        """Store a picture's bytes and record its sighting; a full batch is written before this returns."""
        if self.failure:
            return
        try:
            picture, new = await asyncio.get_running_loop().run_in_executor(self._putters, self._put, data)
        except OSError as error:
            self._fail(CrawlError(f"a picture could not be written: {error}; mend that and crawl again"))
            return
        now = dt.datetime.now(dt.UTC)
        row = {"picture": picture, "size_bytes": len(data), "source": seen.source, "first_seen_at": now}
        self._batch.rows["pictures"].append(row)
        self._batch.rows["sightings"].append({"picture": picture, **vars(seen), "job": self.job, "seen_at": now})
        self._batch.new += new
        self.taken += 1
        self._show()
        if len(self._batch) >= BATCH_ROWS:
            await self.flush()

    def refuse(self, url: str, reason: str, detail: str = "") -> None:
        """Record that `url` gave no picture and why."""
        url = clean(url, limit=MAX_URL_CHARS)
        row = {"url": url, "stage": "fetch", "reason": reason, "detail": detail or None, "job": self.job}
        self._batch.rows["refusals"].append(row | {"refused_at": dt.datetime.now(dt.UTC)})
        self.refusals += 1
        if not self.first_refusal:
            self.first_refusal = clean(f"{url}: {reason}" + (f" ({detail})" if detail else ""))
        self._show()

    def page(self) -> None:
        """Count a page that was read."""
        self.tally.pages += 1
        self._show()

    def _put(self, data: bytes) -> tuple[str, bool]:
        """(id, whether the store lacked it). When the same bytes arrive twice at once, one of them is new."""
        picture = picture_id(data)
        with self._lock:
            first = picture not in self._putting
            self._putting.add(picture)
        try:
            new = first and not self.blobs.has(picture)
            if new or not first:
                self.blobs.put(data)
        finally:
            if first:
                with self._lock:
                    self._putting.discard(picture)
        return picture, new

    # ---- to the inbox --------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Write all rows in memory to the inbox and count them as kept."""
        async with self._flushing:
            batch, self._batch = self._batch, Batch()
            if len(batch):
                inbox = self._brakeless if self.failure else self.inbox
                await asyncio.get_running_loop().run_in_executor(self._writer, self._append, batch, inbox)

    def _append(self, batch: Batch, inbox: Inbox) -> None:
        """In the writer's thread. A batch that cannot be written ends the crawl and does not count."""
        try:
            for kind in KINDS:
                inbox = self._write(kind, batch.rows[kind], inbox)
        except (BlindspotError, OSError) as error:
            self._fail(CrawlError(f"the inbox took no rows: {clean(str(error))}; mend that and crawl again"))
            return
        tally = self.tally
        tally.pictures += len(batch.rows["sightings"])
        tally.new_pictures += batch.new
        tally.refused.update(row["reason"] for row in batch.rows["refusals"])
        self._in_loop(lambda engine: engine.unpause())

    def _write(self, kind: str, rows: list[dict[str, Any]], inbox: Inbox) -> Inbox:
        """Append to `inbox`, waiting while it is full; the inbox for the next rows."""
        try:
            inbox.append(kind, rows, self._on_full)
            return inbox
        except InboxFull as error:
            self._fail(error)
        self._brakeless.append(kind, rows)
        return self._brakeless

    def _on_full(self, message: str) -> None:
        logger.warning("the crawl pauses: %s", message)
        self._in_loop(lambda engine: engine.pause())
        if self._drain:
            try:
                self._drain()
            except BlindspotError as error:
                logger.warning("folding now did not work: %s", error)

    def _fail(self, error: BlindspotError) -> None:
        self.failure = self.failure or error
        self._in_loop(lambda engine: engine.unpause())
        self.stop("failed")

    def stop(self, reason: str) -> None:
        """End the crawl from any thread; requests under way are finished."""

        def begin(engine: Any) -> None:
            self._stopping = self._stopping or asyncio.ensure_future(engine.close_spider_async(reason=reason))

        self._in_loop(begin)

    def _in_loop(self, act: Callable[[Any], object]) -> None:
        def safely() -> None:
            if self._crawler and self._crawler.crawling and self._crawler.engine.spider is not None:
                act(self._crawler.engine)

        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(safely)

    # ---- time and end --------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(BATCH_S)
            await self.flush()

    async def _closed(self, reason: str) -> None:
        self.stopped = reason
        await self.flush()

    def close(self) -> None:
        """After the crawl, also a broken-off one: write what is still in memory, end the threads."""
        self._putters.shutdown()
        if len(self._batch):
            self._append(self._batch, self._brakeless)
            self._batch = Batch()
        self._writer.shutdown()
        self._show(last=True)

    def _show(self, last: bool = False) -> None:
        now = time.monotonic()
        if self._progress and (last or now - self._shown_at >= PROGRESS_S):
            self._shown_at = now
            self._progress(self.tally.pages, self.taken, self.refusals)
