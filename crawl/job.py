"""A crawl job (what to fetch and how, checked when it is made) and the summary of a crawl. Writes nothing."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from crawl.guard import Gate
from crawl.text import clean
from crawl.urls import resolve
from store.errors import UsageError
from store.sources import source_of

SPIDER_NAMES = ("pages", "url_list")


@dataclass(frozen=True)
class Job:
    """What to crawl and how. Raises UsageError when it makes no sense.

    `name` goes into every row. `allow_addresses` are IP:PORT literals that may be reached though not public;
    `resolve` maps host names to addresses. `same_site` follows links only within the registered domains of
    the start URLs and within `allow_hosts` (and their subdomains). `delay_s` is between two requests to one
    host; 0 also lifts the limit of one request at a time per host. `contact` is a URL or an address in the
    user agent.
    """

    name: str
    spider: str
    urls: tuple[str, ...] = ()
    list_file: Path | None = None
    allow_addresses: tuple[str, ...] = ()
    resolve: Mapping[str, str] = field(default_factory=dict)
    allow_hosts: tuple[str, ...] = ()
    same_site: bool = True
    delay_s: float = 1.0
    concurrency: int = 16
    max_pages: int = 10_000
    max_pictures: int = 1_000_000
    max_depth: int = 20
    max_bytes: int = 50_000_000  # what the decoder takes; tests/crawl/test_crawl_job.py holds them together
    timeout_s: float = 30.0
    contact: str = ""

    def __post_init__(self) -> None:
        _check(self.spider in SPIDER_NAMES, "spider", f"one of {', '.join(SPIDER_NAMES)}", self.spider)
        for name in ("concurrency", "max_pages", "max_pictures", "max_bytes", "timeout_s"):
            _check(getattr(self, name) > 0, name, "a number above 0", getattr(self, name))
        for name in ("delay_s", "max_depth"):
            _check(getattr(self, name) >= 0, name, "a number of 0 or more", getattr(self, name))
        _check(self.contact.isprintable() and self.contact.isascii(), "contact", "plain text", self.contact)
        for url in self.urls:
            _check(resolve("", url) is not None, "--url", "an http or https URL", url)
            _check("@" not in urlsplit(url).netloc, "--url", "a URL without user and password", url)
        if self.spider == "pages":
            _check(bool(self.urls), "--url", "at least one URL to start from", "none")
        elif self.list_file is None or not self.list_file.is_file():
            raise UsageError(f"crawl url_list wants --list FILE with one URL a line. Received: {self.list_file}")
        _ = self.gate  # refuses what is no address

    @functools.cached_property
    def gate(self) -> Gate:
        """What this job may connect to."""
        return Gate.of(self.allow_addresses, self.resolve)

    def source(self, url: str) -> str:
        """The source of what stands at `url`; a host of `[resolve]` is a source of its own."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if self.gate.named(host) is not None:
            return host
        return source_of(host, parts.port or {"http": 80, "https": 443}.get(parts.scheme))


def _check(fits: bool, name: str, wanted: str, received: object) -> None:
    if not fits:
        raise UsageError(f"{name} wants {wanted}. Received: {clean(str(received))}")


@dataclass(frozen=True)
class Summary:
    """What a crawl brought; all of it is durable.

    `pages` read, `pictures` = URLs that gave a picture, `new_pictures` = those whose bytes the store did not
    hold, `refused` URLs by reason. `stopped`: finished, max_pages, max_pictures or interrupted; `left_links`
    were beyond `max_pages`.
    """

    job: str
    pages: int
    pictures: int
    new_pictures: int
    refused: dict[str, int]
    seconds: float
    stopped: str
    left_links: int

    def sentence(self) -> str:
        """The summary in one line."""
        refused = ", ".join(f"{count} {reason}" for reason, count in sorted(self.refused.items()))
        nothing = "" if self.pictures else " (the site shows no picture)" if self.pages else " (no URL gave a picture)"
        return (
            f"{self.job}: {self.pages} pages, {self.pictures} pictures{nothing}, {self.new_pictures} of them "
            f"new; refused: {refused or 'none'}; {self.seconds:.1f} s; {self.stopped}"
            + (f", {self.left_links} links left" if self.left_links else "")
        )
