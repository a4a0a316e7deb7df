"""What all spiders share: asking for a picture, and what happens with the answer or its absence.

Gives pictures and refusals to the collector, which writes them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import scrapy
from scrapy import signals
from scrapy.http import Request, Response
from twisted.python.failure import Failure

from crawl.collect import Collector, Seen
from crawl.formats import picture_format
from crawl.middleware import OVER_CAP
from crawl.reasons import reason_of, reason_of_answer
from crawl.text import clean
from crawl.urls import without_credentials

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from crawl.job import Job

logger = logging.getLogger("crawl")

# Pictures before pages, style sheets before both (they name pictures of the page just read).
STYLE_PRIORITY, PICTURE_PRIORITY = 20, 10


class PictureSpider(scrapy.Spider):
    """Base of the spiders. `job` says what to crawl, `collector` takes what is found."""

    name = "pictures"

    def __init__(self, job: Job, collector: Collector, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job, self.collector = job, collector
        self.left_links = 0
        self._claimed = 0

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> PictureSpider:
        """As Scrapy makes its spiders."""
        spider = super().from_crawler(crawler, *args, **kwargs)
        crawler.signals.connect(spider.on_fault, signals.spider_error)
        return spider

    def ask_picture(self, url: str, page: str | None) -> Request:
        """The request for a picture at `url` that was named on `page`."""
        return Request(
            url,
            headers=origin_of(page, url),
            callback=self.on_picture,
            errback=self.on_failure,
            cb_kwargs={"page": page},
            priority=PICTURE_PRIORITY,
        )

    async def on_picture(self, response: Response, page: str | None) -> None:
        """Keep the picture, or record why there is none."""
        if not self.succeeded(response):
            return
        if picture_format(response.body) is None:
            self.collector.refuse(response.url, "not_a_picture", _described(response))
        else:
            await self.keep(response, page)

    def succeeded(self, response: Response) -> bool:
        """Whether the server answered with success; what it said otherwise becomes a row."""
        refusal = reason_of_answer(response)
        if refusal:
            self.collector.refuse(response.url, refusal)
        else:
            self.collector.tally.answered += 1
        return refusal is None

    async def keep(self, response: Response, page: str | None) -> None:
        """Give the picture in `response` to the collector, unless the job has all it wants."""
        if self._claimed >= self.job.max_pictures:
            return
        self._claimed += 1  # before anything is awaited: others are at it too
        url = without_credentials(response.url)
        seen = Seen(
            url=url,
            page=page,
            host=urlsplit(url).hostname or "",
            source=self.job.source(page or url),
            http_status=response.status,
            content_type=_content_type(response) or None,
        )
        await self.collector.keep(response.body, seen)
        if self.collector.taken >= self.job.max_pictures:
            self.collector.stop("max_pictures")

    def on_failure(self, failure: Failure) -> None:
        """Record why a request brought no answer."""
        reason, detail = reason_of(failure)
        if reason == OVER_CAP:
            self.left_links += 1
        else:
            self.collector.refuse(failure.request.url, reason, detail)  # type: ignore[attr-defined]

    def on_fault(self, failure: Failure, response: Response | Failure) -> None:
        """A fault of our own while an answer was read: the log has the trace, the URL gets its row."""
        asked = response if isinstance(response, Response) else response.request  # type: ignore[attr-defined]
        self.collector.refuse(asked.url, "crawl_error", clean(f"{type(failure.value).__name__}: {failure.value}"))


def origin_of(page: str | None, url: str) -> dict[str, str]:
    """The Referer header for `url` as named on `page`: its origin, and nothing from https to http.

    Source: Referrer Policy, "strict-origin"; some hosts give pictures to their own pages only.
    """
    if page is None or (page.startswith("https:") and url.startswith("http:")):
        return {}
    parts = urlsplit(page)
    return {"Referer": f"{parts.scheme}://{parts.netloc}/"}


def _content_type(response: Response) -> str:
    return clean((response.headers.get("Content-Type") or b"").decode("latin-1"), limit=200)


def _described(response: Response) -> str:
    if not response.body:
        return "an empty answer"
    called, begins = _content_type(response) or "nothing", response.body[:8]
    return f"{len(response.body)} bytes, called {called}, begin {begins!r}"
