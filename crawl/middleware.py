"""What stands between spider and network: robots.txt, the page cap, unpacking of bodies, redirects.

Reads and writes nothing in the store; what is stopped becomes a row through the spider's errback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
from scrapy.downloadermiddlewares.redirect import RedirectMiddleware
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Request, Response

from crawl.formats import picture_format
from crawl.reasons import Refused
from crawl.text import clean
from crawl.urls import resolve

if TYPE_CHECKING:
    from scrapy import Spider
    from scrapy.crawler import Crawler
    from scrapy.robotstxt import RobotParser

PAGE = "page"  # Request.meta["kind"] of a request for a page
OVER_CAP = "over_cap"  # no row: the summary says how many links were left


class Robots(RobotsTxtMiddleware):
    """Scrapy's robots.txt rules, with a reason that tells them apart from other refusals."""

    def process_request_2(self, rp: RobotParser | None, request: Request) -> None:
        """Raise Refused when the host's robots.txt forbids `request`."""
        try:
            super().process_request_2(rp, request)
        except IgnoreRequest:
            raise Refused("robots", "forbidden by robots.txt") from None


class PageCap:
    """Lets at most `max_pages` requests for pages through; redirects and retries of one count once."""

    def __init__(self, max_pages: int) -> None:
        self.max_pages, self.asked = max_pages, 0

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> PageCap:
        """As Scrapy makes its components."""
        return cls(crawler.spider.job.max_pages)  # type: ignore[union-attr]

    def process_request(self, request: Request) -> None:
        """Raise Refused for a page beyond the cap."""
        again = request.meta.get("redirect_times") or request.meta.get("retry_times")
        if request.meta.get("kind") != PAGE or again:
            return
        if self.asked >= self.max_pages:
            raise Refused(OVER_CAP)
        self.asked += 1


class Unpacking(HttpCompressionMiddleware):
    """Scrapy's HTTP content decoding; a body that its server describes wrongly is kept if it is a picture."""

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        """The answer with its body unpacked. Raises Refused."""
        try:
            return super().process_response(request, response)
        except IgnoreRequest as error:
            raise Refused("too_large", clean(str(error))) from None
        except Exception as error:  # each unpacker has exceptions of its own
            if picture_format(response.body) is None:
                raise Refused("bad_encoding", clean(f"{type(error).__name__}: {error}")) from None
            return response


class Redirects(RedirectMiddleware):
    """Scrapy's redirects, but no target is dropped in silence and none takes credentials along."""

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        """The request for the target, or the answer when it is no redirect. Raises Refused."""
        location = (response.headers.get("Location") or b"").decode("latin-1")
        try:
            target: Request | Response = super().process_response(request, response)
        except IgnoreRequest:
            raise Refused("redirect_loop", f"more than {self.max_redirect_times} redirects") from None
        except ValueError:
            raise Refused("bad_url", clean(f"redirect to {location}")) from None
        if isinstance(target, Response):
            if 300 <= target.status < 400 and location:
                raise Refused("bad_url", clean(f"redirect to {location}"))
            return target
        url = resolve("", target.url)
        if url is None:
            raise Refused("bad_url", clean(f"redirect to {location}"))
        if url in target.meta["redirect_urls"]:  # Scrapy would drop it as a request that was made before
            raise Refused("redirect_loop", clean(f"back to {url}"))
        return target.replace(url=url)

    def handle_referer(self, request: Request, response: Response) -> None:
        """The page's origin stays what it was: the redirect was named on that page."""
