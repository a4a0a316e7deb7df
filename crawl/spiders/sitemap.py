"""The spider `sitemap`: takes the pictures of the pages that a site's sitemaps list, and those the sitemaps name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from scrapy.http import Request, Response

from crawl.read.answers import Named
from crawl.read.sitemaps import may_list
from crawl.spiders.base import PictureSpider
from crawl.turns import origin_of

SITEMAP_SUFFIXES = (".xml", ".gz", ".txt", ".rss", ".atom")
MAX_NESTED = 3  # the protocol allows an index of sitemaps; some sites nest once more. Chosen by eye


class Sitemap(PictureSpider):
    """The sitemaps at the start URLs; for any other start URL, those its robots.txt names, else /sitemap.xml."""

    name = "sitemap"

    async def start(self) -> AsyncIterator[Request]:
        """Requests for the sitemaps."""
        for url in self.job.urls:
            if urlsplit(url).path.lower().endswith(SITEMAP_SUFFIXES):
                yield Request(url)
                continue
            origin = origin_of(url)
            rules = await self.rules_of(origin)
            for found in (rules.sitemaps if rules else ()) or (f"{origin}/sitemap.xml",):
                yield Request(found)

    async def parse(self, response: Response, **kwargs: object) -> AsyncIterator[Request]:
        """Requests for the pages and sitemaps that a sitemap lists, also a feed; a page's links are not followed."""
        depth = response.meta["entry"].depth
        if not 200 <= response.status < 300:
            return
        named = await self.crawl.reader.page(response)
        if depth > MAX_NESTED:
            if named.kind == "sitemap":
                self.crawl.settler.refuse(response.url, "trap", f"below more than {MAX_NESTED} other sitemaps")
        elif named.kind == "sitemap":
            for url in (*named.sitemaps, *named.links):
                yield Request(url)
        elif named.kind == "feed":
            for url in self._listed(response.url, named):
                yield Request(url)
        elif named.kind == "page" and depth == 0:
            self.crawl.settler.refuse(response.url, "damaged", "wanted a sitemap, received a page")

    def _listed(self, feed: str, named: Named) -> list[str]:
        """The pages of a feed that a sitemap in its place might list. Source: sitemaps.org, other sitemap formats."""
        listed = [url for url in named.links if may_list(feed, url)]
        if foreign := len(named.links) - len(listed):
            self.crawl.settler.refuse(feed, "foreign", f"{foreign} URLs of other hosts")
        return listed
