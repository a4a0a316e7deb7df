"""What an answer means for the entry that was asked: a table of statuses, and what to do about each. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from crawl.frontier import Entry
from crawl.read.answers import directives_of
from crawl.reasons import Failed, Refused
from crawl.rules.manners import retry_after_s
from crawl.urls import resolve

MAX_HOPS = 10
MAX_TRIES = 3  # in all; chosen by eye
# Statuses that may be others in a while. 408, 425, 429: RFC 9110, RFC 8470, RFC 6585.
MAY_PASS = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Here:
    """The answer is what was asked for."""


@dataclass(frozen=True)
class Unchanged:
    """What was kept last time is what is there now."""


@dataclass(frozen=True)
class Moved:
    """It is at another URL."""

    url: str


@dataclass(frozen=True)
class Later:
    """Nothing now; ask again, and not before so many seconds: the server said so."""

    in_s: float
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Gone:
    """Nothing, for this reason."""

    reason: str
    detail: str = ""


Outcome = Here | Unchanged | Moved | Later | Gone


def outcome_of(entry: Entry, status: int, headers: Mapping[str, str], now: datetime) -> Outcome:
    """What `status` and `headers` mean for `entry`; `now` is UTC."""
    if 200 <= status < 300:
        return Here()
    if status == 304 and (entry.etag or entry.modified):
        refused = directives_of(headers).refuses_pictures  # it may say so only now
        return Gone("opted_out", refused) if refused else Unchanged()
    location = headers.get("Location", "")
    if 300 <= status < 400 and location:
        return _moved(entry, location)
    if status in MAY_PASS:
        told = retry_after_s(headers.get("Retry-After", ""), now)
        return _again(entry, f"http_{status}", "", told)
    return Gone(f"http_{status}")


def outcome_of_error(entry: Entry, error: BaseException) -> Outcome:
    """What a request that ended in `error` means."""
    if isinstance(error, Refused):
        return Gone(error.reason, error.detail)
    if isinstance(error, Failed):
        return _again(entry, error.reason, error.detail, None)
    return Gone("crawl_error", f"{type(error).__name__}: {error}")


def _moved(entry: Entry, location: str) -> Outcome:
    target = resolve(entry.url, location)
    if target is None:
        return Gone("bad_url", f"redirect to {location}")
    if entry.hops >= MAX_HOPS:
        return Gone("redirect_loop", f"more than {MAX_HOPS} redirects")
    return Moved(target)


def _again(entry: Entry, reason: str, detail: str, told_s: float | None) -> Outcome:
    if entry.tries + 1 >= MAX_TRIES:
        return Gone(reason, detail)
    return Later(told_s or 0.0, reason, detail)
