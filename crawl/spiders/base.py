"""What all spiders share: the job they are for.

What a spider yields as a request waits in the frontier; what its pages name is taken by `crawl/harvest.py`.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scrapy
from scrapy.http import Request

from crawl.job import Job
from crawl.text import clean
from store.errors import UsageError

if TYPE_CHECKING:
    from crawl.extension import Blindspot
    from crawl.rules.robots import Rules

LOOK_S = 0.05  # between two looks whether a robots.txt is here; chosen by eye


class PictureSpider(scrapy.Spider):
    """Base of the spiders. `job` says what to crawl; under `scrapy crawl` it is made of `-a` arguments."""

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


def _switch(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text.lower()]


# What a text becomes, by the type of the job's field as it is written there.
READ: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": _switch,
    "Path | None": Path,
    "tuple[str, ...]": lambda text: tuple(text.split(",")),
    "Mapping[str, str]": lambda text: dict(pair.split("=", 1) for pair in text.split(",")),
}


def job_of(spider: str, given: dict[str, str]) -> Job:
    """The job of `scrapy crawl SPIDER -a name=value …`: texts become what the job's fields are. Raises UsageError.

    `url` is a short word for `urls`. Names that begin with `_` are scrapyd's own.
    """
    types = {field.name: str(field.type) for field in dataclasses.fields(Job)}
    values: dict[str, Any] = {}
    for name, text in given.items():
        if name.startswith("_"):
            continue
        field = "urls" if name == "url" else name
        if types.get(field) not in READ:
            known = ", ".join(sorted(one for one, kind in types.items() if kind in READ))
            raise UsageError(f"a crawl has no argument {clean(name)!r}; it has url, {known}")
        try:
            values[field] = READ[types[field]](text)
        except (ValueError, KeyError):
            raise UsageError(f"-a {name} wants {types[field]}. Received: {clean(text)!r}") from None
    return Job(**({"name": spider, "spider": spider} | values))
