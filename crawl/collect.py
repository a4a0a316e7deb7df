"""The way of rows from a crawl to the inbox: out of the frontier's outbox in batches, by a thread.

A row is safe from a kill once it is in the outbox, and counted once it is in the inbox. When the inbox is full the
crawl pauses; when nobody folds it in time the crawl stops with InboxFull, and the rows wait in the outbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from crawl.frontier import Frontier
from crawl.text import clean
from crawl.urls import MAX_URL_CHARS
from store.errors import BlindspotError, CrawlError, InboxFull
from store.home import Home
from store.inbox import NO_LIMITS, Inbox

logger = logging.getLogger("crawl")

# Rows per batch, and how long a row waits at most: a slow crawl should not fill the inbox with tiny files. By eye.
BATCH_ROWS = 1_500
BATCH_S = 20.0
LOOK_S = 0.2  # between two looks at a full inbox. Chosen by eye

T = TypeVar("T")


@dataclass(frozen=True)
class Seen:
    """Where and how a picture was seen."""

    url: str
    page: str | None
    host: str
    source: str
    http_status: int | None
    content_type: str | None
    hint: str | None = None


@dataclass
class Tally:
    """What a crawl did so far: pages read, sightings, those of bytes that were new, refusals by reason."""

    pages: int = 0
    answered: int = 0
    pictures: int = 0
    new_pictures: int = 0
    bytes: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    first_refusal: str = ""

    def refusal(self, url: str, reason: str, detail: str, job: str) -> tuple[str, dict[str, Any]]:
        """The (kind, row) that says that `url` gave no picture, and why; counted."""
        self.refused[reason] += 1
        if not self.first_refusal:
            self.first_refusal = clean(f"{url}: {reason}" + (f" ({detail})" if detail else ""))
        return refusal(url, reason, detail, job)

    def sentence(self, seconds: float) -> str:
        """What a person sees while the crawl runs."""
        rate = self.pictures / seconds if seconds > 0 else 0.0
        refused = ", ".join(f"{count:,} {reason}" for reason, count in self.refused.most_common(5)) or "none"
        return (
            f"{self.pages:,} pages, {self.pictures:,} pictures ({rate:.1f} a second, {self.new_pictures:,} new, "
            f"{self.bytes / 1e6:,.0f} MB); refused: {refused}"
        )


class Outbox:
    """Hands the rows of one crawl on. `drain` is called, in a thread, when the inbox is full."""

    def __init__(self, home: Home, frontier: Frontier, drain: Callable[[], object] | None = None) -> None:
        self._inbox, self._frontier, self._drain = home.inbox(), frontier, drain
        self._writer = ThreadPoolExecutor(1, "inbox")
        self._flushing, self._hurried = asyncio.Lock(), asyncio.Event()
        self.failure: BlindspotError | None = None
        self.full = False

    async def flush(self) -> None:
        """Append everything that waits to the inbox, as far as there is room; `failure` says what went wrong."""
        async with self._flushing:
            try:
                while batch := self._frontier.unsent(BATCH_ROWS):
                    if not await self._has_room():
                        return
                    await self._in_thread(self._append, batch)
                    self._frontier.sent(batch[-1][0])
                    if len(batch) < BATCH_ROWS:
                        return
            except sqlite3.Error as error:
                self.failure = self._frontier.complaint(error)
            except OSError as error:
                text = clean(str(error))
                self.failure = CrawlError(f"the inbox took no rows: {text}; mend that and crawl again, no row is lost")
            except BlindspotError as error:
                self.failure = error
            finally:
                self.full = False

    async def keep_flushing(self) -> None:
        """Flush again and again, until cancelled."""
        while True:
            await asyncio.sleep(BATCH_S)
            await self.flush()

    def hurry(self) -> None:
        """Somebody wants to leave: wait for no fold from now on, the rows wait in the frontier."""
        self._hurried.set()

    async def _has_room(self) -> bool:
        """Wait until the inbox is not full; False when there is no time for that. Raises InboxFull."""
        complaint = await self._in_thread(self._inbox.is_full)
        if complaint:
            self._pause(complaint)
            if self._drain and not self._hurried.is_set():
                await self._in_thread(self._fold)
        patience_s = self._inbox.limits.patience_s
        deadline = time.monotonic() + patience_s
        while complaint := await self._in_thread(self._inbox.is_full):
            if self._hurried.is_set():
                logger.warning("what is not in the inbox waits in the frontier for the next crawl")
                return False
            if time.monotonic() > deadline:
                what = f"inbox {self._inbox.folder} is full: {complaint}; nobody folded it for {patience_s:g} s"
                raise InboxFull(f"{what}; run `blindspot fold`")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurried.wait(), LOOK_S)
        return True

    def _pause(self, complaint: str) -> None:
        self.full = True
        logger.warning(
            "the crawl pauses: inbox %s is full (%s); waiting for `blindspot fold`", self._inbox.folder, complaint
        )

    def _fold(self) -> None:
        assert self._drain is not None
        try:
            self._drain()
        except BlindspotError as error:
            logger.warning("folding now did not work: %s", error)

    def _append(self, batch: list[tuple[int, str, dict[str, Any]]]) -> None:
        by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for _, kind, row in batch:
            by_kind[kind].append(_with_times(row))
        inbox = Inbox(self._inbox.folder, NO_LIMITS)  # there is room for this batch
        for kind, rows in by_kind.items():
            inbox.append(kind, rows)

    async def _in_thread(self, work: Callable[..., T], *given: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work, *given)

    def close(self) -> None:
        """End the thread."""
        self._writer.shutdown()


def refusal(url: str, reason: str, detail: str, job: str, stage: str = "fetch") -> tuple[str, dict[str, Any]]:
    """The (kind, row) that says that `url` gave no picture, and why."""
    row = {"url": clean(url, limit=MAX_URL_CHARS), "stage": stage, "reason": reason, "detail": clean(detail) or None}
    return "refusals", row | {"job": job, "refused_at": dt.datetime.now(dt.UTC)}


def _with_times(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: dt.datetime.fromisoformat(value) if name.endswith("_at") and value else value
        for name, value in row.items()
    }
