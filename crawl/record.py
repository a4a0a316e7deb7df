"""What is written down of a crawl when it has ended: a row of `crawls` and a line of `runs/crawls.jsonl`."""

from __future__ import annotations

import datetime as dt
import json
import time
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING

from crawl.job import Job, Summary
from crawl.text import clean
from store.errors import BlindspotError, CrawlError, InboxFull
from store.home import Home
from store.inbox import NO_LIMITS, Inbox

if TYPE_CHECKING:
    from crawl.collect import Tally
    from crawl.extension import Blindspot

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


def record(blindspot: Blindspot, left: int) -> Summary:
    """The summary of a crawl that has ended with `left` links to go: a row in `crawls`, a line in `runs/crawls.jsonl`.

    Raises what the crawl failed with, and CrawlError when it broke off or fetched nothing at all; that is written down
    too, `failed`.
    """
    failure = _failure(blindspot)
    summary = _summary(blindspot, left, failure)
    try:
        _write(blindspot.home, blindspot.job, summary, blindspot.started_at)
    except OSError as error:
        complaint = f"{summary.sentence()}; but that could not be written down: {clean(str(error))}"
        raise failure or CrawlError(complaint) from None
    if failure:
        raise failure
    return summary


def _failure(blindspot: Blindspot) -> BlindspotError | None:
    job, tally, failure = blindspot.job, blindspot.tally, blindspot.failure
    if isinstance(failure, InboxFull):
        return InboxFull(f"{failure}; the crawl stopped with {tally.pictures} pictures recorded, none lost")
    if failure:
        return failure
    if blindspot.stopped not in STOPPED:
        return CrawlError(f"{job.name}: the crawl broke off ({blindspot.stopped or 'start_error'}); the log says why")
    if blindspot.stopped == "finished" and not tally.answered and not blindspot.resumed:
        return CrawlError(_nothing(job, tally))
    return None


def _summary(blindspot: Blindspot, left: int, failure: BlindspotError | None) -> Summary:
    job, tally = blindspot.job, blindspot.tally
    return Summary(
        job=job.name,
        pages=tally.pages,
        pictures=tally.pictures,
        new_pictures=tally.new_pictures,
        refused=dict(tally.refused),
        seconds=time.monotonic() - blindspot.began,
        stopped="failed" if failure else blindspot.stopped,
        left_links=left,
        bytes=tally.bytes,
        resumed=blindspot.resumed,
        hunt=blindspot.hunt.report() if job.hunt and hasattr(blindspot, "hunt") else [],
        error=str(failure) if failure else "",
    )


def _write(home: Home, job: Job, summary: Summary, started_at: dt.datetime) -> None:
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
