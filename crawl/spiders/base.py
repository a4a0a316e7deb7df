"""What all spiders share: the job they are for.

What a spider yields as a request waits in the frontier; what its pages name is taken by `crawl/harvest.py`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scrapy
from scrapy.http import Request

from crawl.job import Job

if TYPE_CHECKING:
    from crawl.extension import Blindspot
    from crawl.rules.robots import Rules

LOOK_S = 0.05  # between two looks whether a robots.txt is here; chosen by eye


class PictureSpider(scrapy.Spider):
    """Base of the spiders. `job` says what to crawl; under `scrapy crawl` it is made of `-a` arguments."""

    name = "pictures"

    def __init__(self, job: Job | None = None, blindspot: Blindspot | None = None, **given: Any) -> None:
        super().__init__()
        self.job = job or job_of(self.name, given)
        self.blindspot = blindspot

    @property
    def crawl(self) -> Blindspot:
        """The crawl that runs this spider."""
        from crawl.extension import Blindspot

        return Blindspot.of(self.crawler)

    async def rules_of(self, origin: str) -> Rules | None:
        """What the robots.txt of `origin` says, asked for when its turn has come; None when the crawl ends before."""
        crawl = self.crawl
        crawl.turns.want(origin)
        crawl.loop.poke()
        while (rules := crawl.hosts.known(origin)) is None and not crawl.stopped:
            await asyncio.sleep(LOOK_S)
        return rules

    def ask_picture(self, url: str, hint: str | None = None, page: str | None = None) -> Request:
        """The request for a picture, with the page that it was seen on, if on any."""
        return Request(url, meta={"kind": "picture", "page": page, "hint": hint}, dont_filter=True)


def job_of(spider: str, given: dict[str, str]) -> Job:
    """The job of `scrapy crawl SPIDER -a name=value …`: texts become what the job's fields are. Raises UsageError."""
    lists, numbers = {"urls", "allow_addresses", "allow_hosts"}, {"delay_s", "timeout_s", "patience_s"}
    fields: dict[str, Any] = {}
    for name, value in given.items():
        if name in lists or name == "url":
            fields["urls" if name == "url" else name] = tuple(value.split(","))
        elif name == "list_file":
            fields[name] = Path(value)
        elif name == "resolve":
            fields[name] = dict(pair.split("=", 1) for pair in value.split(","))
        elif name in numbers:
            fields[name] = float(value)
        else:
            fields[name] = value if name == "contact" else int(value)
    return Job(name=spider, spider=spider, **fields)
