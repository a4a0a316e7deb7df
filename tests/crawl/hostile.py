"""A web of raw sockets on one loopback port, for answers that no HTTP library would give. Many host names, one loop.

An answer is bytes, after which the connection goes on, or a coroutine that writes what it likes, after which it ends.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.crawl.site import Site, picture

Send = Callable[[bytes], Awaitable[None]]
Script = Callable[[Send], Awaitable[None]]
Routes = dict[str, "bytes | Script"]
Rest = Callable[[str, str], "bytes | Script | None"]


def answer(body: bytes | str = b"", kind: str = "text/html", status: int = 200, head: str = "") -> bytes:
    """A whole HTTP answer; `head` is of further header lines, each with its line end."""
    data = body.encode() if isinstance(body, str) else body
    lines = f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n{head}\r\n"
    return lines.encode("latin-1") + data


def shows(*pictures: str, links: tuple[str, ...] = ()) -> bytes:
    """A page of these pictures and links."""
    shown = "".join(f'<img src="{one}">' for one in pictures)
    return answer(f"<!doctype html>{shown}" + "".join(f'<a href="{one}">more</a>' for one in links))


def png(shade: int) -> bytes:
    return answer(picture(shade), "image/png")


NOTHING = answer("nothing here", status=404)


class Reset(Exception):
    """A script raises it to have the connection reset."""


class Hostile:
    """Answers `host/path`, `/path` or `host` from `routes`, else by `rest(host, path)`; the query counts as path.

    `arrivals` are (when, host, path) of every request. The loop runs in a thread of its own.
    """

    url, job = Site.url, Site.job

    def __init__(self) -> None:
        self.routes: Routes = {}
        self.rest: Rest = lambda host, path: None
        self.arrivals: list[tuple[float, str, str]] = []
        self.delay_s = 0.0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def hits(self) -> Counter[str]:
        return Counter(f"{host}{path}" for _, host, path in self.arrivals)

    def count(self, host: str, start: str = "/") -> int:
        """How many requests came for `host` (`*.host`: for those below it) and paths that begin so; no robots.txt."""
        below = host[1:] if host.startswith("*.") else None
        return sum(
            (one.endswith(below) if below else one == host) and path.startswith(start) and path != "/robots.txt"
            for _, one, path in self.arrivals
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while await self._answer(reader, writer):
                pass
        except Reset:
            await asyncio.sleep(0.05)  # what was sent arrives first
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        except (OSError, EOFError, ValueError, asyncio.CancelledError):
            pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        path = head.split(" ", 2)[1]
        host = next(line[6:] for line in head.split("\r\n") if line.lower().startswith("host: ")).partition(":")[0]
        self.arrivals.append((time.monotonic(), host, path))

        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        found = self.routes.get(f"{host}{path}") or self.routes.get(path) or self.routes.get(host)
        found = found or self.rest(host, path) or NOTHING
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        await (send(found) if isinstance(found, bytes) else found(send))
        return isinstance(found, bytes)

    def start(self, tls: ssl.SSLContext | None = None) -> None:
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20, ssl=tls)
        self._server = self._loop.run_until_complete(starting)
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextmanager
def serving_raw(tls: ssl.SSLContext | None = None) -> Iterator[Hostile]:
    web = Hostile()
    web.start(tls)
    try:
        yield web
    finally:
        web.stop()


# ---- answers that are no fun -------------------------------------------------------------------------------


def bomb(kind: str, size: int = 1_000_000_000, start: bytes = b"") -> bytes:
    """An answer that unpacks to `start` and so many zeros: 1 GB of them are 0.97 MB."""
    packer = zlib.compressobj(9, wbits=31)
    out = io.BytesIO(packer.compress(start))
    out.seek(0, io.SEEK_END)
    for _ in range(size >> 20):
        out.write(packer.compress(bytes(1 << 20)))
    out.write(packer.flush())
    return answer(out.getvalue(), kind, head="Content-Encoding: gzip\r\n")


def packed(body: bytes, kind: str, name: str = "gzip") -> bytes:
    return answer(gzip.compress(body), kind, head=f"Content-Encoding: {name}\r\n")


def dripping(head: bytes, body: bytes | Sequence[bytes], every_s: float = 1.0) -> Script:
    """One byte of the body at a time, or one of its pieces."""
    pieces = [bytes([byte]) for byte in body] if isinstance(body, bytes) else body

    async def drip(send: Send) -> None:
        await send(head)
        for piece in pieces:
            await asyncio.sleep(every_s)
            await send(piece)

    return drip


def endless(head: bytes, chunk: bytes) -> Script:
    """The same again and again."""

    async def pour(send: Send) -> None:
        await send(head)
        while True:
            await send(chunk)

    return pour


def once(data: bytes) -> Script:
    """These bytes, and the end of the connection."""

    async def say(send: Send) -> None:
        await send(data)

    return say


def resets(data: bytes) -> Script:
    """These bytes, and the connection is reset."""

    async def say(send: Send) -> None:
        await send(data)
        raise Reset

    return say


async def silent(send: Send) -> None:
    """Not a word."""
    await asyncio.sleep(3600)


async def hangs_up(send: Send) -> None:
    """Takes the request, and that is all."""
