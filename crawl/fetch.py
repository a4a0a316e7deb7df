"""The only part of a crawl that opens connections: one aiohttp session behind the gate.

Every socket is made by `_guarded_socket`, which sees the numeric address and port that are about to be connected to
and asks the gate. aiohttp connects to exactly that address, so there is no second look-up that could answer
differently. No proxy, no cookies, no redirects of its own: those come back as answers and pass here again.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import certifi
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict, CIMultiDictProxy

from crawl.guard import AddressRefused, Gate
from crawl.reasons import Failed, Refused
from crawl.room import Place, Room
from crawl.unpack import unpacked
from crawl.wire import Handler, Socket

NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
# A body beyond the first size waits for its place in a room of the second: else 50 at once would take gigabytes.
LARGE_BYTES, ROOM_BYTES = 1_000_000, 100_000_000
MAX_HEADER_BYTES = 16_384
# How small the chunks of a body may be on average. Chosen by eye.
MOST_CRUMBS, CRUMB_BYTES = 2_000, 64
LONE = re.compile("[\udc80-\udcff]")  # bytes that are no UTF-8, as aiohttp hands them on


@dataclass(frozen=True)
class Answer:
    """What a server answered to one request; `body` is unpacked, `seconds` from the request to its last byte."""

    url: str
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    seconds: float


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


class Fetcher:
    """Asks for URLs. Make it inside the event loop that uses it."""

    def __init__(self, gate: Gate, user_agent: str, timeout_s: float, max_bytes: int) -> None:
        self.gate, self.user_agent, self.max_bytes = gate, user_agent, max_bytes
        self.timeout = aiohttp.ClientTimeout(total=timeout_s, connect=timeout_s)
        self._room = Room(ROOM_BYTES)
        connector = aiohttp.TCPConnector(
            resolver=GatedResolver(gate),
            socket_factory=self._guarded_socket,
            limit=0,  # how many requests run at once, in all and per host, is others' to say
            ssl=_tls(),
        )
        connector._factory = partial(Handler, loop=asyncio.get_running_loop())  # type: ignore[assignment]
        sent = aiohttp.TraceConfig()
        sent.on_request_headers_sent.append(_sent)
        self._session = aiohttp.ClientSession(
            connector=connector,
            trace_configs=[sent],
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )
        # aiohttp would ask again at once where a server hangs up: that is the turn-taker's to say, and spaced.
        self._session._retry_connection = False

    def _guarded_socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        self.gate.check(address[0], address[1])
        return Socket(family=family, type=kind, proto=protocol)

    async def fetch(
        self,
        url: str,
        headers: Mapping[str, str] | CIMultiDict[str] | None = None,
        *,
        method: str = "GET",
        data: bytes | None = None,
        max_bytes: int | None = None,
        cut: bool = False,
        on_sent: Callable[[], None] | None = None,
        place: Place | None = None,
    ) -> Answer:
        """Ask for one URL, following nothing.

        `url` as it is to be sent: a second quoting would ask for another than the one recorded. `max_bytes` bounds the
        body, packed and unpacked; with `cut` its beginning is the answer, else a larger one is refused. `on_sent` is
        called when the request goes out, after the connection is made. A large body takes its `place`, which whoever
        gave it leaves; without one it counts until it is here. Raises Refused when it is no use to ask again, Failed
        when it may be.
        """
        began, limit = time.monotonic(), max_bytes or self.max_bytes
        sent: CIMultiDict[str] = CIMultiDict(headers or {})
        sent.setdefault("User-Agent", self.user_agent)
        sent.setdefault("Accept-Encoding", "gzip, deflate")
        with self._placed(place) as mine:
            async with (
                _our_errors(),
                self._session.request(
                    method,
                    yarl.URL(url, encoded=True),
                    headers=sent,
                    data=data,
                    timeout=self.timeout,
                    allow_redirects=False,
                    trace_request_ctx=on_sent,
                ) as answer,
            ):
                try:
                    body = await self._body(answer, limit, cut, mine)
                except Refused as error:
                    error.status = answer.status  # it has answered: no failure of the host
                    raise
        return Answer(url, answer.status, _texts(answer.headers), body, time.monotonic() - began)

    def place(self) -> Place:
        """A place for the body of one request, to be left once it is settled."""
        return Place(self._room)

    @contextmanager
    def _placed(self, place: Place | None) -> Iterator[Place]:
        own = place or self.place()
        try:
            yield own
        finally:
            if place is None:
                own.leave()

    async def _body(self, answer: aiohttp.ClientResponse, limit: int, cut: bool, place: Place) -> bytes:
        announced, encoding = answer.content_length or 0, answer.headers.get("Content-Encoding", "")
        if announced > limit and not cut:
            raise Refused("too_large", f"{announced} bytes announced, the limit is {limit}")
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in unpacked(_pieces(answer.content), encoding, limit):
                chunks.append(chunk)
                size += len(chunk)
                if size > limit and cut:
                    return b"".join(chunks)[:limit]
                if size > limit:
                    raise Refused("too_large", f"more than {limit} bytes")
                if size > LARGE_BYTES:
                    await place.take(announced if announced and not encoding else limit)
            return b"".join(chunks)
        finally:
            chunks.clear()  # an error keeps this frame for a while

    async def close(self) -> None:
        """Close the session and every connection."""
        await self._session.close()


async def _pieces(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The body as it comes. Raises Refused for one in endless crumbs: each costs as much as an honest chunk."""
    count = size = 0
    while not content.at_eof():
        piece, _ = await content.readchunk()
        count, size = count + 1, size + len(piece)
        if count > MOST_CRUMBS and size < count * CRUMB_BYTES:
            raise Refused("bad_encoding", f"{count} chunks of {size / count:.0f} bytes each")
        if piece:  # a chunk that came in two parts may end with an empty one
            yield piece


def _texts(headers: CIMultiDictProxy[str]) -> CIMultiDictProxy[str]:
    """Headers that can be written down: bytes that are no UTF-8 are read as Latin-1, in a Location as escapes."""
    if all(value.isascii() for value in headers.values()):
        return headers
    read: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if not LONE.search(value):
            read.add(name, value)
        elif name.lower() == "location":
            read.add(name, LONE.sub(lambda found: f"%{ord(found[0]) - 0xDC00:02X}", value))
        else:
            read.add(name, value.encode("utf-8", "surrogateescape").decode("latin-1"))
    return CIMultiDictProxy(read)


async def _sent(session: aiohttp.ClientSession, context: Any, parameters: object) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx()


@asynccontextmanager
async def _our_errors() -> AsyncIterator[None]:
    """aiohttp's errors as Failed, and refusals of the gate as Refused."""
    try:
        yield
    except TimeoutError:
        raise Failed("timeout", "no complete answer in time") from None
    except aiohttp.ClientConnectorCertificateError as error:
        raise Refused("bad_certificate", str(error.certificate_error)) from None
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, AddressRefused):
            raise Refused("address_refused", str(error.os_error)) from None
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            raise Failed("cannot_resolve", str(error.os_error)) from None
        raise Failed("connection_failed", str(error.os_error)) from None
    except aiohttp.ClientPayloadError as error:
        raise Failed("incomplete", str(error)) from None
    except ValueError as error:  # aiohttp.InvalidURL is one, and so is a host name that cannot be encoded
        raise Refused("bad_url", str(error)) from None
    except (aiohttp.ClientError, OSError) as error:
        raise Failed("connection_failed", f"{type(error).__name__}: {error}") from None


def _tls() -> ssl.SSLContext:
    """Certificates are checked, by the system's authorities and those that certifi brings."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.hostname_checks_common_name = False  # RFC 9525, 6.3: only subjectAltName counts
    return context
