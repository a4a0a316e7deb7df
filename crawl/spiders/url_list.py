"""The spider `url_list`: takes the pictures whose URLs stand in a file, one a line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from scrapy.http import Request

from crawl.spiders.base import PictureSpider
from crawl.text import clean
from crawl.urls import MAX_URL_CHARS, resolve


class UrlList(PictureSpider):
    """Every URL of the list is asked for as a picture that stands on no page."""

    name = "url_list"

    async def start(self) -> AsyncIterator[Request]:
        """Requests for the URLs, read from the file as they are wanted."""
        assert self.job.list_file is not None  # Job sees to it
        for number, written in listed_urls(self.job.list_file):
            url = resolve("", written)
            if url is None:
                self.collector.refuse(clean(written, MAX_URL_CHARS), "bad_url", f"line {number} of the list")
            else:
                yield self.ask_picture(url, page=None)


def listed_urls(path: Path) -> Iterator[tuple[int, str]]:
    """(line number, first word) of every line that is neither empty nor a `#` comment."""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            words = line.split(maxsplit=1)
            if words and not words[0].startswith("#"):
                yield number, words[0]
