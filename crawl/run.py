"""Runs one crawl job: `run(job, home)` in this process, or `python -m crawl.run JSON` in its own.

Writes pictures to the blobs and `pictures`, `sightings`, `refusals` to the inbox of the home.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from crawl.job import Job, Summary
from crawl.logs import clean_logs
from crawl.record import record
from store.errors import BlindspotError
from store.home import Home

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from crawl.extension import Blindspot, Progress

logger = logging.getLogger("crawl")


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

    blindspot = Blindspot(job, home, progress=progress, drain=drain)
    with clean_logs(log_handler):
        try:
            asyncio.run(_crawl(job, blindspot))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None  # the second signal
        finally:
            left = blindspot.close()
    return record(blindspot, left)


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
