"""Runs one crawl job: `run(job, home)` in this process, or `python -m crawl.run JSON` in its own.

Writes pictures to the blobs and `pictures`, `sightings`, `refusals` to the inbox of the home.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crawl.job import Job, Summary
from crawl.logs import clean_logs
from store.errors import BlindspotError, CrawlError, InboxFull
from store.home import Home

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from crawl.collect import Collector, Progress

logger = logging.getLogger("crawl")

# Scrapy's words for the end of a crawl, and ours, to those of a Summary.
STOPPED = {"finished": "finished", "max_pictures": "max_pictures", "shutdown": "interrupted"}
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

    `progress(pages, pictures, refused)` is called a few times a second with what was taken so far. `drain` is
    called, in a thread, when the inbox is full: a caller that may fold folds there; without it the crawl
    waits for somebody else. `log_handler` replaces standard error. One SIGINT or SIGTERM ends the crawl after
    the requests under way.
    Raises CrawlError when no URL at all gave an answer, InboxFull when nobody folded in time.
    """
    from crawl.collect import Collector  # brings scrapy

    collector = Collector(home, job.name, progress, drain)
    began = time.monotonic()
    spider = None
    with clean_logs(log_handler):
        try:
            spider = asyncio.run(_crawl(job, collector))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None  # the second signal
        finally:
            collector.close()
    left = getattr(spider, "left_links", 0)
    return _summary(job, collector, time.monotonic() - began, left)


async def _crawl(job: Job, collector: Collector) -> Any:
    from scrapy.crawler import Crawler

    from crawl.settings import settings_for
    from crawl.spiders import SPIDERS

    if not job.contact:
        logger.warning("the crawler names no contact; set one in blindspot.toml, so that owners of hosts can reach you")
    crawler = Crawler(SPIDERS[job.spider], settings_for(job))
    collector.attach(crawler)
    with _interruptible(crawler):
        await crawler.crawl_async(job=job, collector=collector)
    return crawler.spider


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


def _summary(job: Job, collector: Collector, seconds: float, left_links: int) -> Summary:
    tally = collector.tally
    if isinstance(collector.failure, InboxFull):
        raise InboxFull(f"{collector.failure}; the crawl stopped with {tally.pictures} pictures recorded, none lost")
    if collector.failure:
        raise collector.failure
    stopped = STOPPED.get(collector.stopped)
    if stopped is None:
        raise CrawlError(f"{job.name}: the crawl broke off ({collector.stopped}); the log says why")
    if stopped == "finished" and not tally.answered:
        raise CrawlError(_nothing(job, collector))
    if stopped == "finished" and left_links:
        stopped = "max_pages"
    return Summary(
        job=job.name,
        pages=tally.pages,
        pictures=tally.pictures,
        new_pictures=tally.new_pictures,
        refused=dict(tally.refused),
        seconds=seconds,
        stopped=stopped,
        left_links=left_links,
    )


def _nothing(job: Job, collector: Collector) -> str:
    if not collector.refusals:
        return f"{job.name}: wanted URLs in {job.list_file}, found none; put one on each line"
    reasons = collector.tally.refused
    more = f" and {collector.refusals - 1} more" if collector.refusals > 1 else ""
    advice = NEXT.get(reasons.most_common(1)[0][0], "the refusals are in the store, each with its reason")
    return f"{job.name}: nothing could be fetched: {collector.first_refusal}{more}; {advice}"


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
    print(json.dumps(asdict(summary)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
