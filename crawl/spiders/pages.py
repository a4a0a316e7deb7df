"""The spider `pages`: follows links from the start URLs and takes every picture of each page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from scrapy.http import HtmlResponse, Request, Response, TextResponse

from crawl.carriers import carriers, style_carriers
from crawl.formats import picture_format
from crawl.middleware import PAGE
from crawl.spiders.base import STYLE_PRIORITY, PictureSpider, origin_of

# A page that its server calls something else still begins like one.
LOOKS_LIKE_HTML = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|title)\b", re.IGNORECASE | re.DOTALL
)
SNIFFED_BYTES = 1_024
MAX_IMPORTS = 3  # style sheets that import style sheets; chosen by eye


class Pages(PictureSpider):
    """Start URLs, then links within their sites (and `allow_hosts`), breadth first."""

    name = "pages"

    async def start(self) -> AsyncIterator[Request]:
        """Requests for the start URLs."""
        self.sites = {self.job.source(url) for url in self.job.urls}
        for url in self.job.urls:
            yield self.ask_page(url)

    def ask_page(self, url: str, page: str | None = None, depth: int = 0) -> Request:
        """The request for the page at `url`, linked from `page`, `depth` links from a start URL."""
        return Request(
            url,
            headers=origin_of(page, url),
            callback=self.on_page,
            errback=self.on_failure,
            cb_kwargs={"page": page, "depth": depth},
            meta={"kind": PAGE},
        )

    async def on_page(self, response: Response, page: str | None, depth: int) -> AsyncIterator[Request]:
        """Requests for what the page carries and, within the site and the depth, for what it links to."""
        if not self.succeeded(response):
            return
        if picture_format(response.body):
            await self.keep(response, page)
            return
        html = _as_html(response)
        if html is None:
            self.collector.refuse(response.url, "not_a_page", f"{len(response.body)} bytes, neither HTML nor picture")
            return
        self.collector.page()
        found = carriers(html.text, html.url)
        for written in found.unusable:
            self.collector.refuse(written, "bad_url", f"a picture of {html.url}")
        for url in found.pictures:
            yield self.ask_picture(url, html.url)
        for url in found.styles:
            yield self.ask_style(url, html.url)
        if depth == 0:
            self.sites.add(self.job.source(html.url))  # a start URL may have moved to its real host
        for url in self._to_follow(found.links, depth):
            yield self.ask_page(url, html.url, depth + 1)

    def ask_style(self, url: str, page: str, level: int = 0) -> Request:
        """The request for a style sheet of `page`."""
        return Request(
            url,
            headers=origin_of(page, url),
            callback=self.on_style,
            errback=self.on_failure,
            cb_kwargs={"page": page, "level": level},
            priority=STYLE_PRIORITY,
        )

    async def on_style(self, response: Response, page: str, level: int) -> AsyncIterator[Request]:
        """Requests for the pictures that a style sheet names, and for what it imports."""
        if not self.succeeded(response):
            return
        text = response.text if isinstance(response, TextResponse) else response.body.decode("utf-8", "replace")
        found = style_carriers(text, response.url)
        for written in found.unusable:
            self.collector.refuse(written, "bad_url", f"in a style sheet of {page}")
        for url in found.pictures:
            yield self.ask_picture(url, page)
        if level < MAX_IMPORTS:
            for url in found.styles:
                yield self.ask_style(url, page, level + 1)

    def _to_follow(self, links: tuple[str, ...], depth: int) -> list[str]:
        return [url for url in links if self._on_site(url)] if depth < self.job.max_depth else []

    def _on_site(self, url: str) -> bool:
        host = urlsplit(url).hostname or ""
        named = any(host == allowed or host.endswith(f".{allowed}") for allowed in self.job.allow_hosts)
        return named or not self.job.same_site or self.job.source(url) in self.sites


def _as_html(response: Response) -> HtmlResponse | None:
    if isinstance(response, HtmlResponse):
        return response
    if LOOKS_LIKE_HTML.match(response.body[:SNIFFED_BYTES]):
        return HtmlResponse(response.url, headers=response.headers, body=response.body)
    return None
