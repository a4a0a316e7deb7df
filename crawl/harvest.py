"""The spider middleware that takes what pages name: pictures and style sheets go to the frontier.

For our own spiders it also turns their requests into entries of the frontier, and settles each page once its spider is
done with it. A foreign spider's requests and items pass through untouched.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from scrapy.http import Request, Response

from crawl.extension import Blindspot
from crawl.frontier import Entry, Link
from crawl.keep import Rows
from crawl.links import PAGE, PICTURE, STYLE
from crawl.read.answers import Named
from crawl.reader import header_texts
from crawl.rules.manners import retry_after_s
from crawl.rules.outcomes import Here, Outcome, Unchanged, outcome_of
from crawl.slices import Slices

if TYPE_CHECKING:
    from scrapy.crawler import Crawler


class Harvest:
    """Between Scrapy and its spider."""

    def __init__(self, crawl: Blindspot) -> None:
        self.crawl = crawl
        self._too_deep: set[str] = set()  # hosts of which it was said

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Harvest:
        """As Scrapy makes its components."""
        return cls(Blindspot.of(crawler))

    async def process_start(self, start: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """What a spider starts from waits in the frontier, if it is one of ours."""
        if not self.crawl.owns_pages:
            async for out in start:
                yield out
            return
        if self.crawl.failure:
            return
        links: list[Link] = []
        rows: Rows = []
        slices = Slices()
        try:
            async for out in start:
                self._take_start(out, links, rows)
                if slices.over:
                    self._add(links, rows)
                    await slices.next()
            self._add(links, rows)
            self.crawl.started()
        except Exception as error:
            self.crawl.fail(error)

    def _take_start(self, out: Any, links: list[Link], rows: Rows) -> None:
        if isinstance(out, Request):
            kind, page, hint = out.meta.get("kind", PAGE), out.meta.get("page"), out.meta.get("hint")
            link = self.crawl.settler.links.to(out.url, kind, page, 0, rows, hint=hint)
            links += [link] if link else []
        else:
            rows.append(out)  # a refusal: what stands in a list and is no URL

    def _add(self, links: list[Link], rows: Rows) -> None:
        self.crawl.settler.add(links, rows)
        self.crawl.loop.poke()
        links.clear()
        rows.clear()

    async def process_spider_output(self, response: Response, result: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """A page was read by its spider: what it names and what the spider follows waits."""
        if self.crawl.owns_pages:
            try:
                followed = await _followed(result)
                if "fault" not in response.meta:
                    await self._settle(response, followed)
            except Exception as error:
                self.crawl.loop.on_fault(response.meta["entry"], error)
            return
        async for out in result:
            yield out
        await self._take_pictures(response)

    def process_spider_exception(self, response: Response, exception: Exception) -> list[Any] | None:
        """A spider of ours that raises: the page gets its row."""
        if not self.crawl.owns_pages:
            return None
        response.meta["fault"] = exception
        self.crawl.loop.on_fault(response.meta["entry"], exception)
        return []

    async def _settle(self, response: Response, followed: list[str]) -> None:
        entry: Entry = response.meta["entry"]
        headers = header_texts(response)
        now = dt.datetime.now(dt.UTC)
        outcome: Outcome = outcome_of(entry, response.status, headers, now)
        settler = self.crawl.settler
        settler.weighed(entry, len(response.body))
        if isinstance(outcome, Here):
            settler.tally.answered += 1
            named = await self.crawl.reader.page(response)
            if named.kind == "picture":
                if not await settler.picture(entry, response.status, headers, response.body):
                    self.crawl.stop("max_pictures")
            elif named.kind == "other":
                settler.gone(entry, "not_a_page", f"{len(response.body)} bytes, neither HTML nor picture")
            elif named.kind == "unreadable":
                settler.gone(entry, "unreadable", named.problem)
            else:
                self._say_too_deep(entry, named)
                await settler.page(entry, named, followed, headers)
        elif isinstance(outcome, Unchanged):
            await settler.unchanged(entry)
        else:
            settler.other(entry, outcome)
        told = retry_after_s(headers.get("Retry-After", ""), now)
        self.crawl.loop.settled(entry, response.status, response.meta.get("seconds", 0.0), told)

    def _say_too_deep(self, entry: Entry, named: Named) -> None:
        """One row per host whose links are not followed any deeper."""
        depth = self.crawl.job.max_depth
        if (
            self.crawl.job.spider == "pages"
            and entry.depth >= depth
            and named.links
            and entry.host not in self._too_deep
        ):
            self._too_deep.add(entry.host)
            self.crawl.settler.refuse(entry.url, "budget", f"what lies deeper than {depth} links is left alone")

    async def _take_pictures(self, response: Response) -> None:
        """The pictures of a foreign spider's page wait in the frontier; its robots directives are heard."""
        if not 200 <= response.status < 300:
            return
        named = await self.crawl.reader.page(response)
        if opted := named.directives.refuses_pictures:
            left = f"{opted}; {len(named.pictures)} pictures left alone"
            self.crawl.settler.refuse(response.url, "opted_out", left)
            return
        found = [(url, PICTURE, 0) for url in named.pictures] + [(url, STYLE, 0) for url in named.styles]
        if named.kind == "picture":
            found = [(response.url, PICTURE, 0)]
        await self.crawl.settler.add_found(found, response.url, named)
        self.crawl.loop.poke()


async def _followed(result: AsyncIterator[Any]) -> list[str]:
    """The URLs of the requests that a spider makes of a page."""
    followed: list[str] = []
    slices = Slices()
    async for out in result:
        if isinstance(out, Request):
            followed.append(out.url)
        if slices.over:
            await slices.next()
    return followed
