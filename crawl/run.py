"""Runs one crawl job: `run(job, home)` in this process, or `python -m crawl.run JSON` in its own.

Writes pictures to the blobs and `pictures`, `sightings`, `refusals` to the inbox of the home.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from crawl.job import Job, Summary
from crawl.logs import clean_logs
from crawl.text import clean
from store.errors import BlindspotError, CrawlError, InboxFull
from store.home import Home
from store.inbox import NO_LIMITS, Inbox

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from crawl.collect import Tally
    from crawl.extension import Blindspot, Progress

logger = logging.getLogger("crawl")

# How a crawl may end without being broken off.
STOPPED = frozenset({"finished", "max_pages", "max_pictures", "waiting", "interrupted"})
# What to do about the commonest reasons why nothing came.
NEXT = {
    "address_refused": "for a server of your own, name its IP:PORT with --allow-address",
    "cannot_resolve": "check the host name, or map it under [resolve] in blindspot.toml",
    "connection_failed": "check that the host is up and the port is right",
    "robots": "the host does not want to be crawled; ask its owner",
    "timeout": "the host may be down; try again later",
}


def run(
    job: Job,
    home: Home,
    *,
    progress: Progress | None = None,
    drain: Callable[[], object] | None = None,
    log_handler: logging.Handler | None = None,
) -> Summary:
    """Run `job` to its end and return what is durable then.

    `progress(tally)` is called a few times a second. `drain` is
    called, in a thread, when the inbox is full: a caller that may fold folds there; without it the crawl
    waits for somebody else. `log_handler` replaces standard error. One SIGINT or SIGTERM ends the crawl after
    the requests under way.
    Raises CrawlError when no URL at all gave an answer, InboxFull when nobody folded in time, JobRunning when another
    process has the job.
    """
    from crawl.extension import Blindspot  # brings scrapy

    began, started_at = time.monotonic(), dt.datetime.now(dt.UTC)
    blindspot = Blindspot(job, home, progress=progress, drain=drain)
    with clean_logs(log_handler):
        try:
            asyncio.run(_crawl(job, blindspot))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None  # the second signal
        finally:
            left = blindspot.close()
    summary = _summary(job, blindspot, time.monotonic() - began, left)
    try:
        _record(home, job, summary, started_at)
    except OSError as error:
        raise CrawlError(f"{summary.sentence()}; but that could not be written down: {clean(str(error))}") from None
    return summary


async def _crawl(job: Job, blindspot: Blindspot) -> None:
    from scrapy.crawler import Crawler

    from crawl.settings import settings_for
    from crawl.spiders import SPIDERS

    if not job.contact:
        logger.warning("the crawler names no contact; set one in blindspot.toml, so that owners of hosts can reach you")
    crawler = Crawler(SPIDERS[job.spider], settings_for(job))
    with _interruptible(crawler):
        await crawler.crawl_async(job=job, blindspot=blindspot)


@contextmanager
def _interruptible(crawler: Crawler) -> Iterator[None]:
    """The first SIGINT or SIGTERM stops the crawl after the requests under way, the second at once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    stopping: list[asyncio.Task[None]] = []

    def stop() -> None:
        if stopping:
            assert task is not None
            task.cancel()
            return
        logger.warning("stopping after the requests under way; once more stops at once")
        stopping.append(loop.create_task(crawler.stop_async()))

    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.getsignal(number)
            loop.add_signal_handler(number, stop)
    except (ValueError, RuntimeError):
        before = {}  # not the main thread: signals are the caller's
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _summary(job: Job, blindspot: Blindspot, seconds: float, left: int) -> Summary:
    tally, failure = blindspot.tally, blindspot.failure
    if isinstance(failure, InboxFull):
        raise InboxFull(f"{failure}; the crawl stopped with {tally.pictures} pictures recorded, none lost")
    if failure:
        raise failure
    if blindspot.stopped not in STOPPED:
        raise CrawlError(f"{job.name}: the crawl broke off ({blindspot.stopped or 'start_error'}); the log says why")
    if blindspot.stopped == "finished" and not tally.answered and not blindspot.resumed:
        raise CrawlError(_nothing(job, tally))
    return Summary(
        job=job.name,
        pages=tally.pages,
        pictures=tally.pictures,
        new_pictures=tally.new_pictures,
        refused=dict(tally.refused),
        seconds=seconds,
        stopped=blindspot.stopped,
        left_links=left,
        bytes=tally.bytes,
        resumed=blindspot.resumed,
        hunt=blindspot.hunt.report() if job.hunt else [],
    )


def _record(home: Home, job: Job, summary: Summary, started_at: dt.datetime) -> None:
    """One row in `crawls`, and the same as a line of `runs/crawls.jsonl`."""
    row = {
        "crawl": uuid.uuid4().hex,
        "job": job.name,
        "spider": job.spider,
        "started_at": started_at,
        "ended_at": dt.datetime.now(dt.UTC),
        "stopped": summary.stopped,
        "pages": summary.pages,
        "pictures": summary.pictures,
        "new_pictures": summary.new_pictures,
        "summary": json.dumps(asdict(summary)),
    }
    Inbox(home.inbox().folder, NO_LIMITS).append("crawls", [row])
    home.runs.mkdir(parents=True, exist_ok=True)
    with (home.runs / "crawls.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(asdict(summary) | {"started_at": started_at.isoformat()}) + "\n")


def _nothing(job: Job, tally: Tally) -> str:
    if not tally.refused:
        wanted = f"URLs in {job.list_file}, found none; put one on each line" if job.list_file else "URLs, found none"
        return f"{job.name}: wanted {wanted}"
    more = f" and {tally.refused.total() - 1} more" if tally.refused.total() > 1 else ""
    advice = NEXT.get(tally.refused.most_common(1)[0][0], "the refusals are in the store, each with its reason")
    return f"{job.name}: nothing could be fetched: {tally.first_refusal}{more}; {advice}"


def main() -> int:
    """`python -m crawl.run JSON`: JSON holds `home` and the fields of a Job; prints the Summary as JSON."""
    wanted = json.loads(sys.argv[1])
    home = Home(Path(wanted.pop("home")))
    try:
        if wanted.get("list_file"):
            wanted["list_file"] = Path(wanted["list_file"])
        wanted = {name: tuple(value) if isinstance(value, list) else value for name, value in wanted.items()}
        summary = run(Job(**wanted), home)
    except BlindspotError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("error: stopped at once; what was under way will be asked for again", file=sys.stderr)
        return 128 + signal.SIGINT
    print(json.dumps(asdict(summary)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
