"""Undoes the Content-Encoding of a body while it arrives, in small bites: a bomb is stopped at its limit.

Pure; reads and writes nothing.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

from crawl.read.formats import picture_format
from crawl.reasons import Refused

# One bite of unpacked bytes: a millisecond of the event loop, which 50 bombs may ask for in turn. Chosen by eye.
BITE_BYTES = 1 << 18
IDENTITY = frozenset({"", "identity", "none", "binary", "utf-8"})


async def unpacked(chunks: AsyncIterator[bytes], encoding: str, limit: int) -> AsyncIterator[bytes]:
    """The unpacked bytes of `chunks` until they pass `limit`.

    `encoding` is the header Content-Encoding: gzip or deflate, which is all that we say we take. A body that is not
    packed as its header says is handed on as it came when it is a picture: servers do that. Raises Refused
    (`bad_encoding`).
    """
    names = [name.strip().lower() for name in encoding.split(",") if name.strip().lower() not in IDENTITY]
    if not names:
        async for chunk in chunks:
            yield chunk
        return
    first = await anext(chunks, b"")
    if picture_format(first):
        yield first
        async for chunk in chunks:
            yield chunk
        return
    if len(names) > 1 or names[0] not in ("gzip", "x-gzip", "deflate"):
        raise Refused("bad_encoding", f"packed as {encoding[:80]!r}, asked for gzip or deflate")
    async for piece in _inflated(first, chunks, names[0], limit):
        yield piece


async def _inflated(first: bytes, chunks: AsyncIterator[bytes], name: str, limit: int) -> AsyncIterator[bytes]:
    machine, size, chunk = _machine(first, name), 0, first
    while chunk:
        try:
            piece = machine.decompress(chunk, BITE_BYTES)
        except zlib.error as error:
            raise Refused("bad_encoding", str(error)) from None
        size += len(piece)
        yield piece
        if size > limit:
            return
        chunk = machine.unconsumed_tail
        if chunk:
            await asyncio.sleep(0)  # others first: the next bite costs milliseconds
        elif machine.eof:
            return  # what follows the end of the stream is not ours
        else:
            chunk = await anext(chunks, b"")
    if first and not machine.eof:
        raise Refused("bad_encoding", "the packed body ends early")


def _machine(first: bytes, name: str) -> zlib._Decompress:
    """A gzip stream, or for `deflate` zlib's (RFC 9110) or the bare one that some servers send."""
    if name != "deflate":
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
    is_zlib = len(first) > 1 and first[0] & 0x0F == 8 and int.from_bytes(first[:2], "big") % 31 == 0
    return zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
