"""The spider `recheck`: asks again for every URL that gave a picture, to learn what is gone and what has changed."""

from __future__ import annotations

from collections.abc import AsyncIterator

from scrapy.http import Request, Response

from crawl.spiders.base import PictureSpider
from store.catalog import Snapshot

URLS = "SELECT DISTINCT url FROM sightings WHERE url LIKE 'http%' ORDER BY url LIMIT 1000 OFFSET :start"


class Recheck(PictureSpider):
    """Every URL of `sightings`; the view `link_rot` shows what came of it."""

    name = "recheck"

    async def start(self) -> AsyncIterator[Request]:
        """Requests for the URLs, read in portions."""
        start = 0
        with Snapshot(self.crawl.home) as snapshot:
            while rows := snapshot.rows(URLS, start=start):
                start += len(rows)
                for row in rows:
                    yield self.ask_picture(row["url"])

    def parse(self, response: Response, **kwargs: object) -> None:
        """Nothing is followed."""
