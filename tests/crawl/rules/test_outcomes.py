from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from crawl.frontier import Entry
from crawl.reasons import Failed, Refused
from crawl.rules.outcomes import Gone, Here, Later, Moved, Outcome, Unchanged, outcome_of, outcome_of_error

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
ENTRY = Entry(1, "http://a.test/x/1.png", "picture", "a.test", None, 0, 0, 0, None, None, None, None)


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (200, {}, Here()),
        (206, {}, Here()),
        (404, {}, Gone("http_404")),
        (410, {}, Gone("http_410")),
        (304, {}, Gone("http_304")),
        (301, {}, Gone("http_301")),
        (301, {"Location": "../2.png"}, Moved("http://a.test/2.png")),
        (308, {"Location": "//b.test/"}, Moved("http://b.test/")),
        (302, {"Location": "file:///etc/passwd"}, Gone("bad_url", "redirect to file:///etc/passwd")),
        (503, {}, Later(0.0, "http_503")),
        (429, {"Retry-After": "120"}, Later(120.0, "http_429")),
        (503, {"Retry-After": "Mon, 23 Nov 2026 12:01:00 GMT"}, Later(60.0, "http_503")),
        (503, {"Retry-After": "soon"}, Later(0.0, "http_503")),
    ],
)
def test_what_a_status_means(status: int, headers: dict[str, str], outcome: Outcome) -> None:
    assert outcome_of(ENTRY, status, headers, NOW) == outcome


def test_the_last_try_is_the_last() -> None:
    assert outcome_of(replace(ENTRY, tries=2), 503, {"Retry-After": "1"}, NOW) == Gone("http_503")
    assert outcome_of_error(replace(ENTRY, tries=2), Failed("timeout", "slow")) == Gone("timeout", "slow")


def test_unchanged_is_believed_only_when_it_was_asked() -> None:
    assert outcome_of(replace(ENTRY, etag='"1"'), 304, {}, NOW) == Unchanged()
    assert outcome_of(replace(ENTRY, modified="yesterday"), 304, {}, NOW) == Unchanged()


def test_redirects_end() -> None:
    assert outcome_of(replace(ENTRY, hops=10), 301, {"Location": "/2"}, NOW) == Gone(
        "redirect_loop", "more than 10 redirects"
    )


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Refused("too_large", "big"), Gone("too_large", "big")),
        (Failed("timeout", "slow"), Later(0.0, "timeout", "slow")),
        (RuntimeError("ours"), Gone("crawl_error", "RuntimeError: ours")),
    ],
)
def test_what_an_error_means(error: Exception, outcome: Outcome) -> None:
    assert outcome_of_error(ENTRY, error) == outcome
