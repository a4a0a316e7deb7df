"""The only part of a crawl that opens connections: a Scrapy download handler on one aiohttp session.

Every socket is made by `_guarded_socket`, which sees the numeric address and port that are about to be
connected to and asks the gate. aiohttp connects to exactly that address, so there is no second look-up that
could answer differently. No proxy, no cookies, no redirects of its own: those come back to Scrapy as
responses and pass here again.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    ResponseDataLossError,
)
from scrapy.http import Headers, Request, Response
from scrapy.responsetypes import responsetypes

from crawl.guard import AddressRefused, Gate
from crawl.reasons import Refused

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class GatedResolver(AbstractResolver):
    """Host names to the addresses that the gate allows: from `[resolve]`, else from the system."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The allowed addresses of `host`. Raises AddressRefused when it has only others."""
        named = self.gate.named(host)
        if named is not None:
            found = [str(named)]
        else:
            loop = asyncio.get_running_loop()
            infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
            found = list(dict.fromkeys(str(info[4][0]) for info in infos))
        refused: AddressRefused | None = None
        allowed = []
        for address in found:
            try:
                self.gate.check(address, port)
                allowed.append(address)
            except AddressRefused as error:
                refused = error
        if refused and not allowed:
            raise refused
        return [_result(host, address, port) for address in allowed]

    async def close(self) -> None:
        """Nothing is held open."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return {"hostname": host, "host": address, "port": port, "family": family, "proto": 0, "flags": NUMERIC}


class GatedDownloads:
    """Scrapy's download handler for http and https; any other scheme has none."""

    # Made at the first request: by then an event loop runs.
    lazy = True

    def __init__(self, crawler: Crawler) -> None:
        job = crawler.spider.job  # type: ignore[union-attr]
        self.gate: Gate = job.gate
        self.max_bytes: int = job.max_bytes
        self.timeout = aiohttp.ClientTimeout(total=job.timeout_s, connect=job.timeout_s)
        connector = aiohttp.TCPConnector(
            resolver=GatedResolver(self.gate),
            socket_factory=self._guarded_socket,
            # How many requests run at once, in all and per host, is Scrapy's to say.
            limit=0,
            # Certificates are not checked: pictures are kept for what they are, and nothing secret is sent.
            ssl=_lenient_tls(),
        )
        self.session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> GatedDownloads:
        """As Scrapy makes its components."""
        return cls(crawler)

    def _guarded_socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        self.gate.check(address[0], address[1])
        return socket.socket(family=family, type=kind, proto=protocol)

    async def download_request(self, request: Request) -> Response:
        """Fetch one URL, following nothing. Raises Refused or one of scrapy.exceptions."""
        async with _scrapy_errors(), self._answer(request) as answer:
            body = await self._body(answer)
        headers = Headers(list(answer.headers.items()))
        kind = responsetypes.from_args(headers=headers, url=request.url, body=body)
        return kind(url=request.url, status=answer.status, headers=headers, body=body)

    @asynccontextmanager
    async def _answer(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        async with self.session.request(
            request.method,
            # As Scrapy has quoted it: a second normalisation would ask for another URL than the one recorded.
            yarl.URL(request.url, encoded=True),
            headers=request.headers.to_tuple_list(),
            data=request.body or None,
            timeout=self.timeout,
            allow_redirects=False,
        ) as answer:
            yield answer

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        announced = answer.content_length or 0
        if announced > self.max_bytes:
            raise Refused("too_large", f"{announced} bytes announced, the limit is {self.max_bytes}")
        chunks, size = [], 0
        async for chunk in answer.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size > self.max_bytes:
                raise Refused("too_large", f"more than {self.max_bytes} bytes")
        return b"".join(chunks)

    async def close(self) -> None:
        """Close the session and every connection."""
        await self.session.close()


@asynccontextmanager
async def _scrapy_errors() -> AsyncIterator[None]:
    """aiohttp's errors as those that Scrapy's retries know, and refusals of the gate as Refused."""
    try:
        yield
    except TimeoutError as error:
        raise DownloadTimeoutError("no answer in time") from error
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, AddressRefused):
            raise Refused("address_refused", str(error.os_error)) from error
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            raise CannotResolveHostError(str(error.os_error)) from error
        raise DownloadConnectionRefusedError(str(error.os_error)) from error
    except aiohttp.ClientPayloadError as error:
        raise ResponseDataLossError(str(error)) from error
    except ValueError as error:  # aiohttp.InvalidURL is one, and so is a host name that cannot be encoded
        raise Refused("bad_url", str(error)) from error
    except aiohttp.ClientError as error:
        raise DownloadFailedError(f"{type(error).__name__}: {error}") from error


def _lenient_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
