"""Reads answers where no page can stop the others: small ones at once, larger ones in sandboxed worker processes.

In a thread one site of large pages slowed nine others forty times: reading is Python, and there is one interpreter
lock. Reads Scrapy's responses; writes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from multidict import CIMultiDict
from scrapy.http import HtmlResponse, Response

from crawl.read.answers import Asked, Named, Read, directives_of, read
from store.sandbox import Failure, Sandbox, SandboxLimits

# Below this an answer takes a few milliseconds at most, about what the way to a worker and back is worth. By eye.
SMALL_BYTES = 16_000
# Measured on a busy machine: 10 MB of nested elements took 13 s and 250 MB; an honest page of 1 MB 0.3 s.
LIMITS = SandboxLimits(time_s=15.0, memory_bytes=600_000_000)


class Reader:
    """The reader of one crawl."""

    def __init__(self) -> None:
        self._sandbox: Sandbox[Asked, Named] = Sandbox(Read(), limits=LIMITS)

    async def page(self, response: Response) -> Named:
        """What `response` names; read once and remembered with its request."""
        known = response.request.meta.get("named") if response.request else None
        if isinstance(known, Named):
            return known
        headers = header_texts(response)
        found = await self._read(
            Asked(
                response.url,
                response.body,
                headers.get("Content-Type", ""),
                is_html=isinstance(response, HtmlResponse),
                told=directives_of(headers),
            )
        )
        if response.request:
            response.request.meta["named"] = found
        return found

    async def style(self, url: str, headers: Mapping[str, str], body: bytes) -> Named:
        """What the style sheet `body` names: pictures, and the style sheets that it imports."""
        return await self._read(Asked(url, body, headers.get("Content-Type", ""), is_style=True))

    async def _read(self, asked: Asked) -> Named:
        if len(asked.data) < SMALL_BYTES:
            return read(asked)
        found = await asyncio.wrap_future(self._sandbox.submit(asked))
        if isinstance(found, Failure):
            return Named("unreadable", problem=f"{found.reason}: {found.detail}", directives=asked.told)
        return found

    def close(self) -> None:
        """End the workers."""
        self._sandbox.close()


def header_texts(response: Response) -> CIMultiDict[str]:
    """The headers of a Scrapy response as texts, in any case of their names."""
    return CIMultiDict(
        (name.decode("latin-1"), _text(value)) for name, values in response.headers.items() for value in values
    )


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
