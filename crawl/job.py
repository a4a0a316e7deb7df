"""A crawl job (what to fetch and how, checked when it is made) and the summary of a crawl. Writes nothing."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crawl.guard import Gate
from crawl.text import clean
from crawl.urls import resolve
from store.errors import UsageError
from store.sources import domain_of, source_of

SPIDER_NAMES = ("pages", "sitemap", "url_list", "recheck")
FOREIGN = "foreign"  # a spider of somebody's own Scrapy project


@dataclass(frozen=True)
class Job:
    """What to crawl and how. Raises UsageError when it makes no sense.

    `name` goes into every row. `allow_addresses` are IP:PORT literals that may be reached though not public; `resolve`
    maps host names to addresses. `same_site` follows links only within the registered domains of the start URLs and
    within `allow_hosts` (and their subdomains). `delay_s` is between two requests to one host; 0 also lifts the limit
    of one request at a time per host. `contact` is a URL or an address in the user agent. Limits are of one crawl; what
    waits beyond them is left for the next. Of `max_per_…`, 0 is no limit. `hunt` prefers hosts that gave blind spots.
    `retry_s`: before the second try of what may pass, doubled before the third. `patience_s`: how long a crawl waits
    when nothing may be asked before it leaves the rest for the next.
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
    max_page_bytes: int = 10_000_000
    max_pages_per_host: int = 5_000
    max_pages_per_site: int = 20_000
    max_pictures_per_host: int = 100_000
    max_pictures_per_site: int = 200_000
    max_bytes_per_host: int = 50_000_000_000
    max_per_source: int = 0
    max_per_format: int = 0
    max_per_size: int = 0
    hunt: bool = True
    patience_s: float = 300.0
    timeout_s: float = 30.0
    retry_s: float = 5.0
    contact: str = ""

    def __post_init__(self) -> None:
        _check(self.spider in (*SPIDER_NAMES, FOREIGN), "spider", f"one of {', '.join(SPIDER_NAMES)}", self.spider)
        for name in _NUMBERS:
            least = 0 if name in _OR_ZERO else 1
            fits = getattr(self, name) >= least if least == 0 else getattr(self, name) > 0
            _check(fits, name, "a number of 0 or more" if least == 0 else "a number above 0", getattr(self, name))
        _check(self.contact.isprintable() and self.contact.isascii(), "contact", "plain text", self.contact)
        for url in self.urls:
            _check(resolve("", url) is not None, "--url", "an http or https URL", url)
            _check("@" not in urlsplit(url).netloc, "--url", "a URL without user and password", url)
        if self.spider in ("pages", "sitemap"):
            _check(bool(self.urls), "--url", "at least one URL to start from", "none")
        elif self.spider == "url_list" and (self.list_file is None or not self.list_file.exists()):
            raise UsageError(f"crawl url_list wants --list FILE with one URL a line. Received: {self.list_file}")
        _ = self.gate  # refuses what is no address

    @functools.cached_property
    def gate(self) -> Gate:
        """What this job may connect to."""
        return Gate.of(self.allow_addresses, self.resolve)

    @property
    def frontier_name(self) -> str:
        """The name of the job's frontier. A spider without a job of that name has one for each set of starts."""
        if self.name not in SPIDER_NAMES:
            return self.name
        starts = "\n".join([*self.urls, str(self.list_file.resolve() if self.list_file else "")])
        return f"{self.name}-{hashlib.sha256(starts.encode()).hexdigest()[:8]}"

    def source(self, url: str) -> str:
        """The source of what stands at `url`; a host of `[resolve]` is a source of its own."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if self.gate.named(host) is not None:
            return host
        return source_of(host, parts.port or {"http": 80, "https": 443}.get(parts.scheme))

    def site(self, host: str) -> str:
        """The registered domain that `host` belongs to, for fairness and budgets; also of names of `[resolve]`."""
        return domain_of(host)

    def quota(self, name: str, value: str) -> int | None:
        """How many pictures of this source, format or size one crawl takes; None: any."""
        return {"source": self.max_per_source, "format": self.max_per_format, "size": self.max_per_size}[name] or None

    def budget(self, what: str, scope: str) -> int | None:
        """How many pages, pictures or bytes one crawl takes from a host or site; None: any."""
        limit: int | None = getattr(self, f"max_{what}_per_{scope}", None)
        return limit or None


_NUMBERS = tuple(
    name
    for name, kind in Job.__annotations__.items()
    if kind in ("int", "float")
)  # fmt: skip
_OR_ZERO = frozenset({"delay_s", "max_depth", "max_per_source", "max_per_format", "max_per_size", "patience_s"})


def _check(fits: bool, name: str, wanted: str, received: object) -> None:
    if not fits:
        raise UsageError(f"{name} wants {wanted}. Received: {clean(str(received))}")


@dataclass(frozen=True)
class Summary:
    """What a crawl brought; all of it is durable.

    `pages` read, `pictures` = URLs that gave a picture, `new_pictures` = those whose bytes the store did not hold,
    `refused` URLs by reason. `stopped`: finished, max_pages, max_pictures, waiting (what is left may not be asked yet),
    interrupted or failed, and `error` says with what; `left_links` wait in the frontier for the next crawl. `resumed`:
    it went on with one that was not finished. `hunt` says which hosts were preferred and why.
    """

    job: str
    pages: int
    pictures: int
    new_pictures: int
    refused: dict[str, int]
    seconds: float
    stopped: str
    left_links: int
    bytes: int = 0
    resumed: bool = False
    hunt: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    def sentence(self) -> str:
        """The summary in one line."""
        refused = ", ".join(f"{count} {reason}" for reason, count in sorted(self.refused.items()))
        nothing = "" if self.pictures else " (the site shows no picture)" if self.pages else " (no URL gave a picture)"
        return (
            f"{self.job}: {self.pages} pages, {self.pictures} pictures{nothing}, {self.new_pictures} of them "
            f"new; refused: {refused or 'none'}; {self.seconds:.1f} s; {self.stopped}"
            + (f", {self.left_links} links left" if self.left_links else "")
        )
