"""Whether fetched bytes are kept: forgotten, known bad, hostile, over a quota, or a picture for the store.

Reads the known-bad bank and the tombstones, writes pictures to the blobs; gives the rows that record them.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from crawl.check import Asked, Checks
from crawl.collect import Seen
from crawl.gather import Gather
from crawl.job import Job
from crawl.reasons import Refused
from store.blobs import picture_id
from store.errors import CrawlError
from store.forgetting.tombstones import Tombstones
from store.home import Home
from store.known_bad.bank import Bank
from store.sandbox import Failure

# Threads that write pictures. Measured on two cores: 1 gave 609 a second, 2 1,169, 4 1,371, 8 1,258 (20 kB).
PUT_THREADS = 4
# Pictures that are looked at or written together, and the bytes beyond which no more join. Chosen by eye.
TOGETHER, TOGETHER_BYTES = 8, 1_000_000
# Bytes beyond which hashing takes longer than the way to a thread and back. Chosen by eye.
LARGE_BYTES = 1_000_000

Rows = list[tuple[str, dict[str, Any]]]
New = tuple[str, bytes]  # id and bytes of a picture that the store lacks


class Keeper:
    """Takes the bytes of one crawl; a context manager, as its sandbox is."""

    def __init__(self, home: Home, job: Job) -> None:
        self._job, self._blobs = job, home.blobs()
        self._bank, self.tombstones = Bank.load(home), Tombstones.load(home)
        self._checks, self._putters = Checks(), ThreadPoolExecutor(PUT_THREADS, "put")
        together = {"most": TOGETHER, "most_weight": TOGETHER_BYTES}
        self._check = Gather(self._checks.all, _asked_bytes, calls=self._checks.workers, **together)
        self._put = Gather(self._put_all, _new_bytes, calls=PUT_THREADS, **together)
        self._putting: dict[str, asyncio.Future[None]] = {}
        self._taken: Counter[tuple[str, str]] = Counter()
        # A crawl that was killed may have written pictures whose rows it could not.
        self.unsure = False

    async def keep(self, data: bytes, seen: Seen) -> tuple[str, bool, Rows]:
        """(id, whether the store lacked it, rows) of a picture that is now in the store. Raises Refused."""
        loop = asyncio.get_running_loop()
        large = len(data) > LARGE_BYTES
        picture = await asyncio.to_thread(picture_id, data) if large else picture_id(data)
        if self.tombstones.forbids_picture(picture):
            raise Refused("forgotten", "these bytes were purged")
        self._ask_bank(seen.source, picture)
        while picture in self._putting:
            await self._putting[picture]
        new = not await self._has(picture)
        if new:
            done = self._putting[picture] = loop.create_future()
            try:
                await self._admit(data, picture, seen)
                await self._put((picture, data))
            finally:
                del self._putting[picture]
                done.set_result(None)
        now = dt.datetime.now(dt.UTC)
        rows: Rows = []
        if new or self.unsure:
            known = {"picture": picture, "size_bytes": len(data), "source": seen.source, "first_seen_at": now}
            rows.append(("pictures", known))
        rows.append(sighting(picture, seen, self._job.name, now))
        return picture, new, rows

    async def _has(self, picture: str) -> bool:
        if self._blobs.local:  # a stat takes less than the way to a thread and back
            return self._blobs.has(picture)
        return await asyncio.get_running_loop().run_in_executor(self._putters, self._blobs.has, picture)

    async def _admit(self, data: bytes, picture: str, seen: Seen) -> None:
        """Look at new bytes in the sandbox, ask the bank for what they look like, and count them. Raises Refused."""
        checked = await self._check((data, self._bank.wants_pdq()))
        if isinstance(checked, Failure):
            raise Refused(checked.reason, checked.detail)
        if checked.pdq:
            self._ask_bank(seen.source, picture, checked.pdq, checked.pdq_quality)
        kinds = (("source", seen.source), ("format", checked.format), ("size", checked.size_class))
        for name, value in kinds:
            limit = self._job.quota(name, value)
            if limit is not None and self._taken[name, value] >= limit:
                raise Refused("budget", f"{limit} pictures of {name} {value} are taken")
        self._taken.update(kinds)

    async def _put_all(self, new: Sequence[New]) -> Sequence[None]:
        try:
            await asyncio.get_running_loop().run_in_executor(self._putters, self._blobs.put_all, dict(new))
        except OSError as error:
            raise CrawlError(f"a picture could not be written: {error}; mend that and crawl again") from None
        return [None] * len(new)

    def _ask_bank(self, source: str, picture: str, pdq: bytes | None = None, quality: int = 0) -> None:
        match = self._bank.match(picture, pdq, quality, source)
        if match is not None:
            raise Refused("known_bad", match.bank)

    def close(self) -> None:
        """End the workers and threads."""
        self._putters.shutdown()
        self._checks.close()


def _asked_bytes(asked: Asked) -> int:
    return len(asked[0])


def _new_bytes(new: New) -> int:
    return len(new[1])


def sighting(picture: str, seen: Seen, job: str, at: dt.datetime) -> tuple[str, dict[str, Any]]:
    """The (kind, row) of one time a picture was seen."""
    return "sightings", {"picture": picture, **vars(seen), "job": job, "seen_at": at}
