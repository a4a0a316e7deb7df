"""The spider `pages`: follows links from the start URLs and takes every picture of each page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from scrapy.http import Request, Response

from crawl.spiders.base import PictureSpider


class Pages(PictureSpider):
    """Start URLs, then links within their sites (and `allow_hosts`), breadth first."""

    name = "pages"

    async def start(self) -> AsyncIterator[Request]:
        """Requests for the start URLs."""
        # An earlier part of this crawl may have been redirected to other hosts.
        earlier = (f"http://{host}/" for host in self.crawl.frontier.start_hosts())
        self.sites = {self.job.source(url) for url in (*self.job.urls, *earlier)}
        for url in self.job.urls:
            yield Request(url)

    async def parse(self, response: Response, **kwargs: object) -> AsyncIterator[Request]:
        """Requests for what the page links to, within the site and the depth."""
        depth = response.meta["entry"].depth
        if not 200 <= response.status < 300 or depth >= self.job.max_depth:
            return
        if depth == 0:
            self.sites.add(self.job.source(response.url))  # a start URL may have moved to its real host
        named = await self.crawl.reader.page(response)
        for url in (*named.links, *named.feeds):
            if self._on_site(url):
                yield Request(url)

    def _on_site(self, url: str) -> bool:
        host = urlsplit(url).hostname or ""
        allowed = any(host == name or host.endswith(f".{name}") for name in self.job.allow_hosts)
        return allowed or not self.job.same_site or self.job.source(url) in self.sites
