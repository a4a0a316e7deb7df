"""The spider `url_list`: takes the pictures whose URLs stand in a file, or in a folder of files by class."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from scrapy.http import Response

from crawl.read.lists import listed
from crawl.spiders.base import PictureSpider
from crawl.urls import resolve


class UrlList(PictureSpider):
    """Every URL of the list is asked for as a picture that stands on no page."""

    name = "url_list"

    async def start(self) -> AsyncIterator[Any]:
        """Requests for the URLs, and a refusal for each line that holds none, read as they are wanted."""
        assert self.job.list_file is not None  # Job sees to it
        for line in listed(self.job.list_file):
            url = None if line.problem else resolve("", line.written)
            if url is None:
                where = line.problem or f"line {line.line} of {line.file.name}"
                yield self.crawl.settler.refusal_of(line.written, "bad_url", where)
            else:
                yield self.ask_picture(url, line.hint)

    def parse(self, response: Response, **kwargs: object) -> None:
        """Nothing is followed."""
