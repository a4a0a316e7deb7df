"""Scrapy's download handler for http and https: every request of a spider goes through the crawl's fetcher.

Any other scheme has no handler. Reads and writes nothing in the store.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from multidict import CIMultiDict
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadTimeoutError,
    ResponseDataLossError,
)
from scrapy.http import Headers, Request, Response
from scrapy.responsetypes import responsetypes

from crawl.reasons import Failed, Refused

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from crawl.extension import Blindspot

# What Scrapy's retries know.
AS_SCRAPY: dict[str, type[Exception]] = {
    "timeout": DownloadTimeoutError,
    "cannot_resolve": CannotResolveHostError,
    "incomplete": ResponseDataLossError,
    "connection_failed": DownloadConnectionRefusedError,
}


class GatedDownloads:
    """Fetches for spiders, following nothing."""

    lazy = True

    def __init__(self, crawl: Blindspot) -> None:
        self.crawl = crawl

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> GatedDownloads:
        """As Scrapy makes its components."""
        from crawl.extension import Blindspot

        return cls(Blindspot.of(crawler))

    async def download_request(self, request: Request) -> Response:
        """Fetch one URL. Raises Refused or one of scrapy.exceptions."""
        host = urlsplit(request.url).hostname or ""
        headers: CIMultiDict[str] = CIMultiDict()
        for name, values in request.headers.items():
            for value in values:
                headers.add(name.decode("latin-1"), value.decode("latin-1"))
        try:
            answer = await self.crawl.fetcher.fetch(
                request.url,
                headers,
                method=request.method,
                data=request.body or None,
                max_bytes=request.meta.get("download_maxsize"),
                # A foreign spider's request counts for our pictures of that host, which wait for it.
                on_sent=request.meta.get("on_sent") or partial(self.crawl.manners.sent, host),
                place=request.meta.get("place"),
            )
        except Refused as error:
            self.crawl.refused_foreign(request.url, error)
            raise
        except Failed as error:
            raise AS_SCRAPY[error.reason](error.detail) from error
        # Unpacked already; a header that says otherwise would have Scrapy try again.
        kept = [item for item in answer.headers.items() if item[0].lower() != "content-encoding"]
        kind = responsetypes.from_args(headers=Headers(kept), url=request.url, body=answer.body)
        request.meta["seconds"] = answer.seconds
        return kind(url=request.url, status=answer.status, headers=Headers(kept), body=answer.body)

    async def close(self) -> None:
        """The fetcher is closed by whoever made it."""
