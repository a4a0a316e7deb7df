"""The spider `recheck`: asks again for every URL that gave a picture, to learn what is gone and what has changed."""

from __future__ import annotations

from collections.abc import AsyncIterator

from scrapy.http import Request, Response

from crawl.spiders.base import PictureSpider
from store.catalog import Snapshot

# With the page of its last sighting: some hosts give pictures to their own pages only, and the page is the source.
URLS = """
    SELECT url, max_by(page, seen_at) AS page FROM sightings WHERE url LIKE 'http%'
    GROUP BY url ORDER BY url LIMIT 1000 OFFSET :start"""


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
                    yield self.ask_picture(row["url"], page=row["page"])

    def parse(self, response: Response, **kwargs: object) -> None:
        """Nothing is followed."""
